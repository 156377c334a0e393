"""Learned precisions among the parameters of a circuit: they stand beside those of projections, by `precision/NAME`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_tables import Parameter
from neuro_mpc.rules.weighting import LOG_PRECISION, OWNER, is_precision


def owners(circuit: Circuit) -> dict[str, str]:
    """`precision/NAME` → the name of a population whose precision is learned."""
    return {f"{OWNER}{name}": name for name, table in circuit.population.items() if table.learned_precision}


def shape_of(circuit: Circuit, owner: str) -> tuple[int, int]:
    """The shape of the parameters of a projection's synapses, or (number, 1) of the precisions of a population."""
    if not is_precision(owner):
        return circuit.shape(owner)
    population = owners(circuit)[owner]
    table = circuit.population[population].learned_precision
    return (circuit.size_of(population) if table and table.learned == "unit" else 1), 1


def parameter_of(circuit: Circuit, owner: str, name: str) -> Parameter:
    """A parameter of a projection's synapses; of a population, its log Π."""
    if not is_precision(owner):
        return circuit.synapse[circuit.projection[owner].synapse].parameter[name]
    table = circuit.population[owners(circuit)[owner]].learned_precision
    assert table
    low, initial, high = table.logarithms
    return Parameter(initial=initial, low=low, high=high, rate_factor=table.rate_factor)


def initial_precisions(circuit: Circuit) -> dict[str, dict[str, np.ndarray]]:
    """`precision/NAME` → log Π with which learning begins, float64 (number, 1)."""
    return {
        owner: {LOG_PRECISION: np.full(shape_of(circuit, owner), parameter_of(circuit, owner, LOG_PRECISION).initial)}
        for owner in owners(circuit)
    }


def precisions_for(
    circuit: Circuit, learned: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, dict[str, np.ndarray]]:
    """What was learned of the precisions of a circuit; those of which nothing fits begin as the circuit says."""
    return {
        owner: dict(learned[owner])
        if owner in learned and learned[owner][LOG_PRECISION].shape == shape_of(circuit, owner)
        else begun
        for owner, begun in initial_precisions(circuit).items()
    }
