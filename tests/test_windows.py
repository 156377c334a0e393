"""Windows, streams and splits of recordings: each within one stretch, no step in two splits, nothing shown twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neuro_mpc as nm
from neuro_mpc.stimuli import SPLITS
from neuro_mpc.stimuli.splits import in_order, named, of_recordings, of_steps, shuffled
from neuro_mpc.stimuli.windows import streams, windows

SHARES = st.tuples(st.floats(0, 0.5), st.floats(0, 0.4))
PLACE = {"source": "data", "key": "split"}


def steps_of(cuts: np.ndarray, length: int) -> list[tuple[int, int]]:
    """Recording and step of everything that the cuts show."""
    return [(recording, first + step) for recording, first, _ in cuts.tolist() for step in range(length)]


@given(st.integers(1, 6), st.integers(1, 60), SHARES, st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_no_step_is_in_two_splits_and_windows_are_whole(recordings, steps, shares, length, stride, seed):
    if recordings > 1:
        parts = of_recordings(shuffled(recordings, *shares, seed), steps)
    else:
        parts = of_steps(in_order(steps, *shares)[None], np.zeros((1, steps)))
    seen: dict[tuple[int, int], str] = {}
    for split, rows in parts.items():
        cuts = windows(rows, length, stride)
        for step in steps_of(cuts, length):
            assert seen.setdefault(step, split) == split
            assert step[0] < recordings
            assert 0 <= step[1] < steps
        within = [(r, s, end) for r, first, end in rows.tolist() for s in range(first, end - length + 1, stride)]
        assert list(map(tuple, cuts.tolist())) == within


def test_a_stretch_ends_where_the_split_or_the_group_changes():
    parts = of_steps(np.array([[0, 0, 0, 0, 1, 1, 2, 2]]), np.array([[0, 0, 1, 1, 1, 1, 1, 2]]))
    stretches = {"train": [[0, 0, 2], [0, 2, 4]], "validation": [[0, 4, 6]], "test": [[0, 6, 7], [0, 7, 8]]}
    assert {split: rows.tolist() for split, rows in parts.items()} == stretches


def test_each_recording_has_stretches_of_its_own():
    parts = of_steps(np.array([[0, 0, 0, 2], [2, 2, 2, 2], [2, 1, 0, 0]]), np.zeros((3, 4)))
    stretches = {"train": [[0, 0, 3], [2, 2, 4]], "validation": [[2, 1, 2]], "test": [[0, 3, 4], [1, 0, 4], [2, 0, 1]]}
    assert {split: rows.tolist() for split, rows in parts.items()} == stretches


@given(st.integers(0, 80), st.integers(1, 7), st.integers(1, 5), st.integers(0, 9))
def test_streams_continue_where_they_ended_and_show_no_step_twice(steps, length, number, first):
    cuts = streams(np.array([[0, first, first + steps]]), length, number)
    shown = steps_of(cuts, length)
    assert len(set(shown)) == len(shown) == steps // (length * number) * length * number
    assert all(first <= step < first + steps for _, step in shown)
    assert (cuts[number:, 1] - cuts[:-number, 1] == length).all()
    assert (cuts[:, 2] == first + steps).all()


@given(st.integers(1, 200), SHARES, st.integers(0, 99))
def test_shares_are_those_asked_for_and_depend_on_the_seed_alone(trials, shares, seed):
    for parted in (in_order(trials, *shares), shuffled(trials, *shares, seed)):
        counts = np.bincount(parted, minlength=3)
        assert counts.tolist() == [trials - counts[1] - counts[2], *(round(share * trials) for share in shares)]
    assert (shuffled(trials, *shares, seed) == shuffled(trials, *shares, seed)).all()
    assert (np.diff(in_order(trials, *shares)) >= 0).all()


def test_shuffled_splits_are_others_for_another_seed():
    assert (shuffled(100, 0.1, 0.2, 0) != shuffled(100, 0.1, 0.2, 1)).any()


@pytest.mark.parametrize(
    ("values", "attributes"),
    [
        (np.array(["train", "test", "validation"]), {}),
        (np.array([b"train", b"test", b"validation"]), {}),
        (np.array([0, 2, 1]), {"flag_meanings": "train validation test"}),
        (np.array([5, 7, 6]), {"flag_meanings": "train validation test", "flag_values": np.array([5, 6, 7])}),
    ],
)
def test_names_and_flags_name_splits(values, attributes):
    assert [SPLITS[number] for number in named(values, attributes, PLACE)] == ["train", "test", "validation"]


@pytest.mark.parametrize(
    ("values", "attributes", "problem"),
    [
        (np.array(["train", "tset"]), {}, "names a split that is unknown.*'tset'.*did you mean 'test'"),
        (np.array([0, 1]), {}, "does not say what its numbers mean.*flag_meanings"),
        (np.array([0.0, 1.0]), {"flag_meanings": "train test"}, "does not say what its numbers mean.*float64"),
        (np.array([0, 3]), {"flag_meanings": "train test"}, "numbers without a meaning.*3"),
        (np.array([0, 1]), {"flag_meanings": "train test", "flag_values": [1]}, "different lengths"),
    ],
)
def test_what_names_no_split_is_refused(values, attributes, problem):
    with pytest.raises(nm.DescriptionError, match=f"(?s)split.*{problem}"):
        named(values, attributes, PLACE)


@given(st.integers(1, 300), SHARES)
def test_steps_in_order_are_learned_from_first_and_tested_on_last_and_take_a_byte_each(steps, shares):
    found, (validation, test) = in_order(steps, *shares), (round(share * steps) for share in shares)
    assert found.tolist() == [0] * (steps - validation - test) + [1] * validation + [2] * test
    assert found.nbytes == steps
