"""Small runs of which a file is kept in each format of run files, to be read by every later version.

    python tests/kept_runs.py FOLDER

writes those of the present format, packed; they are added to `tests/runs` when the format gets a new version.
"""

from __future__ import annotations

import gzip
import os
import signal
import sys
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from in_process import started

import neuro_mpc as nm
from neuro_mpc.networks import launch
from neuro_mpc.runfile import file_format
from neuro_mpc.runfile.paths import saved_path
from neuro_mpc.runs.training import Training

FOLDER = Path(__file__).parent / "runs"
FORMATS = ("1.0", "1.1", "1.2")
STRINGS = {"stimulus.letters": 8, "stimulus.transitions": [1, 2], "stimulus.length": 6, "stimulus.load": 2.0}
SHORT = {
    **STRINGS,
    "inference.iterations": 5,
    "learning.rate": 0.01,
    "learning.batch": 4,
    "learning.presentations": 6,
    "test.every": 3,
    "test.generate": 2,
    "recording.synapses_every": 3,
    "recording.samples": [-1],
    "recording.trials": 2,
}
FULL = {
    **SHORT,
    "inference.scheme": "relaxation",
    "inference.iterations": 3,
    "inference.step_duration": 10.0,
    "learning.presentations": 2,
    "test.measure": "accuracy",
    "test.every": 2,
    "test.ensemble": 2,
    "recording.answers": True,
    "recording.trajectory": True,
    "recording.trials": 1,
}
CONNECTED = {
    "population.hidden.size": 4,
    "population.hidden.prediction": "0.5*before + input",
    "population.hidden.errors": "split",
    "population.hidden.precision": {"learned": "unit", "high": 100.0},
    "projection.recurrent.connect": {"random": 0.5},
}
INFERENCE = {"experiment.trials": 2}


def circuit(settings: dict[str, object] | None = None) -> nm.Circuit:
    return nm.load_circuit("mpl", settings or {"population.hidden.size": 6})


def simulate(out: Path, **options) -> None:
    """The run that is kept in every format, also with a checkpoint after 3 of its 6 presentations."""
    _in_this_process(circuit(), nm.load_protocol("toy-language", SHORT), out, seed=0, **options)


def simulate_full(out: Path) -> None:
    """A run whose file has every group but those of strings and of experiments."""
    _in_this_process(circuit(CONNECTED), nm.load_protocol("toy-language", FULL), out, seed=0)


def simulate_experiment(start: Path, out: Path) -> None:
    _in_this_process(None, nm.load_protocol("inference", INFERENCE), out, start=start)


def _in_this_process(*described, **options) -> None:
    circuit, protocol, out = described
    with patch.object(launch, "start", started):
        nm.simulate(circuit, protocol, backend="numpy", out=out, **options).close()


def stop_after(presentations: int, out: Path) -> None:
    """Stops the run that is kept as Ctrl-C does."""
    present = Training._present

    def presented(training: Training, presentation: int) -> int:
        done = present(training, presentation)
        if done == presentations:
            os.kill(os.getpid(), signal.SIGINT)
        return done

    with patch.object(Training, "_present", presented):
        try:
            simulate(out, checkpoint_every=1e6)
        except KeyboardInterrupt:
            return
    raise AssertionError("the run was not stopped")


def unpacked(name: str, path: Path) -> Path:
    """Writes a kept file, such as "plain-1.0.nc", to a path."""
    path.write_bytes(gzip.decompress((FOLDER / f"{name}.gz").read_bytes()))
    return path


def main(folder: Path) -> None:
    version = file_format.as_text()
    with TemporaryDirectory() as scratch, chdir(scratch):  # files name the run that they start from by its path
        plain, full, experiment = (Path(f"{name}-{version}.nc") for name in ("plain", "full", "experiment"))
        stop_after(3, plain)
        saved_path(plain).rename(saved := Path(f"plain-{version}.checkpoint"))
        simulate(plain, overwrite=True)
        simulate_full(full)
        simulate_experiment(full, experiment)
        for path in (plain, saved, full, experiment):
            packed = gzip.compress(path.read_bytes(), 9, mtime=0)
            (folder / f"{path.name}.gz").write_bytes(packed)
            print(f"{path.name}.gz: {len(packed):,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
