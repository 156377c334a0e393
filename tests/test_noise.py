"""The noise from a counter: its bits, its distribution, and that no two numbers know of each other."""

from __future__ import annotations

import numpy as np
import pytest
from presented import Presentation, network
from scipy import stats

from neuro_mpc.networks import kernels


@pytest.mark.parametrize(
    ("position", "counter", "key", "expected"),
    [
        (0, 0, 0, (0xFF1DAE59, 0x6CD10DF2)),
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, (0x2C3F628B, 0xAB4FD7AD)),
        (0x243F6A88, 0x85A308D3, 0x13198A2E, (0xDD7CE038, 0xF62A4C12)),
    ],
)
def test_random_bits_are_those_of_philox(position, counter, key, expected):
    """The known answers that Random123 (Salmon et al. 2011) gives for Philox 2x32-10."""
    low, high = kernels.counter_bits(np.array([position]), counter, key)
    assert (low[0], high[0]) == expected


def drawn(counter=3, key=11, stream=0, dtype=np.float64, first=0, width=40):
    """(step, trial, unit)"""
    return kernels.normal(25, 40, 200, first, width, counter, key, stream, dtype).reshape(25, width, 200)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("counter", [0, 1, 2**31 - 1])
def test_noise_is_standard_normal(counter, dtype):
    values = drawn(counter, dtype=dtype)
    assert values.dtype == dtype
    values = values.ravel().astype(float)
    n = values.size
    assert abs(values.mean()) < 4 / np.sqrt(n)
    assert abs(values.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs(stats.skew(values)) < 4 * np.sqrt(6 / n)
    assert abs(stats.kurtosis(values)) < 4 * np.sqrt(24 / n)
    assert stats.kstest(values, "norm").pvalue > 1e-3
    # of 2e5 draws, about 13 lie beyond 4 standard deviations
    assert 1 <= (np.abs(values) > 4).sum() <= 40


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stream", [0, 5])
def test_a_number_is_made_of_the_bits_at_its_place(stream, dtype):
    """By the method of Box and Muller: a random radius and a random angle."""
    step, trial, unit = 3, 5, 7
    place = (step * 40 + trial) * 200 + unit
    radius, angle = (int(bits[0]) for bits in kernels.counter_bits(np.array([place]), 3, 11 ^ stream))
    expected = np.sqrt(-2 * np.log((radius + 0.5) / 2**32)) * np.cos(2 * np.pi * angle / 2**32)
    assert drawn(stream=stream, dtype=dtype)[step, trial, unit] == pytest.approx(expected, rel=1e-6, abs=1e-6)


NEIGHBOURS = {
    "unit": lambda: (drawn()[..., 1:], drawn()[..., :-1]),
    "trial": lambda: (drawn()[:, 1:], drawn()[:, :-1]),
    "step": lambda: (drawn()[1:], drawn()[:-1]),
    "counter": lambda: (drawn(counter=4), drawn()),
    "far counter": lambda: (drawn(counter=3 + 2**16), drawn()),
    "key": lambda: (drawn(key=12), drawn()),
    "far key": lambda: (drawn(key=11 + 2**31), drawn()),
    "stream": lambda: (drawn(stream=1), drawn()),
}


@pytest.mark.parametrize("neighbour", NEIGHBOURS)
def test_noise_of_neighbours_is_independent(neighbour):
    left, right = (values.ravel() for values in NEIGHBOURS[neighbour]())
    bound = 4 / np.sqrt(left.size)
    assert abs(np.corrcoef(left, right)[0, 1]) < bound
    assert abs(np.corrcoef(left**2, right**2)[0, 1]) < bound


@pytest.mark.parametrize("width", [1, 7, 40])
def test_noise_does_not_depend_on_tiles(width):
    tiles = [drawn(first=first, width=min(width, 40 - first)) for first in range(0, 40, width)]
    np.testing.assert_array_equal(np.concatenate(tiles, axis=1), drawn())


def test_every_population_has_noise_of_its_own():
    shown = Presentation(network("mixed", "relaxation"))
    shown.net.step("refreshing", "predicting")
    noise = shown.noise
    assert set(noise) == {"a", "b", "c", "output"}
    flat = np.concatenate([values.ravel() for values in noise.values()])
    assert len(np.unique(flat)) == flat.size


def test_noise_is_held_through_a_presentation_and_new_in_the_next():
    shown = Presentation(network("mixed", "relaxation"))
    shown.net.step("refreshing", "predicting")
    held = shown.noise
    shown.net.step("inferring", "learning")
    for name, values in shown.noise.items():
        np.testing.assert_array_equal(values, held[name])
    shown.net.set(noise_counter=2)
    shown.net.step("predicting")
    assert all((values != held[name]).all() for name, values in shown.noise.items())
    shown.net.set(noise_scale=0)
    shown.net.step("predicting")
    assert not any(values.any() for values in shown.noise.values())
