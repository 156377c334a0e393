"""What disturbed work leaves in a folder, and whether, done again, it leads to what undisturbed work leads to."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import xarray as xr
from small_run import SECONDS, SmallRun

from interrupted import REFUSED, content  # isort: skip

import neuro_mpc as nm
from neuro_mpc.examination import isolation
from neuro_mpc.runfile import checkpoint
from neuro_mpc.runfile.paths import partial_path, saved_path
from neuro_mpc.sweeps.combined import FILE

ENDS = {0: "complete", REFUSED: "refused", 1: "traceback", -signal.SIGALRM: "hang"}
IN_NETCDF = "HDF5 objects open!"  # what netCDF says before it ends a process in which it cannot close a file
TOLD = ("complete", "refused", "netCDF")
EXCEPTION = re.compile(r"^\w+(Error|Exception|Interrupt)\b", re.MULTILINE)


class Work:
    """Work on files in a folder, in a process of its own."""

    def __init__(self, run: SmallRun, folder: Path):
        self.run, self.folder, self.temporary = run, folder, folder / "temporary"

    def begin(self) -> None:
        """What is there before the work, and nothing else."""
        shutil.rmtree(self.folder)
        self.temporary.mkdir(parents=True)

    def do(self) -> None:
        raise NotImplementedError

    def disturbed(self, before: Callable[[], object]) -> tuple[str, str]:
        """Does the work in a process that calls `before` first; how it ends, and what it says."""
        ended = self.run.child(self.do, before, temporary=self.temporary)
        if ended.status == -signal.SIGSEGV and IN_NETCDF in ended.said:
            return "netCDF", ended.said
        return ENDS.get(ended.status, f"signal {-ended.status}"), ended.said

    def left(self, end: str, saved: int) -> list[str]:
        """What is wrong with the files of work that ended so, and had saved a number of presentations, or none: -1."""
        raise NotImplementedError

    def resumed(self) -> list[str]:
        """What is wrong with the work once it is done again."""
        raise NotImplementedError


def unreadable(out: Path, saved: bool) -> list[str]:
    """What is wrong with the unfinished files of a run, which may be half written where nothing was saved."""
    wrong = []
    for path in filter(Path.exists, (partial_path(out), saved_path(out))):
        # What was left half written is read from its checkpoint; before that, nothing was learned.
        may_be_half = path == partial_path(out) and (not saved or saved_path(out).exists())
        if not may_be_half and (trouble := _trouble(path)):
            wrong.append(f"{path.name} cannot be read: {trouble}")
    return wrong


def _trouble(path: Path) -> str:
    """As `isolation.trouble_elsewhere`, in a child of this process, which has imported what reading takes."""
    told, tell = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            signal.alarm(SECONDS)
            isolation.limit_memory()
            isolation.limit_time(path, math.inf)
            os.write(tell, isolation.trouble(path).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(tell)
    with open(told, "rb") as stream:
        said = stream.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return isolation.why_ended(status) if status else said


class Replacement(Work):
    """A run takes the place of an older one."""

    def __init__(self, run: SmallRun, folder: Path, workspace: Path):
        super().__init__(run, folder)
        self.out, whole, self.old = folder / "run.nc", workspace / "whole.nc", workspace / "old.nc"
        for path, seed in ((self.old, 2), (whole, 1)):
            run.require(lambda path=path, seed=seed: run.simulate(path, seed=seed))
        self.expected, self.older = content(whole), self.old.read_bytes()

    def begin(self) -> None:
        super().begin()
        shutil.copy(self.old, self.out)

    def do(self) -> None:
        self.run.simulate(self.out, overwrite=True)

    def left(self, end: str, saved: int) -> list[str]:
        if not self.out.exists():
            return ["there is neither the older run nor the new one"]
        wrong, older = [], self.out.read_bytes() == self.older
        if not older and content(self.out) != self.expected:
            wrong.append("the run file is neither the older nor the new one")
        if older and end == "complete":
            wrong.append("it ends as if it were complete, and is not")
        return wrong + unreadable(self.out, saved >= 0) + (self._lost(saved) if older and saved >= 0 else [])

    def _lost(self, saved: int) -> list[str]:
        try:
            found = checkpoint.read(saved_path(self.out)).presentation
        except nm.NeuroMPCError as problem:
            return [f"the checkpoint after {saved} presentations is lost: {problem}"]
        return [f"{saved} presentations were saved, {found} are left"] if found < saved else []

    def resumed(self) -> list[str]:
        unfinished = partial_path(self.out).exists() or saved_path(self.out).exists()
        ended = self.run.child(lambda: self.run.simulate(self.out, resume=unfinished, overwrite=not unfinished))
        if ended.status:
            return [f"it cannot be resumed ({ended.status}): {ended.said[-1500:]}"]
        if content(self.out) != self.expected:
            return ["once resumed, it does not equal the undisturbed run"]
        left = sorted(path.name for path in self.folder.iterdir() if path.name not in ("run.nc", "temporary"))
        return [f"left over: {', '.join(left)}"] if left else []


class Sweep(Work):
    """A sweep of two members in two processes."""

    def __init__(self, run: SmallRun, folder: Path):
        super().__init__(run, folder)
        self.out = folder / "sweep"
        self.begin()
        run.require(self.do)
        self.expected = self._files()

    def do(self) -> None:
        options = {"seeds": [1, 2], "backend": self.run.backend, "workers": 2, "out": self.out}
        members = nm.sweep(self.run.circuit, self.run.protocol, {"protocol.learning.rate": [0.5]}, **options)
        errors = [error for error in members["error"].values.ravel() if error]
        if any(EXCEPTION.search(error) for error in errors):
            raise AssertionError("\n".join(errors))
        if errors:
            raise nm.RunError("\n".join(errors))

    def _files(self) -> dict[str, object]:
        return {path.name: of_sweep(path) if path.name == FILE else content(path) for path in self.out.glob("*.nc")}

    def left(self, end: str, saved: int) -> list[str]:
        found = self._files()
        wrong = [f"{name} is another one" for name in found if name != FILE and found[name] != self.expected[name]]
        if end == "complete" and found != self.expected:
            wrong.append("it ends as if it were complete, and is not")
        members = [self.out / name for name in self.expected if name != FILE]
        return wrong + [each for path in members for each in unreadable(path, saved_path(path).exists())]

    def resumed(self) -> list[str]:
        ended = self.run.child(self.do)
        if ended.status:
            return [f"it cannot be done again ({ended.status}): {ended.said[-1500:]}"]
        found = self._files()
        if other := [name for name in self.expected if found.get(name) != self.expected[name]]:
            return [f"done again, it does not equal the undisturbed sweep: {', '.join(other)}"]
        left = sorted(path.name for path in self.out.iterdir() if path.suffix != ".nc")
        return [f"left over: {', '.join(left)}"] if left else []


def of_sweep(path: Path) -> str:
    """Everything in the file that sums up a sweep, which has texts, too."""
    with xr.open_dataset(path) as dataset:
        return repr(dataset.load().to_dict())
