"""Intervals that hold a mean at a stated level: Student's t for few values, the bootstrap for many.

Percentiles of the bootstrap are too narrow for few values: called 95 %, they hold the mean of three to five normal
values in 76 to 82 % of all cases (Hesterberg 2015, Am. Stat. 69:371). One value has no interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special

from neuro_mpc.analysis.bootstrap import DRAWS, LEVEL, SEED, percentiles, resampled_means

FEW = 30  # fewer values get the interval of Student's t


def interval(values: np.ndarray, draws: int = DRAWS, level: float = LEVEL, seed: int = SEED) -> tuple[float, float]:
    """The interval that holds a mean at a level.

    Parameters
    ----------
    values : numpy.ndarray
        Independent values (n,).
    draws : int, optional
        Bootstrap samples.
    level : float, optional
        Level of the interval.
    seed : int, optional
        Seed of the bootstrap: the same seed gives the same interval.

    Returns
    -------
    tuple of float
        Both ends; NaN for a single value.

    Notes
    -----
    Below 30 values mean ± t s/√n, t the quantile of Student's distribution with n − 1 degrees of freedom, which is
    exact for normal values. From 30 on percentiles of `draws` resampled means, which tend to mean ± z s/√n, with z =
    1.96 at the level 0.95.

    References
    ----------
    Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 13.

    Examples
    --------
    >>> from neuro_mpc.analysis import interval
    >>> [round(end, 2) for end in interval([1.0, 2.0, 3.0])]
    [-0.48, 4.48]
    """
    low, high = ends(np.asarray(values, dtype=float), draws, level, seed)
    return float(low), float(high)


def ends(values: np.ndarray, draws: int = DRAWS, level: float = LEVEL, seed: int | Sequence[int] = SEED) -> np.ndarray:
    """Both ends (2, …) of `interval` over the first dimension of `values` (n, …)."""
    number = len(values)
    if number < 2:
        return np.full((2, *values.shape[1:]), np.nan)
    if number >= FEW:
        return percentiles(resampled_means(values, draws, seed), level)
    reach = quantile(number - 1, level) * values.std(axis=0, ddof=1) / np.sqrt(number)
    return values.mean(axis=0) + np.multiply.outer([-1, 1], reach)


def difference(one: np.ndarray, other: np.ndarray, draws: int, level: float, seeds: tuple) -> np.ndarray:
    """Both ends (2,) of an interval of mean(one) − mean(other), the two drawn apart: Welch's, if one has few values."""
    if min(len(one), len(other)) < 2:
        return np.full(2, np.nan)
    if min(len(one), len(other)) >= FEW:
        samples = [resampled_means(sample, draws, seed) for sample, seed in zip((one, other), seeds, strict=True)]
        return percentiles(samples[0] - samples[1], level)
    errors = np.array([sample.var(ddof=1) / len(sample) for sample in (one, other)])
    freedom = np.array([len(one) - 1, len(other) - 1])
    spread = (errors**2 / freedom).sum()
    reach = quantile(errors.sum() ** 2 / spread, level) * np.sqrt(errors.sum()) if spread > 0 else 0.0
    return one.mean() - other.mean() + np.array([-reach, reach])


def widened(value: np.ndarray, low: np.ndarray, high: np.ndarray, number, level: float = LEVEL) -> np.ndarray:
    """Both ends (2, …) of a bootstrap interval around an estimate from `number` values, as far as Student's t reaches.

    The bootstrap spreads √((n − 1)/n) too little and takes the quantile of the normal law; both are corrected, so that
    the interval of a mean becomes that of Student's t. NaN for a single value.
    """
    number = np.asarray(number, float)
    enough = np.maximum(number, 2)
    factor = np.sqrt(enough / (enough - 1)) * quantile(enough - 1, level) / special.ndtri((1 + level) / 2)
    factor = np.where(number >= 2, factor, np.nan)
    return np.stack([value - factor * np.maximum(value - low, 0), value + factor * np.maximum(high - value, 0)])


def quantile(freedom, level: float = LEVEL) -> np.ndarray:
    """How many standard errors the interval of Student's t reaches to either side."""
    return special.stdtrit(freedom, (1 + level) / 2)


def kind(number: int) -> str:
    """The kind of interval that `number` values get: "t" or "bootstrap"."""
    return "t" if number < FEW else "bootstrap"


def described(number: int, over: str, level: float = LEVEL) -> str:
    """Words for a page or a figure, such as `95 % t interval over 5 runs`."""
    if number < 2:
        return f"1 {over}, no interval"
    return f"{100 * level:g} % {kind(number)} interval over {number:,} {over}s"
