"""Rows and trials: filling, softmax, energies."""

from __future__ import annotations

import numpy as np

from neuro_mpc.networks.kernels.arrays import view


def fill_zero(target: np.ndarray, count: int) -> None:
    target[:count] = 0


def carry_rows(carrying: bool, last: np.ndarray, history: np.ndarray, count: int) -> None:
    """history = the last rows, or zeros; the two may overlap."""
    history[:count] = last[:count] if carrying else 0


def fill_trials(values: np.ndarray, target: np.ndarray, steps: int, width: int, units: int) -> None:
    """target (steps, width, units) = the number of each trial."""
    view(target, steps, width, units)[...] = values[:, None]


def any_trial(values: np.ndarray, width: int) -> bool:
    """Whether any trial's number is not zero."""
    return bool(values.any())


def softmax_rows(source: np.ndarray, target: np.ndarray, rows: int, units: int) -> None:
    source, target = view(source, rows, units), view(target, rows, units)
    np.exp(source - source.max(axis=1, keepdims=True), out=target)
    target /= target.sum(axis=1, keepdims=True)


def add_half_square(source: np.ndarray, rows: int, units: int, factor: float, energy: np.ndarray, width: int) -> None:
    """energy[trial] += factor · ½ Σ source²"""
    squares = np.square(view(source, rows, units)).sum(axis=1, dtype=source.dtype)
    energy[:width] += 0.5 * factor * squares.reshape(-1, width).sum(axis=0, dtype=np.float64)


def add_sum(source: np.ndarray, rows: int, units: int, factor: float, energy: np.ndarray, width: int) -> None:
    """energy[trial] += factor · Σ source"""
    sums = view(source, rows, units).sum(axis=1, dtype=source.dtype)
    energy[:width] += factor * sums.reshape(-1, width).sum(axis=0, dtype=np.float64)


def add_cross_entropy(
    source: np.ndarray, label: np.ndarray, rows: int, units: int, factor: float, energy: np.ndarray, width: int
) -> None:
    """energy[trial] −= factor · Σ label · log softmax(source)"""
    source, label = view(source, rows, units), view(label, rows, units)
    shifted = source - source.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1, dtype=np.float64))
    entropy = label.sum(axis=1) * log_sum - (label * shifted).sum(axis=1)
    energy[:width] += factor * entropy.reshape(-1, width).sum(axis=0, dtype=np.float64)


def add_surprise(
    source: np.ndarray,
    y: np.ndarray,
    symbols: np.ndarray,
    rows: int,
    units: int,
    factor: float,
    energy: np.ndarray,
    width: int,
) -> None:
    """energy[trial] −= factor · log of the probability of each row's symbol, y = softmax(source); nothing for a
    negative one. Of a probability that may be rounded to nothing, the logarithm is computed from the source."""
    source, y = view(source, rows, units), view(y, rows, units)
    read = np.flatnonzero(symbols[:rows] >= 0)
    chosen = symbols[read]
    probability = y[read, chosen].astype(np.float64)
    rare = probability < 1e-30
    surprise = -np.log(np.where(rare, 1, probability))
    shifted = source[read[rare]] - source[read[rare]].max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1, dtype=np.float64))
    surprise[rare] = log_sum - shifted[np.arange(len(shifted)), chosen[rare]]
    np.add.at(energy, read % width, factor * surprise)
