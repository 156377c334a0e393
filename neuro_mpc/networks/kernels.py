"""Kernels of the operations of a phase in NumPy, with the names and parameters of those in templates/cpp/kernels.h.

Arrays are flat and begin where a kernel is to work.  `width` is the number of trials of a tile, whose rows run over
steps, then trials.
"""

from __future__ import annotations

import math

import numpy as np

POWER_ITERATIONS, POWER_TOLERANCE = 200, 1e-9
HIGHEST, LENGTHENING, LONGEST = 1e300, 1.2, 1.0


def view(array: np.ndarray, *shape: int) -> np.ndarray:
    """The first elements of a flat array in a shape."""
    return array[: math.prod(shape)].reshape(shape)


# --- products ---


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


# --- unit by unit ---


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


# --- symbols ---


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


# --- influences of synapses, of one trial at one step ---


def shift_slots(values: np.ndarray, slots: int, size: int) -> None:
    """values (slots, size): each slot takes the values of the one before, the first none."""
    values[size : slots * size] = values[: (slots - 1) * size].copy()
    values[:size] = 0


def _owed(array: np.ndarray, post: int, pre: int, apart: int) -> np.ndarray:
    """What the predictions of `post` units owe to `pre` synapses each: the rows of units lie `apart`."""
    item = array.itemsize
    return np.lib.stride_tricks.as_strided(array, (post, pre), (apart * item, item))


def add_rates(post: int, pre: int, apart: int, rate: np.ndarray, target: np.ndarray) -> None:
    """target[i · apart + j] += rate[j]"""
    _owed(target, post, pre, apart)[...] += rate[:pre]


def add_rates_scaled(post: int, pre: int, apart: int, gain: np.ndarray, rate: np.ndarray, target: np.ndarray) -> None:
    """target[i · apart + j] += gain[i] rate[j]"""
    _owed(target, post, pre, apart)[...] += gain[:post, None] * rate[:pre]


def add_unit_rates(post: int, pre: int, apart: int, rate: np.ndarray, target: np.ndarray) -> None:
    """target[i · apart] += rate[i]"""
    _owed(target, post, 1, apart)[:, 0] += rate[:post]


def add_unit_rates_scaled(
    post: int, pre: int, apart: int, gain: np.ndarray, rate: np.ndarray, target: np.ndarray
) -> None:
    """target[i · apart] += gain[i] rate[i]"""
    _owed(target, post, 1, apart)[:, 0] += gain[:post] * rate[:post]


def add_symbol(post: int, pre: int, apart: int, symbol: np.ndarray, target: np.ndarray) -> None:
    """target[i · apart + symbol] += 1; nothing for symbol −1"""
    if symbol[0] >= 0:
        _owed(target, post, pre, apart)[:, symbol[0]] += 1


def add_symbol_scaled(
    post: int, pre: int, apart: int, gain: np.ndarray, symbol: np.ndarray, target: np.ndarray
) -> None:
    """target[i · apart + symbol] += gain[i]; nothing for symbol −1"""
    if symbol[0] >= 0:
        _owed(target, post, pre, apart)[:, symbol[0]] += gain[:post]


def jacobian(post: int, pre: int, mean: np.ndarray, slope: np.ndarray, target: np.ndarray) -> None:
    """target (pre, post) = slope ⊙ μᵀ, μ (post, pre)"""
    view(target, pre, post)[...] = slope[:pre, None] * view(mean, post, pre).T


def jacobian_of_variance(
    post: int,
    pre: int,
    variance: np.ndarray,
    slope: np.ndarray,
    rate: np.ndarray,
    gain: np.ndarray,
    target: np.ndarray,
) -> None:
    """target (pre, post) += slope ⊙ rate ⊙ vᵀ ⊙ gain, v (post, pre)"""
    view(target, pre, post)[...] += (slope[:pre] * rate[:pre])[:, None] * view(variance, post, pre).T * gain[:post]


def _diagonal(weights: np.ndarray, units: int, apart: int) -> np.ndarray:
    return weights[: (units - 1) * apart + 1 : apart]


def diagonal_jacobian(units: int, apart: int, mean: np.ndarray, slope: np.ndarray, target: np.ndarray) -> None:
    """target = slope ⊙ μ of the diagonal alone, whose weights lie `apart` from each other."""
    target[:units] = slope[:units] * _diagonal(mean, units, apart)


def diagonal_jacobian_of_variance(
    units: int,
    apart: int,
    variance: np.ndarray,
    slope: np.ndarray,
    rate: np.ndarray,
    gain: np.ndarray,
    target: np.ndarray,
) -> None:
    """target += slope ⊙ rate ⊙ v ⊙ gain of the diagonal alone"""
    target[:units] += slope[:units] * rate[:units] * _diagonal(variance, units, apart) * gain[:units]


def add_scaled_rows(rows: int, n: int, factors: np.ndarray, source: np.ndarray, target: np.ndarray) -> None:
    """target (rows, n) += factors (rows) ⊙ source (rows, n)"""
    view(target, rows, n)[...] += factors[:rows, None] * view(source, rows, n)


# --- noise ---


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


def fill_normal(
    target: np.ndarray,
    steps: int,
    trials: int,
    units: int,
    first: int,
    width: int,
    counter: int,
    key: int,
    stream: int,
    scale: float,
) -> None:
    """target (steps · width, units) = scale × `normal`."""
    noise = normal(steps, trials, units, first, width, counter, key, stream, target.dtype)
    view(target, steps * width, units)[...] = scale * noise


# --- rows and trials ---


def fill_zero(target: np.ndarray, count: int) -> None:
    target[:count] = 0


def carry_rows(carrying: bool, last: np.ndarray, history: np.ndarray, count: int) -> None:
    """history = the last rows, or zeros; the two may overlap."""
    history[:count] = last[:count] if carrying else 0


def fill_trials(values: np.ndarray, target: np.ndarray, steps: int, width: int, units: int) -> None:
    """target (steps, width, units) = the number of each trial."""
    view(target, steps, width, units)[...] = values[:, None]


def any_trial(values: np.ndarray, width: int) -> bool:
    """Whether any trial's number is not zero."""
    return bool(values.any())


def softmax_rows(source: np.ndarray, target: np.ndarray, rows: int, units: int) -> None:
    source, target = view(source, rows, units), view(target, rows, units)
    np.exp(source - source.max(axis=1, keepdims=True), out=target)
    target /= target.sum(axis=1, keepdims=True)


def add_half_square(source: np.ndarray, rows: int, units: int, factor: float, energy: np.ndarray, width: int) -> None:
    """energy[trial] += factor · ½ Σ source²"""
    squares = np.square(view(source, rows, units)).sum(axis=1, dtype=source.dtype)
    energy[:width] += 0.5 * factor * squares.reshape(-1, width).sum(axis=0, dtype=np.float64)


def add_sum(source: np.ndarray, rows: int, units: int, factor: float, energy: np.ndarray, width: int) -> None:
    """energy[trial] += factor · Σ source"""
    sums = view(source, rows, units).sum(axis=1, dtype=source.dtype)
    energy[:width] += factor * sums.reshape(-1, width).sum(axis=0, dtype=np.float64)


def add_cross_entropy(
    source: np.ndarray, label: np.ndarray, rows: int, units: int, factor: float, energy: np.ndarray, width: int
) -> None:
    """energy[trial] −= factor · Σ label · log softmax(source)"""
    source, label = view(source, rows, units), view(label, rows, units)
    shifted = source - source.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1, dtype=np.float64))
    entropy = label.sum(axis=1) * log_sum - (label * shifted).sum(axis=1)
    energy[:width] += factor * entropy.reshape(-1, width).sum(axis=0, dtype=np.float64)


# --- the length of steps of inference ---


def settle_trials(
    iteration: int,
    tolerance: float,
    limit: float,
    loss: np.ndarray,
    hidden: np.ndarray,
    limited: np.ndarray,
    last: np.ndarray,
    used: np.ndarray,
    moves: np.ndarray,
    width: int,
) -> None:
    """moves = 1 for the trials whose energy still changes by more than `tolerance` times itself, else 0, as for all
    once the sum of their energies `limited` passed `limit`."""
    energy, last, used = loss[:width] + hidden[:width], last[:width], used[:width]
    if iteration == 0:
        used[:] = 0
    moving = used == iteration
    if iteration > 0 and tolerance > 0:  # in single precision energies may stand still for an iteration
        moving &= ~(np.abs(last - energy) <= tolerance * np.abs(last))
    moving &= not limited[:width].sum() > limit
    last[:] = energy
    used[moving] = iteration + 1
    moves[:] = moving


def start_lengths(dt: float, tau: float, last: np.ndarray, length: np.ndarray, used: np.ndarray, width: int) -> None:
    """What `next_gains` starts from; it lengthens the first step, too."""
    last[:width], length[:width], used[:width] = HIGHEST, dt / tau / LENGTHENING, 0


def next_gains(
    iteration: int,
    tolerance: float,
    rounding: float,
    loss: np.ndarray,
    hidden: np.ndarray,
    last: np.ndarray,
    length: np.ndarray,
    used: np.ndarray,
    gains: np.ndarray,
    width: int,
) -> None:
    """The gain of each trial's step: longer after one that lowered its energy, half the way back after one that
    did not, 0 once its energy changed by less than `tolerance` times itself."""
    energy, last, length, used = loss[:width] + hidden[:width], last[:width], length[:width], used[:width]
    fell = has_not_risen(energy, last, rounding)
    moving = used == iteration
    if tolerance > 0:
        moving &= ~(fell & (last - energy <= tolerance * np.abs(last)))
    used[moving] = iteration + 1
    changed = np.where(fell, np.minimum(length * LENGTHENING, LONGEST), length / 2)
    length[moving] = changed[moving]
    last[moving & fell] = energy[moving & fell]
    gains[:] = np.where(moving, np.where(fell, length, -length), 0)


def last_gains(
    rounding: float,
    loss: np.ndarray,
    hidden: np.ndarray,
    last: np.ndarray,
    length: np.ndarray,
    used: np.ndarray,
    gains: np.ndarray,
    width: int,
) -> None:
    """The gains after the last step: it is taken back where the energy rose."""
    gains[:] = -length[:width] * ~has_not_risen(loss[:width] + hidden[:width], last[:width], rounding)


def has_not_risen(energy: np.ndarray, last: np.ndarray, rounding: float) -> np.ndarray:
    """Which energies are numbers and not above the last ones."""
    return energy <= last + rounding * np.abs(last)


# --- gradients ---


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
