"""Intervals that are called 95 % hold the mean in 95 % of all cases, and one value has none."""

import numpy as np
import pytest

from neuro_mpc import analysis
from neuro_mpc.analysis import intervals
from neuro_mpc.analysis.bootstrap import DRAWS, LEVEL, SEED, percentiles, resampled_means
from neuro_mpc.analysis.projections import compared

CASES = 4000
THREE_SIGMA = 3 * np.sqrt(0.95 * 0.05 / CASES)


def samples(number, cases=CASES):
    return np.random.default_rng(number).normal(size=(number, cases))


@pytest.mark.parametrize("number", [2, 3, 5, 8, 29])
def test_few_values_are_covered_as_often_as_the_interval_says(number):
    low, high = intervals.ends(samples(number))
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.95, abs=THREE_SIGMA)


def test_many_values_are_covered_about_as_often():
    low, high = intervals.ends(samples(40, 1000))
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.95, abs=0.03)


def test_three_values_by_hand():
    # t(0.975; 2) = 4.302653, s = 1, n = 3
    assert analysis.interval([1, 2, 3]) == pytest.approx((2 - 4.302653 / np.sqrt(3), 2 + 4.302653 / np.sqrt(3)))
    assert analysis.interval([7, 7, 7]) == (7, 7)
    assert np.isnan(analysis.interval([2.0])).all()


@pytest.mark.parametrize("number", [3, 5, 12])
def test_a_widened_bootstrap_reaches_as_far_as_students_t(number):
    values = samples(number, 500)
    mean = values.mean(axis=0)
    low, high = intervals.widened(mean, *percentiles(resampled_means(values)), number)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.95, abs=0.05)
    assert np.isnan(intervals.widened(1.0, 0.5, 1.5, 1)).all()


def test_the_difference_of_few_values_is_covered():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(1000):
        low, high = intervals.difference(rng.normal(0, 1, 4), rng.normal(0, 3, 6), DRAWS, LEVEL, (0, 1))
        held += low <= 0 <= high
    assert held / 1000 == pytest.approx(0.95, abs=0.025)


def test_projections_of_few_units_have_students_intervals():
    few, many = np.array([0.1, 0.2, 0.4]), np.linspace(0, 1, 40)
    found = compared({"few": few, "many": many, "one": few[:1]}, DRAWS, LEVEL, SEED)
    assert found["number"].values.tolist() == [3, 40, 1]
    np.testing.assert_allclose([found["low"][0], found["high"][0]], analysis.interval(few))
    assert found["difference_low"].sel(projection="few", other="many") < few.mean() - many.mean()
    assert found["difference_high"].sel(projection="few", other="many") > few.mean() - many.mean()
    np.testing.assert_allclose(found["difference_low"][0, 1], -found["difference_high"][1, 0])
    assert found["difference_low"].sel(other="one").isnull().all()


def test_pages_and_figures_say_which_interval_it_is_and_of_how_many():
    assert intervals.described(5, "run") == "95 % t interval over 5 runs"
    assert intervals.described(400, "trial") == "95 % bootstrap interval over 400 trials"
    assert intervals.described(1, "run") == "1 run, no interval"
