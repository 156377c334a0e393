"""The rules as executed: they are the gradients of the free energy and of the loss, for any circuit.

The reference (`reference.py`) states the energy alone; its derivatives by complex steps are exact, so that a
wrong sign, factor or index shows in the first digit.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from in_process import InProcess
from presented import (
    CASES,
    INFERENCE_RATE,
    RATE,
    STEPS,
    TRIALS,
    Presentation,
    assert_close,
    each_pair,
    every_case,
    network,
)
from reference import Reference, gradient, gradients

import neuro_mpc as nm
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.networks.schemes import relaxation
from neuro_mpc.networks.schemes.interface import tiling_of


def assert_descends(changes: dict, slopes: dict, shown: Presentation) -> None:
    """Every change is −rate ∂/∂θ per trial."""
    for projection, values in changes.items():
        for parameter, change in values.items():
            factor = RATE * shown.synapse(projection).parameter[parameter].rate_factor / TRIALS
            assert_close(change, -factor * slopes[projection][parameter])


def test_complex_steps_agree_with_differences():
    shown = Presentation(network("mixed", "relaxation"))
    shown.infer()
    beliefs, rest = shown.beliefs, (shown.noise, shown.stimulus, shown.target)

    def energy(values):
        return shown.reference.free_energy(shown.parameters, {**beliefs, "b": values}, *rest)

    exact, size = gradient(energy, beliefs["b"]), 1e-5
    for where in [(0, 0, 0), (1, 2, 1), (4, 1, 2)]:
        step = np.zeros_like(beliefs["b"])
        step[where] = size
        difference = (energy(beliefs["b"] + step) - energy(beliefs["b"] - step)) / (2 * size)
        assert difference == pytest.approx(exact[where], rel=1e-6)


# --- prediction and inference ----------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("scheme", ["relaxation", "fixed-prediction"])
def test_the_ancestral_pass_and_its_loss(name, scheme):
    shown = Presentation(network(name, scheme))
    shown.net.step("refreshing", "predicting")
    beliefs = shown.reference.ancestral(shown.parameters, shown.noise, shown.stimulus)
    for population, expected in beliefs.items():
        assert_close(shown.beliefs[population], expected, 1e-13)
    losses = shown.reference.losses(shown.parameters, beliefs, shown.noise, shown.stimulus, shown.target)
    np.testing.assert_allclose(shown.net.get("loss_start")[0], losses, rtol=1e-12)


@every_case
def test_an_iteration_moves_beliefs_down_the_gradient_of_the_energy(name):
    """r ← r − (dt/τ) ∂F/∂r"""
    shown = Presentation(network(name, "relaxation"))
    shown.infer()
    before, slopes = shown.beliefs, shown.belief_gradients()
    shown.net.set(iterations=1)
    shown.net.step("inferring")
    for population, after in shown.beliefs.items():
        assert_close(after - before[population], -INFERENCE_RATE * slopes[population])


@every_case
def test_energies_are_those_of_the_last_beliefs(name):
    shown = Presentation(network(name, "relaxation"))
    shown.infer()
    now = shown.parameters, shown.beliefs, shown.noise, shown.stimulus
    losses, hidden = shown.reference.losses(*now, shown.target), shown.reference.hidden_energies(*now)
    np.testing.assert_allclose(shown.net.get("loss", "energy_hidden"), [losses, hidden], rtol=1e-11)


def test_one_unit_by_hand():
    """x = 2, h = m x + √(Ξ x²) ε with m = ½, Ξ = ¼, ε = ½; output u = 2 r + √(r²) ε with ε = −1, target 2."""
    one = nm.Circuit(
        name="one",
        population={
            "input": {"role": "stimulus"},
            "unit": {"size": 1},
            "output": {"role": "target", "readout": "gaussian"},
        },
        projection={
            "in": {"from": "input", "to": "unit", "synapse": "gaussian"},
            "out": {"from": "unit", "to": "output", "synapse": "gaussian"},
        },
    ).sized(1, 1)
    net = InProcess(Plan(one, 1, 1, scheme="relaxation", optimizer="sgd", precision="float64"))
    net.set(
        in_synapses_m=0.5,
        in_synapses_Xi=0.25,
        out_synapses_m=2,
        out_synapses_Xi=1,
        input_stimulus_x=2,
        unit_prediction_epsilon=0.5,
        output_prediction_epsilon=-1,
        output_error_target=2,
        drawing=0,
        noise_scale=1,
        iterations=1,
        inference_dt=0.1 * TAU_SECONDS,
        rate=1,
    )
    net.step("refreshing", "predicting")
    assert net.get("unit_belief_r", "output_prediction_h", "loss_start") == [1.5, 1.5, 0.125]
    net.step("inferring", "learning")
    # r moves by 0.1 (2 e + r q) with e = ½, q = −⅓; then e = 0.05, u = 1.55, e_out = 0.45
    found = net.get(
        "unit_belief_r", "energy_hidden", "loss", "in_synapses_m", "in_synapses_Xi", "out_synapses_m", "out_synapses_Xi"
    )
    expected = [
        1.55,
        0.05**2 / 2,
        0.45**2 / 2,
        0.5 + 0.05 * 2,
        0.25 + 0.5 * (0.05 * 0.5 / 1) * 2**2,
        2 + 0.45 * 1.55,
        1 + 0.5 * (0.45 * -1 / 1.55) * 1.55**2,
    ]
    np.testing.assert_allclose(np.ravel(found), expected, rtol=1e-14)


@pytest.mark.parametrize("name", ["gaussian", "own"])
def test_carrying_goes_on_where_the_last_presentation_ended(name):
    """Without noise two presentations are one of twice the steps; without carrying the past is silent."""
    shown = Presentation(network(name, "fixed-prediction"))
    long = Reference(shown.circuit, 2 * STEPS)
    none = {each: np.zeros((2 * STEPS, *values.shape[1:])) for each, values in shown.noise.items()}
    x = np.random.default_rng(1).normal(size=(2 * STEPS, *shown.stimulus.shape[1:]))
    whole = long.ancestral(shown.parameters, none, x)["hidden"]
    shown.net.set(noise_scale=0)
    for part, carrying in [(slice(STEPS), False), (slice(STEPS, None), True), (slice(STEPS), False)]:
        shown.show(x[part], shown.target)
        shown.net.step("refreshing", "predicting", *["carrying"] * carrying)
        assert_close(shown.beliefs["hidden"], whole[part], 1e-13)


def test_a_late_stimulus_varies_by_its_square_across_presentations():
    """D = Σ v x² of the step before the first one, too; without carrying it is silent."""
    shown = Presentation(network("mixed", "relaxation"))
    _, variance = shown.reference.moments(shown.parameters)["input-b-1"]
    x = np.random.default_rng(1).normal(size=(2 * STEPS, *shown.stimulus.shape[1:]))
    for first, carrying in [(0, False), (STEPS, True), (0, False)]:
        shown.show(x[first : first + STEPS], shown.target)
        before = x[first - 1 : first] if carrying else np.zeros_like(x[:1])
        shown.net.set_rows("input", "input_stimulus_x", x[first : first + STEPS], history=before)
        shown.net.step("refreshing", "predicting", *["carrying"] * carrying)
        late = np.concatenate([before, x[first : first + STEPS - 1]])
        assert_close(shown.rows("b", "prediction", "D_stimulus"), late**2 @ variance.T, 1e-13)


# --- learning --------------------------------------------------------------------------------------------


@every_case
@pytest.mark.parametrize("scheme", ["relaxation", "sweeps"])
def test_relaxation_learns_by_the_gradient_of_the_energy(name, scheme):
    shown = Presentation(network(name, scheme))
    shown.infer()
    slopes = shown.energy_gradients()
    assert_descends(shown.learn(), slopes, shown)


@pytest.mark.parametrize("scheme", ["relaxation", "sweeps"])
def test_redrawn_noise_is_that_of_learning(scheme):
    """With noise drawn anew after inference, learning follows the energy of its beliefs with the new noise."""
    shown = Presentation(network("mixed", scheme))
    shown.infer()
    held, beliefs = shown.noise, shown.beliefs
    shown.infer(redrawing=1)
    assert all((values != held[name]).all() for name, values in shown.noise.items())
    each_pair(partial(np.testing.assert_allclose, rtol=1e-12), shown.beliefs, beliefs)
    slopes = shown.energy_gradients()
    assert_descends(shown.learn(), slopes, shown)


@every_case
def test_fixed_prediction_learns_by_the_gradient_of_the_loss(name):
    """Back-propagation through time, by local exchange: the loss as a function of the parameters alone."""
    shown = Presentation(network(name, "fixed-prediction"))
    shown.infer()
    slopes = shown.loss_gradients()
    assert_descends(shown.learn(), slopes, shown)


@pytest.mark.parametrize("name", ["spike-and-slab", "mixed, last"])
def test_learning_lowers_the_loss_by_the_squared_gradient(name):
    """loss(θ − η ∂/∂θ) = loss(θ) − η |∂ loss/∂θ|² to first order in η."""
    small = 1e-7
    shown = Presentation(network(name, "fixed-prediction"), rate=small)
    shown.infer()
    (before,), slopes = shown.net.get("loss"), shown.loss_gradients()
    shown.net.step("learning")
    shown.net.step("predicting")
    fallen = (before - shown.net.get("loss_start")[0]).sum() / small * TRIALS
    squared = sum(
        shown.synapse(projection).parameter[parameter].rate_factor * np.square(each).sum()
        for projection, values in slopes.items()
        for parameter, each in values.items()
    )
    assert fallen == pytest.approx(squared, rel=1e-3)


@pytest.mark.parametrize("scheme", ["relaxation", "fixed-prediction"])
def test_a_delay_beyond_the_sequence_is_silence(scheme):
    shown = Presentation(network("long delay", scheme))
    shown.infer()
    slopes = shown.energy_gradients() if scheme == "relaxation" else shown.loss_gradients()
    changes = shown.learn()
    assert not any(change.any() for change in changes.pop(f"hidden-hidden-{STEPS + 2}").values())
    assert_descends(changes, slopes, shown)


def test_tiles_change_nothing(monkeypatch):
    """One trial a tile, as in relaxation of circuits that are large for the cache."""
    outcomes = []
    for cache, rows in ((relaxation.CACHE_BYTES, relaxation.EFFICIENT_ROWS), (1, 1)):
        monkeypatch.setattr(relaxation, "CACHE_BYTES", cache)
        monkeypatch.setattr(relaxation, "EFFICIENT_ROWS", rows)
        described, read = CASES["mixed"]
        plan = Plan(described, TRIALS, STEPS, read, "relaxation", optimizer="sgd", precision="float64")
        shown = Presentation(InProcess(plan))
        shown.infer()
        outcomes.append((len(tiling_of(shown.plan).tiles), {"beliefs": shown.beliefs, **shown.learn()}))
    (whole, expected), (single, found) = outcomes
    assert (whole, single) == (1, TRIALS)
    each_pair(assert_close, found, expected)


# --- variance feedback -----------------------------------------------------------------------------------


def test_variance_feedback_as_released():
    """q = e ε exactly, in inference and in learning."""
    shown = Presentation(network("spike-and-slab", "relaxation", variance_feedback="as-released"))
    shown.infer()
    error, q = (
        {name: shown.rows(name, "error", variable) for name in ("hidden", "output")} for variable in ("err", "q")
    )
    for name in q:
        np.testing.assert_array_equal(q[name], error[name] * shown.noise[name])
    beliefs, moments = shown.beliefs["hidden"], shown.reference.moments(shown.parameters)
    mu, v = moments["hidden-output-0"]
    feedback = error["output"] @ mu, q["output"] @ v
    for total, sent, moment in zip(feedback, (error["hidden"], q["hidden"]), moments["hidden-hidden-1"]):
        total[:-1] += sent[1:] @ moment
    drive = (beliefs > 0) * (feedback[0] + np.maximum(beliefs, 0) * feedback[1])
    shown.net.set(iterations=1)
    shown.net.step("inferring")
    assert_close(shown.beliefs["hidden"] - beliefs, INFERENCE_RATE * (drive - error["hidden"]))
    sent, q = np.maximum(shown.beliefs["hidden"], 0), shown.rows("output", "error", "q")
    expected = RATE / TRIALS * np.einsum("tbi,tbj->ij", q, sent**2) / (2 * 4)
    assert_close(shown.learn()["hidden-output-0"]["Xi"], expected)


# --- feedback from the output ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["spike-and-slab", "mixed"])
@pytest.mark.parametrize("scheme", ["relaxation", "fixed-prediction"])
def test_output_feedback_of_the_last_step(name, scheme):
    """Beliefs, and the synapses between them, follow the loss of the last step; synapses to the output that of all."""
    shown = Presentation(network(name, scheme, output_feedback="last"))
    shown.infer()
    whole, last = shown.reference, Reference(shown.circuit, STEPS, "last")
    noise, target = {**shown.noise, "output": shown.noise["output"][-1:]}, shown.target[-1:]
    if scheme == "relaxation":
        beliefs, parameters = shown.beliefs, shown.parameters
        slopes = gradients(lambda each: last.free_energy(parameters, each, noise, shown.stimulus, target), beliefs)
        shown.net.set(iterations=1)
        shown.net.step("inferring")
        for population, after in shown.beliefs.items():
            assert_close(after - beliefs[population], -INFERENCE_RATE * slopes[population])
        follows = lambda reference: reference.free_energy, (shown.beliefs,)
    else:
        follows = lambda reference: reference.loss, ()
    of, held = follows
    all_steps = gradients(
        lambda each: of(whole)(each, *held, shown.noise, shown.stimulus, shown.target), shown.parameters
    )
    last_step = gradients(lambda each: of(last)(each, *held, noise, shown.stimulus, target), shown.parameters)
    to_output = shown.circuit.incoming("output")
    assert_descends(
        shown.learn(), {key: (all_steps if key in to_output else last_step)[key] for key in all_steps}, shown
    )


@pytest.mark.parametrize("scheme", ["relaxation", "fixed-prediction"])
def test_no_variance_gives_no_variance_feedback(scheme):
    """While x = 0 and no unit is active, D = 0: q is zero there, not infinite."""
    shown = Presentation(network("spike-and-slab", scheme))
    shown.show(np.where(np.arange(STEPS)[:, None, None] < 2, 0, shown.stimulus), shown.target)
    shown.infer()
    q, error = shown.rows("hidden", "error", "q"), shown.rows("hidden", "error", "err")
    assert not q[:2].any()
    assert q[3:].any()
    # f'(0) = 0: nothing drives the silent units
    assert not error[:2].any()
    changes = shown.learn()
    slopes = shown.loss_gradients() if scheme == "fixed-prediction" else shown.energy_gradients()
    for projection, values in changes.items():
        for parameter, change in values.items():
            assert np.isfinite(change).all()
            assert np.isfinite(slopes[projection][parameter]).all()
    assert changes["hidden-hidden-1"]["m"].any()


@pytest.mark.parametrize("scheme", ["relaxation", "fixed-prediction"])
def test_spike_and_slab_without_spike_and_slab_is_a_point_weight(scheme):
    """With π = Ξ = 0 there is no variance: beliefs, energies and Δm are those of weights w = m/n.

    Δm = rate H1/n and Δw = rate H1, so that the mean weight m/n moves by Δw/n².  π and Ξ stay where they are:
    their rules have the factor H2 = 0 (the energy itself has no derivative with respect to them there).
    """
    full = Presentation(network("spike-and-slab", scheme))
    means = {name: values["m"] for name, values in full.parameters.items()}
    full.load({name: {"pi": 0, "Xi": 0} for name in means})
    point, weight = (Presentation(network(name, scheme)) for name in ("point, every", "weight"))
    point.load({name: {"m": m} for name, m in means.items()})
    weight.load({name: {"w": m / m.shape[1]} for name, m in means.items()})
    for shown in (full, point, weight):
        shown.show(full.stimulus, full.target)
        shown.infer()
        np.testing.assert_allclose(shown.beliefs["hidden"], full.beliefs["hidden"], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(shown.energies(), full.energies(), rtol=1e-13)
    changes, of_points, of_weights = (shown.learn() for shown in (full, point, weight))
    for name, change in changes.items():
        assert_close(change["m"], of_points[name]["m"], 1e-11)
        assert_close(change["m"], of_weights[name]["w"] / change["m"].shape[1], 1e-11)
        assert not change["pi"].any()
        assert not change["Xi"].any()
