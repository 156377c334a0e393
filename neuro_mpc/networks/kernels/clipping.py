"""Gradients of at most a norm; one that is not finite stays as it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuro_mpc.networks.kernels.arrays import view

ROUNDS, TOLERANCE, NEGLIGIBLE = 200, 2e-9, 1e-15


def clip_frobenius_norm(matrix: np.ndarray, post: int, pre: int, limit: float) -> None:
    """Scale a matrix (post, pre) in place to at most `limit` in Frobenius norm, summed in double precision."""
    norm = np.sqrt(np.square(matrix, dtype=np.float64).sum())
    if limit < norm < np.inf:
        matrix *= matrix.dtype.type(limit / norm)


def clip_largest_norm(matrix: np.ndarray, post: int, pre: int, limit: float) -> None:
    """Scale a matrix (post, pre) in place to at most `limit` in its largest entry."""
    largest = np.abs(matrix).max(initial=0)
    if limit < largest < np.inf:
        matrix *= matrix.dtype.type(limit / float(largest))


def clip_spectral_norm(matrix: np.ndarray, post: int, pre: int, limit: float) -> None:
    """Scale a matrix A (post, pre) in place to at most `limit` in spectral norm, found by Lanczos's method on Aᵀ A in
    double precision (Golub & Van Loan 2013, Algorithm 10.1.1)."""
    exact = view(matrix, post, pre).astype(np.float64)
    if not limit**2 < np.square(exact).sum() < np.inf:
        return
    columns = np.arange(1, pre + 1, dtype=np.uint32)
    next_ = 1.0 + ((columns * np.uint32(2654435761)) >> np.uint32(8)) / 16777216.0
    before, right = np.zeros((2, pre))
    diagonal: list[float] = []
    beside: list[float] = []
    length, largest = float(np.linalg.norm(next_)), 0.0
    for _ in range(ROUNDS):
        before, right = right, next_ / length
        left = exact @ right
        entry, square = float(left @ left), length**2 if diagonal else 0.0
        next_ = left @ exact - entry * right - np.sqrt(square) * before
        diagonal.append(entry)
        found = _largest_eigenvalue(diagonal, beside)
        settled, largest = found - largest <= TOLERANCE * found, found
        length = float(np.linalg.norm(next_))
        beside.append(length)
        if settled or length**2 <= NEGLIGIBLE * largest**2:
            break
    norm = np.sqrt(largest)
    if norm > limit:
        matrix *= matrix.dtype.type(limit / norm)


def _largest_eigenvalue(diagonal: Sequence[float], beside: Sequence[float]) -> float:
    """Of a symmetric tridiagonal matrix."""
    return float(np.linalg.eigvalsh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))[-1])
