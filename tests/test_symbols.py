"""Circuits that read symbols: the same as one-hot units, streams that continue, delays longer than a presentation."""

import numpy as np
import pytest
from in_process import Reused
from small_language import STEPS, SYMBOLS, TRIALS, language, protocol

import neuro_mpc as nm
from neuro_mpc.experiments import responses
from neuro_mpc.networks import phases
from neuro_mpc.networks.plan import Plan
from neuro_mpc.simulation import initial
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.stimuli import one_hot

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_this_process")]


def presenter(symbolic, steps=STEPS, carries=False, precision="float64", described=None, **changes):
    circuit = (described or language(**changes)).sized(SYMBOLS, SYMBOLS)
    learned = protocol()
    plan = Plan(
        circuit,
        TRIALS,
        steps,
        optimizer="sgd",
        precision=precision,
        symbolic=(circuit.stimulus, circuit.target) if symbolic else (),
    )
    shown = Presenter(Reused(plan), plan, learned, 3, carries=carries)
    shown.load(initial.draw(circuit, learned, 1))
    return shown


def batch(steps=STEPS):
    rng = np.random.default_rng(0)
    symbols, targets = rng.integers(0, SYMBOLS, (2, steps, TRIALS))
    symbols[1, 0] = targets[2, 1] = -1
    return symbols, targets


# The token projection as it comes, with a variance of its own, and one step late.
CHANGES = [
    {},
    {"projection.embedding.synapse": "spike-and-slab-corpus"},
    {"projection.embedding.delay": 1},
    {"projection.input.from": "token", "projection.input.delay": 1, "projection.recurrent.delay": 2},
]


@pytest.mark.parametrize("changes", CHANGES[:3])
def test_symbols_are_one_hot_units(changes):
    symbols, targets = batch()
    numbers, units = presenter(True, **changes), presenter(False, **changes)
    for presentation in range(2):
        found = numbers.learn(presentation, symbols, targets, 0.1)
        expected = units.learn(presentation, one_hot(symbols, SYMBOLS), one_hot(targets, SYMBOLS), 0.1)
        # At a step without a target the units are corrected towards nothing; symbols have no other way to say so.
        assert found == expected
    for projection, values in units.parameters().items():
        for name, value in values.items():
            np.testing.assert_allclose(numbers.parameters()[projection][name], value, rtol=1e-11, atol=1e-13)


def biased() -> nm.Circuit:
    """The circuit with a bias of its outputs."""
    tables = language().tables()
    tables["population"]["bias"] = {"role": "constant"}
    tables["projection"]["bias"] = {"from": "bias", "to": "next", "synapse": "point-corpus"}
    return nm.Circuit.from_tables(tables, "biased")


def test_long_rows_are_read_out_and_compared_one_by_one(monkeypatch):
    """What is computed of them is the same, to the bit, whether they come one by one or all at once; but for their
    losses, which are told from the probability of the symbol in place of from all predictions."""
    symbols, targets = batch()
    at_once = presenter(True, described=biased())
    monkeypatch.setattr(phases, "LONG_ROW", SYMBOLS)
    one_by_one = presenter(True, described=biased())
    assert "rows" in phases.all_phases(one_by_one.plan)[2].as_text()
    for presentation in range(2):
        found, expected = (each.learn(presentation, symbols, targets, 0.1) for each in (one_by_one, at_once))
        np.testing.assert_allclose(found, expected, rtol=1e-14)
        for variable in ("error_q", "prediction_y", "error_target"):
            rows = (each.program.get_rows("next", f"next_{variable}") for each in (one_by_one, at_once))
            np.testing.assert_array_equal(*rows)
    for projection, values in at_once.parameters().items():
        for name, value in values.items():
            np.testing.assert_array_equal(one_by_one.parameters()[projection][name], value)
    generated = (each.generate(np.arange(TRIALS), STEPS, "") for each in (one_by_one, at_once))
    np.testing.assert_array_equal(*generated)


@pytest.mark.parametrize("changes", CHANGES[:3])
def test_two_presentations_of_a_stream_are_one_of_twice_the_steps(changes):
    symbols, targets = batch(2 * STEPS)
    whole, halves = presenter(True, 2 * STEPS, **changes), presenter(True, carries=True, **changes)
    with whole.noiseless(), halves.noiseless():
        expected = whole.predict(symbols, targets, "", 0)[0]
        first = halves.predict(symbols[:STEPS], targets[:STEPS], "", 0)[0]
        with halves.aside():
            halves.predict(symbols[::-1][:STEPS], targets[:STEPS], "another", 0)
        second = halves.predict(symbols[STEPS:], targets[STEPS:], "", 1, carrying=True)[0]
    np.testing.assert_allclose(np.concatenate([first, second]), expected, rtol=1e-12)


# Longer than a presentation: of the stimulus, of a population to itself, of both.
LATE = [
    {"projection.embedding.delay": 3},
    {"projection.recurrent.delay": 5},
    {"projection.embedding.delay": 5, "projection.recurrent.delay": 3},
]


@pytest.mark.parametrize("symbolic", [True, False])
@pytest.mark.parametrize("changes", LATE)
def test_what_is_delayed_by_more_than_a_presentation_arrives(changes, symbolic):
    """Three presentations of two steps are one of six, and what is learned of the last one is the same after a
    checkpoint."""
    symbols, targets = (each if symbolic else one_hot(each, SYMBOLS) for each in batch(6))
    whole, parts, resumed = (presenter(symbolic, n, carries=True, **changes) for n in (6, 2, 2))
    found = []
    with whole.noiseless(), parts.noiseless():
        expected = whole.predict(symbols, targets, "", 0)[0]
        for start in (0, 2, 4):
            if start == 4:
                with parts.aside():
                    parts.predict(symbols[::-1][:2], targets[:2], "another", 0)
                resumed.restore(parts.state())
            now = slice(start, start + 2)
            found.append(parts.predict(symbols[now], targets[now], "", start, carrying=start > 0)[0])
        with resumed.noiseless():
            after = resumed.predict(symbols[4:], targets[4:], "", 4, carrying=True)[0]
    assert np.ptp(expected[4:]) > 1e-3
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-12)
    np.testing.assert_array_equal(after, found[-1])


@pytest.mark.parametrize(("steps", "changes"), [(STEPS, {}), (2, {}), (2, LATE[0]), (2, LATE[2])])
def test_generated_symbols_are_the_most_probable_ones(steps, changes):
    shown, whole = presenter(True, steps, **changes), presenter(True, **changes)
    with shown.noiseless(), whole.noiseless():
        sequences = shown.generate(np.arange(TRIALS), STEPS, "")
        output = whole.predict(sequences[:, :-1].T, sequences[:, 1:].T, "", 0)[0]
    np.testing.assert_array_equal(output.argmax(axis=2), sequences[:, 1:].T)


def test_surprise_does_not_end_where_single_precision_does():
    """The output is zero by rounding for what is less probable than exp(−103)."""
    shown, (symbols, targets) = presenter(True, precision="float32"), batch()
    parameters = shown.parameters()
    for name in shown.plan.circuit.incoming(shown.plan.circuit.target):
        parameters[name] = {each: 300 * value if each == "m" else value for each, value in parameters[name].items()}
    shown.load(parameters)
    with shown.noiseless():
        expected, log_expected, traces = shown.respond(symbols, targets, "", 0)
    prediction = traces[shown.plan.circuit.target]["prediction"].astype(float)
    assert (expected == 0).any()
    assert log_expected.min() < -150
    np.testing.assert_allclose(np.exp(log_expected), expected, rtol=1e-4, atol=1e-37)
    given = one_hot(targets, SYMBOLS).astype(float)
    surprise = responses._judged(expected, log_expected, given)[0]
    odds = np.exp(prediction[..., None, :] - prediction[..., None]).sum(-1)  # 1 / probability of each symbol
    np.testing.assert_allclose(surprise, np.where(targets < 0, np.nan, (given * np.log(odds)).sum(-1)), rtol=1e-6)
    assert np.nanmax(surprise) > 150
