"""Circuits of the literature: the properties that were published of them, on small runs in this process."""

from __future__ import annotations

import importlib
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from in_process import started
from scipy.linalg import block_diag

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.networks import launch

OWN_TRIALS = {
    "stimulus.source": "arrays",
    "stimulus.validation": 0,
    "stimulus.test": 0,
    "experiment.split": "train",
}


@pytest.fixture(autouse=True)
def in_this_process():
    with patch.object(launch, "start", started):
        yield


def inferred(run, data):
    """What the circuit of a run infers of trials of one step; channel → (trial, unit)."""
    return inferred_by_step(run, {name: np.asarray(values, float)[:, None] for name, values in data.items()}).isel(
        step=0
    )


def inferred_by_step(run, data):
    """The same of trials of several steps; channel → (trial, step, unit), classes (trial, step)."""
    done = nm.simulate(None, nm.load_protocol("inference", OWN_TRIALS), start=run, data=data, backend="numpy")
    return nm.analysis.experiment(done, "inference")


def test_cues_are_weighed_by_their_precisions():
    run = nm.simulate("cue-combination", nm.load_protocol("cue-combination", {"stimulus.number": 6}), backend="numpy")
    rng = np.random.default_rng(0)
    visual, haptic = rng.normal(0, 5, (2, 6, 1)).astype(np.float32).astype(float)  # as sources give values
    haptic[-1] = np.nan  # is not there
    found = inferred(run, {"visual": visual, "haptic": haptic})["cause_belief"].values
    prior = 1e-6
    exact = np.where(np.isnan(haptic), visual / (1 + prior), (visual + 0.25 * np.nan_to_num(haptic)) / (1.25 + prior))
    np.testing.assert_allclose(found, exact, rtol=1e-12)
    np.testing.assert_allclose(found[:-1], (0.8 * visual + 0.2 * haptic)[:-1], atol=1e-5)


def test_a_stored_image_is_recalled_from_half():
    """The rest of it is told better than by the mean of what was stored, and better than that of other images."""
    settings = {"stimulus.learned": 10, "inference.iterations": [[0, 40], [60, 300]], "learning.presentations": 60}
    circuit = nm.load_circuit("associative-memory", {"population.memory.size": 32, "population.hidden.size": 64})
    protocol = nm.load_protocol("associative-memory", settings)
    run = nm.simulate(circuit, protocol, backend="numpy")
    source = stimuli.load(protocol, circuit, 0)
    stored, others = (source.given(split, np.arange(10), "stimulus")[0] for split in ("train", "test"))
    whole = np.concatenate([stored, others])
    half = whole.copy()
    half[:, 32:] = np.nan
    recalled = inferred(run, {"stimulus": half})["image_output"].values[:, 32:]
    error = ((recalled - whole[:, 32:]) ** 2).mean(1)
    baseline = ((stored.mean(0) - stored)[:, 32:] ** 2).mean()
    assert error[:10].mean() < baseline / 2
    assert error[:10].mean() < error[10:].mean() / 2


def test_two_levels_settle_on_the_most_probable_causes_of_an_image():
    """Those of Rao & Ballard's energy, which is quadratic: the solution of a linear system."""
    sizes = {"population.context.size": 6, **{f"population.patch-{number}.size": 3 for number in (1, 2, 3)}}
    settings = {
        "precision": "float64",
        "stimulus.side": 4,
        "stimulus.shift": 1,
        "stimulus.number": 5,
        "learning.presentations": 0,
        "inference.rate": 0.1,
        "inference.iterations": 3000,
        "experiment.split": "train",
    }
    learning = {key: value for key, value in settings.items() if not key.startswith("experiment")}
    circuit, protocol = nm.load_circuit("rao-ballard", sizes), nm.load_protocol("rao-ballard", learning)
    run = nm.simulate(circuit, protocol, backend="numpy")
    done = nm.simulate(None, nm.load_protocol("inference", {"experiment.split": "train"}), start=run, backend="numpy")
    found = nm.analysis.experiment(done, "inference").isel(step=0)
    weights = {name: values["m"] for name, values in nm.load_trained(run).parameters.items()}
    lower = block_diag(*(weights[f"image-{number}"] for number in (1, 2, 3)))
    higher = np.concatenate([weights[f"feedback-{number}"] for number in (1, 2, 3)])
    images = np.concatenate(
        [stimuli.load(protocol, circuit, 0).given("train", np.arange(5), f"window-{n}")[0] for n in (1, 2, 3)], axis=1
    )
    # ∂F/∂r = 0 and ∂F/∂c = 0 of F = ½ |I − Ur|² + ½ .1 |r − Vc|² + ½ .05 |c|²
    system = np.block(
        [
            [lower.T @ lower + 0.1 * np.eye(9), -0.1 * higher],
            [-0.1 * higher.T, 0.1 * higher.T @ higher + 0.05 * np.eye(6)],
        ]
    )
    exact = np.linalg.solve(system, np.concatenate([lower.T @ images.T, np.zeros((6, 5))]))
    names = ["patch-1", "patch-2", "patch-3", "context"]
    beliefs = np.concatenate([found[f"{name}_belief"] for name in names], axis=1)
    np.testing.assert_allclose(beliefs, exact.T, rtol=1e-9, atol=1e-12)


def principal(values, number):
    """The directions (…, number) of the largest variance of values (trial, …), by falling variance."""
    return np.linalg.svd(values - values.mean(0), full_matrices=False)[2][:number].T


def test_what_continues_into_the_surround_is_suppressed_and_what_is_crossed_by_it_is_not(monkeypatch):
    """Errors of the middle patch, where the weights are the principal directions of natural images (no training)."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "analysis")
    surround = importlib.import_module("surround")
    sizes = {"population.context.size": 24, **{f"population.patch-{number}.size": 16 for number in range(1, 10)}}
    settings = {"stimulus.number": 600, "learning.presentations": 0}
    circuit = nm.load_circuit("rao-ballard-surround", sizes)
    protocol = nm.load_protocol("rao-ballard-surround", settings)
    run = nm.simulate(circuit, protocol, backend="numpy")
    source = stimuli.load(protocol, circuit, 0)
    seen = [source.given("train", np.arange(600), f"window-{number}")[0] for number in range(1, 10)]
    image = principal(np.concatenate(seen), 16)
    causes = principal(np.concatenate([each @ image for each in seen], axis=1), 24).reshape(9, 16, 24)
    # Beliefs stay where tanh is nearly linear, as in trained circuits.
    weights = {f"image-{number}": {"m": 6 * image} for number in range(1, 10)}
    weights |= {f"feedback-{number}": {"m": 3 * each} for number, each in enumerate(causes, 1)}
    trained = nm.load_trained(run).with_parameters(weights, "principal directions")
    found = surround.changes(surround.responses(trained))
    assert found["iso"] < -30
    assert found["cross"] > 0


@pytest.mark.parametrize(("there", "back"), [(1, 2), (2, 1)])
def test_a_change_reaches_the_higher_area_and_returns_after_the_delays(there, back):
    """Exact zeros before; and the error of what is told at the last step goes the same ways backwards."""
    delays = {"projection.feed-forward.delay": there, "projection.feedback.delay": back}
    sizes = {"population.area-1.size": 12, "population.area-2.size": 12}
    circuit = nm.load_circuit("two-areas", {**delays, **sizes})
    run = nm.simulate(circuit, nm.load_protocol("digits-rows", {"learning.presentations": 0}), backend="numpy")
    rows = np.random.default_rng(0).random((30, 8, 8))
    altered = rows.copy()
    altered[:, 1] = 0
    digits = np.full((30, 8), -1)
    digits[:, 7] = np.arange(30) % 10
    found, other = (inferred_by_step(run, {"stimulus": shown, "target": digits}) for shown in (rows, altered))

    def steps(values):
        return np.flatnonzero(np.abs(values).max(("trial", values.dims[-1])))

    def differing(area):
        return steps(found[f"{area}_prediction"] - other[f"{area}_prediction"]).tolist()

    assert differing("area-2") == [*range(1 + there, 8)]
    assert differing("area-1") == [1, *range(1 + there + back, 8)]
    assert steps(found["area-2_error"]).max() == 7 - back
    assert steps(found["area-1_error"]).tolist() == [*range(8 - back - there), 7]
    read = found["output_output"].notnull().all(("trial", "output_unit"))
    assert read.values.tolist() == [False] * 7 + [True]
