"""Baselines against NumPy on all trials at once; a known linear system is recovered to its noise."""

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.simulation import baselines as module
from neuro_mpc.simulation.baselines import Batch, _late, baselines, of_classes, of_values
from neuro_mpc.simulation.least_squares import LeastSquares, lagged

RNG = np.random.default_rng(0)
NOISE = 0.1


def system(trials, steps=8, missing=0.0):
    """Inputs (T, B, 3) and outputs (T, B, 2), which depend on the last two steps."""
    x = RNG.standard_normal((steps, trials, 3))
    weights = np.arange(12).reshape(2, 3, 2) / 6
    before = np.concatenate([np.zeros((1, trials, 3)), x[:-1]])
    y = 1.5 + x @ weights[0] + before @ weights[1] + NOISE * RNG.standard_normal((steps, trials, 2))
    y[RNG.random(y.shape) < missing] = np.nan
    return x, y


def in_batches(x, y, size=7):
    before = np.concatenate([np.full_like(y[:1], np.nan if y.dtype.kind == "f" else -1), y[:-1]])
    inputs = lagged(x, 2)
    parts = [slice(start, start + size) for start in range(0, x.shape[1], size)]

    def batch(part):
        return Batch(y[:, part], lambda: before[:, part], lambda: inputs[:, part])

    return lambda: map(batch, parts)


@pytest.mark.parametrize(("unit", "mean"), [(1, 0), (1e-6, 0), (1e9, 0), (1, 3e3), (1e-20, 1e-18)])
def test_least_squares_are_those_of_numpy_over_batches_in_any_unit(unit, mean):
    """As of volts of a recording, or of kelvin; what does not vary changes nothing."""
    x = np.concatenate([mean + unit * RNG.standard_normal((50, 3)), np.full((50, 1), 0.1), np.ones((50, 1))], axis=1)
    y = 5 + RNG.standard_normal((50, 2))
    fit = LeastSquares(5, 2)
    for start in range(0, 50, 9):
        fit.add(x[start : start + 9], y[start : start + 9])
    centred = (x[:, :3] - x[:, :3].mean(axis=0)) / unit
    best = np.linalg.lstsq(np.concatenate([centred, np.ones((50, 1))], axis=1), y, rcond=None)[0]
    np.testing.assert_allclose(x @ fit.weights(), centred @ best[:3] + best[3], rtol=1e-4, atol=1e-6)
    assert fit.rows == 50


def test_a_unit_without_values_takes_nothing_from_the_regression_of_others():
    def without(x, y):
        return x, np.concatenate([y, np.full_like(y[..., :1], np.nan)], axis=2)

    train, test = system(200), system(50)
    found = of_values(in_batches(*without(*train)), in_batches(*without(*test)), units=3)
    of_others = of_values(in_batches(*train), in_batches(*test), units=2)
    assert found == pytest.approx(of_others)
    alternating = train[1].copy()
    alternating[..., 0][:, ::2] = alternating[..., 1][:, 1::2] = np.nan
    found = of_values(in_batches(train[0], alternating), in_batches(*test), units=2)
    assert "mean_squared_error_of_regression" not in found
    assert found["mean_squared_error_of_mean"] == pytest.approx(of_others["mean_squared_error_of_mean"], rel=0.1)


def test_lagged_inputs_are_the_last_steps_and_silence_before_the_first():
    shown = np.arange(6.0).reshape(3, 1, 2)
    np.testing.assert_array_equal(lagged(shown, 2)[:, 0], [[0, 1, 0, 0, 1], [2, 3, 0, 1, 1], [4, 5, 2, 3, 1]])


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_values_are_predicted_by_mean_last_value_and_regression(missing):
    train, test = system(200, missing=missing), system(50, missing=missing)
    found = of_values(in_batches(*train), in_batches(*test), units=2)
    mean, y = np.nanmean(train[1], axis=(0, 1)), test[1]
    before = np.concatenate([np.full((1, 50, 2), np.nan), y[:-1]])
    before = np.where(np.isnan(before), mean, before)
    spread = np.nansum((y - np.nanmean(y, axis=(0, 1))) ** 2)
    for name, predicted in (("mean", mean), ("last", before)):
        assert found[f"mean_squared_error_of_{name}"] == pytest.approx(np.nanmean((y - predicted) ** 2))
        assert found[f"explained_variance_of_{name}"] == pytest.approx(1 - np.nansum((y - predicted) ** 2) / spread)
    assert found["mean_squared_error_of_regression"] == pytest.approx(NOISE**2, rel=0.15)


def test_classes_are_predicted_by_the_most_frequent_one_and_regression():
    def trials(number):
        x, y = system(number)
        classes = np.searchsorted([0.5, 1.5, 4.0], y[..., 0])
        classes[0] = -1
        return x, classes

    train, test = trials(300), trials(80)
    found = of_classes(in_batches(*train), in_batches(*test), classes=4)
    frequent = np.bincount(train[1][train[1] >= 0]).argmax()
    assert found["accuracy_of_frequent"] == pytest.approx((test[1][1:] == frequent).mean())
    assert found["accuracy_of_frequent"] + 0.15 < found["accuracy_of_regression"] <= 1


def task(data, read, populations=("x", "y"), readout="gaussian", kind="given", delay=0, **keys):
    """What is asked of a circuit with these populations, of which the last one is the target."""
    *shown, target = populations
    circuit = nm.Circuit(
        name="small",
        population={
            **{name: {"role": "stimulus"} for name in shown},
            "hidden": {"size": 2},
            target: {"role": "target", "readout": readout, "channel": "x" if kind != "given" else None},
        },
        projection={
            **{name: {"from": name, "to": "hidden", "synapse": "point", "delay": delay} for name in shown},
            "out": {"from": "hidden", "to": target, "synapse": "point"},
        },
    )
    protocol = nm.Protocol(
        name="own",
        stimulus={"source": "arrays", **keys},
        target={"read": read, "kind": kind},
        learning={"rate": 0.1, "batch": 4, "epochs": 1},
    )
    return stimuli.load_task(protocol, circuit, 0, data)


@pytest.mark.parametrize("read", ["every", "last", [3, 7]])
def test_baselines_of_a_task_know_its_steps(read):
    x, y = system(300)
    data = {"x": x.swapaxes(0, 1), "y": y.swapaxes(0, 1)}
    found = baselines(task(data, read))
    assert found["mean_squared_error_of_regression"] == pytest.approx(NOISE**2, rel=0.3)
    steps = {"every": slice(None), "last": slice(-1, None)}.get(str(read), read)
    assert found["mean_squared_error_of_mean"] == pytest.approx(y[steps].var(), rel=0.2)


def test_the_last_value_of_the_next_step_is_the_present_one():
    walk = np.cumsum(RNG.standard_normal((100, 20, 1)), axis=1)
    found = baselines(task({"x": walk}, "every", ("x", "next"), kind="next"))
    assert found["mean_squared_error_of_last"] == pytest.approx(1, rel=0.2)
    assert found["mean_squared_error_of_regression"] == pytest.approx(1, rel=0.2)


@pytest.mark.parametrize("delay", [1, 3])
def test_what_is_shown_is_predicted_from_what_has_reached_the_target_before(delay):
    steady, noise = 0.9, RNG.standard_normal((400, 20, 1))
    process = np.empty_like(noise)
    process[:, 0] = noise[:, 0] / np.sqrt(1 - steady**2)
    for step in range(1, 20):
        process[:, step] = steady * process[:, step - 1] + noise[:, step]
    found = baselines(task({"x": process}, [*range(10, 20)], ("x", "now"), kind="same", delay=delay))
    unknown = sum(steady ** (2 * step) for step in range(delay))  # of the noise of so many steps
    assert found["mean_squared_error_of_regression"] == pytest.approx(unknown, rel=0.15)


def test_no_regression_is_a_baseline_where_the_answer_is_shown():
    walk = RNG.standard_normal((20, 5, 2))
    found = baselines(task({"x": walk}, "every", ("x", "now"), kind="same"))
    assert {name.rpartition("_")[2] for name in found} == {"mean", "last"}
    symbols = RNG.integers(3, size=(20, 5))
    assert set(baselines(task({"x": symbols}, "last", ("x", "now"), "softmax", "same"))) == {"accuracy_of_frequent"}


def test_a_regression_sees_what_is_late_late():
    x, y = system(300)
    data = {"x": x.swapaxes(0, 1), "y": y.swapaxes(0, 1)}
    now, late = (baselines(task(data, "every", delay=delay))["mean_squared_error_of_regression"] for delay in (0, 1))
    weights = np.arange(6) / 6  # of what is shown at the same step, and independent of the step before
    assert now == pytest.approx(NOISE**2, rel=0.3)
    assert late == pytest.approx(NOISE**2 + (weights**2).sum() / 2, rel=0.3)


@pytest.mark.parametrize("delay", [2, 5])
def test_nothing_has_reached_a_target_before_the_delay(delay):
    shown = np.arange(1.0, 4.0).reshape(3, 1, 1)
    np.testing.assert_array_equal(_late(shown, delay)[:, 0, 0], [0, 0, 1] if delay == 2 else [0, 0, 0])


def test_a_regression_sees_symbols_as_one_unit_each():
    symbol = RNG.integers(4, size=(200, 6))
    label = np.concatenate([symbol[:, :1], symbol[:, :-1]], axis=1)  # the symbol one step earlier
    data = {"x": symbol, "y": label}
    assert baselines(task(data, "last", readout="softmax"))["accuracy_of_regression"] == 1


def test_the_perplexity_of_frequencies_is_that_of_a_predictor_that_sees_nothing():
    seen, wanted = np.repeat([0, 1], [30, 10]), np.repeat([0, 1, 2], [4, 3, 1])
    data = {
        "x": np.zeros((48, 1, 1)),
        "y": np.concatenate([seen, wanted]),
        "split": np.repeat(["train", "test"], [40, 8]),
    }
    of_task = task(data, "last", readout="softmax")
    assert "perplexity_of_frequencies" not in baselines(of_task)
    probability = np.array([31, 11, 1]) / 43  # each class once more than it was seen
    expected = np.exp(-np.log(probability[wanted]).mean())
    assert baselines(of_task, perplexity=True)["perplexity_of_frequencies"] == pytest.approx(expected)


def test_a_regression_from_too_many_inputs_is_left_out():
    data = {"x": RNG.standard_normal((20, 2, 1001)), "y": RNG.standard_normal((20, 2, 1))}
    assert {name.rpartition("_")[2] for name in baselines(task(data, "every"))} == {"mean", "last"}


def test_a_language_that_allows_several_letters_has_no_baselines():
    assert baselines(stimuli.load_task(nm.load_protocol("toy-language"), nm.load_circuit("mpl"), 0)) == {}


@pytest.mark.parametrize("most", [60, 1000])
def test_of_many_training_trials_some_at_equal_distances_are_learned_from(most, monkeypatch):
    x, y = system(300)
    own = task({"x": x.swapaxes(0, 1), "y": y.swapaxes(0, 1)}, "every")
    wanted, asked = type(own).wanted, {"train": [], "test": []}

    def noting(self, split, trials, target):
        asked[split].append(trials)
        return wanted(self, split, trials, target)

    monkeypatch.setattr(type(own), "wanted", noting)
    monkeypatch.setattr(module, "MOST_TRAINED", most)
    found = baselines(own)
    learned = {*module._spread(own.size("train"), most).tolist()}
    assert len(learned) == min(most, own.size("train"))
    assert {*np.concatenate(asked["train"]).tolist()} == learned
    assert {*np.concatenate(asked["test"]).tolist()} == {*range(own.size("test"))}
    assert found["mean_squared_error_of_regression"] == pytest.approx(NOISE**2, rel=0.3)


def test_distances_are_equal_up_to_rounding():
    assert module._spread(8, 3).tolist() == [0, 2, 5]
    assert module._spread(3, 8).tolist() == [0, 1, 2]
