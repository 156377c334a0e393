"""The answers to all test trials, recorded on request."""

import numpy as np
import pytest

import neuro_mpc as nm

pytestmark = pytest.mark.usefixtures("in_this_process")

QUIET = {"test.every": 0, "recording.samples": [], "recording.synapses_every": 0, "recording.answers": True}


def test_the_accuracy_is_the_share_of_right_answers():
    """Also where a run writes later, as it may have to learn again."""
    settings = {"learning.epochs": 1, "learning.batch": 100, "learning.backoff": 5}
    protocol = nm.load_protocol("digits-rows", {**QUIET, **settings})
    run = nm.simulate(nm.load_circuit("mpl", {"population.hidden.size": 12}), protocol, seed=1, backend="numpy")
    answers = run["answers"].isel(step=-1)
    right = answers["answer"] == answers["target"]
    assert float(right.mean()) == pytest.approx(float(run["evaluation"]["accuracy"]))
    assert (answers["probability"] >= 1 / 10).all()
    np.testing.assert_array_equal(answers["trial_number"], np.arange(answers.sizes["trial"]))
    assert answers["answer"].attrs["long_name"] == "most probable class"


def test_values_and_classes_of_two_targets_are_told_apart():
    random = np.random.default_rng(0)
    seen = random.normal(size=(30, 4, 3)).astype(np.float32)
    position = seen.sum(axis=2, keepdims=True)
    position[0, 0] = np.nan
    data = {"seen": seen, "position": position, "side": (seen[..., 0] > 0).astype("i4")}
    circuit = nm.Circuit(
        name="two",
        population={
            "seen": nm.Population(role="stimulus"),
            "hidden": nm.Population(size=5),
            "position": nm.Population(role="target", readout="gaussian"),
            "side": nm.Population(role="target"),
        },
        projection={
            "in": nm.Projection(source="seen", target="hidden", synapse="point"),
            "where": nm.Projection(source="hidden", target="position", synapse="point"),
            "which": nm.Projection(source="hidden", target="side", synapse="point"),
        },
    )
    protocol = nm.Protocol(
        name="two",
        stimulus={"source": "arrays"},
        target={"read": "every"},
        learning={"rate": 0.1, "batch": 10, "presentations": 2},
        recording={"answers": True},
    )
    run = nm.simulate(circuit, protocol, data=data, backend="numpy")
    answers = run["answers"]
    assert answers["answer"].dims == ("step", "trial", "unit")
    assert answers["answer_side"].dims == ("step_side", "trial")
    error = np.nanmean((answers["answer"] - answers["target"]).values.astype(float) ** 2)
    assert error == pytest.approx(float(run["evaluation"]["mean_squared_error"]), rel=1e-5)
    assert set(np.unique(answers["target_side"])) == {0, 1}
