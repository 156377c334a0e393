"""Steps of the optimiser: Adam, decay, clipping to a spectral norm, bounds."""

from __future__ import annotations

import numpy as np
import pytest
from presented import TRIALS, Presentation, assert_close, network

from neuro_mpc.networks import kernels


class Adam:
    """Kingma & Ba 2015, Algorithm 1, with decay decoupled from the gradient (Loshchilov & Hutter 2019)."""

    def __init__(self, rate, decay=0.0, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.rate, self.decay, self.beta1, self.beta2, self.epsilon = rate, decay, beta1, beta2, epsilon
        self.first = self.second = self.count = 0

    def __call__(self, theta, slope):
        self.count += 1
        self.first = self.beta1 * self.first + (1 - self.beta1) * slope
        self.second = self.beta2 * self.second + (1 - self.beta2) * slope**2
        first, second = self.first / (1 - self.beta1**self.count), self.second / (1 - self.beta2**self.count)
        return theta - self.rate * (first / (np.sqrt(second) + self.epsilon) + self.decay * theta)


def clipped(matrix, limit):
    return matrix * min(1, limit / np.linalg.norm(matrix, 2))


def corrections(count: int) -> dict:
    return {"first_correction": 1 / (1 - 0.9**count), "second_correction": 1 / (1 - 0.999**count)}


@pytest.mark.parametrize("name", ["spike-and-slab", "own"])
def test_adam_with_decay_clipping_and_bounds(name):
    """Four presentations, each with noise of its own, from the gradients that the reference gives."""
    rate, decay, limit, of = 0.05, 0.01, 0.05, ("m", "amp")
    net = network(name, "fixed-prediction", optimizer="adam", decay=decay, clip=limit, clip_parameters=of)
    shown = Presentation(net, rate=rate)
    expected, steps, bounded = shown.parameters, {}, 0
    for count in range(1, 5):
        shown.infer(noise_counter=count, **corrections(count))
        slopes = shown.loss_gradients()
        shown.net.step("learning")
        for projection, values in expected.items():
            for parameter, theta in values.items():
                described = shown.synapse(projection).parameter[parameter]
                slope = slopes[projection][parameter] / TRIALS
                step = steps.setdefault((projection, parameter), Adam(rate * described.rate_factor, decay))
                moved = step(theta, clipped(slope, limit) if parameter in of else slope)
                values[parameter] = np.clip(moved, described.low, described.high)
                bounded += (moved != values[parameter]).sum()
                assert_close(shown.parameters[projection][parameter], values[parameter], 1e-8)
    assert bounded > 0


def test_a_parameter_moves_by_its_own_factor_of_the_rate():
    usual, slower = (
        Presentation(network("spike-and-slab", "fixed-prediction", rate_factors=factors))
        for factors in ((), (("Xi", 0.25), ("amp", 9.0)))
    )
    changes = []
    for shown in (usual, slower):
        shown.infer()
        changes.append(shown.learn())
    for projection, values in changes[0].items():
        assert_close(changes[1][projection]["m"], values["m"], 1e-12)
        assert_close(changes[1][projection]["Xi"], 0.25 * values["Xi"], 1e-8)


@pytest.mark.parametrize("limit", [0.5, 5.0])
def test_clipping_to_a_frobenius_norm(limit):
    matrix = np.random.default_rng(0).normal(size=(3, 4))
    found, norm = matrix.copy(), np.sqrt((matrix**2).sum())
    kernels.clip_frobenius_norm(found, *found.shape, limit)
    assert norm > 0.5
    assert norm < 5
    assert_close(found, matrix * min(1, limit / norm), 1e-14)


def test_the_first_step_of_adam_is_the_rate():
    shown = Presentation(network("own", "fixed-prediction", optimizer="adam"), rate=1e-3)
    shown.infer(**corrections(1))
    slopes, changes = shown.loss_gradients(), shown.learn()
    for projection, values in changes.items():
        np.testing.assert_allclose(values["flux"], -1e-3 * np.sign(slopes[projection]["flux"]), rtol=1e-3)


def test_gradients_below_the_limit_are_not_clipped():
    plain, lenient = (
        Presentation(network("spike-and-slab", "fixed-prediction", **options)) for options in ({}, {"clip": 1e6})
    )
    changes = []
    for shown in (plain, lenient):
        shown.infer()
        changes.append(shown.learn())
    for projection, values in changes[0].items():
        for parameter, change in values.items():
            assert_close(changes[1][projection][parameter], change, 1e-13)


def noisy_gradient(shape, seed) -> np.ndarray:
    """A few strong directions and noise, as gradients are."""
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(shape[0], 3)), rng.normal(size=(3, shape[1]))
    return left * [3, 2, 1] @ right + 0.1 * rng.normal(size=shape)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 100), (100, 28), (100, 100), (10, 100)])
def test_clipping_to_a_spectral_norm(shape, seed):
    matrix = noisy_gradient(shape, seed)
    norm = np.linalg.norm(matrix, 2)
    found = matrix.copy()
    kernels.clip_spectral_norm(found, *found.shape, norm / 3)
    np.testing.assert_allclose(found, matrix / 3, rtol=1e-7)
    kernels.clip_spectral_norm(found, *found.shape, norm)
    np.testing.assert_allclose(found, matrix / 3, rtol=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_clipping_of_pure_noise(seed):
    """Many directions are nearly as strong as the strongest."""
    matrix = np.random.default_rng(seed).normal(size=(100, 100))
    norm = np.linalg.norm(matrix, 2)
    kernels.clip_spectral_norm(matrix, *matrix.shape, norm / 3)
    assert np.linalg.norm(matrix, 2) == pytest.approx(norm / 3, rel=1e-7)


@pytest.mark.parametrize("matrix", [np.eye(5), np.outer([1.0, -2.0], [0, 3, 0]), -np.ones((4, 2))])
def test_clipping_of_plain_matrices(matrix):
    found = matrix.copy()
    kernels.clip_spectral_norm(found, *found.shape, 0.25)
    np.testing.assert_allclose(found, clipped(matrix, 0.25), atol=1e-9)


def test_clipping_of_nothing():
    matrix = np.zeros((3, 4))
    kernels.clip_spectral_norm(matrix, *matrix.shape, 0.25)
    assert not matrix.any()
