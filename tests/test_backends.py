"""C++, Cython and NumPy end two presentations, and a generated sequence, in the same state.

Noise is a function of the seed and of its place: nothing differs between backends but the order of sums.
Every variable of a program is compared, by its largest deviation relative to its largest value.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc.descriptions.connections import Connect
from neuro_mpc.errors import RunError
from neuro_mpc.networks import launch, program_cache
from neuro_mpc.networks.functions import FUNCTIONS
from neuro_mpc.networks.launch import start
from neuro_mpc.networks.phase_runner import code_object_class
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.networks.program import Program
from neuro_mpc.rules.derivation import brian_name

pytestmark = pytest.mark.compiler

TRIALS, STEPS, SYMBOLS = 5, 4, 3
PRESENTATION = ("predicting", "inferring", "learning")
FLAGS = (*PRESENTATION, "refreshing", "redrawing", "generating", "carrying")
ITERATIONS, TOLERANCE = 80, 1e-3
FAINT = 1e-19
"""In single precision its square is denormal, and with it the variance of what it feeds."""


def circuit(readout: str, low: str, high: str, again: int) -> nm.Circuit:
    """Two free populations, the second above the first and recurrent with a delay of `again` steps; some projections
    connect some pairs of units only, one connects one to one."""
    arrows = {
        "seen": ("input", "low", 0, "spike-and-slab", {"mask": ["100", "111", "011", "101", "110", "001"]}),
        "seen-above": ("input", "high", 0, "point", "all"),
        "up": ("low", "high", 0, "spike-and-slab", "all"),
        "some": ("low", "high", 0, "gaussian", {"mask": ["101010", "000001", "110000", "011111"]}),
        "each": ("high", "high", again + 1, "spike-and-slab", "one-to-one"),
        "again": ("high", "high", again, "gaussian", "all"),
        "told": ("high", "output", 0, "point", "all"),
    }
    population = {
        "input": {"role": "stimulus"},
        "output": {"role": "target", "readout": readout},
        "low": {"size": 6, "activation": low},
        "high": {"size": 4, "activation": high},
    }
    keys = ("from", "to", "delay", "synapse", "connect")
    projection = {name: dict(zip(keys, arrow)) for name, arrow in arrows.items()}
    return nm.Circuit(name="two", population=population, projection=projection).sized(SYMBOLS, SYMBOLS)


# Two threads stand for two tiles of trials, of three and of two.
RELAXATION = Plan(
    circuit("softmax", "relu(r)", "tanh(r) + sin(r)/4", 1),
    TRIALS,
    STEPS,
    "every",
    "relaxation",
    settles=True,
    optimizer="adam",
    decay=1e-3,
    clip=0.05,
    clip_parameters=("m", "Xi"),
    precision="float64",
    threads=2,
)
FIXED = Plan(
    circuit("gaussian", "softplus(r)", "sigmoid(r) + exp(-abs(r))*cos(r)", 2),
    TRIALS,
    STEPS,
    "last",
    "fixed-prediction",
    optimizer="sgd",
    precision="float64",
    threads=2,
)
PLANS = {
    "relaxation": RELAXATION,
    "fixed prediction": FIXED,
    "sweeps": replace(FIXED, scheme="sweeps"),
    "fixed prediction, float32": replace(FIXED, precision="float32"),
}


@pytest.fixture(scope="module", autouse=True)
def presented(tmp_path_factory):
    """(name of a plan, backend) → the states that a program went through; built and run once each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEURO_MPC_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(launch, "cython_options", _quicker_to_compile)

        @lru_cache
        def states(name: str, backend: str) -> dict[str, dict[str, np.ndarray]]:
            with start(PLANS[name], backend, tmp_path_factory.mktemp("program")) as program:
                return Session(program, PLANS[name]).states()

        yield states


def _quicker_to_compile(plan: Plan) -> tuple[list[str], dict[str, str]]:
    """Cython as runs compile it for one of the plans; for the others, in a third of the time."""
    flags, compilers = program_cache.cython_options(plan)
    return flags if plan is RELAXATION else [*flags, "-O1"], compilers


class Session:
    """A program with random parameters that is shown random batches."""

    def __init__(self, program: Program, plan: Plan):
        self.program, self.plan, self.rng = program, plan, np.random.default_rng(0)
        program.set(
            noise_scale=1,
            drawing=1,
            noise_key=-12345,
            inference_dt=0.1 * TAU_SECONDS,
            iterations=ITERATIONS,
            tolerance=TOLERANCE,
            energy_limit=1e6,
            rate=0.01,
            **plan.update_rule.scalars(0),
        )
        for projection, table in plan.circuit.projection.items():
            program.set(**self.parameters(projection))
            if isinstance(table.connect, Connect):
                mask = [[float(digit) for digit in row] for row in table.connect.mask]
                program.set(**{f"{plan.synapses_name(projection)}_connected": np.array(mask)})
        self.step("refreshing")

    def parameters(self, projection: str) -> dict[str, np.ndarray]:
        """Random parameters of a projection, by the names of the program."""
        circuit, name = self.plan.circuit, self.plan.synapses_name(projection)
        shape, synapse = circuit.shape(projection), circuit.synapse[circuit.projection[projection].synapse]
        return {
            f"{name}_{brian_name(each)}": self.rng.uniform(0, 0.5, shape)
            if parameter.low == 0
            else self.rng.normal(size=shape)
            for each, parameter in synapse.parameter.items()
        }

    def states(self) -> dict[str, dict[str, np.ndarray]]:
        """All variables after each use of the circuit."""
        return {use: self.variables() for use in self._uses()}

    def _uses(self) -> Iterator[str]:
        """Two presentations; then what only one of the plans is asked for."""
        for count in range(2):
            self.show(count)
            self.step(*PRESENTATION)
            yield f"presentation {count}"
        yield from self._generation() if self.plan.read == "every" else self._faint_stimulus()

    def _faint_stimulus(self) -> Iterator[str]:
        self.show(2, FAINT)
        self.step("predicting", "inferring")
        yield "faint stimulus"

    def _generation(self) -> Iterator[str]:
        self.show(2)
        self.program.set(energy_limit=0.01 * self.plan.trials)
        self.step(*PRESENTATION, "redrawing")
        yield "presentation with limited energy and new noise"
        self.step("predicting", "generating")
        yield "generation"
        self.program.set(noise_counter=3, idle_trials=2)
        self.step("predicting", "generating", "carrying")
        yield "generation goes on in the first tile"

    def show(self, count: int, size: float = 1) -> None:
        """A batch of random stimuli of this size, and random targets."""
        rows = self.plan.rows
        stimulus = self.rng.normal(0, size, (STEPS, TRIALS, SYMBOLS))
        target = np.eye(SYMBOLS)[self.rng.integers(0, SYMBOLS, (rows["output"].steps, TRIALS))]
        self.program.set_rows("input", "input_stimulus_x", stimulus)
        self.program.set_rows("output", "output_error_target", target)
        assert np.array_equal(self.program.get_rows("output", "output_error_target"), target)
        self.program.set(noise_counter=count)

    def step(self, *flags: str) -> None:
        self.program.set(**{flag: int(flag in flags) for flag in FLAGS})
        self.program.step()

    def variables(self) -> dict[str, np.ndarray]:
        """All but the packed weights, whose order is each backend's own."""
        names = [name for name in self.program.manifest.variables if not name.endswith(("_forward", "_backward"))]
        return dict(zip(names, self.program.get(*names)))


def deviations(found: dict, expected: dict) -> dict[str, float]:
    """The largest deviation of each variable, relative to its largest value."""
    assert found.keys() == expected.keys()
    pairs = {
        f"{state}: {name}": (values, expected[state][name])
        for state, variables in found.items()
        for name, values in variables.items()
    }
    return {name: np.abs(value - wanted).max() / (np.abs(wanted).max() or 1) for name, (value, wanted) in pairs.items()}


def assert_equal(found: dict, expected: dict, tolerance: float) -> None:
    wrong = {name: value for name, value in deviations(found, expected).items() if not value <= tolerance}
    assert not wrong


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("relaxation", "cpp"),
        ("relaxation", "cython"),
        ("sweeps", "cpp"),
        ("sweeps", "cython"),
        ("fixed prediction", "cpp"),
    ],
)
def test_double_precision_agrees_with_numpy(presented, name, backend):
    assert_equal(presented(name, backend), presented(name, "numpy"), 1e-10)


@pytest.mark.parametrize("backend", ["cpp", "cython", "numpy"])
def test_single_precision_agrees_with_double(presented, backend):
    single = presented("fixed prediction, float32", backend)
    assert_equal(single, presented("fixed prediction", "numpy"), 1e-4)
    kinds = {variable: values.dtype for variable, values in single["presentation 1"].items()}
    assert {kinds[name] for name in kinds if name.startswith(("low_", "high_", "told_"))} == {np.dtype("f4")}


def test_what_is_compared_has_happened(presented):
    """Trials settle one by one or stop at the limit, gradients are clipped, a sequence goes on."""
    first, second, limited, began, went_on = presented("relaxation", "numpy").values()
    assert 1 < second["iterations_used"].min() < second["iterations_used"].max() < ITERATIONS
    assert limited["iterations_used"].max() < second["iterations_used"].min()
    assert np.linalg.norm(second["told_synapses_change_m"].reshape(3, 4), 2) == pytest.approx(0.05)
    for name in ("up_synapses_m", "seen_synapses_p_pi", "again_synapses_Xi", "high_belief_r"):
        assert np.abs(second[name] - first[name]).max() > 1e-3
    moved = went_on["high_belief_f"] != began["high_belief_f"]
    rows = RELAXATION.rows["high"]
    first_tile = 3 * (rows.history + rows.steps) * rows.units
    assert moved[:first_tile].any()
    assert not moved[first_tile:].any()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numpy_prints_no_arrays(name):
    """As Brian2's own way to add a function would, for a message that nobody sees: it took most of the time."""
    function = FUNCTIONS[name].implementations[code_object_class("numpy")].get_code(None)

    def printed(number):
        raise AssertionError("an array was printed")

    with np.printoptions(formatter={"all": printed}):
        function(np.ones(3), *([0.0, 2.0] if name in ("bounded", "selected") else []))


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not tell")
def test_threads_are_not_bound_to_the_first_processors(presented, tmp_path):
    """Several runs on one machine would share them."""
    with start(RELAXATION, "cpp", tmp_path) as program:
        Session(program, RELAXATION).states()
        assert os.sched_getaffinity(program._process.pid) == os.sched_getaffinity(0)


def test_errors_of_the_compiler_are_shown(tmp_path, monkeypatch):
    broken = tmp_path / "broken-compiler"
    error = "phase.cpp:1:10: fatal error: Python.h: No such file or directory"
    plain = 'case "$*" in *-fsyntax-only*) exit 0;; esac'  # it compiles what needs no headers of Python
    broken.write_text(f"#!/bin/sh\n{plain}\necho '{error}' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(RunError, match="backend cython failed\n.*fatal error: Python.h") as raised:
        start(RELAXATION, "cython", tmp_path)
    assert "python3-dev" in str(raised.value)
