"""Numbers of symbols in place of vectors of zeros and a one."""

from __future__ import annotations

import numpy as np

from neuro_mpc.networks.kernels.arrays import view


def gather_columns(
    rows: int, post: int, pre: int, symbols: np.ndarray, weights: np.ndarray, accumulate: bool, target: np.ndarray
) -> None:
    """target (rows, post) = [target] + the column of weights (post, pre) of each row's symbol; nothing for −1."""
    symbols, target = symbols[:rows], view(target, rows, post)
    columns = view(weights, post, pre).T[symbols] * (symbols >= 0)[:, None]
    target[...] = target + columns if accumulate else columns


def scatter_columns(
    post: int, pre: int, rows: int, source: np.ndarray, symbols: np.ndarray, accumulate: bool, target: np.ndarray
) -> None:
    """target (post, pre) = [target] + each of the rows (rows, post) in the column of its symbol."""
    known, target = symbols[:rows] >= 0, view(target, post, pre)
    if not accumulate:
        target[...] = 0
    np.add.at(target.T, symbols[:rows][known], view(source, rows, post)[known])


def one_hot_rows(symbols: np.ndarray, rows: int, units: int, target: np.ndarray) -> None:
    """target (rows, units) = a one at the unit of each row's symbol."""
    target = view(target, rows, units)
    target[...] = 0
    known = np.flatnonzero(symbols[:rows] >= 0)
    target[known, symbols[known]] = 1


def choose_symbols(output: np.ndarray, classes: int, symbols: np.ndarray, units: int, rows: int) -> None:
    """symbol = number of the largest output of each row."""
    symbols[:rows] = view(output, rows, classes).argmax(axis=1)


def choose_rows(output: np.ndarray, classes: int, stimulus: np.ndarray, units: int, rows: int) -> None:
    """stimulus (rows, units) = one-hot of the largest output of each row."""
    best, stimulus = view(output, rows, classes).argmax(axis=1), view(stimulus, rows, units)
    stimulus[...] = 0
    known = best < units
    stimulus[np.flatnonzero(known), best[known]] = 1
