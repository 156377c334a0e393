"""Relaxation in time: the energy falls, trials stop at a tolerance."""

from __future__ import annotations

import numpy as np
import pytest
from presented import TRIALS, Presentation, network

from neuro_mpc.networks.plan import TAU_SECONDS


def trajectory(shown: Presentation, iterations: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """F and its hidden part (iteration, trial), beliefs (iteration, step, trial, unit), of single iterations."""
    shown.infer(iterations=0)
    states = []
    for _ in range(iterations + 1):
        states.append((shown.energies(), shown.net.get("energy_hidden")[0], shown.beliefs[shown.circuit.free[0]]))
        shown.net.set(iterations=1)
        shown.net.step("inferring")
    return tuple(map(np.array, zip(*states)))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["spike-and-slab", "corpus", "mixed"])
def test_energy_falls_at_every_small_step(name, seed):
    shown = Presentation(network(name, "relaxation"), seed)
    shown.net.set(inference_dt=0.003 * TAU_SECONDS)
    energies, *_ = trajectory(shown, 30)
    assert (np.diff(energies, axis=0) < 0).all()


def test_energy_falls_by_the_squared_gradient():
    """F(r − η ∂F/∂r) = F(r) − η |∂F/∂r|² to first order in η."""
    shown, small = Presentation(network("own", "relaxation")), 1e-6
    shown.infer()
    before, slopes = shown.energies().sum(), shown.belief_gradients()
    shown.net.set(iterations=1, inference_dt=small * TAU_SECONDS)
    shown.net.step("inferring")
    fallen = (before - shown.energies().sum()) / small
    assert fallen == pytest.approx(sum(np.square(each).sum() for each in slopes.values()), rel=1e-4)


def test_fixed_prediction_moves_no_belief():
    """Beliefs stay at the ancestral pass; only errors relax."""
    shown = Presentation(network("corpus", "fixed-prediction"))
    shown.infer()
    np.testing.assert_array_equal(shown.beliefs["hidden"], shown.rows("hidden", "prediction", "h"))
    assert shown.rows("hidden", "error", "err").any()
    assert shown.net.get("loss")[0] == pytest.approx(shown.net.get("loss_start")[0], rel=1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_trials_stop_at_the_tolerance(seed):
    """A trial stops when its energy changes by less than the tolerance of itself; the others go on."""
    tolerance, most = 1e-3, 80
    energies, _, beliefs = trajectory(Presentation(network("own", "relaxation"), seed), most)
    small = np.abs(np.diff(energies, axis=0)) <= tolerance * np.abs(energies[:-1])
    expected = 1 + small.argmax(axis=0)
    assert small.any(axis=0).all()
    assert len(set(expected)) == TRIALS

    shown = Presentation(network("own", "relaxation", settles=True), seed)
    shown.infer(iterations=most, tolerance=tolerance)
    np.testing.assert_array_equal(shown.net.get("iterations_used")[0], expected)
    for trial, count in enumerate(expected):
        np.testing.assert_allclose(shown.beliefs["hidden"][:, trial], beliefs[count][:, trial], rtol=1e-12)
        assert shown.energies()[trial] == pytest.approx(energies[count][trial], rel=1e-12)


def test_trials_that_do_not_settle_use_all_iterations():
    shown = Presentation(network("own", "relaxation", settles=True))
    shown.infer(iterations=4, tolerance=1e-9)
    np.testing.assert_array_equal(shown.net.get("iterations_used")[0], 4)


def test_tolerance_zero_is_a_fixed_count():
    fixed = Presentation(network("own", "relaxation"))
    settling = Presentation(network("own", "relaxation", settles=True))
    for shown in (fixed, settling):
        shown.infer(iterations=12)
    np.testing.assert_array_equal(settling.beliefs["hidden"], fixed.beliefs["hidden"])
    np.testing.assert_array_equal(settling.energies(), fixed.energies())
    np.testing.assert_array_equal(settling.net.get("iterations_used")[0], 12)


def test_an_energy_that_stands_still_stops_nothing_without_a_tolerance():
    """Without an active unit nothing moves, and the energy is the same at each iteration."""
    shown = Presentation(network("spike-and-slab", "relaxation", settles=True))
    shown.show(np.zeros_like(shown.stimulus), shown.target)
    shown.infer(iterations=7)
    np.testing.assert_array_equal(shown.net.get("iterations_used")[0], 7)
    shown.infer(iterations=7, tolerance=1e-9)
    np.testing.assert_array_equal(shown.net.get("iterations_used")[0], 1)


def test_a_batch_stops_when_its_hidden_energy_passes_the_limit():
    _, hidden, beliefs = trajectory(Presentation(network("own", "relaxation")), 10)
    limit = hidden[4].sum() * (1 - 1e-9)
    expected = np.full(hidden.shape[1], (hidden.sum(axis=1) > limit).argmax())
    assert 0 < expected[0] < 10

    shown = Presentation(network("own", "relaxation", settles=True, limited=True))
    shown.infer(iterations=10, energy_limit=limit)
    np.testing.assert_array_equal(shown.net.get("iterations_used")[0], expected)
    for trial, count in enumerate(expected):
        np.testing.assert_allclose(shown.beliefs["hidden"][:, trial], beliefs[count][:, trial], rtol=1e-12)
