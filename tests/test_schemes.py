"""Schemes of inference that need less: the beliefs of plain relaxation, sooner, by rules as local."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from presented import STEPS, TRIALS, Presentation, assert_close, network

import neuro_mpc as nm
from neuro_mpc.descriptions.inference import SCHEMES
from neuro_mpc.errors import DescriptionError
from neuro_mpc.networks.phase import Phase
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.networks.schemes import relaxation
from neuro_mpc.networks.schemes.interface import EFFICIENT_TRIALS, Scheme

pytestmark = pytest.mark.usefixtures("in_this_process")

QUICKER = {"momentum": 300, "sweeps": 100}
"""Iterations after which nothing moves any more."""
LONG = 1500
SMOOTH = ["corpus", "gaussian", "layered, last"]
"""Where the slope of a rate jumps (relu), the energy has kinks, and in them more than one state of rest."""


@lru_cache
def plain_inference(name: str) -> tuple[dict, np.ndarray]:
    """Beliefs and energies of plain relaxation, after many iterations."""
    shown = inferred(name, "relaxation", LONG)
    return shown.beliefs, shown.energies()


def inferred(name: str, scheme: str, iterations: int, seed: int = 0, **settings) -> Presentation:
    shown = Presentation(network(name, scheme), seed)
    shown.infer(iterations=iterations, **settings)
    return shown


@pytest.mark.parametrize("scheme", QUICKER)
@pytest.mark.parametrize("name", SMOOTH)
def test_the_beliefs_are_those_of_relaxation(name, scheme):
    plain, energies = plain_inference(name)
    quicker = inferred(name, scheme, QUICKER[scheme])
    for population, beliefs in plain.items():
        np.testing.assert_allclose(quicker.beliefs[population], beliefs, atol=1e-6, rtol=0)
    np.testing.assert_allclose(quicker.energies(), energies, rtol=1e-12)


@pytest.mark.parametrize("name", ["spike-and-slab, last", "own", "point"])
def test_sweeps_end_where_relaxation_rests(name):
    for slope in inferred(name, "sweeps", 200).belief_gradients().values():
        np.testing.assert_allclose(slope, 0, atol=1e-6)


@pytest.mark.parametrize("scheme", QUICKER)
def test_the_energy_of_many_iterations_is_reached_in_a_quarter(scheme):
    plain = inferred("own", "relaxation", 100).energies().sum()
    assert inferred("own", scheme, 25).energies().sum() < plain


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["spike-and-slab", "corpus", "mixed"])
def test_no_iteration_of_sweeps_raises_the_energy_of_a_trial(name, seed):
    """Even from steps far too long."""
    energies = [inferred(name, "sweeps", count, seed, inference_dt=30 * TAU_SECONDS).energies() for count in range(12)]
    assert (np.diff(energies, axis=0) <= 1e-12 * np.abs(energies[:-1])).all()
    assert (energies[-1] < energies[0]).all()


def test_the_first_step_of_the_errors_goes_down_the_gradient_of_the_loss():
    """From r = h, the errors' first step is −rate ∂ loss/∂h through the ancestral pass: that of fixed prediction."""
    small = 1e-9
    fixed = inferred("mixed", "fixed-prediction", 1)
    swept = inferred("mixed", "sweeps", 1, inference_dt=small * TAU_SECONDS)
    for name in swept.circuit.free:
        assert_close(swept.rows(name, "error", "err") / small, fixed.rows(name, "error", "err"), 1e-6)


def test_momentum_zero_is_relaxation():
    plain, none = inferred("mixed", "relaxation", 20), inferred("mixed", "momentum", 20, momentum=0)
    for population, beliefs in plain.beliefs.items():
        np.testing.assert_allclose(none.beliefs[population], beliefs, rtol=1e-12)


def test_momentum_is_the_heavy_ball():
    """r(2) = r(1) + η (β v(1) + g(1)), v(1) = g(0), with the gradients of the reference."""
    shown = Presentation(network("corpus", "momentum"))
    shown.net.set(momentum=0.7, inference_dt=0.2 * TAU_SECONDS)
    shown.infer(iterations=0)
    start, first = shown.beliefs["hidden"], -shown.belief_gradients()["hidden"]
    shown.infer(iterations=1)
    second = -shown.belief_gradients()["hidden"]
    shown.infer(iterations=2)
    assert_close(shown.beliefs["hidden"], start + 0.2 * first + 0.2 * (0.7 * first + second))


@pytest.mark.parametrize("scheme", QUICKER)
def test_trials_stop_at_the_tolerance(scheme):
    tolerance, settles = 1e-3, scheme == "momentum"
    shown = Presentation(network("own", scheme, settles=settles))
    shown.infer(iterations=300, tolerance=tolerance)
    used = shown.net.get("iterations_used")[0]
    assert 2 < used.min() < used.max() < 300
    for trial, count in enumerate(used):
        alone = inferred("own", scheme, int(count))
        np.testing.assert_allclose(shown.beliefs["hidden"][:, trial], alone.beliefs["hidden"][:, trial], rtol=1e-10)


def test_sweeps_without_iterations_leave_the_ancestral_pass():
    shown = inferred("mixed", "sweeps", 30)
    shown.infer(iterations=0)
    for name in shown.circuit.free:
        assert shown.beliefs[name].shape[:2] == (STEPS, TRIALS)
        np.testing.assert_array_equal(shown.beliefs[name], shown.rows(name, "prediction", "h"))
        assert not shown.rows(name, "error", "err").any()


def test_sweeps_have_no_energy_limit():
    with pytest.raises(DescriptionError, match="never rises"):
        nm.load_protocol("toy-language", {"inference.scheme": "sweeps", "inference.energy_limit": 10.0})


@pytest.mark.parametrize("scheme", QUICKER)
def test_a_run(scheme):
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 10})
    settings = {
        "inference.scheme": scheme,
        "inference.iterations": 6,
        "learning.batch": 8,
        "learning.rate": 0.01,
        "learning.epochs": 2,
        "stimulus.letters": 6,
        "stimulus.length": 5,
        "stimulus.load": 4.0,
    }
    run = nm.simulate(circuit, nm.load_protocol("toy-language", settings), backend="numpy")
    learning = run["learning"]
    assert (learning.iterations == 6).all()
    assert (learning.free_energy < learning.free_energy_start).all()


PERMISSIONS = "holds_predictions windows weighs_errors split_errors keeps_trajectory".split()


class Plain(Scheme):
    """A scheme that says nothing of itself."""

    def belief(self, rules, settles):
        return "r : 1"

    def phase(self, plan):
        return Phase("infer", "inferring")


def test_a_scheme_permits_what_it_says_and_a_new_one_nothing():
    def permitted(scheme):
        return [name for name in PERMISSIONS if getattr(scheme, name)]

    assert {
        name: permitted(SCHEMES.get(name)) for name in ("relaxation", "momentum", "fixed-prediction", "sweeps")
    } == {
        "relaxation": ["windows", "weighs_errors", "split_errors", "keeps_trajectory"],
        "momentum": ["windows", "weighs_errors", "split_errors"],
        "fixed-prediction": ["holds_predictions", "windows", "split_errors"],
        "sweeps": [],
    }
    plain = Plain()
    assert permitted(plain) == []
    assert (plain.scalars, plain.trial_values, plain.laws(None, str), plain.code(None)) == ((), (), [], [])
    with pytest.raises(NotImplementedError):
        plain.signed_error(None)


def test_iterations_are_those_planned_unless_trials_stop_by_themselves():
    used = np.array([2, 3, 7])
    assert (Plain().iterations(20, used, False), Plain().iterations(20, used, True)) == (20.0, 4.0)
    found = {name: SCHEMES.get(name)().iterations(20, used, False) for name in ("sweeps", "fixed-prediction")}
    assert found == {"sweeps": 4.0, "fixed-prediction": 1.0}
    assert (Plain().passes(7), SCHEMES.get("fixed-prediction")().passes(7)) == (14, 1)
    assert [Plain().tile_width(None, trials) for trials in (5, EFFICIENT_TRIALS, EFFICIENT_TRIALS + 1)] == [
        5,
        EFFICIENT_TRIALS,
        EFFICIENT_TRIALS,
    ]


@pytest.mark.parametrize(("key", "value"), [("energy_limit", 1.0), ("output_feedback", "last")])
def test_sweeps_refuse_what_is_not_judged_by_the_energy(key, value):
    with pytest.raises(DescriptionError, match="sweeps"):
        nm.load_protocol("toy-language", {"inference": {"scheme": "sweeps", key: value}})


@pytest.mark.parametrize(
    ("units", "steps", "precision", "trials", "width"),
    [
        (100, 10, "float32", 300, 16),  # 1,520 numbers of ten arrays of 4 bytes: 16 trials in a megabyte, 19 tiles
        (100, 10, "float64", 300, 10),  # 8 trials would be 80 rows
        (1000, 1, "float32", 96, 96),
        (1000, 1, "float32", 97, 49),  # two tiles of nearly the same width
        (10, 1, "float32", 97, 97),
    ],
)
def test_a_tile_of_relaxation_stays_in_cache_and_has_rows_enough(units, steps, precision, trials, width, monkeypatch):
    monkeypatch.setattr(relaxation, "CACHE_BYTES", 1_000_000)
    monkeypatch.setattr(relaxation, "EFFICIENT_ROWS", 96)
    described = nm.load_circuit("mpl", {"population.hidden.size": units}).sized(26, 26)
    plan = Plan(described, 1000, steps, scheme="relaxation", precision=precision)
    assert SCHEMES.get("relaxation")().tile_width(plan, trials) == width
