"""Kernels of NumPy, which those of C++ are compared with: each against its definition, at its limits, too."""

import math

import numpy as np
import pytest

from neuro_mpc.networks import kernels
from neuro_mpc.networks.kernels import settling

ROWS, UNITS, WIDTH = 6, 4, 3  # two steps of three trials
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, ROWS, UNITS))
SYMBOLS = np.array([0, -1, 3, 1, -1, 0], np.int32)


def flat(*shape, value=np.nan):
    """An array with more elements than the kernel may touch."""
    return np.full(math.prod(shape) + 2, value)


def untouched(array, *shape):
    """The first elements in this shape, once the others are seen to be as they were."""
    first, others = np.split(array, [math.prod(shape)])
    assert np.isnan(others).all() or (others == 7).all()
    return first.reshape(shape)


def test_softmax_and_energies_of_any_size_are_finite():
    source = np.concatenate([X, [[1000.0, 999.0, -1000.0, 0.0]]])[1:]
    found = flat(ROWS, UNITS)
    kernels.softmax_rows(source.ravel(), found, ROWS, UNITS)
    expected = [
        [1 / sum(math.exp(other - own) if other - own < 700 else math.inf for other in row) for own in row]
        for row in source
    ]
    np.testing.assert_allclose(untouched(found, ROWS, UNITS), expected, rtol=1e-12)
    label = np.eye(UNITS)[[0, 1, 2, 3, 0, 2]] * [[1.0], [1.0], [0.5], [0.0], [1.0], [1.0]]
    surprise = [
        sum(weight * (np.logaddexp.reduce(row) - own) for weight, own in zip(weights, row))
        for weights, row in zip(label, source)
    ]
    energy = np.full(WIDTH + 1, 7.0)
    kernels.add_cross_entropy(source.ravel(), label.ravel(), ROWS, UNITS, 0.5, energy, WIDTH)
    np.testing.assert_allclose(energy, [7 + 0.5 * (surprise[trial] + surprise[trial + 3]) for trial in range(3)] + [7])
    assert surprise[-1] == pytest.approx(2000, abs=1)


def test_surprise_of_symbols_is_that_of_their_probability_however_small():
    source = X.copy()
    source[2] = [900.0, 100.0, 905.0, 0.0]
    y, energy = flat(ROWS, UNITS), np.full(WIDTH + 1, 7.0)
    kernels.softmax_rows(source.ravel(), y, ROWS, UNITS)
    kernels.add_surprise(source.ravel(), y, SYMBOLS, ROWS, UNITS, 2.0, energy, WIDTH)
    of = [0.0 if symbol < 0 else np.logaddexp.reduce(row) - row[symbol] for row, symbol in zip(source, SYMBOLS)]
    np.testing.assert_allclose(energy, [7 + 2 * (of[trial] + of[trial + 3]) for trial in range(3)] + [7])


def test_sums_of_rows_belong_to_their_trials():
    for kernel, of in ((kernels.add_half_square, 0.5 * (X**2).sum(axis=1)), (kernels.add_sum, X.sum(axis=1))):
        energy = np.full(WIDTH + 1, 7.0)
        kernel(X.ravel(), ROWS, UNITS, 3.0, energy, WIDTH)
        np.testing.assert_allclose(energy, [*(7 + 3 * (of[:3] + of[3:])), 7])


def test_rows_are_filled_carried_and_numbered():
    target = flat(2, 3, value=7.0)
    kernels.fill_zero(target, 6)
    assert target.tolist() == [0.0] * 6 + [7.0, 7.0]
    values = flat(2, WIDTH, UNITS)
    kernels.fill_trials(np.arange(3.0), values, 2, WIDTH, UNITS)
    np.testing.assert_array_equal(
        untouched(values, 2, WIDTH, UNITS), np.arange(3.0)[None, :, None] + np.zeros((2, 3, 4))
    )
    history = np.full(4, 7.0)
    kernels.carry_rows(True, np.arange(1.0, 5), history, 3)
    assert history.tolist() == [1, 2, 3, 7]
    kernels.carry_rows(False, np.arange(1.0, 5), history, 2)
    assert history.tolist() == [0, 0, 3, 7]
    assert [kernels.any_trial(np.array(each), 2) for each in ([0.0, 0.0], [0.0, -1.0])] == [False, True]


NORMS = {
    kernels.clip_frobenius_norm: lambda matrix: np.linalg.norm(matrix),
    kernels.clip_largest_norm: lambda matrix: np.abs(matrix).max(),
    kernels.clip_spectral_norm: lambda matrix: np.linalg.norm(matrix, 2),
}


@pytest.mark.parametrize("clip", NORMS, ids=lambda clip: clip.__name__)
def test_a_norm_is_limited_and_below_the_limit_nothing_changes(clip):
    for matrix in (-X, X * 1e-3, np.diag([1.0, -2.0, 0.5, 0.25])):
        norm = NORMS[clip](matrix)
        shape = matrix.shape
        same, smaller = matrix.ravel().copy(), matrix.ravel().copy()
        clip(same, *shape, norm * 1.0001)
        np.testing.assert_array_equal(same, matrix.ravel())
        clip(smaller, *shape, norm / 3)
        np.testing.assert_allclose(smaller, matrix.ravel() / 3, rtol=1e-6)
    nothing = np.zeros(ROWS * UNITS)
    clip(nothing, ROWS, UNITS, 0.0)
    assert not nothing.any()


def test_a_spectral_norm_is_found_where_the_others_are_near():
    left, right = (np.linalg.qr(RNG.normal(size=(5, 5)))[0] for _ in range(2))
    matrix = (left * [3.0, 2.9, 1.0, 0.5, 0.0]) @ right
    found = matrix.ravel().copy()
    kernels.clip_spectral_norm(found, 5, 5, 1.5)
    np.testing.assert_allclose(np.linalg.norm(found.reshape(5, 5), 2), 1.5, rtol=1e-7)


def test_trials_move_until_their_energy_stands_still():
    used, last, moves = np.full(WIDTH, 9, np.int32), np.zeros(WIDTH), np.full(WIDTH, np.nan)
    #            moves on       settles at 2   settles at once
    courses = ([10.0, 8.0, 6.0, 5.0], [10.0, 9.0, 8.91, 1.0], [-10.0, -10.1, -20.0, -30.0])
    seen = []
    for iteration, energies in enumerate(zip(*courses)):
        energy = np.array(energies)
        kernels.settle_trials(iteration, 0.01, 1e9, energy - 1, np.ones(WIDTH), energy, last, used, moves, WIDTH)
        seen.append(moves.tolist())
        np.testing.assert_array_equal(last, energy)
    assert seen == [[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 0, 0]]
    assert used.tolist() == [4, 2, 1]
    energy = np.array([2.0, 3.0, 4.0])
    for limit, moving in ((9.0, [1, 1, 1]), (8.9, [0, 0, 0])):
        kernels.settle_trials(0, 0.01, limit, energy, 0 * energy, energy, last, used, moves, WIDTH)
        assert moves.tolist() == moving
    for iteration in (0, 1):  # without a tolerance, until the last iteration
        kernels.settle_trials(iteration, 0.0, 1e9, energy, 0 * energy, energy, last, used, moves, WIDTH)
    assert (moves.tolist(), used.tolist()) == ([1, 1, 1], [2, 2, 2])


def test_steps_grow_where_energies_fall_and_are_taken_back_by_half_where_they_rise():
    last, length, gains = (np.full(WIDTH, np.nan) for _ in range(3))
    used = np.full(WIDTH, 9, np.int32)
    kernels.start_lengths(0.6, 2.0, last, length, used, WIDTH)
    assert last.tolist() == [settling.HIGHEST] * 3
    np.testing.assert_allclose(length, 0.3 / 1.2)
    zeros, rounding = np.zeros(WIDTH), 1e-6
    first, then, later = np.array([10.0, 10.0, 0.0]), np.array([9.0, 11.0, math.nan]), np.array([8.999, 10.0, 0.0])
    kernels.next_gains(0, 0.01, rounding, first, zeros, last, length, used, gains, WIDTH)
    np.testing.assert_allclose(gains, 0.3)
    kernels.next_gains(1, 0.01, rounding, then - 1, zeros + 1, last, length, used, gains, WIDTH)
    np.testing.assert_allclose(gains, [0.36, -0.15, -0.15])
    np.testing.assert_array_equal(last, [9.0, 10.0, 0.0])
    kernels.next_gains(2, 0.01, rounding, later, zeros, last, length, used, gains, WIDTH)
    np.testing.assert_allclose(gains, [0, 0, 0])  # all have settled
    assert used.tolist() == [2, 2, 2]
    length[:] = 0.95
    used[:] = 0
    kernels.next_gains(0, 0.0, rounding, first * 0.5, zeros, last, length, used, gains, WIDTH)
    np.testing.assert_allclose(gains, [1.0, 1.0, 1.0])
    kernels.last_gains(
        rounding, np.array([5.0, 6.0, math.nan]), zeros, last, length, gains=gains, used=used, width=WIDTH
    )
    np.testing.assert_allclose(gains, [0.0, -1.0, -1.0])


def test_an_energy_that_rounding_alone_raised_has_not_risen():
    last = np.array([-8.0, -8.0, 8.0, 8.0])
    energy = last + np.array([1.0, 1.1, 1.0, 1.1]) * 8e-3
    assert settling.has_not_risen(energy, last, 1e-3).tolist() == [True, False, True, False]


@pytest.mark.parametrize("accumulate", [False, True])
def test_products_and_sums_are_put_in_the_place_of_what_was_there_or_added(accumulate):
    weights = RNG.normal(size=(UNITS, 5))
    one_hot = np.where(SYMBOLS[:, None] == np.arange(UNITS), 1.0, 0.0)
    by_unit = RNG.normal(size=UNITS)
    cases = [
        (kernels.packed_product, (ROWS, 5, UNITS, X.ravel(), weights.ravel()), X @ weights),
        (kernels.sum_over_rows, (UNITS, UNITS, ROWS, X.ravel(), Y.ravel()), X.T @ Y),
        (kernels.scale_rows, (ROWS, UNITS, X.ravel(), by_unit), X * by_unit),
        (kernels.copy_rows, (ROWS, UNITS, X.ravel()), X),
        (kernels.sum_unit_products, (UNITS, ROWS, X.ravel(), Y.ravel()), (X * Y).sum(axis=0)),
        (kernels.sum_squares, (UNITS, ROWS, X.ravel()), (X**2).sum(axis=0)),
        (kernels.gather_columns, (ROWS, 5, UNITS, SYMBOLS, weights.T.ravel()), one_hot @ weights),
        (kernels.scatter_columns, (UNITS, UNITS, ROWS, X.ravel(), SYMBOLS), X.T @ one_hot),
    ]
    for kernel, given, expected in cases:
        target = flat(*expected.shape, value=7.0)
        kernel(*given, accumulate, target)
        np.testing.assert_allclose(
            untouched(target, *expected.shape), expected + 7 * accumulate, rtol=1e-12, err_msg=kernel.__name__
        )


def test_weights_are_packed_as_they_are_or_the_other_way_round():
    for transposed, weights in ((False, X), (True, X.T)):
        packed = flat(ROWS, UNITS)
        kernels.pack_weights(transposed, ROWS, UNITS, weights.ravel(), packed)
        np.testing.assert_array_equal(untouched(packed, ROWS, UNITS), X)
    rows = flat(ROWS, UNITS)
    kernels.fill_rows(UNITS, ROWS, Y[0], rows)
    np.testing.assert_array_equal(untouched(rows, ROWS, UNITS), np.tile(Y[0], (ROWS, 1)))


def test_symbols_are_units_and_the_largest_outputs_are_symbols():
    target = flat(ROWS, UNITS)
    kernels.one_hot_rows(SYMBOLS, ROWS, UNITS, target)
    np.testing.assert_array_equal(untouched(target, ROWS, UNITS), SYMBOLS[:, None] == np.arange(UNITS))
    chosen, best = np.full(ROWS + 1, -9, np.int32), X.argmax(axis=1)
    kernels.choose_symbols(X.ravel(), UNITS, chosen, UNITS, ROWS)
    assert chosen.tolist() == [*best, -9]
    for units in (UNITS, 2):  # outputs beyond the units of the stimulus are no symbols of it
        stimulus = flat(ROWS, units)
        kernels.choose_rows(X.ravel(), UNITS, stimulus, units, ROWS)
        np.testing.assert_array_equal(untouched(stimulus, ROWS, units), best[:, None] == np.arange(units))


POST, PRE, APART = 3, 2, 5


@pytest.mark.parametrize("symbol", [-1, 0, 1])
def test_what_predictions_owe_to_synapses_lies_in_rows_apart(symbol):
    gain, rate = np.array([2.0, -1.0, 0.5, 9.0]), np.array([3.0, 0.25, -4.0])
    chosen = np.array([symbol], np.int32)
    shown = np.arange(PRE) == symbol
    cases = [
        (kernels.add_rates, (PRE, APART, rate), np.tile(rate[:PRE], (POST, 1))),
        (kernels.add_rates_scaled, (PRE, APART, gain, rate), np.outer(gain[:POST], rate[:PRE])),
        (kernels.add_symbol, (PRE, APART, chosen), np.tile(shown, (POST, 1))),
        (kernels.add_symbol_scaled, (PRE, APART, gain, chosen), np.outer(gain[:POST], shown)),
        (kernels.add_unit_rates, (PRE, APART, rate), np.stack([rate, 0 * rate], axis=1)),
        (kernels.add_unit_rates_scaled, (PRE, APART, gain, rate), np.stack([gain[:POST] * rate, 0 * rate], axis=1)),
    ]
    for kernel, given, added in cases:
        target = np.full((POST, APART), 7.0)
        kernel(POST, *given, target.ravel())
        expected = np.full((POST, APART), 7.0)
        expected[:, :PRE] += added
        np.testing.assert_allclose(target, expected, err_msg=kernel.__name__)


def test_jacobians_are_slopes_times_weights_and_their_variances():
    mean, variance = RNG.normal(size=(2, POST, PRE))
    slope, rate, gain = RNG.normal(size=(3, 4))
    target = flat(PRE, POST)
    kernels.jacobian(POST, PRE, mean.ravel(), slope, target)
    kernels.jacobian_of_variance(POST, PRE, variance.ravel(), slope, rate, gain, target)
    expected = slope[:PRE, None] * (mean.T + rate[:PRE, None] * variance.T * gain[:POST])
    np.testing.assert_allclose(untouched(target, PRE, POST), expected)
    square, spread = RNG.normal(size=(2, 3, 3))
    found = flat(3)
    for weights, apart in ((square, 4), (np.diag(square), 1)):
        others = np.full(5, np.nan)  # what lies behind the weights in memory
        of = spread.ravel() if apart == 4 else np.diag(spread)
        kernels.diagonal_jacobian(3, apart, np.concatenate([weights.ravel(), others]), slope, found)
        kernels.diagonal_jacobian_of_variance(3, apart, np.concatenate([of, others]), slope, rate, gain, found)
        expected = slope[:3] * (np.diag(square) + rate[:3] * np.diag(spread) * gain[:3])
        np.testing.assert_allclose(untouched(found, 3), expected)
    rows = np.full(ROWS * UNITS + 2, 7.0)
    kernels.add_scaled_rows(ROWS, UNITS, np.arange(ROWS), X.ravel(), rows)
    np.testing.assert_allclose(untouched(rows, ROWS, UNITS), 7 + np.arange(ROWS)[:, None] * X)


def test_slots_move_on_and_the_first_is_empty():
    values = np.arange(1.0, 9)
    kernels.shift_slots(values, 3, 2)
    assert values.tolist() == [0, 0, 1, 2, 3, 4, 7, 8]
