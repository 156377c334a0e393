"""Means by resampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DRAWS, LEVEL, SEED = 2000, 0.95, 0


def resampled_means(values: np.ndarray, draws: int = DRAWS, seed: int | Sequence[int] = SEED) -> np.ndarray:
    """Means of `draws` samples of `values` (n,), each of n values drawn with replacement: (draws,)."""
    values = np.asarray(values, dtype=float)
    rng = np.random.default_rng(seed)
    # How often each value is drawn says all that the mean needs.
    counts = rng.multinomial(len(values), np.full(len(values), 1 / len(values)), size=draws)
    return counts @ values / len(values)


def percentiles(samples: np.ndarray, level: float = LEVEL, axis: int = 0) -> np.ndarray:
    """The ends of the middle part of `samples` that holds the fraction `level` of them."""
    return np.quantile(samples, [(1 - level) / 2, (1 + level) / 2], axis=axis)
