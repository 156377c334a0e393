"""The adding and the copying problem: what is shown, and what is asked for."""

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc.stimuli.adding import AddingStimuli
from neuro_mpc.stimuli.copying import CopyingStimuli


def stimuli(kind, source, seed=0, **settings):
    protocol = nm.load_protocol(source, {f"stimulus.{key}": value for key, value in settings.items()})
    return kind(protocol, nm.load_circuit("pc"), seed)


@pytest.mark.parametrize("steps", [2, 7])
def test_one_number_of_either_half_is_marked_and_their_sum_asked_for_at_the_end(steps):
    task = stimuli(AddingStimuli, "adding", steps=steps, trials=50)
    trials = np.array([3, 1, 40])
    numbers, marks = np.moveaxis(task.given("train", trials, "numbers"), 2, 0)
    half = steps // 2
    for each in (marks[:half], marks[half:]):
        np.testing.assert_array_equal(each.sum(axis=0), 1)
    asked = task.given("train", trials, "sum")
    assert np.isnan(asked[:-1]).all()
    np.testing.assert_allclose(asked[-1, :, 0], np.where(marks == 1, numbers, 0).sum(axis=0), rtol=1e-6)


def test_symbols_are_shown_then_blanks_and_a_go_then_each_is_asked_for():
    task = stimuli(CopyingStimuli, "copying", symbols=4, length=2, delay=3, trials=20)
    trials = np.array([5, 0])
    shown, asked = (task.given("train", trials, channel) for channel in ("shown", "copy"))
    assert shown.shape == (task.steps, 2, 6)
    np.testing.assert_array_equal(shown.sum(axis=2), 1)
    symbols = shown.argmax(axis=2)
    np.testing.assert_array_equal(symbols[2:], [[4, 4], [4, 4], [5, 5], [4, 4], [4, 4]])
    assert (asked[:5] == -1).all()
    np.testing.assert_array_equal(asked[5:], symbols[:2])


@pytest.mark.parametrize(
    ("source", "settings"),
    [("adding", {"trials": 10**9}), ("copying", {"trials": 10**12}), ("adding", {"test": 10**9})],
)
def test_more_trials_than_memory_holds_are_refused(source, settings):
    with pytest.raises(nm.DescriptionError, match="are more than memory should hold"):
        nm.load_protocol(source, {f"stimulus.{key}": value for key, value in settings.items()})
