"""Kills runs at random moments, resumes them, and compares what comes out with a run that was left alone.

    python benchmarks/kill_and_resume.py [--kills 60] [--backend cpp] [--seed 0]

A kill is a SIGKILL to the process of a run, a random moment after it entered a random phase for a random time.  A run
that was killed is resumed, and may be killed again; every run ends some day.  After each kill all files that are there
have to be readable, and in the end all content has to be the same, bit for bit, times aside.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import netCDF4
import numpy as np

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
# phase → owner and name of the function that begins it, most times it is begun before the kill, most seconds in it
PHASES = {
    "preparing": (launch, "start", 1, 0.1),
    "learning": (Presenter, "begin_learning", 110, 0.002),
    "observing": (Presenter, "learn_observed", 3, 0.01),
    "testing": (Training, "_test", 12, 0.02),
    "recording a snapshot": (RunFile, "snapshot", 15, 0.01),
    "syncing the run file": (RunFile, "_sync", 60, 0.003),
    "saving": (Checkpoints, "save", 40, 0.005),
    "renaming": (files, "flush_folder", 40, 0.0005),
    "cutting the run file back": (Checkpoint, "write_records", 1, 0.005),
    "reopening": (RunFile, "_reopen", 1, 0.01),
    "evaluating": (Training, "_evaluate", 1, 0.03),
    "closing": (RunFile, "close", 1, 0.01),
}
CHECKPOINTS = (0.0, 0.02, 0.2, 1e6)  # seconds between them; the last: only the beginning to go on from


def simulate(out: Path, backend: str, **options) -> None:
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 12})
    protocol = nm.load_protocol("toy-language", SETTINGS)
    nm.simulate(circuit, protocol, seed=3, backend=backend, out=out, **options).close()


def killed(out: Path, backend: str, phase: str, chance: random.Random) -> bool:
    """Runs or resumes in a process of its own and kills it in `phase`; False if it came to its end before."""
    owner, name, times, seconds = PHASES[phase]
    turn, delay = chance.randint(1, times), chance.uniform(0, seconds)
    options = {"resume": True, "checkpoint_every": chance.choice(CHECKPOINTS)}
    read, write = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(read)
        _tell(owner, name, turn, write)
        _leave(lambda: simulate(out, backend, **options))
    os.close(write)
    with open(read, "rb") as told:
        entered = told.read(1)  # nothing if the process ends
        if entered:
            time.sleep(delay)
            os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a run that was killed while {phase} cannot be resumed")
    return os.WIFSIGNALED(status)


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
    options.add_argument("--kills", type=int, default=60)
    options.add_argument("--backend", default="cpp", choices=launch.BACKENDS)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--phase", choices=PHASES, help="kill in this phase only")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="neuro_mpc-kills-") as folder:
        tempfile.tempdir = folder
        report(Path(folder), asked)


def report(folder: Path, asked: argparse.Namespace) -> None:
    chance, start = random.Random(asked.seed), time.perf_counter()
    reference = folder / "reference.nc"
    simulate(reference, asked.backend)
    expected = content(reference)
    kills, broken, halves, runs, same, most = Counter(), [], 0, 0, 0, 0
    while kills.total() < asked.kills:
        out, runs, here = folder / f"run-{runs}.nc", runs + 1, 0
        while killed(out, asked.backend, phase := asked.phase or chance.choice(list(PHASES)), chance):
            kills[phase] += 1
            here += 1
            halves += is_half_written(partial_path(out))
            broken += [f"killed while {phase}: {each}" for each in unreadable(out)]
        same += content(out) == expected
        most = max(most, here)
        left = [path.name for path in folder.glob(f"{out.name}*") if path != out and not path.name.endswith(".lock")]
        broken += [f"{name} is left over" for name in left if not name.endswith(".new")]
        out.unlink()
    print(f"{'phase':28} kills")
    for phase in PHASES:
        print(f"{phase:28} {kills[phase]:5}")
    print(
        f"{kills.total()} kills of {runs} runs, up to {most} of one run, {asked.backend}, "
        f"{time.perf_counter() - start:.0f} s\n"
        f"{same} of {runs} runs equal the one that was left alone\n"
        f"{halves} times the kill left *.partial half written, and its checkpoint was read in its place\n"
        f"{len(broken)} files that could not be read, or were left over"
    )
    print(*broken[:20], sep="\n")
    if same < runs or broken:
        sys.exit(1)


if __name__ == "__main__":
    main()
