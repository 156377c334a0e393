"""Replays what power cuts may leave of the files of runs, sweeps, exports and compiled programs, resumes, and compares.

    python benchmarks/power_loss.py [--states 1000] [--seed 0] [--work run resumed sweep exports cache] [--keep FOLDER]

The calls that write, flush, rename and remove files are recorded while the work is done once.  Then, after each of
them, the power is cut: `disk_model.py` says what may be left.  That is written to another folder, opened, and the work
is done again there, as a user would.  An older file or the new one has to be whole, no checkpoint that was flushed may
be lost, and the end has to be that of the undisturbed work, bit for bit.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import system_calls
from disk_model import CONTENTS, NAMES, Disk, digest, written
from disturbed import of_sweep
from small_run import SmallRun
from system_calls import Calls

from interrupted import content  # isort: skip

import neuro_mpc as nm
from neuro_mpc.errors import NeuroMPCError
from neuro_mpc.networks import program_cache
from neuro_mpc.runfile import checkpoint
from neuro_mpc.runfile.paths import partial_path, saved_path
from neuro_mpc.runs.training import Training
from neuro_mpc.sweeps.combined import FILE

SHARES = {"run": 0.4, "resumed": 0.2, "sweep": 0.03, "exports": 0.2, "cache": 0.17}  # of the states


class Work:
    """Work on files in a folder: what is there before, what is done, what is wrong with what a power cut left."""

    def __init__(self, run: SmallRun, workspace: Path):
        self.run, self.workspace = run, workspace
        self.resumptions, self._marks = 0, set[bytes]()

    def begin(self, folder: Path) -> None:
        """Makes what is there before."""

    def do(self, folder: Path) -> None:
        raise NotImplementedError

    def ended(self, folder: Path) -> None:
        """Keeps what the undisturbed work leads to."""

    def promised(self, folder: Path) -> float:
        """How much of the work lasts, once this is all that was flushed."""
        return 0

    def wrong(self, folder: Path, promised: float) -> list[str]:
        """What is wrong with what is left, before and after the work is done again."""
        raise NotImplementedError

    def again(self, work: Callable[[], object]) -> list[str]:
        """Does the work again, in a process of its own; what is wrong with how that ends."""
        ended = self.run.child(work)
        return [f"it cannot be done again ({ended.status}): {ended.said[-1500:]}"] if ended.status else []


class Run(Work):
    """A run takes the place of an older one."""

    def begin(self, folder: Path) -> None:
        self.run.require(lambda: self.run.simulate(folder / "run.nc", seed=2))
        self.older = (folder / "run.nc").read_bytes()

    def do(self, folder: Path) -> None:
        self.run.simulate(folder / "run.nc", overwrite=True)

    def ended(self, folder: Path) -> None:
        self.expected = content(folder / "run.nc")

    def promised(self, folder: Path) -> float:
        """Presentations in the checkpoint; infinity for the whole run, -1 for neither."""
        out = folder / "run.nc"
        if out.exists() and out.read_bytes() != self.older and content(out) == self.expected:
            return math.inf
        return checkpoint.read(saved_path(out)).presentation if saved_path(out).exists() else -1

    def wrong(self, folder: Path, promised: float) -> list[str]:
        out = folder / "run.nc"
        if self.older and not out.exists():
            return ["there is neither the older run nor the new one"]
        found = self.promised(folder)
        if out.exists() and found < math.inf and out.read_bytes() != self.older:
            return ["the run file is neither the older nor the new one"]
        if found < promised:
            return [f"{promised} presentations had been flushed, {found} are left"]
        return self._opened(out, found) or self._resumed(out)

    def _opened(self, out: Path, found: float) -> list[str]:
        """Where something was learned or recorded, what users would open can be read."""
        path = partial_path(out)
        if found < 0 or not path.exists():
            return []
        ended = self.run.child(lambda: nm.open_run(path).load().close())
        return [f"{path.name} cannot be opened: {ended.said[-500:]}"] if ended.status else []

    def _resumed(self, out: Path) -> list[str]:
        """Resumes; only once from the same files, of which a partial one is read where there is no checkpoint."""
        partial, saved = partial_path(out), saved_path(out)
        read = [out, saved] if saved.exists() else [out, partial]
        mark = digest({path.name: path.read_bytes() for path in read if path.exists()} | {"-": bytes(partial.exists())})
        if mark in self._marks:
            return []
        self._marks.add(mark)
        self.resumptions += 1
        unfinished = partial.exists() or saved.exists()
        if problems := self.again(lambda: self.run.simulate(out, resume=unfinished, overwrite=not unfinished)):
            return problems
        if content(out) != self.expected:
            return ["once resumed, it does not equal the undisturbed run"]
        left = sorted(path.name for path in out.parent.iterdir() if path != out)
        return [f"left over: {', '.join(left)}"] if left else []


class Resumed(Run):
    """A run that was stopped after its first presentation is resumed."""

    def begin(self, folder: Path) -> None:
        self.older = b""
        out = folder / "run.nc"
        self.run.require(lambda: self.run.simulate(out))
        self.stopped = content(out)
        out.unlink()
        self.run.require(lambda: stop_after_first(self.run, out))

    def do(self, folder: Path) -> None:
        self.run.simulate(folder / "run.nc", resume=True)

    def ended(self, folder: Path) -> None:
        super().ended(folder)
        if self.expected != self.stopped:
            raise SystemExit("the undisturbed resumption does not equal the undisturbed run")


def stop_after_first(run: SmallRun, out: Path) -> None:
    before = Training._before

    def stopping(training: Training, presentation: int) -> None:
        if presentation == 1:
            raise KeyboardInterrupt
        before(training, presentation)

    with patch.object(Training, "_before", stopping):
        try:
            run.simulate(out)
        except KeyboardInterrupt:
            return
    raise SystemExit("the run was not stopped")


class Sweep(Work):
    """A sweep of two members, one after the other."""

    def do(self, folder: Path) -> None:
        seeds = {"seeds": [1, 2], "backend": "numpy", "workers": 1, "out": folder / "sweep"}
        with self.run.network():
            nm.sweep(self.run.circuit, self.run.protocol, {"protocol.learning.rate": [0.5]}, **seeds)

    def ended(self, folder: Path) -> None:
        self.expected = self._members(folder)

    def _members(self, folder: Path) -> dict[str, object]:
        paths = sorted((folder / "sweep").glob("*.nc"))
        return {path.name: of_sweep(path) if path.name == FILE else content(path) for path in paths}

    def promised(self, folder: Path) -> float:
        """Files that are complete."""
        found = self._members(folder)
        if any(self.expected.get(name) != values for name, values in found.items()):
            return -math.inf
        return len(found)

    def wrong(self, folder: Path, promised: float) -> list[str]:
        found = self.promised(folder)
        if found < promised:
            return [f"{promised} files had been flushed, {found} are left whole"]
        self.resumptions += 1
        if problems := self.again(lambda: self.do(folder)):
            return problems
        found = self._members(folder)
        if other := [name for name in self.expected if found.get(name) != self.expected[name]]:
            return [f"done again, it does not equal the undisturbed sweep: {', '.join(other)}"]
        left = sorted(path.name for path in (folder / "sweep").iterdir() if path.suffix != ".nc")
        return [f"left over: {', '.join(left)}"] if left else []


class Exports(Work):
    """A description, a figure and a recording take the place of older ones."""

    FILES = ("circuit.toml", "run-learning.png", "run.nwb")

    def begin(self, folder: Path) -> None:
        self.source = self.workspace / "run.nc"
        self.run.require(lambda: self.run.simulate(self.source, overwrite=True))
        for name in self.FILES:
            (folder / name).write_bytes(f"the older {name}".encode())
        self.older = {name: (folder / name).read_bytes() for name in self.FILES}

    def do(self, folder: Path) -> None:
        nm.save_circuit(self.run.circuit, folder / "circuit.toml")
        with nm.open_run(self.source) as run:
            nm.plot_run(run, "learning", out=folder)
            nm.export(run, folder / "run.nwb", step_duration=10.0, overwrite=True)

    def ended(self, folder: Path) -> None:
        self.expected = {name: (folder / name).read_bytes() for name in self.FILES}

    def promised(self, folder: Path) -> float:
        """Files that are new."""
        found = {name: (folder / name).read_bytes() for name in self.FILES if (folder / name).exists()}
        if any(found.get(name) not in (self.older[name], self.expected[name]) for name in self.FILES):
            return -math.inf
        return sum(found[name] == self.expected[name] for name in self.FILES)

    def wrong(self, folder: Path, promised: float) -> list[str]:
        found = self.promised(folder)
        return [f"{promised} files had been flushed, {found} are left whole"] if found < promised else []


class Cache(Work):
    """A compiled program takes the place of a damaged one."""

    def begin(self, folder: Path) -> None:
        (folder / "program").mkdir()
        (folder / "program" / "main").write_bytes(b"half of it")

    def do(self, folder: Path) -> None:
        scratch = folder / "building"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        (scratch / "main").write_bytes(b"a program " * 1000)
        (scratch / "main").chmod(0o755)
        (scratch / "manifest.json").write_text("{}")
        program_cache.install(scratch, folder / "program")

    def promised(self, folder: Path) -> float:
        """Whether the program is whole; modes are no part of the model."""
        program = folder / "program"
        if (program / "main").is_file():
            (program / "main").chmod(0o755)
        if not program_cache.is_whole(program):
            return 0
        return 1 if (program / "main").read_bytes() == b"a program " * 1000 else -math.inf

    def wrong(self, folder: Path, promised: float) -> list[str]:
        found = self.promised(folder)
        if found < promised:
            return ["a program that had been flushed is lost" if found == 0 else "what is no program passes for one"]
        if found < 1:
            self.do(folder)
        return [] if self.promised(folder) == 1 else ["done again, it is not whole"]


WORKS = {"run": Run, "resumed": Resumed, "sweep": Sweep, "exports": Exports, "cache": Cache}


class Replay:
    """The states in which power cuts may leave work, each of them once."""

    def __init__(self, work: Work, calls: Calls, workspace: Path, kept: Path | None = None):
        self.work, self.folder, self.place, self.kept = work, calls.folder, workspace / "left", kept
        _empty(self.folder)
        work.begin(self.folder)
        self.disk = Disk(self.folder)
        work.run.require(lambda: work.do(self.folder), lambda: calls.note(data=True))
        calls.pass_on()
        self.calls = list(calls.noted())
        work.ended(self.folder)

    def examine(self, number: int, chance: random.Random) -> tuple[int, int, list[str]]:
        """Examines about so many states: how many there were, after how many calls, and what was wrong."""
        changing, seen, promised, states, faults = 0, set[bytes](), -math.inf, 0, []
        total = sum(call.name in CHANGES for call in self.calls)
        for call in self.calls:
            if not self.disk.note(call):
                continue
            changing += 1
            promised = max(promised, self._promised(chance)) if call.name in ("fsync", "rename") else promised
            for _ in range(ATTEMPTS):
                if states * total >= number * changing:
                    break
                state = self.disk.left(chance.choice(NAMES), chance.choice(CONTENTS), chance)
                if (mark := digest(state)) in seen:
                    continue
                seen.add(mark)
                states += 1
                self._write(state)
                problems = self._wrong(promised)
                faults += [f"after call {call.number}, {call.name} of {call.path}: {each}" for each in problems]
                if problems and self.kept:
                    written(state, self.kept / f"{call.number}-{states}")
        return states, changing, faults

    def _wrong(self, promised: float) -> list[str]:
        try:
            return self.work.wrong(self.place, promised)
        except (NeuroMPCError, OSError, RuntimeError) as problem:
            return [f"{type(problem).__name__}: {problem}"]

    def _promised(self, chance: random.Random) -> float:
        self._write(self.disk.left("flushed", "flushed", chance))
        return self.work.promised(self.place)

    def _write(self, state) -> None:
        _empty(self.place)
        written(state, self.place)


CHANGES = ("write", "truncate", "ftruncate", "fsync", "rename", "unlink", "mkdir", "open")
ATTEMPTS = 30


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--states", type=int, default=1000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--work", nargs="+", default=list(WORKS), choices=WORKS)
    options.add_argument("--keep", type=Path, help="a folder for the states in which something is wrong")
    asked = options.parse_args()
    with system_calls.watching() as (calls, workspace):
        run = SmallRun(workspace)
        run.prepare(runs=2)  # as many as a sweep has
        found, faults = Counter(), []
        for name in asked.work:
            start, chance = time.perf_counter(), random.Random(f"{name} {asked.seed}")
            replay = Replay(WORKS[name](run, workspace), calls, workspace, asked.keep and asked.keep.absolute() / name)
            states, changing, wrong = replay.examine(round(asked.states * SHARES[name]), chance)
            found[name] = states
            faults += wrong
            seconds = time.perf_counter() - start
            again = replay.work.resumptions
            print(
                f"{name:8} {states:5} states after {changing:5} calls, {again:4} done again, {len(wrong)} faults, "
                f"{seconds:.0f} s",
                flush=True,
            )
            print(*wrong[:10], sep="\n", end="\n" * bool(wrong), flush=True)
    print(f"{found.total()} states, {len(faults)} faults: lost or damaged, or not equal in the end")
    if faults:
        sys.exit(1)


if __name__ == "__main__":
    main()
