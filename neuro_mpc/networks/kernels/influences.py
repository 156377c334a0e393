"""Influences of synapses, of one trial at one step."""

from __future__ import annotations

import numpy as np

from neuro_mpc.networks.kernels.arrays import view


def shift_slots(values: np.ndarray, slots: int, size: int) -> None:
    """values (slots, size): each slot takes the values of the one before, the first none."""
    values[size : slots * size] = values[: (slots - 1) * size].copy()
    values[:size] = 0


def _owed(array: np.ndarray, post: int, pre: int, apart: int) -> np.ndarray:
    """What the predictions of `post` units owe to `pre` synapses each: the rows of units lie `apart`."""
    item = array.itemsize
    return np.lib.stride_tricks.as_strided(array, (post, pre), (apart * item, item))


def add_rates(post: int, pre: int, apart: int, rate: np.ndarray, target: np.ndarray) -> None:
    """target[i · apart + j] += rate[j]"""
    _owed(target, post, pre, apart)[...] += rate[:pre]


def add_rates_scaled(post: int, pre: int, apart: int, gain: np.ndarray, rate: np.ndarray, target: np.ndarray) -> None:
    """target[i · apart + j] += gain[i] rate[j]"""
    _owed(target, post, pre, apart)[...] += gain[:post, None] * rate[:pre]


def add_unit_rates(post: int, pre: int, apart: int, rate: np.ndarray, target: np.ndarray) -> None:
    """target[i · apart] += rate[i]"""
    _owed(target, post, 1, apart)[:, 0] += rate[:post]


def add_unit_rates_scaled(
    post: int, pre: int, apart: int, gain: np.ndarray, rate: np.ndarray, target: np.ndarray
) -> None:
    """target[i · apart] += gain[i] rate[i]"""
    _owed(target, post, 1, apart)[:, 0] += gain[:post] * rate[:post]


def add_symbol(post: int, pre: int, apart: int, symbol: np.ndarray, target: np.ndarray) -> None:
    """target[i · apart + symbol] += 1; nothing for symbol −1"""
    if symbol[0] >= 0:
        _owed(target, post, pre, apart)[:, symbol[0]] += 1


def add_symbol_scaled(
    post: int, pre: int, apart: int, gain: np.ndarray, symbol: np.ndarray, target: np.ndarray
) -> None:
    """target[i · apart + symbol] += gain[i]; nothing for symbol −1"""
    if symbol[0] >= 0:
        _owed(target, post, pre, apart)[:, symbol[0]] += gain[:post]


def jacobian(post: int, pre: int, mean: np.ndarray, slope: np.ndarray, target: np.ndarray) -> None:
    """target (pre, post) = slope ⊙ μᵀ, μ (post, pre)"""
    view(target, pre, post)[...] = slope[:pre, None] * view(mean, post, pre).T


def jacobian_of_variance(
    post: int,
    pre: int,
    variance: np.ndarray,
    slope: np.ndarray,
    rate: np.ndarray,
    gain: np.ndarray,
    target: np.ndarray,
) -> None:
    """target (pre, post) += slope ⊙ rate ⊙ vᵀ ⊙ gain, v (post, pre)"""
    view(target, pre, post)[...] += (slope[:pre] * rate[:pre])[:, None] * view(variance, post, pre).T * gain[:post]


def _diagonal(weights: np.ndarray, units: int, apart: int) -> np.ndarray:
    return weights[: (units - 1) * apart + 1 : apart]


def diagonal_jacobian(units: int, apart: int, mean: np.ndarray, slope: np.ndarray, target: np.ndarray) -> None:
    """target = slope ⊙ μ of the diagonal alone, whose weights lie `apart` from each other."""
    target[:units] = slope[:units] * _diagonal(mean, units, apart)


def diagonal_jacobian_of_variance(
    units: int,
    apart: int,
    variance: np.ndarray,
    slope: np.ndarray,
    rate: np.ndarray,
    gain: np.ndarray,
    target: np.ndarray,
) -> None:
    """target += slope ⊙ rate ⊙ v ⊙ gain of the diagonal alone"""
    target[:units] += slope[:units] * rate[:units] * _diagonal(variance, units, apart) * gain[:units]


def add_scaled_rows(rows: int, n: int, factors: np.ndarray, source: np.ndarray, target: np.ndarray) -> None:
    """target (rows, n) += factors (rows) ⊙ source (rows, n)"""
    view(target, rows, n)[...] += factors[:rows, None] * view(source, rows, n)
