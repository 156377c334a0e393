"""Inference that cannot see the future: beliefs of a step settle on the errors of some later steps, and then stay."""

from __future__ import annotations

import numpy as np
import pytest
from in_process import InProcess
from presented import CASES, INFERENCE_RATE, MOMENTUM, OWN, STEPS, TRIALS, Presentation, assert_close, network
from reference import Reference, gradient, gradients

import neuro_mpc as nm
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.networks.schemes.interface import scheme_of
from neuro_mpc.plots.traces import plot_traces

ITERATIONS = 2
WINDOWS = (0, 2)
mixed = pytest.mark.parametrize("name", ["mixed", "mixed, last"])
windows = pytest.mark.parametrize("window", WINDOWS)
schemes = pytest.mark.parametrize("scheme", ["relaxation", "momentum", "fixed-prediction"])


class Known:
    """What the reference says where the steps from `known` on have not come yet."""

    def __init__(self, shown: Presentation, known: int):
        self.shown, self.known = shown, known
        self.reference = Reference(shown.circuit, known)
        self.noise = {name: values[:known] for name, values in shown.noise.items() if name in shown.circuit.free}

    def free_energy(self, beliefs: dict) -> complex:
        """F of the steps that are known."""
        shown, loss = self.shown, 0
        if self.known == shown.plan.steps or shown.plan.read == "every":
            of_all = Reference(shown.circuit, self.known, shown.plan.read)
            noise = {name: values[: self.known] for name, values in shown.noise.items()}
            target = shown.target[: self.known]
            loss = of_all.losses(shown.parameters, beliefs, noise, shown.stimulus[: self.known], target).sum(axis=-1)
        hidden = self.reference.hidden_energies(
            shown.parameters, beliefs, self.noise, shown.stimulus[: self.known]
        ).sum(axis=-1)
        return loss + hidden

    def predicted(self, beliefs: dict) -> dict:
        """Beliefs of the last step that is known, as those before it predict them."""
        shown = self.shown
        moments = self.reference.moments(shown.parameters)
        found = {name: [*values[: self.known - 1]] for name, values in beliefs.items()}
        for name in self.reference._senders_first():
            sent = self.reference._sent(found, shown.stimulus)
            found[name].append(self.reference._prediction(name, self.known - 1, moments, sent, self.noise))
        return {name: np.array(values) for name, values in found.items()}


def relaxed(shown: Presentation, window: int, momentum: float) -> dict:
    """The beliefs of inference in windows, by the gradients of the energy of what is known."""
    beliefs = shown.reference.ancestral(shown.parameters, shown.noise, shown.stimulus)
    for first in range(STEPS - window):
        known = Known(shown, first + window + 1)
        beliefs = known.predicted(beliefs)
        velocity = dict.fromkeys(beliefs, 0)
        for _ in range(ITERATIONS):
            slopes = gradients(known.free_energy, beliefs)
            for name, slope in slopes.items():
                slope[:first] = 0
                velocity[name] = momentum * velocity[name] - slope
                beliefs[name] = beliefs[name] + INFERENCE_RATE * velocity[name]
    return beliefs


@pytest.mark.parametrize(
    ("name", "window", "scheme"),
    [("mixed", 0, "relaxation"), ("mixed", 2, "relaxation"), ("mixed, last", 1, "momentum")],
)
def test_beliefs_of_a_window_descend_the_energy_of_what_is_known(name, window, scheme):
    shown = Presentation(network(name, scheme, window=window))
    shown.infer(iterations=ITERATIONS)
    expected = relaxed(shown, window, MOMENTUM if scheme == "momentum" else 0.0)
    for population, values in expected.items():
        assert_close(shown.beliefs[population], values)


class Nudged(Reference):
    """The ancestral pass, with something added to one prediction."""

    nudge: tuple = ()

    def _prediction(self, name, step, *state):
        predicted = super()._prediction(name, step, *state)
        return predicted + self.nudge[2] if (name, step) == self.nudge[:2] else predicted


@mixed
@windows
def test_errors_of_a_window_are_gradients_of_the_losses_that_are_known(name, window):
    shown = Presentation(network(name, "fixed-prediction", window=window))
    shown.infer()
    for population in shown.circuit.free:
        found = shown.rows(population, "error", "err")
        expected = [error_by_nudging(shown, population, step, window) for step in range(STEPS)]
        assert_close(found, np.array(expected))


def error_by_nudging(shown: Presentation, population: str, step: int, window: int) -> np.ndarray:
    """−∂ loss/∂h of a step, where the steps from `window` after it on make no loss."""
    known = min(STEPS, step + window + 1)
    reads_last = shown.plan.read == "last"
    reference = Nudged(shown.circuit, known, shown.plan.read)
    size = shown.circuit.size_of(population)
    if reads_last and known < STEPS:
        return np.zeros((shown.plan.trials, size))
    noise = {name: values[:known] for name, values in shown.noise.items()}

    def loss(nudge):
        reference.nudge = (population, step, nudge)
        return reference.loss(shown.parameters, noise, shown.stimulus[:known], shown.target[:known])

    return -gradient(loss, np.zeros((shown.plan.trials, size)))


@pytest.mark.parametrize(
    ("name", "window", "scheme"),
    [
        ("mixed", 0, "relaxation"),
        ("mixed", 2, "relaxation"),
        ("mixed, last", 1, "momentum"),
        ("mixed", 2, "fixed-prediction"),
    ],
)
def test_no_step_depends_on_what_comes_after_its_window(name, window, scheme):
    shown = Presentation(network(name, scheme, window=window))
    shown.infer(iterations=ITERATIONS)
    before = traces(shown)
    rng, first = np.random.default_rng(1), 2 + window
    stimulus, target = shown.stimulus.copy(), shown.target.copy()
    stimulus[first:] = rng.normal(size=stimulus[first:].shape)
    target[max(0, first - (STEPS - len(target))) :] += 1
    shown.show(stimulus, target)
    shown.infer(iterations=ITERATIONS)
    for variable, values in traces(shown).items():
        np.testing.assert_array_equal(values[: first - window], before[variable][: first - window])
        assert first >= STEPS or variable[1] != "r" or (values != before[variable]).any()


def traces(shown: Presentation) -> dict:
    """(population, variable) → (step, trial, unit)"""
    kinds = {"r": "belief", "h": "prediction", "err": "error"}
    return {
        (name, variable): shown.rows(name, kind, variable)
        for name in shown.circuit.free
        for variable, kind in kinds.items()
    }


@schemes
def test_a_window_of_all_steps_is_the_whole_sequence(scheme):
    circuit = CASES["mixed"][0]
    whole, windowed, shorter = (
        Plan(circuit, TRIALS, STEPS, scheme=scheme, window=window) for window in (None, STEPS - 1, STEPS - 2)
    )
    phases = [scheme_of(plan).phase(plan).as_text() for plan in (whole, windowed, shorter)]
    assert phases[0] == phases[1] != phases[2]


CAUSAL = {
    "stimulus.length": 5,
    "inference.scheme": "relaxation",
    "inference.iterations": 3,
    "inference.step_duration": 60.0,
    "learning.presentations": 1,
    "learning.batch": 4,
    "test.every": 0,
    "recording.samples": [0],
}


@pytest.fixture(scope="module")
def recorded(in_this_process) -> dict:
    """Runs with and without their trajectories, by window."""
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 6})
    return {
        (window, trajectory): nm.simulate(
            circuit,
            nm.load_protocol(
                "toy-language", {**CAUSAL, "inference.window": window, "recording.trajectory": trajectory}
            ),
            backend="numpy",
        )
        for window in (0, 2)
        for trajectory in (False, True)
    }


@windows
@pytest.mark.parametrize("population", ["hidden", "output"])
def test_every_iteration_of_a_window_can_be_recorded(recorded, window, population):
    traces, settled = (nm.analysis.traces(recorded[window, each], population) for each in (True, False))
    assert traces["error"].dims == ("iteration", "step", "trial", "unit")
    assert traces.sizes["iteration"] == 1 + CAUSAL["inference.iterations"]
    for name in ("prediction", "error"):
        np.testing.assert_array_equal(traces[name].isel(iteration=-1), settled[name])
    if (population, window) == ("hidden", 0):  # a step begins with what the beliefs before it predict
        assert not traces["error"].isel(iteration=0).any()
        assert traces["error"].isel(iteration=1).any()


def test_figures_of_traces_have_an_axis_of_time(recorded):
    (page,) = plot_traces(recorded[2, True])
    assert {axes.get_xlabel() for axes in page.axes} >= {"time (ms)"}
    assert "step" not in {axes.get_xlabel() for axes in page.axes}
    page.canvas.draw()
    axes = next(axes for axes in page.axes if axes.get_xlabel() == "time (ms)")
    assert {float(tick.get_text()) % 60 for tick in axes.get_xticklabels()} == {0}


def test_traces_have_an_axis_of_time(recorded):
    traces = nm.analysis.traces(recorded[0, True], "hidden")
    np.testing.assert_allclose(traces["time"].isel(step=2), [120, 140, 160, 180])
    assert traces["time"].attrs["units"] == "ms"
    # Beliefs of step 0 settle once step 2 is known, those of the last three when the last one is.
    late = nm.analysis.traces(recorded[2, True], "hidden")
    last = late.sizes["step"] - 1
    np.testing.assert_allclose(late["time"].isel(step=0), [120, 140, 160, 180])
    np.testing.assert_allclose(late["time"].isel(iteration=0), 60 * np.minimum(np.arange(last + 1) + 2, last))
    np.testing.assert_allclose(nm.analysis.traces(recorded[0, False], "output")["time"][:3], [0, 60, 120])


# --- tracking (Millidge et al. 2024; values computed from the recursions) --------------------------------------------


@pytest.fixture(scope="module")
def walk() -> Presentation:
    """A hidden walk x_t = x_{t−1} + noise, observed with noise, both of variance 1; shown by its observations alone."""
    circuit = nm.Circuit(
        name="tracking",
        population={"x": {"size": 1}, "y": {"role": "target", "readout": "gaussian"}},
        projection={
            "moves": {"from": "x", "to": "x", "delay": 1, "synapse": "weight"},
            "shows": {"from": "x", "to": "y", "synapse": "weight"},
        },
        synapse={"weight": OWN["weight"]},
    ).with_sizes({"y": 1})
    shown = Presentation(InProcess(Plan(circuit, 60_000, 30, scheme="relaxation", window=0, precision="float64")))
    shown.load({name: {"w": np.ones((1, 1))} for name in circuit.projection})
    rng = np.random.default_rng(0)
    shown.place = rng.normal(size=(30, 60_000, 1)).cumsum(axis=0)
    shown.show({}, {"y": shown.place + rng.normal(size=shown.place.shape)})
    return shown


@pytest.mark.parametrize(
    ("rate", "iterations", "expected"),
    [(0.3, 25, 0.667), (0.1, 10, None)],
)
def test_causal_inference_tracks_as_well_as_one_error_each_allows(walk, rate, iterations, expected):
    """With a gain K per step, the variance of the estimate is (1 − K)² (P + 1) + K² in the steady state."""
    walk.infer(iterations=iterations, inference_dt=rate * TAU_SECONDS)
    gain = (1 - (1 - 2 * rate) ** iterations) / 2  # of −e_x + e_y = (y − h) − 2 (x − h)
    steady = ((1 - gain) ** 2 + gain**2) / (1 - (1 - gain) ** 2)
    assert expected is None or steady == pytest.approx(expected, abs=5e-4)
    error = ((walk.beliefs["x"] - walk.place)[15:] ** 2).mean()
    assert error == pytest.approx(steady, rel=0.01)
    kalman = (np.sqrt(5) - 1) / 2
    assert error > kalman  # which knows the variance of its own estimate
