"""What simple predictors reach on the trials of a test, so that the measure of a circuit means something.

``mean``        of the values of the training trials; of classes, the most ``frequent``
``last``        the value one step earlier
``regression``  linear, by least squares on the training trials, from the last steps of all that is shown

A batch is what is shown, (T, B, inputs), with NaN for what is not there, and the target at the same steps: values
(T, B, units), with NaN where nothing is compared, or classes (T, B), with -1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from neuro_mpc.simulation.least_squares import LeastSquares, lagged

Batch = tuple[np.ndarray, np.ndarray]
Batches = Callable[[], Iterable[Batch]]
LAGS, MOST_INPUTS = 5, 1000
"""Steps that the regression sees, as long as they are no more than so many numbers."""


def of_values(train: Batches, test: Batches, units: int) -> dict[str, float]:
    """The mean squared error and the explained variance of each predictor."""
    mean = _mean(train(), units)
    regression = _regression(train(), units, lambda target: target)
    errors: dict[str, float] = {}
    count, spread = 0, _Spread(units)
    for shown, target in test():
        there = ~np.isnan(target)
        count += int(there.sum())
        spread.add(target)
        predictions = {"mean": np.broadcast_to(mean, target.shape), "last": _earlier(target, mean)}
        if regression is not None:
            predictions["regression"] = lagged(shown, _lags(shown)) @ regression
        for name, predicted in predictions.items():
            squares = np.where(there, predicted - target, 0.0) ** 2
            errors[name] = errors.get(name, 0.0) + float(squares.sum())
    measures = {f"mean_squared_error_of_{name}": error / max(count, 1) for name, error in errors.items()}
    if spread.total > 0:
        measures |= {f"explained_variance_of_{name}": 1 - error / spread.total for name, error in errors.items()}
    return measures


def of_classes(train: Batches, test: Batches, classes: int) -> dict[str, float]:
    """The accuracy of each predictor; that of the regression on one value for each class names the largest."""
    counts = np.zeros(classes, int)
    for _, target in train():
        counts += np.bincount(target[target >= 0], minlength=classes)
    frequent = int(counts.argmax())
    regression = _regression(train(), classes, lambda target: _one_hot(target, classes))
    hits: dict[str, int] = {}
    count = 0
    for shown, target in test():
        there = target >= 0
        count += int(there.sum())
        answers = {"frequent": np.full(target.shape, frequent)}
        if regression is not None:
            answers["regression"] = (lagged(shown, _lags(shown)) @ regression).argmax(axis=2)
        for name, answer in answers.items():
            hits[name] = hits.get(name, 0) + int((answer == target)[there].sum())
    return {f"accuracy_of_{name}": number / max(count, 1) for name, number in hits.items()}


def _mean(batches: Iterable[Batch], units: int) -> np.ndarray:
    """Of each unit; 0 where there is none."""
    total, count = np.zeros(units), np.zeros(units)
    for _, target in batches:
        total += np.nansum(target, axis=(0, 1), dtype=float)
        count += (~np.isnan(target)).sum(axis=(0, 1))
    return total / np.maximum(count, 1)


def _earlier(target: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The value one step earlier; before it, and where that is missing, the mean."""
    before = np.concatenate([np.full_like(target[:1], np.nan), target[:-1]])
    return np.where(np.isnan(before), first, before)


def _regression(
    batches: Iterable[Batch], outputs: int, encoded: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray | None:
    """Weights (inputs, outputs) from the last steps of what is shown; None where that is too much, or nothing."""
    fit: LeastSquares | None = None
    for shown, target in batches:
        if not _lags(shown):
            return None
        x, y = lagged(shown, _lags(shown)), encoded(target)
        there = ~np.isnan(y).any(axis=2)
        fit = fit or LeastSquares(x.shape[2], outputs)
        fit.add(x[there], y[there])
    return None if fit is None else fit.weights()


def _lags(shown: np.ndarray) -> int:
    return min(LAGS, MOST_INPUTS // max(1, shown.shape[2])) if shown.shape[2] else 0


def _one_hot(target: np.ndarray, classes: int) -> np.ndarray:
    """(T, B, classes) of ones and zeros; NaN where there is no class."""
    encoded = (target[..., None] == np.arange(classes)).astype(float)
    encoded[target < 0] = np.nan
    return encoded


class _Spread:
    """The sum of squared distances of values from the mean of their unit, over batches (Chan et al. 1979)."""

    def __init__(self, units: int):
        self._count, self._mean, self._squares = np.zeros(units), np.zeros(units), np.zeros(units)

    def add(self, values: np.ndarray) -> None:
        there = ~np.isnan(values)
        count = there.sum(axis=(0, 1))
        known = np.maximum(count, 1)
        mean = np.where(there, values, 0.0).sum(axis=(0, 1)) / known
        squares = np.where(there, values - mean, 0.0) ** 2
        both = np.maximum(self._count + count, 1)
        self._squares += squares.sum(axis=(0, 1)) + (mean - self._mean) ** 2 * self._count * count / both
        self._mean += (mean - self._mean) * count / both
        self._count += count

    @property
    def total(self) -> float:
        return float(self._squares.sum())
