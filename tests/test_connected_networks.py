"""Networks in which only some pairs of units are connected: the others take no part.

Gradients of such circuits are compared with the reference in test_rules.py and test_random_circuits.py.
"""

from __future__ import annotations

import numpy as np
import pytest
from connected import MASK, circuit
from in_process import InProcess

import neuro_mpc as nm
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.rules.variables import brian_name
from neuro_mpc.simulation import initial
from neuro_mpc.simulation.connections import existing
from neuro_mpc.simulation.running import RunningCircuit


def plan(described: nm.Circuit, **options) -> Plan:
    chosen = {"scheme": "relaxation", "optimizer": "adam", "decay": 0.01, "clip": 0.02, "precision": "float64"}
    return Plan(described.sized(3, 2), 4, 3, **{**chosen, **options})


def learned(each: Plan, parameters: dict) -> RunningCircuit:
    """A circuit that has learned two random batches."""
    net, rng = InProcess(each), np.random.default_rng(0)
    running = RunningCircuit(net, each)
    net.set(noise_scale=1, drawing=1, iterations=3, inference_dt=0.1 * TAU_SECONDS, energy_limit=1e30, rate=0.1)
    running.load(parameters)
    for count in range(2):
        net.set(noise_counter=count, **each.update_rule.scalars(count))
        net.set_rows("input", "input_stimulus_x", rng.normal(size=(3, 4, 3)))
        net.set_rows("output", "output_error_target", np.eye(2)[rng.integers(0, 2, (3, 4))])
        net.step("predicting", "inferring", "learning")
    return running


def drawn(described: nm.Circuit) -> dict:
    return initial.draw(described.sized(3, 2), nm.load_protocol("toy-language"), 0)


def test_a_mask_of_ones_equals_all_to_the_last_bit():
    masked, dense = circuit({"mask": np.ones((8, 6))}, {"random": 1.0}), circuit()
    found, expected = (learned(plan(each), drawn(each)).state() for each in (masked, dense))
    ones = {name: found.pop(name) for name in ("up_synapses_connected", "again_synapses_connected")}
    assert all((values == 1).all() for values in ones.values())
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("norm", ["spectral", "frobenius"])
def test_one_to_one_equals_the_diagonal_of_a_matrix(norm):
    each, matrix = circuit(again="one-to-one"), circuit(again={"mask": np.eye(8)})
    parameters = drawn(each)
    diagonal = {
        name: np.where(np.eye(8), np.diag(values[:, 0]), np.nan) for name, values in parameters["again"].items()
    }
    plans = [plan(described, clip_norm=norm) for described in (each, matrix)]
    found, expected = learned(plans[0], parameters), learned(plans[1], {**parameters, "again": diagonal})
    sizes = [running.program.manifest.variables["again_synapses_m"][1] for running in (found, expected)]
    assert sizes == [8, 64]
    for projection, values in expected.parameters().items():
        for name, value in values.items():
            if projection == "again":
                assert np.isnan(value[~np.eye(8, dtype=bool)]).all()
                value = np.diag(value)[:, None]
            moved = value - (parameters if projection != "again" else {"again": parameters["again"]})[projection][name]
            assert np.abs(moved).max() > 0
            np.testing.assert_allclose(found.parameters()[projection][name], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_absent_synapses_stay_and_do_not_count_for_clipping(optimizer):
    described = circuit(MASK, {"local": 1})
    before = drawn(described)
    running = learned(plan(described, optimizer=optimizer), before)
    state, mask = running.state(), MASK.ravel()
    for name in map(brian_name, ("m", "pi", "Xi")):
        values = state[f"up_synapses_{name}"]
        assert len(set(values[~mask])) == 1  # as they were set
    assert not state["up_synapses_mu"][~mask].any()
    assert not state["up_synapses_v"][~mask].any()
    assert not running.program.get("up_synapses_change_m")[0][~mask].any()
    found = running.parameters()
    assert (existing(found["up"]) == MASK).all()
    assert (found["up"]["m"] != before["up"]["m"])[MASK].all()
    again = RunningCircuit(InProcess(running.plan), running.plan)
    again.restore(state)
    np.testing.assert_array_equal(again.parameters()["up"]["m"], found["up"]["m"])


def test_programs_do_not_depend_on_which_pairs_are_connected():
    other = np.roll(MASK, 1, axis=1)
    assert plan(circuit(MASK)).to_json() == plan(circuit(other)).to_json()
    assert plan(circuit(MASK)).to_json() == plan(circuit({"random": float(MASK.mean())})).to_json()
    assert Plan.from_json(plan(circuit(MASK)).to_json()).circuit.fan_in("up") == circuit(MASK).sized(3, 2).fan_in("up")
