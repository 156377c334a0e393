"""Runs that no simulator made: what a run file holds, with the shape and the look of a real one."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import sys
import tempfile
from functools import cache
from types import SimpleNamespace
from unittest.mock import patch

# Tests run on all cores: the threads of a matrix product would wait for each other longer than they compute.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from neuro_mpc.examination import isolation
from neuro_mpc.networks import launch

# What is flushed, and in which order, is tested of the calls (test_files): nothing here cuts the power of a disk.
os.fsync = lambda descriptor: None

# A busy machine makes examples slow, which says nothing of what they test.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

LETTERS = [chr(97 + k) for k in range(26)]


def pytest_configure(config):
    """What tests compile is kept in one folder for all of their processes, and not among the programs of the user.

    Without bytecode, each of the many processes that tests start would compile the package again.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if not hasattr(config, "workerinput") and "NEURO_MPC_CACHE" not in os.environ:
        os.environ["NEURO_MPC_CACHE"] = tempfile.mkdtemp(prefix="neuro_mpc-tests-")
        config.add_cleanup(lambda: shutil.rmtree(os.environ["NEURO_MPC_CACHE"], ignore_errors=True))


def pytest_collection_finish():
    """What was imported stays: looking through it for garbage takes a fourteenth of the time of the tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def in_this_process():
    """Within it, runs on NumPy and careful reading are in this very process: another one takes seconds to start.

    Gives what starts a process after all.
    """
    import in_process  # Brian2 takes seconds to import

    in_process.keep_all_that_is_imported()
    start = launch.start

    def started(plan, backend, *arguments):
        return in_process.started(plan) if backend == "numpy" else start(plan, backend, *arguments)

    with patch.object(launch, "start", started), patch.object(isolation, "trouble_elsewhere", isolation.trouble):
        yield start


@pytest.fixture(scope="module")
def presented(tmp_path_factory):
    """(name of a plan, backend) → the states that a program went through; built and run once each."""
    from backend_states import PLANS, Session

    @cache
    def states(name: str, backend: str) -> dict[str, dict[str, np.ndarray]]:
        with launch.start(PLANS[name], backend, tmp_path_factory.mktemp("program")) as program:
            return Session(program, PLANS[name]).states()

    return states


def description(name: str, text: str, precision: str = "float32") -> SimpleNamespace:
    """Stands for a circuit or a protocol: the run file asks for no more than this of either."""
    inference = SimpleNamespace(step_duration=None)
    return SimpleNamespace(name=name, precision=precision, inference=inference, to_toml=lambda: text)


def circuit_text(hidden: list[str], width: int, classes: int, units: int, readout: str) -> str:
    chain = ["input", *hidden, "output"]
    populations = [f'[population.input]\nrole = "stimulus"\nsize = {width}\n']
    populations += [f'[population.{name}]\nsize = {units}\nactivation = "relu(r)"\n' for name in hidden]
    populations += [f'[population.output]\nrole = "target"\nreadout = "{readout}"\nsize = {classes}\n']
    edges = [(f"{a}-{b}", a, b, 0) for a, b in itertools.pairwise(chain)]
    edges += [(f"{name}-again", name, name, 1) for name in hidden]
    projections = [
        f'[projection.{name}]\nfrom = "{a}"\nto = "{b}"\ndelay = {delay}\nsynapse = "spike-and-slab"\n'
        for name, a, b, delay in edges
    ]
    synapse = '[synapse.spike-and-slab]\nmean = "m/n"\nspike = "pi"\n'
    synapse += 'variance = "m**2*pi/(n**2*(1 - pi)) + Xi/n"\n' + "".join(
        f'[synapse.spike-and-slab.parameter.{name}]\ninitial = 0.0\nsymbol = "{symbol}"\n'
        for name, symbol in (("m", "m"), ("pi", r"\\pi"), ("Xi", r"\\Xi"))
    )
    return "\n".join(['name = "example"', *populations, *projections, synapse])


def write_example(
    path,
    *,
    measure: str | None = "correct_letter_ratio",
    hidden: tuple[str, ...] = ("hidden",),
    units: int = 60,
    width: int = 26,
    classes: int = 26,
    steps: int = 10,
    read: str = "every",
    readout: str = "softmax",
    presentations: int = 2000,
    snapshots: int = 9,
    samples: bool = True,
    trajectory: int = 0,
    generation: bool = True,
    complete: bool = True,
):
    """Writes what looks like learning: energies fall, π and Ξ pile up at 0, strings obey the language."""
    from neuro_mpc.runfile.record import RunFile

    rng = np.random.default_rng(1)
    circuit = description("example", circuit_text(list(hidden), width, classes, units, readout))
    protocol = description("toy-language", '[stimulus]\nsource = "toy-language"\ntransitions = [2, 4]\n')
    moments = np.unique(np.linspace(0, presentations, max(snapshots, 1)).astype(int))
    run = RunFile(path, circuit=circuit, protocol=protocol, seed=0, backend="cpp", threads=1)
    for k in range(presentations + 1):
        progress = k / max(presentations, 1)
        if snapshots and k in moments:
            run.snapshot(k, _synapses(hidden, width, classes, units, progress))
        if measure and k in moments:
            run.test(k, _measures(rng, measure, progress, classes))
            if generation:
                sequences = _strings(rng, 0.97 * (1 - np.exp(-5 * progress)) + 0.01)
                run.generated(k, sequences, symbols=LETTERS, transitions=[2, 4])
        if k < presentations:
            hidden_energy, loss = _energies(rng, progress)
            start = 1.6 * (hidden_energy + loss)
            run.learning(k, hidden_energy + loss, hidden_energy, loss, start, 100)
    if samples:
        run.sample(presentations - 1, *_traces(rng, hidden, units, width, classes, steps, read, trajectory))
    run.close(complete)
    return path


def _energies(rng, progress: float) -> tuple[float, float]:
    hidden, loss = 6 * np.exp(-6 * progress) + 0.4, 28 * np.exp(-4 * progress) + 7
    return hidden * rng.lognormal(0, 0.15), loss * rng.lognormal(0, 0.08)


def _measures(rng, measure: str, progress: float, classes: int) -> dict[str, float]:
    loss = 28 * np.exp(-4 * progress) + 7.5
    chance = 2 / classes
    learned = chance + (1 - chance) * (1 - np.exp(-5 * progress)) - 0.02 * rng.random() * progress
    value = classes * np.exp(-2.5 * progress) if measure == "perplexity" else learned
    return {"test_loss": loss, measure: value}


def _synapses(hidden, width, classes, units, progress) -> dict:
    chain = [("input", width), *((name, units) for name in hidden), ("output", classes)]
    shapes = {f"{a}-{b}": (post, pre) for (a, pre), (b, post) in itertools.pairwise(chain)}
    shapes |= {f"{name}-again": (units, units) for name in hidden}
    # The same draw at every snapshot: the parameters move, they are not drawn anew.
    draws = {name: np.random.default_rng(len(name)) for name in shapes}
    return {name: _parameters(draws[name], shape, progress) for name, shape in shapes.items()}


def _parameters(rng, shape, progress) -> dict[str, np.ndarray]:
    shrink = np.exp(-rng.uniform(3, 7) * progress * rng.random(shape) ** 0.3)
    return {
        "m": rng.normal(0, 5, shape) + progress * rng.laplace(0, 15, shape),
        "pi": rng.uniform(0, 0.5, shape) * shrink,
        "Xi": rng.uniform(0, 0.1, shape) * shrink,
    }


def _strings(rng, allowed: float) -> np.ndarray:
    size = (26, 10)
    steps = np.where(rng.random(size) < allowed, rng.choice([2, 4], size), rng.integers(0, 26, size))
    start = np.arange(26)[:, None]
    return np.concatenate([start, start + np.cumsum(steps, axis=1)], axis=1) % 26


def _traces(rng, hidden, units, width, classes, steps, read, trajectory, trials: int = 4) -> tuple:
    moves = np.cumsum(rng.choice([2, 4], (steps + 1, trials)), axis=0)
    symbols = (rng.integers(0, classes, trials) + moves) % classes
    stimulus = np.eye(width)[symbols[:-1] % width] if width > 1 else rng.random((steps, trials, 1))
    target = np.eye(classes)[symbols[1:]][-1 if read == "last" else 0 :]
    neural = {}
    for name in hidden:
        prediction = np.cumsum(rng.normal(0, 0.5, (steps, trials, units)), 0) * rng.gamma(1, 1, units)
        error = rng.normal(0, 0.3, prediction.shape) * np.linspace(0.2, 1, steps)[:, None, None]
        neural[name] = {
            "belief": prediction + error,
            "prediction": prediction,
            "error": error,
            "rate": np.maximum(prediction + error, 0),
            "noise": rng.normal(size=prediction.shape),
        }
        for quantity in ("belief", "error") if trajectory else ():
            fraction = np.linspace(0, 1, trajectory)[:, None, None, None]
            neural[name][quantity] = fraction * neural[name][quantity]
    scores = np.exp(2.5 * target + rng.normal(0, 0.5, target.shape))
    output = scores / scores.sum(-1, keepdims=True)
    neural["output"] = {"output": output, "error": target - output, "noise": rng.normal(size=output.shape)}
    return stimulus, target, neural, np.arange(trials)


@pytest.fixture(scope="session")
def example_path(tmp_path_factory):
    """A run file of the toy language, as `neuro-mpc run` leaves it."""
    return write_example(tmp_path_factory.mktemp("runs") / "run.nc")


@pytest.fixture(scope="session")
def example_run(example_path):
    """The same run, opened."""
    from neuro_mpc.runfile.record import open_run

    with open_run(example_path) as run:
        yield run


@pytest.fixture
def example(tmp_path):
    """Writes and opens a run that differs from `example_run` by the given options of `write_example`."""
    from neuro_mpc.runfile.record import open_run

    opened = []

    def make(**options):
        path = write_example(tmp_path / f"{len(opened)}.nc", **options)
        opened.append(open_run(path if options.get("complete", True) else f"{path}.partial"))
        return opened[-1]

    yield make
    for run in opened:
        run.close()


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """The current folder, where data lie that are read through in this process."""
    from neuro_mpc.stimuli import netcdf_file

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(netcdf_file, "_trouble", lambda path: isolation.trouble(path, data=True))


@pytest.fixture
def one_figure(monkeypatch):
    """Reports with learning curves only, which are quick to draw."""
    from neuro_mpc.reports import pictures

    monkeypatch.setattr(pictures, "FIGURES", {"learning": pictures.FIGURES["learning"]})
    monkeypatch.setattr(pictures, "CHAPTERS", {"Learning": ("learning",)})


def pytest_collection_modifyitems(items):
    """A test with a compiled backend among its parameters needs a compiler; files that take long come first.

    Processes that share the tests are given one file after the other: the last ones had better be short.
    """
    for item in items:
        values = getattr(getattr(item, "callspec", None), "params", {}).values()
        if any(value in ("cpp", "cython") for value in values if isinstance(value, str)):
            item.add_marker("compiler")
    compiling = {item.path for item in items if item.get_closest_marker("compiler")}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in compiling, item.path not in slow))
