"""Row-wise operations of a sweep in NumPy; the same, operation by operation, as templates/cpp/kernels.h."""

from __future__ import annotations

import numpy as np

POWER_ITERATIONS, POWER_TOLERANCE = 200, 1e-9
HIGHEST, LENGTHENING, LONGEST = 1e300, 1.2, 1.0


def view(array: np.ndarray, begin: int, rows: int, units: int) -> np.ndarray:
    """(rows, units) view of a population's flat array."""
    return array[begin : begin + rows * units].reshape(rows, units)


def product(left: np.ndarray, right: np.ndarray, target: np.ndarray, accumulate: bool) -> None:
    """target = [target] + left @ right"""
    if accumulate:
        target += left @ right
    else:
        np.matmul(left, right, out=target)


def gather_columns(weights: np.ndarray, symbols: np.ndarray, target: np.ndarray, accumulate: bool) -> None:
    """target (rows, post) = [target] + the column of weights (post, pre) of each row's symbol; nothing for −1."""
    columns = weights.T[symbols] * (symbols >= 0)[:, None]
    target[...] = target + columns if accumulate else columns


def scatter_columns(source: np.ndarray, symbols: np.ndarray, target: np.ndarray, accumulate: bool) -> None:
    """target (post, pre) = [target] + each of the rows (rows, post) in the column of its symbol."""
    if not accumulate:
        target[...] = 0
    known = symbols >= 0
    np.add.at(target.T, symbols[known], source[known])


def one_hot(symbols: np.ndarray, target: np.ndarray) -> None:
    """target (rows, units) = a one at the unit of each row's symbol."""
    target[...] = 0
    known = np.flatnonzero(symbols >= 0)
    target[known, symbols[known]] = 1


def counter_bits(position: np.ndarray, counter: int, key: int) -> tuple[np.ndarray, np.ndarray]:
    """Two words of 32 random bits for every position: Philox 2x32-10 (Salmon et al. 2011)."""
    low = np.asarray(position, dtype=np.uint64)
    high = np.full_like(low, np.uint64(counter & 0xFFFFFFFF))
    for round_ in range(10):
        mixed = low * np.uint64(0xD256D193)
        round_key = np.uint64((key + round_ * 0x9E3779B9) & 0xFFFFFFFF)
        low, high = (mixed >> np.uint64(32)) ^ round_key ^ high, mixed & np.uint64(0xFFFFFFFF)
    return low.astype(np.uint32), high.astype(np.uint32)


def normal(
    steps: int, trials: int, units: int, first: int, width: int, counter: int, key: int, stream: int, dtype
) -> np.ndarray:
    """Standard normal numbers (steps · width, units) of trials first … first + width, by Box and Muller's method.

    A number depends on its step, trial and unit in the whole presentation only, never on tiles or threads.
    """
    trial = np.arange(first, first + width, dtype=np.uint64)
    row = np.arange(steps, dtype=np.uint64)[:, None] * np.uint64(trials) + trial
    position = row.reshape(-1, 1) * np.uint64(units) + np.arange(units, dtype=np.uint64)
    bits = counter_bits(position & np.uint64(0xFFFFFFFF), int(counter), (int(key) & 0xFFFFFFFF) ^ stream)
    real = np.dtype(dtype).type
    uniform = (bits[0].astype(dtype) + real(0.5)) * real(2.0**-32)
    angle = bits[1].view(np.int32).astype(dtype) * real(2 * np.pi * 2.0**-32)
    return np.sqrt(real(-2) * np.log(uniform)) * np.cos(angle)


def softmax(source: np.ndarray, target: np.ndarray) -> None:
    np.exp(source - source.max(axis=1, keepdims=True), out=target)
    target /= target.sum(axis=1, keepdims=True)


def half_square(source: np.ndarray, width: int) -> np.ndarray:
    """½ Σ source² of each trial."""
    return 0.5 * np.square(source).sum(axis=1, dtype=source.dtype).reshape(-1, width).sum(axis=0, dtype=np.float64)


def cross_entropy(source: np.ndarray, label: np.ndarray, width: int) -> np.ndarray:
    """−Σ label · log softmax(source) of each trial."""
    shifted = source - source.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1, dtype=np.float64))
    rows = label.sum(axis=1) * log_sum - (label * shifted).sum(axis=1)
    return rows.reshape(-1, width).sum(axis=0, dtype=np.float64)


def moves(
    energy: np.ndarray,
    last: np.ndarray,
    used: np.ndarray,
    iteration: int,
    tolerance: float,
    limit: float,
    limited: np.ndarray,
) -> np.ndarray:
    """Which trials still move: those whose energy changed by more than `tolerance` times itself,
    and none once the sum of their energies `limited` passed `limit`."""
    if iteration == 0:
        used[:] = 0
    moving = used == iteration
    if iteration > 0 and tolerance > 0:  # in single precision energies may stand still for an iteration
        moving &= ~(np.abs(last - energy) <= tolerance * np.abs(last))
    moving &= not limited.sum() > limit
    last[:] = energy
    used[moving] = iteration + 1
    return moving


def has_not_risen(energy: np.ndarray, last: np.ndarray, rounding: float) -> np.ndarray:
    """Which energies are numbers and not above the last ones."""
    return energy <= last + rounding * np.abs(last)


def next_gain(
    energy: np.ndarray,
    rounding: float,
    tolerance: float,
    iteration: int,
    last: np.ndarray,
    length: np.ndarray,
    used: np.ndarray,
) -> np.ndarray:
    """The gain of each trial's step: longer after one that lowered its energy, half the way back after one that
    did not, 0 once its energy changed by less than `tolerance` times itself."""
    fell = has_not_risen(energy, last, rounding)
    moving = used == iteration
    if tolerance > 0:
        moving &= ~(fell & (last - energy <= tolerance * np.abs(last)))
    used[moving] = iteration + 1
    changed = np.where(fell, np.minimum(length * LENGTHENING, LONGEST), length / 2)
    length[moving] = changed[moving]
    last[moving & fell] = energy[moving & fell]
    return np.where(moving, np.where(fell, length, -length), 0)


def choose(output: np.ndarray, stimulus: np.ndarray) -> None:
    """stimulus = one-hot of the largest output of each row."""
    stimulus[...] = 0
    best = output.argmax(axis=1)
    known = best < stimulus.shape[1]
    stimulus[np.flatnonzero(known), best[known]] = 1


def clip_frobenius_norm(matrix: np.ndarray, limit: float) -> None:
    """Scale `matrix` in place to at most `limit` in Frobenius norm, summed in double precision."""
    norm = np.sqrt(np.square(matrix, dtype=np.float64).sum())
    if norm > limit:
        matrix *= matrix.dtype.type(limit / norm)


def clip_spectral_norm(matrix: np.ndarray, limit: float) -> None:
    """Scale `matrix` in place to at most `limit` in spectral norm, found by power iteration in double precision."""
    exact = matrix.astype(np.float64)
    if not np.square(exact).sum() > limit**2:
        return
    columns = np.arange(1, matrix.shape[1] + 1, dtype=np.uint32)
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
