"""The course of a training: every trial once in an epoch, and the learning rate of each presentation."""

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
