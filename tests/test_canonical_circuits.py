"""Circuits of the literature: the properties that were published of them, on small runs in this process."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from interrupted import Here

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.network import launch

OWN_TRIALS = {
    "stimulus.source": "arrays",
    "stimulus.validation": 0,
    "stimulus.test": 0,
    "experiment.split": "train",
}


@pytest.fixture(autouse=True)
def in_this_process():
    with patch.object(launch, "start", lambda plan, *_: Here(plan)):
        yield


def inferred(run, data):
    """What the circuit of a run infers of trials of one step; channel → (trial, unit)."""
    shown = {name: np.asarray(values, float)[:, None] for name, values in data.items()}
    done = nm.simulate(None, nm.load_protocol("inference", OWN_TRIALS), start=run, data=shown, backend="numpy")
    return nm.analysis.experiment(done, "inference").isel(step=0)


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
