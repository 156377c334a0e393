"""Lets every call by which a small run reaches its files fail, one after another, resumes it, and compares.

    python benchmarks/failing_calls.py [--step 1] [--seed 0] [--calls write fsync …] [--process | --sweep]
                                       [--backend cpp] [--seconds N]

The calls of an undisturbed run are counted (open, read, write, fsync, rename, unlink, stat, close, mkdir, ftruncate,
flock, statvfs, opendir; fork, pipe, and what is written to pipes, where there are any).  Then, for each of them, a run
replaces an older one, and that call fails with an error that the system may answer, in turn once and for ever after.
The run has to end as it should, or with an error of this package; the older file or the new one has to be whole; no
presentation that was saved may be lost; and what is resumed has to equal the undisturbed run, bit for bit.  Where the
call is one by which netCDF closes a file, that library ends the process: such runs are counted by themselves, and held
to all else.

With --process the network is in a process of its own, as usual, whose files and pipes count, too: that of NumPy, or the
compiled program (--backend cpp).  With --sweep the work is a sweep of two members in two processes, with compiled
programs.
"""

from __future__ import annotations

import argparse
import errno
import math
import random
import sys
import time
from collections import Counter

import system_calls
from disturbed import TOLD, Replacement, Sweep, Work
from small_run import SmallRun
from system_calls import Call, Calls, turns

DISK = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
ERRORS = {
    "open": (errno.EMFILE, errno.EACCES, errno.EINTR, *DISK),
    "truncate": (errno.EMFILE, errno.EACCES, errno.EINTR, *DISK),
    "opendir": (errno.EMFILE, errno.EIO),
    "read": (errno.EINTR, errno.EIO),
    "write": (errno.EINTR, *DISK),
    "fsync": (errno.EINTR, *DISK),
    "ftruncate": (errno.EINTR, *DISK),
    "close": (errno.EINTR, *DISK),
    "mkdir": (errno.EACCES, *DISK),
    "rename": (errno.EACCES, *DISK),
    "unlink": (errno.EACCES, errno.EIO),
    "stat": (errno.EIO, errno.EACCES),
    "statvfs": (errno.EIO, errno.EINTR),
    "flock": (errno.ENOLCK, errno.EINTR, errno.EIO),
    "fork": (errno.EAGAIN, errno.ENOMEM),
    "pipe": (errno.EMFILE,),
}


class Disturbance:
    """Work, one call of which after another is refused."""

    def __init__(self, calls: Calls, work: Work):
        self.calls, self.work = calls, work

    def undisturbed(self) -> list[Call]:
        """The calls of the work."""
        self.work.begin()
        self.work.run.require(self.work.do, self.calls.note, self.work.temporary)
        self.calls.pass_on()
        return list(self.calls.noted())

    def disturbed(self, kind: str, turn: int, error: int, for_ever: bool) -> tuple[str, str]:
        """Lets the call of a kind whose turn it is fail, or it and all later ones; how the work ended, what it said."""
        self.work.begin()
        end = self.work.disturbed(lambda: self.calls.refuse(kind, turn, error, for_ever))
        self.calls.pass_on()
        return end


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--step", type=int, default=1, help="every call, or every third …")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--calls", nargs="+", default=list(ERRORS), choices=ERRORS, help="of these kinds only")
    options.add_argument("--process", action="store_true", help="the network in a process of its own")
    options.add_argument("--backend", default="numpy", choices=("cpp", "numpy"), help="of that process")
    options.add_argument("--sweep", action="store_true", help="a sweep, in place of a run")
    options.add_argument("--seconds", type=float, default=math.inf, help="that it may take: then in a random order")
    options.add_argument("--messages", action="store_true", help="print what the runs say")
    asked = options.parse_args()
    with system_calls.watching() as (calls, workspace):
        run = SmallRun(
            workspace,
            in_process=not (asked.process or asked.sweep),
            backend="cpp" if asked.sweep else asked.backend,
        )
        run.prepare()
        work = Sweep(run, calls.folder) if asked.sweep else Replacement(run, calls.folder, workspace)
        report(Disturbance(calls, work), asked)


def report(disturbance: Disturbance, asked: argparse.Namespace) -> None:
    work, chance, start = disturbance.work, random.Random(asked.seed), time.perf_counter()
    calls = disturbance.undisturbed()
    chosen = [(call, turn) for call, turn in turns(calls) if call.name in asked.calls][:: asked.step]
    if asked.seconds < math.inf:
        chance.shuffle(chosen)
    ends, messages, faults = Counter(), Counter(), 0
    for number, (call, turn) in enumerate(chosen):
        if time.perf_counter() - start > asked.seconds:
            break
        error = chance.choice(ERRORS[call.name])
        ever = bool(number % 2) and error != errno.EINTR  # after which calls are made again
        end, said = disturbance.disturbed(call.name, turn, error, ever)
        ends[call.name, end] += 1
        if end == "refused":
            messages[said.replace(str(work.folder), "…")] += 1
        saved = sum(each.name == "rename" and each.other.endswith(".checkpoint") for each in calls[: call.number - 1])
        wrong = [] if end in TOLD else [f"{end}: {said[-3000:]}"]
        wrong += [*work.left(end, saved - 1), *work.resumed()]
        faults += len(wrong)
        place = call.path.removeprefix(str(work.folder))
        how = f"{errno.errorcode[error]}, {'and all later ones' if ever else 'alone'}"
        for each in wrong:
            print(f"{call.name} {turn}, of {place}, {how}: {each}\n", flush=True)
    _show(ends, messages if asked.messages else Counter())
    print(
        f"{ends.total()} of {len(calls)} calls refused, {time.perf_counter() - start:.0f} s\n"
        f"{faults} faults: tracebacks, files that are lost or damaged, runs that do not resume to the undisturbed one"
    )
    if faults:
        sys.exit(1)


def _show(ends: Counter, messages: Counter) -> None:
    print(f"{'call':12} {'refused':>8} {'ended with an error':>20} {'completed':>10} {'netCDF crashed':>15}")
    for name in dict.fromkeys(name for name, _ in sorted(ends)):
        every = sum(count for (each, _), count in ends.items() if each == name)
        print(f"{name:12} {every:8} {ends[name, 'refused']:20} {ends[name, 'complete']:10} {ends[name, 'netCDF']:15}")
    for text, count in messages.most_common():
        print(f"{count} x {text}")


if __name__ == "__main__":
    main()
