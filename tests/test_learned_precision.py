"""Precisions of prediction errors that are learned: their gradients, what they find, and where they would collapse."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from in_process import InProcess
from presented import MIXED, RATE, STEPS, TRIALS, Presentation, assert_close, circuit, recurrent

import neuro_mpc as nm
from neuro_mpc.networks.plan import Plan

BOTH = {
    "population.output.precision": {"learned": "unit"},
    "population.hidden.precision": {"learned": "population", "high": 1e3},
}
OTHER_WAY = {
    "population.output.precision": {"learned": "population"},
    "population.hidden.precision": {"learned": "unit", "high": 1e3},
}
OUTPUT = {"population.output.precision": {"learned": "unit", "rate_factor": 2.0}}
ONE_OF_THREE = {"population.output.precision": {"learned": "unit"}, "population.b.precision": 2.5}
MISSING = {"missing": ("output",)}
SPLIT = {f"population.{name}.errors": "split" for name in ("hidden", "output")}
GAUSSIAN = recurrent("gaussian", "tanh(r)", "gaussian", delay=2)
LAYERS = circuit(MIXED, "gaussian", a="tanh(r)", b="softplus(r)", c="r")
# name → (circuit, what is set of it, scheme, other options)
CASES = {
    "relaxation": (GAUSSIAN, BOTH, "relaxation", {"read": "last"}),
    "window": (GAUSSIAN, OTHER_WAY, "relaxation", {"window": 1, **MISSING}),
    "split": (GAUSSIAN, BOTH | SPLIT, "momentum", MISSING),
    "fixed prediction": (GAUSSIAN, OUTPUT, "fixed-prediction", {}),
    "sweeps": (LAYERS, ONE_OF_THREE, "sweeps", {}),
}


@lru_cache
def network(name: str) -> InProcess:
    described, settings, scheme, options = CASES[name]
    chosen = {"optimizer": "sgd", "precision": "float64", "threads": 2, **options}
    return InProcess(Plan(nm.changed(described, settings), TRIALS, STEPS, scheme=scheme, **chosen))


@pytest.fixture(params=CASES)
def inferred(request) -> Presentation:
    made = Presentation(network(request.param))
    made.infer()
    return made


def test_precisions_follow_the_free_energy_downhill(inferred):
    """By the mean over the errors that share one."""
    before, gradients = inferred.log_precisions, inferred.precision_gradients()
    inferred.learn()
    for name, after in inferred.log_precisions.items():
        rows, table = inferred.plan.rows[name], inferred.circuit.population[name].precision
        errors = rows.steps * TRIALS * (1 if table.learned == "unit" else rows.units)
        step = RATE * table.rate_factor / errors
        assert_close(after - before[name], -step * gradients[name], 1e-8)


def test_energies_and_what_synapses_learn_are_those_of_the_free_energy(inferred):
    held = inferred.parameters, inferred.beliefs, inferred.noise, inferred.stimulus
    if inferred.plan.scheme == "fixed-prediction":
        exact, found = inferred.reference.losses(*held, inferred.target), inferred.net.get("loss")[0]
        gradients = inferred.loss_gradients()
    else:
        exact = inferred.reference.losses(*held, inferred.target) + inferred.reference.hidden_energies(*held)
        found, gradients = inferred.energies(), inferred.energy_gradients()
    np.testing.assert_allclose(found, exact, rtol=1e-10)
    for projection, changes in inferred.learn().items():
        parameters = inferred.synapse(projection).parameter
        for name, change in changes.items():
            step = RATE * parameters[name].rate_factor / TRIALS
            assert_close(change, -step * gradients[projection][name], 1e-8)


def test_beliefs_follow_the_weighted_errors_downhill():
    made = Presentation(network("relaxation"))
    made.infer(iterations=0)
    before, gradients = made.beliefs, made.belief_gradients()
    made.infer(iterations=1)
    assert_close(made.beliefs["hidden"] - before["hidden"], -0.05 * gradients["hidden"])
