"""Plans that a program of any backend is made of, and the states that it goes through.

Noise is a function of the seed and of its place: nothing differs between backends but the order of sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

import neuro_mpc as nm
from neuro_mpc.descriptions.connections import Connect
from neuro_mpc.networks import program_cache
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.networks.program import Program
from neuro_mpc.rules.variables import brian_name

TRIALS, STEPS, SYMBOLS = 5, 4, 3
PRESENTATION = ("predicting", "inferring", "learning", "adapting")
FLAGS = (*PRESENTATION, "refreshing", "redrawing", "generating", "carrying")
ITERATIONS, TOLERANCE = 80, 1e-3
FEW = 3  # iterations of a window
FAINT = 1e-19
"""In single precision its square is denormal, and with it the variance of what it feeds."""


def circuit() -> nm.Circuit:
    """Two free populations, the second above the first and recurrent; some projections connect some pairs of units
    only, one connects one to one, and `twin` is `up` but for a mask of ones."""
    arrows = {
        "seen": ("input", "low", 0, "spike-and-slab", {"mask": ["100", "111", "011", "101", "110", "001"]}),
        "seen-above": ("input", "high", 0, "point", "all"),
        "up": ("low", "high", 0, "spike-and-slab", "all"),
        "twin": ("low", "high", 0, "spike-and-slab", {"mask": ["111111"] * 4}),
        "some": ("low", "high", 0, "gaussian", {"mask": ["101010", "000001", "110000", "011111"]}),
        "each": ("high", "high", 2, "spike-and-slab", "one-to-one"),
        "again": ("high", "high", 1, "gaussian", "all"),
        "told": ("high", "output", 0, "point", "all"),
    }
    population = {
        "input": {"role": "stimulus"},
        "output": {"role": "target", "readout": "softmax"},
        "low": {"size": 6, "activation": "relu(r)"},
        "high": {"size": 4, "activation": "tanh(r) + sin(r)/4", "precision": 0.8},
    }
    return nm.Circuit(name="two", population=population, projection=tables(arrows)).sized(SYMBOLS, SYMBOLS)


def small(readout: str = "gaussian") -> nm.Circuit:
    """A population with synapses of every type, connected in every way: soon compiled with all optimising.

    Each unit has several inputs: of a faint one alone, the variance would have too few digits to be compared.
    """
    arrows = {
        "seen": ("input", "low", 0, "spike-and-slab", {"mask": ["110", "111", "011", "101", "110", "011"]}),
        "again": ("low", "low", 1, "gaussian", "one-to-one"),
        "told": ("low", "output", 0, "point", "all"),
    }
    population = {
        "input": {"role": "stimulus"},
        "output": {"role": "target", "readout": readout},
        "low": {"size": 6, "activation": "softplus(r) + exp(-abs(r))*cos(r)"},
    }
    return nm.Circuit(name="small", population=population, projection=tables(arrows)).sized(SYMBOLS, SYMBOLS)


def with_twins(described: nm.Circuit) -> nm.Circuit:
    """With late recurrence twice, by all pairs of units and by a mask of ones."""
    described_as = described.tables()
    for name, connect in {"up": "all", "twin": {"mask": ["111111"] * 6}}.items():
        ends = {"from": "low", "to": "low", "delay": 2, "synapse": "spike-and-slab"}
        described_as["projection"][name] = {**ends, "connect": connect}
    return nm.Circuit.from_tables(described_as)


def gated(described: nm.Circuit) -> nm.Circuit:
    """With a gate, a compartment of its own, that tells units how much to keep of what they were, and its synapses the
    other way round, two steps late."""
    described_as = described.tables()
    described_as["population"]["low"]["prediction"] = "sigmoid(gate)*before + (1 - sigmoid(gate))*tanh(input)"
    described_as["projection"]["gating"] = {"from": "low", "to": "low", "delay": 1, "synapse": "spike-and-slab"}
    described_as["projection"]["echo"] = {**described_as["projection"]["gating"], "delay": 2, "tied": "gating"}
    described_as["projection"]["gating"]["compartment"] = "gate"
    return nm.Circuit.from_tables(described_as)


def with_more_ends(described: nm.Circuit) -> nm.Circuit:
    """With a constant population, and a second target, of values, whose units learn the precisions of their errors."""
    described_as = described.tables()
    last = described_as["projection"]["told"]["from"]
    described_as["population"]["bias"] = {"role": "constant"}
    described_as["population"]["second"] = {"role": "target", "readout": "gaussian", "size": 2}
    described_as["population"]["second"]["precision"] = {"learned": "unit", "initial": 2.5, "high": 100.0}
    described_as["projection"]["shift"] = {"from": "bias", "to": last, "synapse": "gaussian"}
    described_as["projection"]["also"] = {"from": last, "to": "second", "synapse": "spike-and-slab", "delay": 1}
    return nm.Circuit.from_tables(described_as)


def tables(arrows: dict[str, tuple]) -> dict[str, dict]:
    """The tables of projections, each given as sender, receiver, delay, synapse type and connections."""
    keys = ("from", "to", "delay", "synapse", "connect")
    return {name: dict(zip(keys, arrow)) for name, arrow in arrows.items()}


# Two threads stand for two tiles of trials, of three and of two.
RELAXATION = Plan(
    circuit(),
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
    with_twins(small()),
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
    "twins": replace(FIXED, threads=1),
    "twins, float32": replace(FIXED, precision="float32", threads=1),
    "small": replace(FIXED, circuit=small(), threads=1),
    "small, sweeps": replace(
        RELAXATION,
        circuit=with_more_ends(small("softmax")),
        scheme="sweeps",
        settles=False,
        missing=("second",),
        clip_parameters=("Xi",),
    ),
    "gated, causal": replace(FIXED, circuit=gated(small()), scheme="relaxation", window=1, read="every"),
    "small, influence": replace(FIXED, circuit=small(), window=0, credit="influence"),
    "small, float32": replace(FIXED, circuit=small(), precision="float32", threads=1),
}


def cython_without_optimising(plan: Plan) -> tuple[list[str], dict[str, str]]:
    """As runs compile Cython, in a fourth of the time."""
    flags, compilers = program_cache.cython_options(plan)
    return [*flags, "-O0"], compilers


def as_twin(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The parameters of `up` as those of `twin`, which follows it."""
    return {name.replace("up_", "twin_", 1): value for name, value in values.items()}


class Session:
    """A program with random parameters that is shown random batches."""

    def __init__(self, program: Program, plan: Plan):
        self.program, self.plan, self.rng = program, plan, np.random.default_rng(0)
        program.set(
            noise_scale=1,
            drawing=1,
            entering=1,
            first_window=0,
            stop_window=STEPS,
            noise_key=-12345,
            inference_dt=0.1 * TAU_SECONDS,
            iterations=ITERATIONS,
            tolerance=TOLERANCE,
            energy_limit=1e6,
            rate=0.01,
            **plan.update_rule.scalars(0),
        )
        values: dict[str, np.ndarray] = {}
        for projection in plan.circuit.untied:
            table = plan.circuit.projection[projection]
            values = as_twin(values) if projection == "twin" else self.parameters(projection)
            program.set(**values)
            if isinstance(table.connect, Connect):
                mask = [[float(digit) for digit in row] for row in table.connect.mask]
                program.set(**{f"{plan.synapses_name(projection)}_connected": np.array(mask)})
        for constant in set(plan.circuit.given) - set(plan.circuit.stimuli):
            ones = np.ones((plan.rows[constant].steps, TRIALS, plan.rows[constant].units))
            program.set_rows(constant, plan.rate_name(constant), ones, history=1)
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
        self.program.set(noise_scale=0, idle_trials=0)
        self.step("predicting", "inferring")
        yield "without noise"
        if self.plan.known:
            yield from self._causal_time(self.plan.known)

    def _causal_time(self, known: int) -> Iterator[str]:
        """All windows at once, and one after the other, iteration by iteration, as they are recorded."""
        self.program.set(noise_scale=1, iterations=FEW)
        self.show(3)
        self.step("predicting", "inferring")
        yield "all windows at once"
        self.step("predicting")
        for window in range(STEPS - known + 1):
            self.program.set(first_window=window, stop_window=window + 1)
            for iteration in range(FEW + 1):
                self.program.set(entering=int(iteration == 0), iterations=min(iteration, 1))
                self.step("inferring")
        yield "iteration by iteration"

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
        if "second" in rows:
            shape = (rows["second"].steps, TRIALS, rows["second"].units)
            self.program.set_rows("second", "second_error_target", self.rng.normal(size=shape))
            self.program.set_rows("second", "second_error_given", (self.rng.random(shape) < 0.6).astype(float))
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


def assert_twins_are_equal(states: dict, tolerance: float = 0.0) -> None:
    """All that is computed and learned by a mask of ones is that without a mask, within a relative tolerance."""
    for variables in states.values():
        masked = [name for name in variables if name.startswith("twin_") and name != "twin_synapses_connected"]
        assert {f"twin_synapses_{name}" for name in ("mu", "v", "p_pi", "H2")} <= set(masked)
        for name in masked:
            twin, plain = variables[name], variables[name.replace("twin_", "up_", 1)]
            np.testing.assert_allclose(twin, plain, rtol=tolerance, atol=0, err_msg=name)


def types_of(states: dict) -> set[np.dtype]:
    """The types of the variables of groups that have the precision of the plan."""
    kinds = {variable: values.dtype for variable, values in states["presentation 1"].items()}
    return {kinds[name] for name in kinds if name.startswith(("low_", "high_", "told_"))}
