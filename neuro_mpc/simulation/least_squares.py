"""Linear regression by least squares, batch by batch, so that memory does not grow with the data."""

from __future__ import annotations

import numpy as np

RIDGE = 1e-6
"""Share of the mean square of the inputs that is added to each: it decides only where inputs depend on each other."""


def lagged(shown: np.ndarray, steps: int) -> np.ndarray:
    """(T, B, steps·units + 1): the last `steps` steps up to each one, silence before the first, and a one."""
    before = np.zeros((steps - 1, *shown.shape[1:]))
    padded = np.concatenate([before, np.nan_to_num(shown.astype(float))])
    parts = [padded[steps - 1 - lag : steps - 1 - lag + len(shown)] for lag in range(steps)]
    return np.concatenate([*parts, np.ones((*shown.shape[:2], 1))], axis=2)


class LeastSquares:
    """y ≈ x W, with W = (Σ xᵀx + ridge)⁻¹ Σ xᵀy over all rows that were added."""

    def __init__(self, inputs: int, outputs: int):
        self._squares = np.zeros((inputs, inputs))
        self._products = np.zeros((inputs, outputs))

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        """Rows of inputs (row, inputs) and outputs (row, outputs)."""
        self._squares += x.T @ x
        self._products += x.T @ y

    def weights(self) -> np.ndarray:
        """W (inputs, outputs)."""
        ridge = RIDGE * max(np.trace(self._squares) / len(self._squares), 1e-300)
        return np.linalg.solve(self._squares + ridge * np.eye(len(self._squares)), self._products)
