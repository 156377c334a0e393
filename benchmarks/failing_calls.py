"""Lets every call by which a small run reaches its files fail, one after another, resumes it, and compares.

    python benchmarks/failing_calls.py [--step 1] [--seed 0] [--calls write fsync …] [--process] [--messages]

The calls of an undisturbed run are counted (open, write, fsync, rename, unlink, stat, close, mkdir, ftruncate, flock,
statvfs, opendir; fork and pipe where there are any).  Then, for each of them, a run replaces an older one, and that
call fails with an error that the system may answer, in turn once and for ever after.  The run has to end as it should,
or with an error of this package; the older file or the new one has to be whole; no presentation that was saved may be
lost; and what is resumed has to equal the undisturbed run, bit for bit.  Where the call is one by which netCDF closes
a file, that library ends the process: such runs are counted by themselves, and held to all else.

With --process the network is in a process of its own, as usual, whose files and pipes count, too.
"""

from __future__ import annotations

import argparse
import errno
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import system_calls
from small_run import SmallRun
from system_calls import FOR_EVER, Call, Calls

from interrupted import REFUSED, content  # isort: skip

import neuro_mpc as nm
from neuro_mpc.examination import isolation
from neuro_mpc.runfile import checkpoint
from neuro_mpc.runfile.paths import partial_path, saved_path

DISK = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
ERRORS = {
    "open": (errno.EMFILE, errno.EACCES, errno.EINTR, *DISK),
    "truncate": (errno.EMFILE, errno.EACCES, errno.EINTR, *DISK),
    "opendir": (errno.EMFILE, errno.EIO),
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
ENDS = {0: "complete", REFUSED: "refused", 1: "traceback", -signal.SIGALRM: "hang"}
IN_NETCDF = "HDF5 objects open!"  # what netCDF says before it ends a process in which it cannot close a file
TOLD = ("complete", "refused", "netCDF")


class Harness:
    """A folder in which one run after another is disturbed."""

    def __init__(self, calls: Calls, workspace: Path, run: SmallRun):
        self.calls, self.run = calls, run
        self.out, self.temporary = calls.folder / "run.nc", calls.folder / "temporary"
        self.whole, self.old = workspace / "whole.nc", workspace / "old.nc"
        for path, seed in ((self.old, 2), (self.whole, 1)):
            run.require(lambda path=path, seed=seed: run.simulate(path, seed=seed))
        self.expected, self.older = content(self.whole), self.old.read_bytes()

    def undisturbed(self) -> list[Call]:
        """The calls of a run that replaces an older one."""
        self.begin()
        self.run.require(self.replacing, self.calls.note, self.temporary)
        self.calls.pass_on()
        return list(self.calls.noted())

    def begin(self) -> None:
        """An older run where the new one is to be, and nothing else."""
        shutil.rmtree(self.calls.folder)
        self.temporary.mkdir(parents=True)
        shutil.copy(self.old, self.out)

    def replacing(self) -> None:
        self.run.simulate(self.out, overwrite=True)

    def disturbed(self, number: int, error: int, last: int | None) -> tuple[str, str]:
        """Lets the calls from `number` to `last` fail; how the run ended, and what it said."""
        self.begin()
        ended = self.run.child(self.replacing, lambda: self.calls.refuse(number, error, last), temporary=self.temporary)
        self.calls.pass_on()
        if ended.status == -signal.SIGSEGV and IN_NETCDF in ended.said:
            return "netCDF", ended.said
        return ENDS.get(ended.status, f"signal {-ended.status}"), ended.said

    def left(self, end: str, saved: int) -> list[str]:
        """What is wrong with the files of a run that ended so, and had saved a number of presentations, or none: -1."""
        if not self.out.exists():
            return ["there is neither the older run nor the new one"]
        wrong, older = [], self.out.read_bytes() == self.older
        if not older and content(self.out) != self.expected:
            wrong.append("the run file is neither the older nor the new one")
        if older and end == "complete":
            wrong.append("it ends as if it were complete, and is not")
        for path in filter(Path.exists, (partial_path(self.out), saved_path(self.out))):
            # What was left half written is read from its checkpoint; before that, nothing was learned.
            may_be_half = path == partial_path(self.out) and (saved < 0 or saved_path(self.out).exists())
            if not may_be_half and (trouble := isolation.trouble(path)):
                wrong.append(f"{path.name} cannot be read: {trouble}")
        return wrong + (self._lost(saved) if older and saved >= 0 else [])

    def _lost(self, saved: int) -> list[str]:
        try:
            found = checkpoint.read(saved_path(self.out)).presentation
        except nm.NeuroMPCError as problem:
            return [f"the checkpoint after {saved} presentations is lost: {problem}"]
        return [f"{saved} presentations were saved, {found} are left"] if found < saved else []

    def resumed(self) -> list[str]:
        """What is wrong with the run once it is resumed."""
        unfinished = partial_path(self.out).exists() or saved_path(self.out).exists()
        ended = self.run.child(lambda: self.run.simulate(self.out, resume=unfinished, overwrite=not unfinished))
        if ended.status:
            return [f"it cannot be resumed ({ended.status}): {ended.said[-1500:]}"]
        if content(self.out) != self.expected:
            return ["once resumed, it does not equal the undisturbed run"]
        left = sorted(path.name for path in self.calls.folder.iterdir() if path.name not in ("run.nc", "temporary"))
        return [f"left over: {', '.join(left)}"] if left else []


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--step", type=int, default=1, help="every call, or every third …")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--calls", nargs="+", default=list(ERRORS), choices=ERRORS, help="of these kinds only")
    options.add_argument("--process", action="store_true", help="the network in a process of its own")
    options.add_argument("--messages", action="store_true", help="print what the runs say")
    asked = options.parse_args()
    with system_calls.watching() as (calls, workspace):
        run = SmallRun(workspace, in_process=not asked.process)
        run.prepare()
        report(Harness(calls, workspace, run), asked)


def report(harness: Harness, asked: argparse.Namespace) -> None:
    chance, start = random.Random(asked.seed), time.perf_counter()
    calls = harness.undisturbed()
    chosen = [call for call in calls if call.name in asked.calls][:: asked.step]
    ends, messages, faults = Counter(), Counter(), 0
    for turn, call in enumerate(chosen):
        error = chance.choice(ERRORS[call.name])
        ever = bool(turn % 2) and error != errno.EINTR  # after which calls are made again
        end, said = harness.disturbed(call.number, error, FOR_EVER if ever else None)
        ends[call.name, end] += 1
        if end == "refused":
            messages[said.replace(str(harness.calls.folder), "…")] += 1
        saved = sum(each.name == "rename" and each.other.endswith(".checkpoint") for each in calls[: call.number - 1])
        wrong = [] if end in TOLD else [f"{end}: {said[-3000:]}"]
        wrong += [*harness.left(end, saved - 1), *harness.resumed()]
        faults += len(wrong)
        place = call.path.removeprefix(str(harness.calls.folder))
        how = f"{errno.errorcode[error]}, {'and all later ones' if ever else 'alone'}"
        for each in wrong:
            print(f"call {call.number}, {call.name} of {place}, {how}: {each}\n", flush=True)
    _show(ends, messages if asked.messages else Counter())
    print(
        f"{len(chosen)} of {len(calls)} calls refused, {time.perf_counter() - start:.0f} s\n"
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
