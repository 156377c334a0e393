"""Gives a small run less memory than it takes, resumes it with as much as it wants, and compares.

    python benchmarks/out_of_memory.py [--samples 60] [--seed 0] [--messages]

The address space of the process of a run, in which its network is, too, is limited to what it has at the beginning and
a random part of what it takes in addition undisturbed: some allocation fails then, in Python, NumPy, HDF5 or elsewhere.
The run has to end as it should, or with an error of this package; an older file or the new one has to be whole; and
what is resumed has to equal the undisturbed run, bit for bit.  Some libraries end the process where they get no memory:
such runs are counted by themselves, and held to all else.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from disturbed import Replacement
from small_run import SmallRun


def address_space(name: str) -> int:
    """Bytes of address space of this process: "VmSize" now, "VmPeak" at most so far."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return 1024 * int(found[1])


def limit(extra: int) -> None:
    allowed = address_space("VmSize") + extra
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))


def taken(work: Replacement, told: Path) -> int:
    """Bytes that the undisturbed run takes in addition."""

    def measured() -> None:
        before = address_space("VmSize")
        work.do()
        told.write_text(str(max(0, address_space("VmPeak") - before)))

    work.begin()
    work.run.require(measured, temporary=work.temporary)
    return int(told.read_text())


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--samples", type=int, default=60)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--messages", action="store_true", help="print what the runs say")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="neuro_mpc-memory-") as place:
        workspace = Path(place).resolve()
        (workspace / "folder").mkdir()
        run = SmallRun(workspace)
        run.prepare()
        report(Replacement(run, workspace / "folder", workspace), workspace, asked)


def report(work: Replacement, workspace: Path, asked: argparse.Namespace) -> None:
    chance, start = random.Random(asked.seed), time.perf_counter()
    most = taken(work, workspace / "taken")
    ends, messages, faults = Counter(), Counter(), 0
    for _ in range(asked.samples):
        extra = round(chance.uniform(0, most))
        work.begin()
        end, said = work.disturbed(lambda extra=extra: limit(extra))
        ends[end] += 1
        messages[said.replace(str(work.folder), "…")[-300:]] += 1
        wrong = [f"{end}: {said[-3000:]}"] if end in ("traceback", "hang") else []
        wrong += [*work.left(end, -1), *work.resumed()]
        faults += len(wrong)
        for each in wrong:
            print(f"{extra / 1e6:.1f} MB: {each}\n", flush=True)
    for text, count in messages.most_common() if asked.messages else ():
        print(f"{count} x {text}")
    print(", ".join(f"{count} {end}" for end, count in ends.most_common()))
    print(
        f"{asked.samples} runs with up to {most / 1e6:.0f} MB, {time.perf_counter() - start:.0f} s\n"
        f"{faults} faults: tracebacks, hangs, lost or damaged files, runs that do not resume to the undisturbed one"
    )
    if faults:
        sys.exit(1)


if __name__ == "__main__":
    main()
