"""Kernels of C++, compiled as for a run in single precision, give what those of NumPy give."""

from __future__ import annotations

import ctypes
import subprocess

import numpy as np
import pytest

from neuro_mpc.networks import kernels, phase_runner
from neuro_mpc.networks.compiler import accepted_flags, compiler
from neuro_mpc.networks.launch import available

pytestmark = pytest.mark.compiler

ITERATIONS, TRIALS = 40, 3
DT, TAU, TOLERANCE = 0.1, 1.0, 1e-3
ROUNDING = 16 * float(np.finfo(np.float32).eps)
LIBRARY = """
#include <cmath>
using namespace std; // as in Brian2's programs
#include "cpp/kernels.h"

extern "C" void start(double* last, double* length, int32_t* used, int width)
{
    start_lengths((float)0.1, 1.0, last, length, used, width);
}

extern "C" void next(int iteration, double tolerance, double rounding, const double* loss, const double* hidden,
                     double* last, double* length, int32_t* used, double* gains, int width)
{
    next_gains(iteration, tolerance, rounding, loss, hidden, last, length, used, gains, width);
}

extern "C" void settle(int iteration, double tolerance, double limit, const double* loss, const double* hidden,
                       const double* limited, double* last, int32_t* used, double* moves, int width)
{
    settle_trials(iteration, tolerance, limit, loss, hidden, limited, last, used, moves, width);
}

extern "C" void noise(float* target, int steps, int trials, int units, int before, int first, int width, int counter,
                      int key, int stream, double scale)
{
    fill_normal(target, steps, trials, units, before, first, width, counter, key, stream, (float)scale);
}

extern "C" void surprise(const float* source, const float* y, const int32_t* symbols, int rows, int units,
                         double factor, double* energy, int width)
{
    add_surprise(source, y, symbols, rows, units, factor, energy, width);
}

extern "C" void clip(float* matrix, int post, int pre, double limit)
{
    clip_spectral_norm(matrix, post, pre, limit);
}

extern "C" void clip_frobenius(float* matrix, int post, int pre, double limit)
{
    clip_frobenius_norm(matrix, post, pre, limit);
}

extern "C" void clip_largest(float* matrix, int post, int pre, double limit)
{
    clip_largest_norm(matrix, post, pre, limit);
}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The kernels as a library."""
    if available("cpp") != "cpp":
        pytest.skip("needs a C++ compiler")
    folder = tmp_path_factory.mktemp("kernels")
    source, library = folder / "kernels.cpp", folder / "kernels.so"
    source.write_text(LIBRARY)
    flags = [*accepted_flags("float32"), "-fPIC", f"-I{phase_runner.TEMPLATES}"]
    # Linked without these flags: a library linked with -ffast-math takes denormal numbers from the whole process.
    compiled = library.with_suffix(".o")
    subprocess.run([*compiler(), *flags, "-c", str(source), "-o", str(compiled)], check=True, capture_output=True)
    subprocess.run([*compiler(), "-shared", str(compiled), "-o", str(library)], check=True, capture_output=True)
    return ctypes.CDLL(str(library))


def arguments(*values) -> list:
    """As C takes them: arrays by their addresses, floats in double precision."""
    return [
        value.ctypes.data_as(ctypes.c_void_p)
        if isinstance(value, np.ndarray)
        else ctypes.c_double(value)
        if isinstance(value, float)
        else ctypes.c_int(value)
        for value in values
    ]


def energies() -> np.ndarray:
    """Of trials that fall to their rest fast, slowly, and with rises in between: (iteration, trial)."""
    k = np.arange(ITERATIONS)
    return np.stack([10 * np.exp(-k), 10 * np.exp(-k / 6) + 1, 5 * np.exp(-k / 4) + 2 + 0.3 * (k % 5 == 3)], axis=1)


def course(start, step, used: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gains (iteration, trial) for `energies`, and the iterations that each trial used."""
    last, length, zeros = np.zeros(TRIALS), np.zeros(TRIALS), np.zeros(TRIALS)
    start(last, length, used)
    gains = np.zeros((ITERATIONS, TRIALS))
    for iteration, energy in enumerate(energies()):
        step(iteration, energy.copy(), zeros, last, length, used, gains[iteration])
    return gains, used


def test_steps_of_sweeps_are_as_long_and_end_as_soon_as_in_numpy(compiled):
    def start(*state):
        compiled.start(*arguments(*state, TRIALS))

    def step(iteration, loss, hidden, *state):
        compiled.next(*arguments(iteration, TOLERANCE, ROUNDING, loss, hidden, *state, TRIALS))

    def expected_start(*state):
        kernels.start_lengths(DT, TAU, *state, TRIALS)

    def expected_step(iteration, loss, hidden, *state):
        kernels.next_gains(iteration, TOLERANCE, ROUNDING, loss, hidden, *state, TRIALS)

    gains, used = course(start, step, np.zeros(TRIALS, np.int32))
    expected, expected_used = course(expected_start, expected_step, np.zeros(TRIALS, np.int32))
    np.testing.assert_array_equal(used, expected_used)
    assert 1 < used.min() < ITERATIONS
    np.testing.assert_allclose(gains, expected, rtol=1e-5)


def test_trials_settle_as_soon_as_in_numpy(compiled):
    def of_cpp(*values):
        compiled.settle(*arguments(*values))

    found = {}
    for name, settle in {"cpp": of_cpp, "numpy": kernels.settle_trials}.items():
        used, last, moves = np.zeros(TRIALS, np.int32), np.zeros(TRIALS), np.zeros((ITERATIONS, TRIALS))
        for iteration, energy in enumerate(energies()):
            zeros = np.zeros(TRIALS)
            settle(
                iteration, TOLERANCE, 1e300, energy.copy(), zeros, energy.copy(), last, used, moves[iteration], TRIALS
            )
        found[name] = moves
        assert 1 < used.min() < ITERATIONS
    np.testing.assert_array_equal(found["cpp"], found["numpy"])


@pytest.mark.parametrize("rank", [1, 3, 100])
@pytest.mark.parametrize("shape", [(7, 5), (1, 9), (9, 1), (100, 28), (10, 100), (100, 100)])
def test_spectral_norms_are_limited_as_in_numpy(compiled, shape, rank):
    rng = np.random.default_rng(0)
    matrix = (rng.normal(size=(shape[0], rank)) @ rng.normal(size=(rank, shape[1]))).astype(np.float32)
    expected = matrix.copy()
    limit = np.linalg.norm(matrix.astype(float), 2) / 3
    compiled.clip(*arguments(matrix, *shape, limit))
    kernels.clip_spectral_norm(expected, *shape, limit)
    np.testing.assert_allclose(matrix, expected, rtol=1e-6)
    assert np.linalg.norm(matrix.astype(float), 2) == pytest.approx(limit, rel=1e-6)


@pytest.mark.parametrize("size", [1e-12, 1e12])
def test_spectral_norms_of_very_small_and_large_matrices_are_limited(compiled, size):
    rng = np.random.default_rng(0)
    matrix = (size**3 * rng.normal(size=(9, 40))).astype(np.float32)
    limit = np.linalg.norm(matrix.astype(float), 2) / 3
    compiled.clip(*arguments(matrix, *matrix.shape, limit))
    assert np.linalg.norm(matrix.astype(float), 2) == pytest.approx(limit, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "of_numpy"),
    [
        ("clip", kernels.clip_spectral_norm),
        ("clip_frobenius", kernels.clip_frobenius_norm),
        ("clip_largest", kernels.clip_largest_norm),
    ],
)
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 7])
def test_a_matrix_that_is_not_finite_stays_as_it_is(compiled, name, of_numpy, value):
    matrix = np.ones((20, 5), np.float32)
    matrix[7, 3] = value
    by_cpp, by_numpy = matrix.copy(), matrix.copy()
    getattr(compiled, name)(*arguments(by_cpp, *matrix.shape, 0.1))
    of_numpy(by_numpy.reshape(-1), *matrix.shape, 0.1)
    for found in (by_cpp, by_numpy):
        if np.isfinite(value):
            assert np.abs(found).max() <= 0.1 < np.abs(matrix).max()
        else:
            np.testing.assert_array_equal(found, matrix)


@pytest.mark.parametrize("units", [1, 31, 100])
def test_noise_is_that_of_numpy(compiled, units):
    steps, trials, before, first, width, counter, key, stream, scale = 3, 9, 4, 2, 3, 7, -123456789, 1025, 0.5
    place = (steps, trials, units, before, first, width, counter, key, stream, scale)
    found, expected = (np.full(steps * width * units, np.nan, np.float32) for _ in range(2))
    compiled.noise(*arguments(found, *place))
    kernels.fill_normal(expected, *place)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_surprise_is_the_cross_entropy_with_a_symbol_also_where_its_probability_is_rounded_to_nothing(compiled):
    rows, units, width = 6, 40, 3
    rng = np.random.default_rng(0)
    source = rng.normal(0, 3, (rows, units)).astype(np.float32)
    source[2] *= 100
    symbols = np.array([4, -1, source[2].argmin(), 0, 39, 7], np.int32)
    y, label = np.empty_like(source), (np.arange(units) == symbols[:, None]).astype(np.float32)
    kernels.softmax_rows(source.ravel(), y.ravel(), rows, units)
    assert y[2, symbols[2]] == 0
    expected, of_numpy, of_cpp = np.zeros((3, width))
    kernels.add_cross_entropy(source.ravel(), label.ravel(), rows, units, 0.5, expected, width)
    kernels.add_surprise(source.ravel(), y.ravel(), symbols, rows, units, 0.5, of_numpy, width)
    compiled.surprise(*arguments(source, y, symbols, rows, units, 0.5, of_cpp, width))
    for found in (of_numpy, of_cpp):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
