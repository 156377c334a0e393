"""The course of a training: every trial once in an epoch, and the learning rate of each presentation."""

import math
from zlib import crc32

import numpy as np
import pytest

from neuro_mpc.descriptions.protocol import Learning
from neuro_mpc.errors import DescriptionError
from neuro_mpc.simulation.schedule import Course


def course(trials=10, batch=3, epochs=6, seed=0, **schedule):
    return Course(Learning(rate=1.0, batch=batch, epochs=epochs, schedule=schedule), trials, seed)


def test_an_epoch_shows_every_trial_at_most_once_in_an_order_of_its_own():
    found = course(trials=12)
    epochs = [np.concatenate([found.batch_of(4 * epoch + k) for k in range(4)]) for epoch in (0, 1)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert list(epochs[0]) != list(epochs[1])
    np.testing.assert_array_equal(course(trials=12).batch_of(5), found.batch_of(5))


def test_a_course_is_as_long_as_its_epochs_or_its_presentations():
    assert course(epochs=6).total == 18
    assert Course(Learning(rate=1.0, batch=3, presentations=7), 10, 0).total == 7


def test_the_rate_steps_after_epochs_or_after_presentations():
    by_epochs = course(kind="step", every=2, floor=0.2)  # 3 presentations an epoch
    assert [by_epochs.rate(k) for k in (0, 5, 6, 11, 12, 17)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    by_presentations = course(kind="step", every_presentations=4, floor=0.2)
    assert [by_presentations.rate(k) for k in (3, 4, 7, 8, 12, 1000)] == [1, 0.5, 0.5, 0.25, 0.2, 0.2]


def test_the_first_stretch_can_be_shorter_or_longer():
    shorter = course(kind="step", every=2, first=1)  # 3 presentations an epoch
    assert [shorter.rate(k) for k in (0, 2, 3, 8, 9)] == [1, 1, 0.5, 0.5, 0.25]
    longer = course(kind="step", every_presentations=4, first=10)
    assert [longer.rate(k) for k in (0, 9, 10, 13, 14)] == [1, 1, 0.5, 0.5, 0.25]


def test_a_first_stretch_alone_is_refused():
    with pytest.raises(DescriptionError, match="first is given"):
        Learning.from_tables({"rate": 1.0, "epochs": 1, "schedule": {"first": 3}}, "here")


def test_the_rate_follows_half_a_cosine_to_its_floor():
    found = course(kind="cosine", floor=0.1, warmup=2)
    assert found.rate(0) == pytest.approx(0.5, rel=0.02)
    assert found.rate(found.total - 1) == pytest.approx(0.1)
    assert all(found.rate(k) > found.rate(k + 1) for k in range(1, found.total - 1))


def test_epochs_between_tests_are_presentations():
    assert course().presentations(7, 0) == 7
    assert course().presentations(0, 3) == 3 * course().per_epoch
    assert course().presentations(0, 0) == 0


def test_streams_are_shown_in_their_order():
    streams = Course(Learning(rate=1.0, batch=3, epochs=2), 9, 0, streams=True, carries=True)
    assert [list(streams.batch_of(number)) for number in (0, 2, 3)] == [[0, 1, 2], [6, 7, 8], [0, 1, 2]]
    assert [streams.goes_on(number) for number in range(4)] == [False, True, True, False]
    alone = Course(Learning(rate=1.0, batch=3, epochs=2), 9, 0, streams=True)
    assert not any(alone.goes_on(number) for number in range(4))


def test_a_plateau_lowers_the_rate_down_to_the_floor():
    plateau = course(kind="plateau", floor=0.3)
    assert [plateau.rate(0, factor) for factor in (1.0, 0.5, 0.25)] == [1.0, 0.5, 0.3]
    assert plateau.rate(0) == 1.0  # before the first test


def test_the_order_of_an_epoch_is_that_of_its_stream_in_every_version():
    found = course(trials=10, seed=5)  # three presentations of three trials
    for epoch in (0, 2, 1):
        order = np.random.default_rng([5, crc32(b"order"), crc32(str(epoch).encode())]).permutation(10)
        for part in range(3):
            np.testing.assert_array_equal(found.batch_of(3 * epoch + part), order[3 * part : 3 * part + 3])


def test_a_batch_has_at_most_all_trials():
    found = course(trials=4, batch=9, epochs=5)
    assert (found.batch, found.per_epoch, found.total) == (4, 1, 5)
    assert sorted(found.batch_of(2)) == [0, 1, 2, 3]


@pytest.mark.parametrize("warmup", [0, 1, 4])
@pytest.mark.parametrize("epochs", [1, 6])
def test_the_rate_is_that_of_its_formula(warmup, epochs):
    found = course(kind="cosine", floor=0.1, warmup=warmup, epochs=epochs)
    for number in range(found.total):
        half = 0.1 + 0.9 * (1 + math.cos(math.pi * number / (found.total - 1))) / 2
        assert found.rate(number) == pytest.approx(half * (min(1, (number + 1) / warmup) if warmup else 1), rel=1e-12)
    alone = course(trials=3, kind="cosine", floor=0.1, epochs=1)
    assert (alone.total, alone.rate(0)) == (1, 1.0)


@pytest.mark.parametrize("kind", ["step", "cosine", "plateau"])
def test_a_rate_that_was_found_below_the_floor_stays(kind):
    schedule = {"kind": kind, "floor": 0.5} | ({"every": 1} if kind == "step" else {})
    found = course(**schedule).at_rate(0.25)
    assert {found.rate(number, 0.5) for number in range(18)} == {0.25}
    assert course(**schedule).base_rate == 1.0


def test_a_rate_that_is_still_to_be_found_is_none():
    searching = Course(Learning(rate="auto", batch=3, epochs=2), 9, 0)
    assert searching.base_rate is None
    with pytest.raises(ValueError, match="still to be found"):
        searching.rate(0)
    assert searching.at_rate(0.5).rate(0) == 0.5
