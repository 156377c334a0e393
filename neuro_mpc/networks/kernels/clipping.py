"""Gradients of at most a norm."""

from __future__ import annotations

import numpy as np

from neuro_mpc.networks.kernels.arrays import view

POWER_ITERATIONS, POWER_TOLERANCE = 200, 1e-9


def clip_frobenius_norm(matrix: np.ndarray, post: int, pre: int, limit: float) -> None:
    """Scale a matrix (post, pre) in place to at most `limit` in Frobenius norm, summed in double precision."""
    norm = np.sqrt(np.square(matrix, dtype=np.float64).sum())
    if norm > limit:
        matrix *= matrix.dtype.type(limit / norm)


def clip_largest_norm(matrix: np.ndarray, post: int, pre: int, limit: float) -> None:
    """Scale a matrix (post, pre) in place to at most `limit` in its largest entry."""
    largest = np.abs(matrix).max(initial=0)
    if largest > limit:
        matrix *= matrix.dtype.type(limit / float(largest))


def clip_spectral_norm(matrix: np.ndarray, post: int, pre: int, limit: float) -> None:
    """Scale a matrix (post, pre) in place to at most `limit` in spectral norm: power iteration in double precision."""
    exact = view(matrix, post, pre).astype(np.float64)
    if not np.square(exact).sum() > limit**2:
        return
    columns = np.arange(1, pre + 1, dtype=np.uint32)
    right = 1.0 + ((columns * np.uint32(2654435761)) >> np.uint32(8)) / 16777216.0
    norm = 0.0
    for _ in range(POWER_ITERATIONS):
        length = np.linalg.norm(right)
        if length == 0:
            return
        left = exact @ (right / length)
        found = np.linalg.norm(left)
        right = left @ exact
        settled, norm = abs(found - norm) <= POWER_TOLERANCE * found, found
        if settled:
            break
    if norm > limit:
        matrix *= matrix.dtype.type(limit / norm)
