"""What each population of a circuit is given: channels by name, by kind and by role; targets at chosen steps."""

from unittest.mock import patch

import numpy as np
import pytest
from in_process import started

import neuro_mpc as nm
from neuro_mpc.errors import DescriptionError
from neuro_mpc.networks import launch
from neuro_mpc.stimuli import Channel, Stimuli, Task, load_task

STEPS, TRIALS = 4, 6


class Offered(Stimuli):
    """A source with these channels: values are the number of the trial, of the step and of the unit together."""

    def __init__(self, **channels):
        self._channels, self.steps = channels, STEPS

    @property
    def channels(self):
        return self._channels

    def size(self, split):
        return TRIALS

    def given(self, split, trials, channel):
        step, trial = np.arange(STEPS)[:, None], np.asarray(trials)
        if self.channels[channel].kind == "classes":
            return (trial + step) % self.channels[channel].width
        units = np.arange(self.channels[channel].width)
        return (100 * trial[:, None] + 10 * step[..., None] + units).astype(np.float32)


ELSEWHERE = {"x": {"role": "stimulus", "channel": "c"}, "y": {"role": "target"}}
VALUES, CLASSES = Channel(2), Channel(3, "classes", symbolic=True)
TO_SHOW, TO_ASK = Channel(2, roles=("stimulus",)), Channel(2, roles=("target",))


def circuit(**populations):
    """A hidden population, which all stimuli reach and which predicts all targets."""
    arrows = [
        (name, "hidden") if table["role"] == "stimulus" else ("hidden", name) for name, table in populations.items()
    ]
    return nm.Circuit(
        name="any",
        population={"hidden": {"size": 2}, **populations},
        projection={
            f"{source}-{target}": {"from": source, "to": target, "synapse": "point"} for source, target in arrows
        },
    )


STIMULUS, GAUSSIAN, SOFTMAX = {"role": "stimulus"}, {"role": "target", "readout": "gaussian"}, {"role": "target"}


def task(source, target=None, **populations):
    protocol = nm.load_protocol("digits-rows", {"target": target or {"read": "every"}})
    return Task(protocol, circuit(**populations), source)


@pytest.mark.parametrize(
    ("channels", "populations", "bound"),
    [
        ({"a": VALUES, "b": CLASSES}, {"x": STIMULUS, "y": SOFTMAX}, {"x": "a", "y": "b"}),
        ({"y": VALUES, "x": VALUES}, {"x": STIMULUS, "y": GAUSSIAN}, {"x": "x", "y": "y"}),
        ({"a": VALUES, "b": VALUES}, {"x": {**STIMULUS, "channel": "b"}, "y": GAUSSIAN}, {"x": "b", "y": "a"}),
        ({"a": CLASSES, "b": VALUES}, {"y": GAUSSIAN}, {"y": "b"}),
        ({"a": CLASSES}, {"y": GAUSSIAN}, {"y": "a"}),
        (
            {"a": VALUES, "b": VALUES, "c": CLASSES},
            {"a": STIMULUS, "b": STIMULUS, "c": SOFTMAX, "y": {**GAUSSIAN, "channel": "a"}},
            {"a": "a", "b": "b", "c": "c", "y": "a"},
        ),
    ],
)
def test_a_population_is_given_the_channel_that_is_named_or_the_only_one_that_fits(channels, populations, bound):
    made = task(Offered(**channels), **populations)
    assert {name: made.source.channels[made._names[name]] for name in bound} == {
        name: channels[channel] for name, channel in bound.items()
    }
    assert made._names == bound
    assert made.widths == {name: channels[channel].width for name, channel in bound.items()}


def test_what_is_only_shown_is_a_target_at_the_same_or_the_next_step_alone():
    channels = {"x": TO_SHOW, "z": TO_ASK}
    for kind in ("same", "next"):
        made = task(Offered(**channels), {"kind": kind, "read": "every"}, x=STIMULUS, y={**GAUSSIAN, "channel": "x"})
        assert made._names == {"x": "x", "y": "x"}
    with pytest.raises(DescriptionError, match="is not for a target") as caught:
        task(Offered(**channels), x=STIMULUS, y={**GAUSSIAN, "channel": "x"})
    assert caught.value.expected == "z"


@pytest.mark.parametrize("kind", ["same", "next"])
def test_a_target_can_be_what_a_stimulus_is_now_or_one_step_later(kind):
    made = task(Offered(x=VALUES), {"read": "every", "kind": kind}, x=STIMULUS, y=GAUSSIAN)
    stimuli, targets = made.presented("train", np.arange(TRIALS))
    if kind == "same":
        np.testing.assert_array_equal(targets["y"], stimuli["x"])
        assert made.with_missing == ()
        return
    np.testing.assert_array_equal(targets["y"][:-1], stimuli["x"][1:])
    assert np.isnan(targets["y"][-1]).all()
    assert made.with_missing == ("y",)
    assert made.predicts_next


def test_a_target_is_compared_at_the_steps_that_are_read():
    shown = {"x": VALUES, "y": VALUES}
    every, last, some = (
        task(Offered(**shown), {"read": read}, x=STIMULUS, y=GAUSSIAN).presented("train", np.arange(TRIALS))[1]["y"]
        for read in ("every", "last", [1, 3])
    )
    np.testing.assert_array_equal(last, every[-1:])
    np.testing.assert_array_equal(some[[1, 3]], every[[1, 3]])
    assert np.isnan(some[[0, 2]]).all()


@pytest.mark.parametrize("symbolic", [True, False])
def test_a_batch_has_a_one_for_each_class_whether_a_program_is_told_numbers_or_not(symbolic):
    classes = Channel(3, "classes", symbolic=symbolic)
    made = task(Offered(x=classes, y=classes), {"read": [1, 3]}, x=STIMULUS, y=SOFTMAX)
    stimulus, target = made.batch("train", np.arange(TRIALS))
    every = np.eye(3)[(np.arange(TRIALS) + np.arange(STEPS)[:, None]) % 3]
    np.testing.assert_array_equal(stimulus, every)
    np.testing.assert_array_equal(target[[1, 3]], every[[1, 3]])
    assert np.isnan(target[[0, 2]]).all()


def test_a_task_counts_the_steps_that_are_read_and_those_that_are_shown():
    made = {
        str(read): task(Offered(x=VALUES, y=VALUES), {"read": read}, x=STIMULUS, y=GAUSSIAN)
        for read in ("every", "last", [1, 3])
    }
    counts = {read: (each.steps_read("y"), each.steps_shown("y")) for read, each in made.items()}
    assert counts == {"every": (STEPS, STEPS), "last": (1, 1), "[1, 3]": (2, STEPS)}
    assert {read: (each.read, each.last_read) for read, each in made.items()} == {
        "every": ("every", ()),
        "last": ("last", ("y",)),
        "[1, 3]": ("every", ()),
    }


def test_a_task_without_a_stimulus_has_no_units_of_one():
    generative, given = task(Offered(y=VALUES), y=GAUSSIAN), task(Offered(x=VALUES, y=CLASSES), x=STIMULUS, y=SOFTMAX)
    assert (generative.width, generative.classes, generative.measure) == (0, 2, "mean-squared-error")
    assert (given.width, given.classes, given.measure) == (2, 3, "accuracy")
    assert not generative.predicts_next
    assert (generative.symbols, given.symbols) == (["0", "1"], ["0", "1", "2"])


def test_where_a_language_allows_several_answers_the_source_says_which_are_right():
    source = Offered(x=CLASSES, y=CLASSES)
    trials, answers = np.arange(TRIALS), np.zeros((STEPS, TRIALS), int)
    plain = task(source, x={**STIMULUS, "channel": "x"}, y={**SOFTMAX, "channel": "y"})
    np.testing.assert_array_equal(plain.right("train", trials, answers), plain.labels("train", trials) == 0)
    assert plain.chance == 1 / 3
    source.transitions, allowed = (1, 2), answers == 0
    with patch.object(Offered, "chance", 2 / 3), patch.object(Offered, "right", lambda *_: allowed):
        made = task(source, x={**STIMULUS, "channel": "x"}, y={**SOFTMAX, "channel": "y"})
        assert made.chance == 2 / 3
        assert made.right("train", trials, answers) is allowed


def test_what_came_one_step_before_is_nothing_at_first():
    source, trials = Offered(x=VALUES, y=CLASSES), np.arange(TRIALS)
    made = task(source, x=STIMULUS, y=SOFTMAX)
    earlier = made.earlier("train", trials, "y")
    np.testing.assert_array_equal(earlier[0], -1)
    np.testing.assert_array_equal(earlier[1:], made.wanted("train", trials, "y")[:-1])
    same, following = (
        task(source, {"read": "every", "kind": kind}, x=STIMULUS, y={**GAUSSIAN, "channel": "x"})
        for kind in ("same", "next")
    )
    assert np.isnan(same.earlier("train", trials, "y")[0]).all()
    np.testing.assert_array_equal(following.earlier("train", trials, "y"), source.given("train", trials, "x"))
    assert (same.shows("x", "y"), following.shows("x", "y"), made.shows("x", "y")) == (True, False, False)


def test_a_trial_in_which_nothing_is_asked_is_known():
    source = Offered(x=VALUES, y=CLASSES)
    for given, asked in ((np.full((STEPS, 1), -1), False), (np.full((STEPS, 1), 0), True)):
        with patch.object(Offered, "given", lambda *_, given=given: given):
            assert task(source, x=STIMULUS, y=SOFTMAX).has_target("train", np.array([0])) == asked
    for given, asked in ((np.full((STEPS, 1, 2), np.nan), False), (np.zeros((STEPS, 1, 2)), True)):
        with patch.object(Offered, "given", lambda *_, given=given: given):
            values = task(source, x=STIMULUS, y={**GAUSSIAN, "channel": "x"})
            assert values.has_target("train", np.array([0])) == asked


def test_a_channel_tells_where_a_target_is_compared():
    source = Offered(x=VALUES, y=VALUES, go=CLASSES)
    made = task(source, {"read": "every", "where": "go"}, x={**STIMULUS, "channel": "x"}, y=GAUSSIAN)
    wanted, go = made.wanted("train", np.arange(TRIALS), "y"), source.given("train", np.arange(TRIALS), "go")
    np.testing.assert_array_equal(np.isnan(wanted).any(axis=-1), go == 0)
    assert made.with_missing == ("y",)


def test_a_target_is_compared_where_any_unit_of_a_mask_is_there_and_not_zero():
    source, mask = Offered(x=VALUES, y=VALUES, mask=VALUES), np.zeros((STEPS, TRIALS, 2), np.float32)
    mask[0, 1], mask[1, 2], mask[2, 3], mask[3, 4] = (0, -0.5), (1, np.nan), (np.nan, 0), (np.nan, np.nan)
    target = {"read": "every", "where": "mask"}
    made = task(source, target, x={**STIMULUS, "channel": "x"}, y={**GAUSSIAN, "channel": "y"})
    given = source.given
    with patch.object(
        Offered, "given", lambda _, split, trials, name: mask if name == "mask" else given(split, trials, name)
    ):
        wanted = made.wanted("train", np.arange(TRIALS), "y")
    compared = np.argwhere(~np.isnan(wanted).all(axis=-1)).tolist()
    assert compared == [[0, 1], [1, 2]]
    np.testing.assert_array_equal(wanted[0, 1], given("train", np.arange(TRIALS), "y")[0, 1])


def test_a_target_is_not_compared_where_a_mask_of_whole_numbers_is_missing():
    mask = np.array([[0, 1, -1, 2, -1, 0]] * STEPS)
    source = Offered(x=VALUES, y=VALUES, mask=CLASSES)
    made = task(source, {"read": "every", "where": "mask"}, x={**STIMULUS, "channel": "x"}, y=GAUSSIAN)
    given = source.given
    with patch.object(
        Offered, "given", lambda _, split, trials, name: mask if name == "mask" else given(split, trials, name)
    ):
        wanted = made.wanted("train", np.arange(TRIALS), "y")
    np.testing.assert_array_equal(~np.isnan(wanted[..., 0]), [[False, True, False, True, False, False]] * STEPS)


def test_a_mask_counts_at_the_last_step_where_a_source_gives_that_step_of_a_target_alone():
    """The digits are asked for where their last pixels are not black, whatever those of other trials are."""
    keys = {"target.where": "stimulus", "target.read": "last", "stimulus.pixels_per_step": 2}
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 2, "population.input.channel": "stimulus"})
    data = load_task(nm.load_protocol("digits-rows", keys), circuit, 0)
    trials = np.arange(1000)
    last = data.source.given("train", trials, "stimulus")[-1]
    black = (last == 0).all(axis=1)
    assert 0 < black.sum() < 1000
    labels = data.source.given("train", trials, "target")
    np.testing.assert_array_equal(data.wanted("train", trials, "output"), np.where(black, -1, labels))


def test_missing_classes_are_missing_targets_of_any_read_out():
    source = Offered(x=VALUES, y=Channel(3, "classes", missing=True))
    with patch.object(Offered, "given", lambda *_: np.array([[0, -1]] * STEPS)):
        dense = task(source, x=STIMULUS, y=SOFTMAX)._dense("y", source.given("train", [0, 1], "y"))
    np.testing.assert_array_equal(dense[0, 0], [1, 0, 0])
    assert np.isnan(dense[:, 1]).all()


@pytest.mark.parametrize(
    ("channels", "populations", "target", "key", "problem"),
    [
        ({"a": VALUES, "b": VALUES}, {"x": STIMULUS, "y": GAUSSIAN}, {}, "population.y.channel", "2 would fit"),
        ({"a": VALUES}, {"x": STIMULUS, "y": SOFTMAX}, {}, "population.y.channel", "none of those that are left"),
        ({"a": VALUES}, {"x": STIMULUS, "y": GAUSSIAN}, {}, "population.x.channel", "none of those that are left"),
        ({"a": VALUES, "b": CLASSES}, ELSEWHERE, {}, "population.x.channel", "no such"),
        ({"c": TO_ASK, "y": CLASSES}, ELSEWHERE, {}, "population.x.channel", "is not for a stimulus"),
        ({"x": TO_SHOW, "y": TO_SHOW}, {"x": STIMULUS, "y": GAUSSIAN}, {}, "population.y.channel", "not for a target"),
        ({"x": VALUES, "y": TO_ASK}, {"x": STIMULUS, "y": {**GAUSSIAN, "channel": "z"}}, {"kind": "same"},
         "population.y.channel", "no such"),
        ({"x": VALUES, "y": VALUES}, {"x": STIMULUS, "y": SOFTMAX}, {}, "population.y.readout", "gives values"),
        ({"x": VALUES, "y": CLASSES}, {"x": STIMULUS, "y": SOFTMAX}, {"where": "go"}, "target.where", "no such"),
        ({"x": VALUES, "y": CLASSES}, {"x": STIMULUS, "y": SOFTMAX}, {"read": [2, 4]}, "target.read", "does not have"),
        (
            {"x": VALUES, "y": CLASSES},
            {"x": STIMULUS, "y": SOFTMAX},
            {"population": {"z": {"read": "last"}}},
            "target.population.z",
            "not a target population",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_given_is_told_before_anything_is_compiled(channels, populations, target, key, problem):
    with pytest.raises(DescriptionError) as caught:
        task(Offered(**channels), {"read": "every", **target}, **populations)
    assert (caught.value.key, problem in caught.value.problem) == (key, True), str(caught.value)


# --- whole runs, in this process ---


def simulated(described, data, **settings):
    protocol = nm.load_protocol(
        "digits-rows",
        {
            "stimulus": {"source": "arrays"},
            "target.read": "every",
            "learning.batch": 10,
            "learning.epochs": 2,
            "learning.schedule": {},
            "learning.initial": {},
            "test": {},
            "precision": "float64",
            **settings,
        },
    )
    with patch.object(launch, "start", started):
        return nm.simulate(described, protocol, data=data, backend="numpy", seed=1)


RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, STEPS, 3)), RNG.normal(size=(40, STEPS, 2))


def with_extra(extra):
    """A stimulus and a target; and a second stimulus, or a second target, with the same initial values of the rest."""
    populations = {"x": STIMULUS, "y": GAUSSIAN, **extra}
    return circuit(**populations)


@pytest.mark.parametrize("role", ["stimulus", "target"])
def test_a_channel_without_any_value_is_one_that_is_left_out(role):
    extra = {"z": {"role": role} | ({"readout": "gaussian"} if role == "target" else {})}
    nothing = np.full((40, STEPS, 2), np.nan)
    nothing[35] = 0  # in the test: a channel without any value at all is refused
    data = {"x": X, "y": Y, "split": np.repeat(["train", "test"], [30, 10])}
    alone, both = simulated(with_extra({}), data), simulated(with_extra(extra), data | {"z": nothing})
    for name in ("learning/free_energy", "learning/loss", "synapses/x-hidden/m", "synapses/hidden-y/m"):
        np.testing.assert_array_equal(both[name], alone[name], err_msg=name)  # to the last bit


def test_tests_measure_the_error_of_values_and_the_variance_that_is_explained():
    run = simulated(with_extra({}), {"x": X, "y": Y, "split": np.repeat(["train", "test"], [30, 10])})
    final = run["evaluation"].dataset
    assert final["mean_squared_error"] > 0
    spread = ((Y[30:] - Y[30:].mean(axis=(0, 1))) ** 2).mean()
    assert float(final["explained_variance"]) == pytest.approx(1 - float(final["mean_squared_error"]) / spread)


def test_a_precision_weighs_errors_in_the_energy():
    """Twice the precision and half the rate of learning: twice the loss, and the same first step."""
    data = {"x": X, "y": Y, "split": np.repeat(["train", "test"], [30, 10])}
    runs = [
        simulated(
            circuit(x=STIMULUS, y={**GAUSSIAN, "precision": precision}),
            data,
            **{
                "inference.scheme": "fixed-prediction",
                "learning.optimizer": "sgd",
                "learning.rate": 0.1 / precision,
                "learning.clip": 0.0,
                "learning.decay": 0.0,
            },
        )
        for precision in (1.0, 2.0)
    ]
    losses = [run["learning/loss"].values for run in runs]
    np.testing.assert_allclose(losses[1], 2 * losses[0], rtol=1e-12)


@pytest.mark.parametrize("names", [("x", "y"), ("a", "b")])
def test_floats_that_number_classes_are_told_how_to_become_classes(names):
    with pytest.raises(DescriptionError) as caught:
        task(Offered(**dict.fromkeys(names, VALUES)), {"read": "every"}, x=STIMULUS, y=SOFTMAX)
    assert '.astype("int32")' in caught.value.hint


def test_classes_that_a_stimulus_population_is_given_are_ones_at_their_units():
    source = Offered(c=Channel(3, "classes"), b=Channel(2))
    shown = task(source, x={"role": "stimulus", "channel": "c"}, y=GAUSSIAN).stimulus("train", np.array([0, 4]))
    expected = (np.array([[0, 4]]) + np.arange(STEPS)[:, None]) % 3
    np.testing.assert_array_equal(shown, expected[..., None] == np.arange(3))
    assert shown.dtype == np.float32


def test_only_what_has_a_class_is_asked():
    class Known(Offered):
        def labels(self, split, trials):
            return np.array([[-1, 0, 2], [1, -1, 0]])

    source = Known(b=Channel(3, "classes"))
    np.testing.assert_array_equal(source.asked("train", np.arange(3)), [[False, True, True], [True, False, True]])
    answers = np.array([[-1, 0, 1], [1, 1, 0]])
    np.testing.assert_array_equal(
        source.right("train", np.arange(3), answers), [[True, True, False], [True, False, True]]
    )
