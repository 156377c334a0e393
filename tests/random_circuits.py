"""Random circuits, protocols and data for tests by property, each shown and compared with the reference.

A circuit has a chain of one to four free populations and at least one target; no, one or two stimuli; perhaps a
constant population. Free populations predict by one to three compartments and what they were before. Projections have
delays of 0 to 3 steps, synapses of any type, and connect all or some pairs of units, or read the synapses of another
one the other way round; populations have any precision, read-outs are softmax or Gaussian, each at every step or the
last one, with all or some values given.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from hypothesis import strategies as st
from presented import INFERENCE_RATE, OWN, Presentation
from reference import STEP, Reference

import neuro_mpc as nm
from neuro_mpc.descriptions.shipped import files
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.program import Program
from neuro_mpc.simulation.sampling import drawn

SYNAPSES = (*files("synapse"), "own")
ACTIVATIONS = ("r", "tanh(r)", "softplus(r)", "sigmoid(r)", "sin(r)/3 + r/2", "relu(r) + r/10")
COMPARTMENTS = ("input", "input", "gate", "side")
SCHEMES = ("relaxation", "momentum", "fixed-prediction", "sweeps")
MOMENTUM = 0.75
LONGEST_DELAY, LARGEST = 3, 4
NETWORKS = 2000
TOLERANCE, ROUNDING = 1e-10, 1e-14
RATE = 1e-6  # no step reaches a bound


@dataclass(frozen=True)
class Case:
    """A sized circuit, how it is shown, and the seed of its parameters, data and noise."""

    circuit: nm.Circuit
    scheme: str
    last_read: tuple[str, ...]
    missing: tuple[str, ...]
    steps: int
    trials: int
    seed: int

    @property
    def reference(self) -> Reference:
        return Reference(self.circuit, self.steps, last_read=self.last_read)


@st.composite
def cases(draw) -> Case:
    """Any case."""
    circuit = draw(circuits())
    some_targets = st.sets(st.sampled_from(circuit.targets)).map(lambda names: tuple(sorted(names)))
    return Case(
        circuit,
        draw(st.sampled_from(SCHEMES)),
        draw(some_targets),
        draw(some_targets),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 3)),
        draw(st.integers(0, 2**16)),
    )


@st.composite
def circuits(draw) -> nm.Circuit:
    """A chain of free populations that ends in a target; stimuli, constants and other targets join it anywhere."""
    free = [f"p{index}" for index in range(draw(st.integers(1, 4)))]
    chain = [*free, "output"]
    arrows = [(source, target, 0) for source, target in pairwise(chain)]
    skipping = [pair for pair in combinations(chain, 2) if pair not in {each[:2] for each in arrows}]
    back = [(source, target) for source in free for target in free]
    some = st.sets(st.sampled_from([*skipping, *back]), max_size=4)
    for source, target in sorted(draw(some)):
        earliest = 1 if (source, target) in back and free.index(source) >= free.index(target) else 0
        arrows.append((source, target, draw(st.integers(earliest, LONGEST_DELAY))))
    delay, anywhere = st.integers(0, LONGEST_DELAY), st.sampled_from(free)
    given = draw(st.sampled_from([["input"], [], ["input", "other"]]))
    constants = draw(st.sampled_from([[], ["bias"]]))
    arrows += [(name, "p0" if name == "input" else draw(anywhere), draw(delay)) for name in (*given, *constants)]
    second = draw(st.sampled_from([[], ["second"]]))
    arrows += [(draw(anywhere), name, draw(delay)) for name in second]
    synapses = draw(st.lists(st.sampled_from(SYNAPSES), min_size=len(arrows), max_size=len(arrows)))
    alike, activation = draw(st.sampled_from([0, 2, 3])), st.sampled_from(ACTIVATIONS)
    units = st.just(alike) if alike else st.integers(1, LARGEST)  # of one size, more projections can be tied
    sizes = {name: draw(units) for name in (*given, *free)}
    sizes |= {name: draw(st.integers(1, 2)) for name in constants}
    sizes |= {name: alike or draw(st.integers(2, LARGEST)) for name in ("output", *second)}
    connects = [draw(connections(sizes[target], sizes[source])) for source, target, _ in arrows]
    ends = [draw(st.sampled_from(COMPARTMENTS)) if target in free else "input" for _, target, _ in arrows]
    last = {(source, target): end for (source, target, _), end in zip(arrows, ends)}  # a pair's later one replaces it
    into = {name: {end for (_, target), end in last.items() if target == name} for name in free}
    readout, precision = st.sampled_from(["softmax", "gaussian"]), st.sampled_from([None, None, 0.25, 3.0])
    targets = ["output", *second]
    projection = {
        f"{source}-{target}": {
            "from": source,
            "to": target,
            "compartment": end,
            "delay": delay,
            "synapse": synapse,
            "connect": connect,
        }
        for (source, target, delay), end, synapse, connect in zip(arrows, ends, synapses, connects, strict=True)
    }
    projection = draw(tied(projection, sizes))
    return nm.Circuit(
        name="random",
        population={
            **{name: {"role": "stimulus"} for name in given},
            **{name: {"role": "constant", "size": sizes[name]} for name in constants},
            **{name: {"role": "target", "readout": draw(readout), "precision": draw(precision)} for name in targets},
            **{
                name: {
                    "size": sizes[name],
                    "activation": draw(activation),
                    "precision": draw(precision),
                    "prediction": draw(predictions(into[name])),
                }
                for name in free
            },
        },
        projection=projection,
        synapse={"own": OWN["own"]} if "own" in synapses else {},
    ).with_sizes({name: sizes[name] for name in (*given, *targets)})


def tied(projection: dict, sizes: dict) -> st.SearchStrategy[dict]:
    """The projections, of which none or one or two read the synapses of another one the other way round."""
    ends = {name: (sizes[each["from"]], sizes[each["to"]]) for name, each in projection.items()}
    fitting = {own: [name for name in ends if name != own and ends[name] == ends[own][::-1]] for own in ends}
    able = [own for own, names in fitting.items() if names]
    if not able:
        return st.just(projection)

    def with_ties(own: str, names: list[str]) -> dict:
        shared = {"synapse": projection[own]["synapse"], "connect": "all"}
        found = {name: {**projection[name], **shared, "tied": own} for name in names}
        return projection | {own: projection[own] | shared} | found

    ties = st.sampled_from(able).flatmap(
        lambda own: st.builds(
            with_ties, st.just(own), st.lists(st.sampled_from(fitting[own]), min_size=1, max_size=2, unique=True)
        )
    )
    return st.one_of(st.just(projection), ties)


def predictions(compartments: set[str]) -> st.SearchStrategy:
    """Any prediction that names these compartments: a gate, or an expression of any form."""
    drive = " + ".join(sorted(compartments - {"gate"})) or "0.5"
    gate = "sigmoid(gate)" if "gate" in compartments else "0.3"
    forms = [f"{gate}*before + (1 - {gate})*tanh({drive})", f"({drive})/(1 + {gate}) + before/2"]
    any_form = expressions([*sorted(compartments), "before"]).map(
        lambda text: " + ".join([f"tanh({text})", *(f"{name}/3" for name in sorted(compartments))])
    )
    return st.one_of(*([st.none(), st.none()] if compartments <= {"input"} else []), st.sampled_from(forms), any_form)


def expressions(names: list[str]) -> st.SearchStrategy[str]:
    """Any expression in some of these names, of a few operations."""
    pairs = ("({}) + ({})", "({}) - ({})", "({})*({})", "({})/(1 + ({})**2)")
    functions = ("tanh({})", "sigmoid({})", "softplus({})", "sin({})", "exp(-({})**2)", "({})**2", "sqrt(1 + ({})**2)")
    return st.recursive(
        st.sampled_from([*names, *names, "0.7"]),
        lambda inner: st.one_of(
            st.builds(str.format, st.sampled_from(pairs), inner, inner),
            st.builds(str.format, st.sampled_from(functions), inner),
        ),
        max_leaves=5,
    )


def connections(post: int, pre: int) -> st.SearchStrategy:
    """Any way to connect two populations of these sizes."""
    mask = st.lists(st.booleans(), min_size=post * pre, max_size=post * pre).filter(any)
    ways = [
        st.just("all"),
        st.builds(lambda chance: {"random": chance}, st.floats(0.1, 1)),
        st.builds(lambda radius: {"local": radius}, st.integers(1, LARGEST)),
        mask.map(lambda entries: {"mask": np.reshape(entries, (post, pre))}),
    ]
    return st.one_of(*ways, *([st.just("one-to-one")] if post == pre else []))


def plan(case: Case) -> Plan:
    """In double precision, with two tiles of different widths where there are trials enough."""
    threads = min(2, case.trials)
    return Plan(
        case.circuit,
        case.trials,
        case.steps,
        scheme=case.scheme,
        optimizer="sgd",
        precision="float64",
        threads=threads,
        last_read=case.last_read,
        missing=case.missing,
    )


def assert_agrees(case: Case, net: Program) -> None:
    """Prediction, energies, inference, learning and drawn weights are those of the reference."""
    shown = Presentation(net, case.seed, RATE)
    _assert_predicts(shown)
    shown.infer()
    if case.scheme in ("relaxation", "momentum"):
        _assert_relaxes(shown)
    if case.scheme == "momentum":
        _assert_keeps_velocity(shown)
    _assert_learns(shown, np.random.default_rng(case.seed))
    _assert_draws(case, shown)


def _assert_predicts(shown: Presentation) -> None:
    shown.net.step("refreshing", "predicting")
    beliefs = shown.reference.ancestral(shown.parameters, shown.noise, shown.stimulus)
    for name, expected in beliefs.items():
        np.testing.assert_allclose(shown.beliefs[name], expected, rtol=TOLERANCE, atol=TOLERANCE)
    losses = shown.reference.losses(shown.parameters, beliefs, shown.noise, shown.stimulus, shown.target)
    np.testing.assert_allclose(shown.net.get("loss_start")[0], losses, rtol=TOLERANCE, atol=TOLERANCE)


def _assert_relaxes(shown: Presentation) -> None:
    """Energies are those of the beliefs, which an iteration moves down the gradient."""
    now = shown.parameters, shown.beliefs, shown.noise, shown.stimulus
    energies = shown.reference.losses(*now, shown.target) + shown.reference.hidden_energies(*now)
    np.testing.assert_allclose(shown.energies(), energies, rtol=TOLERANCE, atol=ROUNDING**2)
    before, slopes = shown.beliefs, shown.belief_gradients()
    shown.net.set(iterations=1)
    shown.net.step("inferring")
    for name, after in shown.beliefs.items():
        _assert_close(after - before[name], -INFERENCE_RATE * slopes[name])


def _assert_keeps_velocity(shown: Presentation) -> None:
    """The second iteration of an inference moves beliefs by −rate (∂F/∂r + momentum times that of the first)."""
    shown.net.set(momentum=MOMENTUM)
    shown.net.step("refreshing", "predicting")
    slopes = [shown.belief_gradients()]
    shown.infer(iterations=1)
    before = shown.beliefs
    slopes.append(shown.belief_gradients())
    shown.infer(iterations=2)
    for name, after in shown.beliefs.items():
        _assert_close(after - before[name], -INFERENCE_RATE * (slopes[1][name] + MOMENTUM * slopes[0][name]))


def _assert_learns(shown: Presentation, rng: np.random.Generator) -> None:
    """Every array of parameters moves down its gradient, looked at along a random direction."""
    fixed = shown.plan.scheme == "fixed-prediction"
    rest = (
        (shown.noise, shown.stimulus, shown.target)
        if fixed
        else (shown.beliefs, shown.noise, shown.stimulus, shown.target)
    )
    function = shown.reference.loss if fixed else shown.reference.free_energy
    before, changes = shown.parameters, shown.learn()
    for projection, values in before.items():
        for name, value in values.items():
            along = rng.normal(size=value.shape)
            moved = {**before, projection: {**values, name: value + 1j * STEP * along}}
            slope = function(moved, *rest).imag / STEP
            rate = RATE * shown.synapse(projection).parameter[name].rate_factor / shown.plan.trials
            _assert_close((changes[projection][name] * along).sum(), -rate * slope)


def _assert_draws(case: Case, shown: Presentation) -> None:
    """Weights that are drawn have the mean and the variance of the formulas, within five standard errors."""
    rng = np.random.default_rng(case.seed)
    drawn_once = {name: shown.reference.moments(shown.parameters)[name] for name in case.circuit.untied}
    for name, moments in drawn_once.items():
        post, pre = shape = case.circuit.shape(name)
        mean, variance = (moment if moment.shape == shape else moment.diagonal()[:, None] for moment in moments)
        there = shown.masks.get(name, np.True_)
        missing = {each: np.where(there, values, np.nan) for each, values in shown.parameters[name].items()}
        side_by_side = {each: np.tile(values, (NETWORKS, 1)) for each, values in missing.items()}
        synapse, fan_in = shown.synapse(name), float(case.circuit.fan_in(name))
        weights = drawn(synapse, side_by_side, (NETWORKS * post, pre), rng, fan_in).reshape(NETWORKS, post, pre)
        deviation = np.sqrt(variance)
        assert (np.abs(weights.mean(0) - mean) <= 5 * deviation / np.sqrt(NETWORKS) + TOLERANCE).all()
        fourth = ((weights - mean) ** 4).mean(0) - variance**2
        error = np.sqrt(np.maximum(fourth, 0) / NETWORKS)
        assert (np.abs(((weights - mean) ** 2).mean(0) - variance) <= 6 * error + TOLERANCE).all()


def _assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max() + ROUNDING)
