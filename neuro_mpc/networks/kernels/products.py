"""Products of matrices, and sums unit by unit."""

from __future__ import annotations

import numpy as np

from neuro_mpc.networks.kernels.arrays import view


def packed_product(
    rows: int, n: int, k: int, a: np.ndarray, packed: np.ndarray, accumulate: bool, c: np.ndarray
) -> None:
    """C (rows, n) = [C] + A (rows, k) W (k, n)"""
    _product(view(a, rows, k), view(packed, k, n), view(c, rows, n), accumulate)


def sum_over_rows(m: int, n: int, rows: int, a: np.ndarray, b: np.ndarray, accumulate: bool, c: np.ndarray) -> None:
    """C (m, n) = [C] + Aᵀ B, A (rows, m), B (rows, n)"""
    _product(view(a, rows, m).T, view(b, rows, n), view(c, m, n), accumulate)


def _product(left: np.ndarray, right: np.ndarray, target: np.ndarray, accumulate: bool) -> None:
    if accumulate:
        target += left @ right
    else:
        np.matmul(left, right, out=target)


def pack_weights(transposed: bool, k: int, n: int, weights: np.ndarray, packed: np.ndarray) -> None:
    """packed (k, n) = W, given as it is or `transposed`."""
    view(packed, k, n)[...] = view(weights, n, k).T if transposed else view(weights, k, n)


def scale_rows(
    rows: int, units: int, source: np.ndarray, weights: np.ndarray, accumulate: bool, target: np.ndarray
) -> None:
    """target (rows, units) = [target] + source ⊙ weights (units)"""
    scaled, target = view(source, rows, units) * weights[:units], view(target, rows, units)
    target[...] = target + scaled if accumulate else scaled


def copy_rows(rows: int, units: int, source: np.ndarray, accumulate: bool, target: np.ndarray) -> None:
    """target (rows, units) = [target] + source"""
    count = rows * units
    target[:count] = target[:count] + source[:count] if accumulate else source[:count]


def sum_unit_products(
    units: int, rows: int, a: np.ndarray, b: np.ndarray, accumulate: bool, target: np.ndarray
) -> None:
    """target (units) = [target] + Σ over rows of a ⊙ b"""
    total = np.einsum("ru,ru->u", view(a, rows, units), view(b, rows, units))
    target[:units] = target[:units] + total if accumulate else total


def sum_squares(units: int, rows: int, source: np.ndarray, accumulate: bool, target: np.ndarray) -> None:
    """target (units) = [target] + Σ over rows of source²"""
    total = np.square(view(source, rows, units), dtype=np.float64).sum(axis=0)
    target[:units] = target[:units] + total if accumulate else total


def fill_rows(units: int, rows: int, source: np.ndarray, target: np.ndarray) -> None:
    """target (rows, units) = source (units) on every row."""
    view(target, rows, units)[...] = source[:units]
