"""Lets every system call of the program of a small run fail, one after another, resumes the run, and compares.

    python benchmarks/failing_programs.py [--backend cpp] [--calls read write …] [--step 1] [--seed 0] [--seconds N]

The program, compiled or the process of NumPy, runs under strace, which counts its calls once, and then makes one of
them after another fail with an error that the system may answer, in turn once and for ever after: from those by which
it is loaded and takes memory to those by which it converses with the run.  A run replaces an older one meanwhile; it
has to end as it should, or with an error of this package, and not to wait for ever; and what is resumed has to equal
the undisturbed run, bit for bit.
"""

from __future__ import annotations

import argparse
import errno
import math
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from disturbed import TOLD, Replacement
from small_run import SmallRun

from neuro_mpc.networks import launch
from neuro_mpc.networks.program import Program

ERRORS = {
    "read": ("EIO", "EINTR"),
    "write": ("EIO", "EINTR", "ENOSPC"),
    "openat": ("EMFILE", "ENOENT", "EIO", "EACCES"),
    "close": ("EIO", "EINTR"),
    "newfstatat": ("EIO", "EACCES"),
    "fstat": ("EIO",),
    "lseek": ("ESPIPE",),
    "pread64": ("EIO",),
    "mmap": ("ENOMEM",),
    "mprotect": ("ENOMEM",),
    "brk": ("ENOMEM",),
    "clone3": ("EAGAIN",),
    "rename": ("EIO", "ENOSPC"),
}
CALL = re.compile(r"^(?:\d+ +)?(\w+)\(")


class Tracing:
    """Programs of runs that are started meanwhile run under strace."""

    def __init__(self, log: Path):
        self.log = log

    @contextmanager
    def started(self, *options: str) -> Iterator[None]:
        prefix = ["strace", "-f", "-qq", "-o", str(self.log), "-e", f"trace={','.join(ERRORS)}", *options]

        class Traced(Program):
            def __init__(self, command: list[str], *arguments):
                super().__init__([*prefix, *command], *arguments)

        with patch.object(launch, "Program", Traced):
            yield

    def calls(self) -> list[str]:
        """Their names, in order."""
        found = (CALL.match(line) for line in self.log.read_text(errors="replace").splitlines())
        return [each[1] for each in found if each and each[1] in ERRORS]


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--backend", default="cpp", choices=("cpp", "numpy"))
    options.add_argument("--step", type=int, default=1, help="every call, or every third …")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--calls", nargs="+", default=list(ERRORS), choices=ERRORS, help="of these kinds only")
    options.add_argument("--seconds", type=float, default=math.inf, help="that it may take: then in a random order")
    options.add_argument("--messages", action="store_true", help="print what the runs say")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="neuro_mpc-programs-") as place:
        workspace = Path(place).resolve()
        (workspace / "folder").mkdir()
        run = SmallRun(workspace, in_process=False, backend=asked.backend)
        run.prepare()
        report(Replacement(run, workspace / "folder", workspace), Tracing(workspace / "trace"), asked)


def report(work: Replacement, tracing: Tracing, asked: argparse.Namespace) -> None:
    chance, start = random.Random(asked.seed), time.perf_counter()
    work.begin()
    with tracing.started():
        work.run.require(work.do)
    counted = Counter(tracing.calls())
    chosen = [(name, number) for name in asked.calls for number in range(1, counted[name] + 1)][:: asked.step]
    if asked.seconds < math.inf:
        chance.shuffle(chosen)
    ends, messages, faults = Counter(), Counter(), 0
    for turn, (name, number) in enumerate(chosen):
        if time.perf_counter() - start > asked.seconds:
            break
        error = chance.choice(ERRORS[name])
        assert error in errno.errorcode.values()
        ever = bool(turn % 2) and error != "EINTR"  # after which calls are made again
        work.begin()
        with tracing.started("-e", f"inject={name}:error={error}:when={number}{'+' if ever else ''}"):
            end, said = work.disturbed(lambda: None)
        ends[name, end] += 1
        messages[said.replace(str(work.folder), "…")] += end == "refused"
        wrong = [] if end in TOLD else [f"{end}: {said[-3000:]}"]
        wrong += [*work.left(end, -1), *work.resumed()]
        faults += len(wrong)
        how = ", and all later ones" if ever else ""
        for each in wrong:
            print(f"{name} {number} of {counted[name]}, {error}{how}: {each}\n", flush=True)
    print(f"{'call':12} {'made':>8} {'refused':>8} {'ended with an error':>20} {'completed':>10}")
    for name in dict.fromkeys(name for name, _ in ends):
        every = sum(count for (each, _), count in ends.items() if each == name)
        print(f"{name:12} {counted[name]:8} {every:8} {ends[name, 'refused']:20} {ends[name, 'complete']:10}")
    for text, count in messages.most_common() if asked.messages else ():
        print(f"{count} x {text}")
    print(
        f"{ends.total()} of {counted.total()} calls refused, {time.perf_counter() - start:.0f} s\n"
        f"{faults} faults: tracebacks, hangs, lost or damaged files, runs that do not resume to the undisturbed one"
    )
    if faults:
        sys.exit(1)


if __name__ == "__main__":
    main()
