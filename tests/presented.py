"""Circuits of many kinds, each shown a batch of sequences: its network, and what the reference says of it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import pytest
from in_process import InProcess
from reference import Reference, by_population, gradients, noise_key

import neuro_mpc as nm
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.networks.schemes.interface import scheme_of
from neuro_mpc.rules.variables import brian_name

EXACT = 1e-9
TRIALS, STEPS = 3, 5
RATE, INFERENCE_RATE, MOMENTUM = 1e-3, 0.05, 0.8

OWN = tomllib.loads("""
[synapse.own]
mean = "p*amp/n + tanh(flux)/3"
variance = "p*(1 - p)*amp**2/n**2 + softplus(flux)*abs(amp)/(3*n)"
[synapse.own.parameter.p]
initial = 0.5
low = 0.01
high = 0.99
[synapse.own.parameter.amp]
initial = "normal(0, sqrt(n))"
rate_factor = 0.5
[synapse.own.parameter.flux]
initial = 0.1
[synapse.weight]
mean = "w"
parameter.w.initial = 0
""")["synapse"]


def circuit(
    arrows: str, readout: str = "softmax", *, connect: Mapping = {}, grids: Mapping = {}, **activations: str
) -> nm.Circuit:
    """A circuit of free populations with these activations; a line of `arrows` is `from to delay synapse`.

    connect   projection → which pairs of units have a synapse, where not all have one
    grids     population → its shape, where it is no line
    """
    sizes = dict(zip(activations, (4, 3, 5)))
    free = {
        name: {"activation": formula, "size": sizes[name], "shape": grids.get(name, ())}
        for name, formula in activations.items()
    }
    clamped = {"input": {"role": "stimulus"}, "output": {"role": "target", "readout": readout}}
    ends = [line.split() for line in arrows.strip().splitlines()]
    projections = {
        (name := f"{source}-{target}-{delay}"): {
            "from": source,
            "to": target,
            "delay": int(delay),
            "synapse": synapse,
            "connect": connect.get(name, "all"),
        }
        for source, target, delay, synapse in ends
    }
    used = {synapse for *_, synapse in ends}
    return nm.Circuit(
        name="test",
        population={**clamped, **free},
        projection=projections,
        synapse={name: each for name, each in OWN.items() if name in used},
    ).sized(2, 3)


def recurrent(synapse: str, activation: str, readout: str = "softmax", delay: int = 1) -> nm.Circuit:
    return circuit(
        f"""
        input hidden 0 {synapse}
        hidden hidden {delay} {synapse}
        hidden output 0 {synapse}""",
        readout,
        hidden=activation,
    )


LAYERED = """
    input low 0 gaussian
    low high 0 point
    input high 0 spike-and-slab
    high output 0 own"""
MIXED = """
    input a 0 spike-and-slab
    input b 1 own
    input output 0 gaussian
    a a 1 own
    a b 0 spike-and-slab-corpus
    a b 2 point
    b a 1 gaussian
    b b 3 spike-and-slab
    b c 0 own
    c output 0 spike-and-slab-corpus
    a output 1 spike-and-slab
    b output 2 own"""

SOME = circuit(
    MIXED,
    grids={"a": (2, 2)},
    connect={
        "input-a-0": {"random": 0.6},
        "input-b-1": {"mask": ["10", "01", "11"]},
        "a-a-1": {"local": 1},
        "a-b-0": {"random": 0.5},
        "a-b-2": {"mask": ["1000", "0111", "0000"]},
        "b-b-3": "one-to-one",
        "b-c-0": {"local": 1},
        "c-output-0": {"random": 0.4},
        "b-output-2": "one-to-one",
    },
    a="tanh(r)",
    b="softplus(r)",
    c="relu(r)",
)

# name → (circuit, steps that are read)
CASES = {
    "spike-and-slab": (recurrent("spike-and-slab", "relu(r)"), "every"),
    "spike-and-slab, last": (recurrent("spike-and-slab", "relu(r)"), "last"),
    "corpus": (recurrent("spike-and-slab-corpus", "tanh(r)"), "last"),
    "gaussian": (recurrent("gaussian", "softplus(r)", "gaussian", delay=2), "every"),
    "point": (recurrent("point", "relu(r)", "gaussian"), "last"),
    "own": (recurrent("own", "tanh(r)"), "every"),
    "layered": (circuit(LAYERED, low="relu(r)", high="r"), "every"),
    "layered, last": (circuit(LAYERED, "gaussian", low="softplus(r)", high="tanh(r)"), "last"),
    "mixed": (circuit(MIXED, a="tanh(r)", b="softplus(r)", c="relu(r)"), "every"),
    "mixed, last": (circuit(MIXED, "gaussian", a="relu(r)", b="sin(r)/3 + r/2", c="sigmoid(r)"), "last"),
    "some connected": (SOME, "every"),
}
OTHERS = {
    "point, every": (recurrent("point", "relu(r)"), "every"),
    "weight": (recurrent("weight", "relu(r)"), "every"),
    "long delay": (recurrent("gaussian", "tanh(r)", delay=STEPS + 2), "every"),
}
every_case = pytest.mark.parametrize("name", CASES)


@lru_cache
def network(name: str, scheme: str, threads: int = 2, **options) -> InProcess:
    """A network of a case; building one takes most of a second, so the tests share them.

    Two threads split the trials into two tiles of different widths.
    """
    described, read = (CASES | OTHERS)[name]
    chosen = {"optimizer": "sgd", "precision": "float64", **options}
    return InProcess(Plan(described, TRIALS, STEPS, read, scheme, threads=threads, **chosen))


def masks(described: nm.Circuit, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """projection → which pairs of units have a synapse, of those that connect some pairs only."""
    found = {}
    for name, projection in described.projection.items():
        if isinstance(projection.connect, str):
            continue
        post, pre = (described.population[end] for end in (projection.target, projection.source))
        if projection.connect.local is not None:
            near = [[_distance(i, j, post, pre) for j in range(pre.size)] for i in range(post.size)]
            found[name] = np.array(near) <= projection.connect.local
        elif projection.connect.mask:
            found[name] = np.array([[digit == "1" for digit in row] for row in projection.connect.mask])
        else:
            found[name] = rng.random((post.size, pre.size)) < projection.connect.random
            found[name].flat[rng.integers(found[name].size)] = True
    return found


def _within(parameter: nm.Parameter, rng: np.random.Generator, spread: float, shape: tuple[int, int]) -> np.ndarray:
    """Values of a parameter, away from its bounds."""
    if parameter.low is not None:
        return rng.uniform(parameter.low + 0.1, parameter.low + 0.6, shape)
    if parameter.high is not None:
        return rng.uniform(parameter.high - 0.6, parameter.high - 0.1, shape)
    return rng.normal(0, spread, shape)


def _distance(i: int, j: int, post: nm.Population, pre: nm.Population) -> float:
    """Of two units in distances of the second grid, which covers the same ground as the first."""
    grids = [each.shape or (each.size,) for each in (post, pre)]
    places = [np.array(np.unravel_index(unit, grid)) + 0.5 for unit, grid in zip((i, j), grids)]
    return float(np.linalg.norm(places[0] * grids[1] / grids[0] - places[1]))


class Presentation:
    """A network with random parameters and a random batch."""

    def __init__(self, net: InProcess, seed: int = 0, rate: float = RATE):
        self.net, self.plan, self.circuit = net, net.plan, net.plan.circuit
        self.reference = Reference(self.circuit, self.plan.steps, self.plan.read, self.plan.last_read, self.plan.trials)
        rng = np.random.default_rng(seed)
        self.masks = self.reference.masks = masks(self.circuit, np.random.default_rng([seed, 1]))
        net.set(**{f"{self.plan.synapses_name(name)}_connected": mask for name, mask in self.masks.items()})
        stimulus = {name: self._random_stimulus(rng, name) for name in self.circuit.stimuli}
        target = {name: self._random_target(rng, name) for name in self.circuit.targets}
        one_of_each = len(stimulus) == len(target) == 1
        self.show(*(next(iter(each.values())) if one_of_each else each for each in (stimulus, target)))
        self.load({name: self._drawn(rng, name) for name in self.circuit.untied})
        self.load_precisions({name: rng.normal(0, 0.5, self._precisions(name)) for name in self.plan.precisions})
        net.set(
            noise_scale=1,
            drawing=1,
            entering=1,
            first_window=0,
            stop_window=self.plan.steps,
            noise_key=seed,
            noise_counter=1,
            rate=rate,
            iterations=5,
            inference_dt=INFERENCE_RATE * TAU_SECONDS,
            tolerance=0,
            energy_limit=1e30,
            redrawing=0,
            **dict.fromkeys(scheme_of(self.plan).scalars, MOMENTUM),
        )

    def _random_stimulus(self, rng, name: str) -> np.ndarray:
        return rng.normal(size=(self.plan.steps, self.plan.trials, self.plan.rows[name].units))

    def _random_target(self, rng, name: str) -> np.ndarray:
        """One class at each step; where a target may be missing, some of them are, and of values some units."""
        rows = self.plan.rows[name]
        target = np.eye(rows.units)[rng.integers(0, rows.units, (rows.steps, self.plan.trials))]
        if name in self.plan.missing:
            softmax = self.circuit.population[name].readout == "softmax"
            target[rng.random(target.shape[:2] if softmax else target.shape) < 0.3] = np.nan
        return target

    def _drawn(self, rng, projection: str) -> dict:
        """Parameters away from their bounds, with weights that neither die out nor explode."""
        synapse, shape = self.synapse(projection), self.circuit.shape(projection)
        spread = 1.5 if "/n" in synapse.mean else 0.5
        return {name: _within(each, rng, spread, shape) for name, each in synapse.parameter.items()}

    def show(self, stimulus, target) -> None:
        """Set the batch: (step, trial, unit) of the only population, or of each; NaN where a target is missing."""
        self.stimulus, self.target = stimulus, target
        for name, values in by_population(stimulus, self.circuit.stimuli).items():
            self.net.set_rows(name, self.plan.rate_name(name), values)
        for name in set(self.circuit.given) - set(self.circuit.stimuli):
            rows = self.plan.rows[name]
            ones = np.ones((rows.steps, self.plan.trials, rows.units))
            self.net.set_rows(name, self.plan.rate_name(name), ones, history=1)
        for name, values in by_population(target, self.circuit.targets).items():
            error = self.plan.group_name(name, "error")
            self.net.set_rows(name, f"{error}_target", np.nan_to_num(values))
            if name in self.plan.missing:
                self.net.set_rows(name, f"{error}_given", (~np.isnan(values)).astype(float))

    def infer(self, **values) -> None:
        """Predict and infer, with these variables set."""
        self.net.set(**values)
        self.net.step("refreshing", "predicting", "inferring")

    def learn(self) -> dict:
        """Learn; the changes of the parameters."""
        before = self.parameters
        self.net.step("learning")
        return each_pair(lambda old, new: new - old, before, self.parameters)

    # --- parameters

    def synapse(self, projection: str):
        return self.circuit.synapse[self.circuit.projection[projection].synapse]

    def _name(self, projection: str, parameter: str) -> str:
        return f"{self.plan.synapses_name(projection)}_{brian_name(parameter)}"

    def load(self, parameters: dict) -> None:
        """Set parameters of all synapses."""
        self.net.set(
            **{self._name(name, each): value for name, values in parameters.items() for each, value in values.items()}
        )

    @property
    def parameters(self) -> dict:
        """projection → parameter → (n_post, n_pre), as they are now."""
        return {
            name: {
                each: self.net.get(self._name(name, each))[0].reshape(self.circuit.shape(name))
                for each in self.synapse(name).parameter
            }
            for name in self.circuit.untied
        }

    # --- precisions that are learned

    def _precisions(self, population: str) -> int:
        """How many a population has."""
        table = self.circuit.population[population]
        return table.size if table.precision.learned == "unit" else 1

    def load_precisions(self, logarithms: dict) -> None:
        """Set log Π of populations; the reference has them, too."""
        self.reference.log_precisions = logarithms
        self.net.set(
            **{f"{self.plan.group_name(name, 'precision')}_log_precision": logarithms[name] for name in logarithms}
        )

    @property
    def log_precisions(self) -> dict:
        """population → log Π, (units) or (1), as they are now."""
        names = {name: f"{self.plan.group_name(name, 'precision')}_log_precision" for name in self.plan.precisions}
        return {name: self.net.get(variable)[0] for name, variable in names.items()}

    # --- neural state, (step, trial, unit)

    def rows(self, population: str, kind: str, variable: str) -> np.ndarray:
        return self.net.get_rows(population, f"{self.plan.group_name(population, kind)}_{variable}")

    @property
    def beliefs(self) -> dict:
        return {name: self.rows(name, "belief", "r") for name in self.circuit.free}

    @property
    def noise(self) -> dict:
        rules, noises = self.plan.rules, {}
        for name, population in rules.populations.items():
            for compartment, each in population.predicted.compartments.items():
                if each.varies:
                    noises[noise_key(name, compartment)] = self.rows(name, "prediction", each.noise)
        noisy = [name for name, rule in rules.readouts.items() if rule.receives_variance]
        return noises | {name: self.rows(name, "prediction", "epsilon") for name in noisy}

    def energies(self) -> np.ndarray:
        """The free energy of every trial, as the network tells it."""
        loss, hidden = self.net.get("loss", "energy_hidden")
        return loss + hidden

    # --- what the reference says of the state of now

    def belief_gradients(self) -> dict:
        """∂F/∂r"""
        parameters, rest = self.parameters, (self.noise, self.stimulus, self.target)
        return gradients(lambda values: self.reference.free_energy(parameters, values, *rest), self.beliefs)

    def energy_gradients(self) -> dict:
        """∂F/∂θ, beliefs and noise held"""
        rest = self.beliefs, self.noise, self.stimulus, self.target
        return gradients(lambda values: self.reference.free_energy(values, *rest), self.parameters)

    def precision_gradients(self) -> dict:
        """∂F/∂ log Π, beliefs, noise and synapses held"""

        def energy(values):
            self.reference.log_precisions = values
            return self.reference.free_energy(*held)

        held, before = (self.parameters, self.beliefs, self.noise, self.stimulus, self.target), self.log_precisions
        try:
            return gradients(energy, before)
        finally:
            self.reference.log_precisions = before

    def loss_gradients(self) -> dict:
        """∂ loss/∂θ through the ancestral pass, noise held"""
        rest = self.noise, self.stimulus, self.target
        return gradients(lambda values: self.reference.loss(values, *rest), self.parameters)


def each_pair(function, left: dict, right: dict) -> dict:
    """function(left, right) of the arrays of two equal nestings."""
    return {
        key: each_pair(function, left[key], right[key])
        if isinstance(left[key], dict)
        else function(left[key], right[key])
        for key in left
    }


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float = EXACT) -> None:
    """The largest deviation is below `tolerance` of the largest value, which is not zero."""
    size, deviation = np.abs(expected).max(), np.abs(found - expected).max()
    assert size > 1e-8
    assert deviation < tolerance * size, f"deviates by {deviation / size:.1e} of the largest value"
