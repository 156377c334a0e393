"""Learning within a presentation: after each step, before the next one is predicted."""

from dataclasses import replace

import numpy as np
import pytest
from in_process import InProcess

import neuro_mpc as nm
from neuro_mpc.errors import DescriptionError
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.signals import noises
from neuro_mpc.simulation.presentation import Presenter

pytestmark = pytest.mark.usefixtures("in_this_process")

STEPS, TRIALS = 4, 5
SIZES = {"input": 3, "output": 2}
CAUSAL = {"inference.window": 0, "learning.every": "step"}


def protocol(scheme, **settings):
    return nm.load_protocol(
        "digits-rows",
        {"inference.scheme": scheme, "inference.iterations": 7, "learning.batch": TRIALS, **CAUSAL, **settings},
    )


def circuit(name):
    """Two areas with delays of 0, 1 and 2 steps; or gates."""
    if name != "two areas":
        return nm.load_circuit(name, {"population.hidden.size": 4}).with_sizes(SIZES)
    arrow = {"synapse": "spike-and-slab"}
    return nm.Circuit(
        name="two",
        population={
            "input": {"role": "stimulus"},
            "low": {"size": 4, "activation": "tanh(r)"},
            "high": {"size": 3, "activation": "sigmoid(r)"},
            "output": {"role": "target"},
        },
        projection={
            "in": {"from": "input", "to": "low", **arrow},
            "up": {"from": "low", "to": "high", **arrow},
            "again": {"from": "high", "to": "high", "delay": 1, **arrow},
            "down": {"from": "high", "to": "low", "delay": 2, **arrow},
            "out": {"from": "high", "to": "output", **arrow},
        },
    ).with_sizes(SIZES)


def presenter(plan, settings):
    net = InProcess(plan)
    shown = Presenter(net, plan, settings, seed=0, carries=True)
    rng = np.random.default_rng(1)
    shown.load(
        {
            name: {
                each: rng.uniform(0.1, 0.4, plan.circuit.shape(name))
                if parameter.low == 0
                else rng.normal(0, 1.5, plan.circuit.shape(name))
                for each, parameter in plan.circuit.synapse[table.synapse].parameter.items()
            }
            for name, table in plan.circuit.projection.items()
        }
    )
    return shown


def set_noise(shown, step=0):
    """That of a sequence from a step on, however many steps a presentation has; what is drawn depends on that."""
    shown.program.set(drawing=0)
    for each in noises(shown.plan):
        values = np.random.default_rng(each.stream).normal(size=(STEPS, TRIALS, each.rows.units))
        first = step + each.rows.first_step
        population, _ = each.target.split("_prediction_")
        shown.program.set_rows(population, each.target, values[first : first + each.rows.steps])


@pytest.mark.parametrize("read", ["every", "last"])
@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("two areas", "relaxation"),
        ("two areas", "fixed-prediction"),
        ("mpl-gru", "momentum"),
        ("mpl-gru", "fixed-prediction"),
    ],
)
def test_a_step_is_a_presentation_of_one_step_that_continues_the_last(name, scheme, read):
    """Parameters, beliefs and errors, in tiles of trials; of what is read at the last step, errors before are zero."""
    settings, described = protocol(scheme), circuit(name)
    options = {"scheme": scheme, "optimizer": "adam", "precision": "float64", "clip": 0.05, "threads": 2}
    whole = Plan(described, TRIALS, STEPS, read=read, window=0, stepwise=True, **options)
    missing = () if read == "every" else ("output",)
    single = replace(whole, steps=1, read="every", window=None, stepwise=False, missing=missing)
    rng = np.random.default_rng(2)
    stimulus = rng.normal(size=(STEPS, TRIALS, 3))
    target = np.eye(2)[rng.integers(0, 2, (STEPS if read == "every" else 1, TRIALS))]
    asked = target if read == "every" else np.concatenate([np.full((STEPS - 1, TRIALS, 2), np.nan), target])

    found, expected = presenter(whole, settings), presenter(single, settings)
    initial = found.parameters()
    set_noise(found)
    found.learn(0, stimulus, target, rate=0.1)
    beliefs = []
    for step in range(STEPS):
        set_noise(expected, step)
        expected.learn(step, stimulus[step : step + 1], asked[step : step + 1], rate=0.1, carrying=step > 0)
        beliefs.append(expected.neural_state.traces()[described.free[0]])
    for projection, parameters in expected.parameters().items():
        for each, values in parameters.items():
            np.testing.assert_allclose(found.parameters()[projection][each], values, rtol=1e-9, atol=1e-12)
            assert np.abs(values - initial[projection][each]).max() > 1e-3
    traces = found.neural_state.traces()[described.free[0]]
    for variable in ("belief", "error"):
        assert np.abs(traces[variable]).max() > 1e-3
        np.testing.assert_allclose(traces[variable], np.concatenate([each[variable] for each in beliefs]), atol=1e-12)


def test_what_is_carried_is_all_that_the_next_presentation_depends_on():
    """As checkpoints keep it: rates that arrive late, and beliefs that predictions remember."""
    plan = Plan(circuit("mpl-gru"), TRIALS, STEPS, precision="float64")
    shown, rng = presenter(plan, protocol("relaxation")), np.random.default_rng(3)
    first, second = rng.normal(size=(2, STEPS, TRIALS, 3))
    shown.predict(first, {}, "test", 0)
    carried = shown.carried()
    output, _ = shown.predict(second, {}, "test", 1, carrying=True)
    shown.predict(rng.normal(size=first.shape), {}, "test", 2)
    shown.carry(carried)
    again, _ = shown.predict(second, {}, "test", 1, carrying=True)
    np.testing.assert_array_equal(again, output)
    forgotten, _ = shown.predict(second, {}, "test", 1)
    assert np.abs(forgotten - output).max() > 1e-3
    assert "hidden_belief_r" in carried


def test_an_observed_presentation_learns_the_same():
    settings = protocol("relaxation", **{"recording.trajectory": True})
    plan = Plan(
        circuit("two areas"),
        TRIALS,
        STEPS,
        "last",
        "relaxation",
        optimizer="sgd",
        precision="float64",
        window=0,
        stepwise=True,
    )
    rng = np.random.default_rng(2)
    shown = rng.normal(size=(STEPS, TRIALS, 3)), np.eye(2)[rng.integers(0, 2, (1, TRIALS))]
    plain, observed = presenter(plan, settings), presenter(plan, settings)
    initial = plain.parameters()
    energies = plain.learn(0, *shown, rate=10.0)
    observed_energies, traces = observed.learn_observed(0, *shown, rate=10.0)
    assert traces["low"]["belief"].shape == (8, STEPS, TRIALS, 4)
    assert observed_energies == energies
    assert np.abs(plain.parameters()["in"]["m"] - initial["in"]["m"]).max() > 1e-3
    for name, parameters in plain.parameters().items():
        for each, values in parameters.items():
            np.testing.assert_allclose(observed.parameters()[name][each], values, rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"inference.window": "sequence"}, "learning.every"),
        ({"learning.credit": "influence"}, "learning.every"),
        ({"inference.window": 1}, "learning.every"),
    ],
)
def test_errors_that_come_later_are_not_learned_from_at_each_step(settings, key):
    with pytest.raises(DescriptionError, match=f'{key} = "step" learns from the errors of a step alone'):
        protocol("fixed-prediction", **settings)


def test_a_run_learns_within_its_presentations():
    settings = {"learning.presentations": 40, "learning.epochs": None, "test.every": 0, "recording.synapses_every": 0}
    run = nm.simulate(
        nm.load_circuit("pc", {"population.hidden.size": 10}),
        nm.load_protocol("digits-rows", {"inference.scheme": "fixed-prediction", **CAUSAL, **settings}),
        backend="numpy",
    )
    energy = run["learning"]["loss"].values
    assert energy[-5:].mean() < 0.8 * energy[:5].mean()
