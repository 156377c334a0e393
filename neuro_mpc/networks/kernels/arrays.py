"""The first elements of a flat array in a shape."""

from __future__ import annotations

import math

import numpy as np


def view(array: np.ndarray, *shape: int) -> np.ndarray:
    """The first elements of a flat array in a shape."""
    return array[: math.prod(shape)].reshape(shape)
