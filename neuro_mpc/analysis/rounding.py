"""What rounding leaves of values that are all the same."""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-12
"""Share of a sum of squares in single precision, in which traces are recorded, that is no deviation from the mean."""


def varies(deviations: np.ndarray, values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Whether deviations of values from their mean are more than rounding leaves."""
    return np.asarray((deviations**2).sum(axis) > ROUNDING * (values**2).sum(axis))
