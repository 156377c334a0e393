"""Kills runs at random moments, resumes them, and compares what comes out with a run that was left alone.

    python benchmarks/kill_and_resume.py [--kills 60] [--kinds toy-language …] [--backend cpp] [--seed 0]

A kill is a SIGKILL to the process of a run, a random moment after it entered a random phase for a random time.  A run
that was killed is resumed, and may be killed again; every run ends some day.  After each kill all files that are there
have to be readable, and in the end all content has to be the same, bit for bit, times aside.

The kind "toy-language" runs on the backend that is asked for, in a process of its own.  The others, of
`kinds_of_run.py`, run on NumPy within the process that is killed; half of the kills of these are a SIGSTOP, a pause and
a SIGCONT instead, after which the run has to go on as if nothing had happened.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import netCDF4
import numpy as np
from kinds_of_run import KINDS, Kind

import neuro_mpc as nm
from neuro_mpc.errors import NeuroMPCError
from neuro_mpc.examination.isolation import trouble
from neuro_mpc.networks import launch
from neuro_mpc.runfile import checkpoint
from neuro_mpc.runfile.checkpoint import Checkpoint, Checkpoints
from neuro_mpc.runfile.paths import partial_path, saved_path
from neuro_mpc.runfile.record import RunFile
from neuro_mpc.runs.training import Training
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.system import files

SETTINGS = {
    "stimulus.letters": 8,
    "stimulus.length": 6,
    "stimulus.load": 5.0,
    "learning.batch": 10,
    "learning.epochs": 20,
    "test.every": 10,
    "recording.synapses_every": 9,
    "recording.samples": [0, 50, -1],
}
# phase → owner and name of the function that begins it, most seconds in it before the kill
PHASES = {
    "preparing": (launch, "start", 0.1),
    "learning": (Presenter, "begin_learning", 0.002),
    "observing": (Presenter, "learn_observed", 0.01),
    "testing": (Training, "_test", 0.02),
    "going back": (Presenter, "restore", 0.002),
    "recording a snapshot": (RunFile, "snapshot", 0.01),
    "syncing the run file": (RunFile, "_sync", 0.003),
    "saving": (Checkpoints, "save", 0.005),
    "renaming": (files, "flush_folder", 0.0005),
    "cutting the run file back": (Checkpoint, "write_records", 0.005),
    "reopening": (RunFile, "_reopen", 0.01),
    "evaluating": (Training, "_evaluate", 0.03),
    "closing": (RunFile, "close", 0.01),
}
OF_RESUMPTION = ("cutting the run file back", "reopening")
PAUSE = 0.02  # seconds
CHECKPOINTS = (0.0, 0.02, 0.2, 1e6)  # seconds between them; the last: only the beginning to go on from


def simulate(out: Path, backend: str, **options) -> None:
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 12})
    protocol = nm.load_protocol("toy-language", SETTINGS)
    nm.simulate(circuit, protocol, **{"seed": 3, "backend": backend, **options}, out=out).close()


@dataclass
class Subject:
    """Runs of a kind: how one is simulated, what it leads to, and how many times each of its phases begins."""

    simulate: Callable[..., None]
    expected: dict[str, object]
    turns: Mapping[str, int]
    pauses: bool

    def phases(self, resumed: bool) -> list[str]:
        """Those that a run has, or one that is resumed."""
        return [phase for phase in self.turns if resumed or phase not in OF_RESUMPTION]

    @classmethod
    def of(cls, simulate: Callable[..., None], reference: Path, pauses: bool) -> Subject:
        """Learns the latter from a run that is left alone, with checkpoints all the time."""
        read, write = os.pipe()
        process = os.fork()
        if process == 0:
            counts = {phase: _counted(owner, name) for phase, (owner, name, _) in PHASES.items()}
            _leave(lambda: (simulate(reference, checkpoint_every=0.0), os.write(write, json.dumps(counts).encode())))
        os.close(write)
        with open(read) as told:
            counts = json.loads(told.read() or "{}")
        os.waitpid(process, 0)
        turns = {phase: len(calls) for phase, calls in counts.items() if calls}
        return cls(simulate, content(reference), turns | dict.fromkeys(OF_RESUMPTION, 1), pauses)


def _counted(owner, name: str) -> list[int]:
    """A list that grows whenever a function is called."""
    original, calls = getattr(owner, name), []

    def counting(*args, **options):
        calls.append(1)
        return original(*args, **options)

    setattr(owner, name, counting)
    return calls


def disturbed(subject: Subject, out: Path, phase: str, chance: random.Random) -> str:
    """Runs or resumes in a process of its own and disturbs it in `phase`: "killed", "paused", or "" for neither."""
    owner, name, seconds = PHASES[phase]
    turn, delay = chance.randint(1, subject.turns[phase]), chance.uniform(0, seconds)
    pauses = subject.pauses and chance.random() < 0.5
    options = {"resume": True, "checkpoint_every": chance.choice(CHECKPOINTS)}
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(read)
        _tell(owner, name, turn, write)
        _leave(lambda: subject.simulate(out, **options))
    os.close(write)
    with open(read, "rb") as told:
        entered = told.read(1)  # nothing if the process ends
        if entered:
            time.sleep(delay)
            _pause(process) if pauses else os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a run that was disturbed while {phase} cannot be resumed")
    return "killed" if os.WIFSIGNALED(status) else "paused" if pauses and entered else ""


def _pause(process: int) -> None:
    os.kill(process, signal.SIGSTOP)
    time.sleep(PAUSE)
    os.kill(process, signal.SIGCONT)


def _tell(owner, name: str, turn: int, pipe: int) -> None:
    """Makes a function write to `pipe` when it is called for the `turn`-th time."""
    original, calls = getattr(owner, name), Counter()

    def telling(*args, **options):
        calls[name] += 1
        if calls[name] == turn:
            os.write(pipe, b".")
        return original(*args, **options)

    setattr(owner, name, telling)


def _leave(work) -> None:
    try:
        work()
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        os._exit(1)


def unreadable(out: Path) -> list[str]:
    """Which of the files of a run cannot be read to the last byte."""
    bad = []
    for path in filter(Path.exists, (out, partial_path(out), saved_path(out))):
        try:
            with nm.open_run(path) as run:
                run.load()
            if path == saved_path(out):
                checkpoint.read(path)
        except (OSError, RuntimeError, NeuroMPCError) as problem:
            bad.append(f"{path.name}: {problem}")
    return bad


def is_half_written(path: Path) -> bool:
    """Whether the netCDF library cannot read a file that is there, so that its checkpoint is read in its place."""
    return path.exists() and bool(trouble(path))


def content(path: Path) -> dict[str, object]:
    """Everything in a netCDF file but the time of its creation."""
    found: dict[str, object] = {}

    def collect(group: netCDF4.Group) -> None:
        found.update(
            {
                f"{group.path}@{name}": np.asarray(group.getncattr(name)).tobytes()
                for name in group.ncattrs()
                if name != "created"
            }
        )
        for name, variable in group.variables.items():
            variable.set_auto_mask(False)
            values = variable[...]
            attributes = {each: str(variable.getncattr(each)) for each in variable.ncattrs()}
            found[f"{group.path}/{name}"] = (
                variable.dimensions,
                values.shape,
                values.dtype.str,
                values.tobytes(),
                attributes,
            )
        for inner in group.groups.values():
            collect(inner)

    with netCDF4.Dataset(path) as file:
        collect(file)
    return found


def main() -> None:
    warnings.simplefilter("ignore")
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=60, help="and pauses, of all kinds together")
    options.add_argument("--kinds", nargs="+", default=["toy-language"], choices=("toy-language", *KINDS))
    options.add_argument("--backend", default="cpp", choices=launch.BACKENDS)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--phase", choices=PHASES, help="kill in this phase only")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="neuro_mpc-kills-") as folder:
        tempfile.tempdir = folder
        total, start = Counter(), time.perf_counter()
        for kind in asked.kinds:
            (here := Path(folder) / kind).mkdir()
            total += report(kind, here, asked, -(-asked.kills // len(asked.kinds)))
        print(f"{dict(total)}, {time.perf_counter() - start:.0f} s")
        if total["runs"] > total["equal"] or total["unreadable"]:
            sys.exit(1)


def subject_of(kind: str, folder: Path, backend: str) -> Subject:
    if kind == "toy-language":
        return Subject.of(partial(simulate, backend=backend), folder / "reference.nc", pauses=False)
    runs = Kind(KINDS[kind], folder)
    runs.prepare()
    return Subject.of(runs.simulate, folder / "reference.nc", pauses=True)


def report(kind: str, folder: Path, asked: argparse.Namespace, times: int) -> Counter[str]:
    """Disturbs runs of a kind that many times, and prints what came of it."""
    chance, subject = random.Random(f"{kind} {asked.seed}"), subject_of(kind, folder, asked.backend)
    phases, found, broken, most = Counter(), Counter(), [], 0
    while phases.total() < times:
        out, here = folder / f"run-{found['runs']}.nc", 0
        found["runs"] += 1
        while end := disturbed(subject, out, phase := asked.phase or chance.choice(subject.phases(here > 0)), chance):
            phases[phase] += 1
            found[end] += 1
            if end == "paused":
                break  # it ended
            here += 1
            found["half written"] += is_half_written(partial_path(out))
            broken += [f"killed while {phase}: {each}" for each in unreadable(out)]
        found["equal"] += content(out) == subject.expected
        most = max(most, here)
        left = [path.name for path in folder.glob(f"{out.name}*") if path != out and not path.name.endswith(".lock")]
        broken += [f"{name} is left over" for name in left if not name.endswith(".new")]
        out.unlink()
    found["unreadable"] = len(broken)
    print(
        f"{kind}: {found['killed']} kills, up to {most} of one run, and {found['paused']} pauses; {found['runs']} runs"
    )
    print(*(f"    {phase:28} {phases[phase]:5}" for phase in subject.turns), sep="\n")
    print(
        f"    {found['equal']} of {found['runs']} runs equal the one that was left alone\n"
        f"    {found['half written']} kills left *.partial half written, and its checkpoint was read in its place\n"
        f"    {len(broken)} files that could not be read, or were left over",
        *broken[:20],
        sep="\n",
        flush=True,
    )
    return found


if __name__ == "__main__":
    main()
