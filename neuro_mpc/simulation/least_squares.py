"""Linear regression by least squares, batch by batch, so that memory does not grow with the data."""

from __future__ import annotations

import numpy as np

RIDGE = 1e-6
"""Share of the variance of each input that is added to it: it decides only where inputs depend on each other."""

ROUNDING = 1e-13
"""Share of a sum of squares that is lost when a mean is taken from it."""


def lagged(shown: np.ndarray, steps: int) -> np.ndarray:
    """(T, B, steps·units + 1): the last `steps` steps up to each one, silence before the first, and a one."""
    before = np.zeros((steps - 1, *shown.shape[1:]))
    padded = np.concatenate([before, np.nan_to_num(shown.astype(float))])
    parts = [padded[steps - 1 - lag : steps - 1 - lag + len(shown)] for lag in range(steps)]
    return np.concatenate([*parts, np.ones((*shown.shape[:2], 1))], axis=2)


class LeastSquares:
    """y ≈ x W by least squares over all rows that were added; the last input of each row is a one.

    Each of the other inputs counts in units of its own deviation, so that neither its unit nor its mean matters.
    """

    def __init__(self, inputs: int, outputs: int):
        self._squares = np.zeros((inputs, inputs))
        self._products = np.zeros((inputs, outputs))

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        """Rows of inputs (row, inputs) and outputs (row, outputs)."""
        self._squares += x.T @ x
        self._products += x.T @ y

    @property
    def rows(self) -> int:
        """How many were added."""
        return round(self._squares[-1, -1])

    def weights(self) -> np.ndarray:
        """W (inputs, outputs)."""
        number = max(self.rows, 1)
        mean, mean_output = self._squares[-1, :-1] / number, self._products[-1] / number
        squares = self._squares[:-1, :-1] - number * np.outer(mean, mean)
        products = self._products[:-1] - number * np.outer(mean, mean_output)
        # What rounding leaves of a constant is no deviation.
        varies = squares.diagonal() > ROUNDING * self._squares.diagonal()[:-1]
        scale = np.where(varies, np.sqrt(np.where(varies, squares.diagonal(), 1)), np.inf)
        scaled = squares / scale[:, None] / scale
        weights = np.linalg.solve(scaled + RIDGE * np.eye(len(scaled)), products / scale[:, None]) / scale[:, None]
        return np.concatenate([weights, [mean_output - mean @ weights]])
