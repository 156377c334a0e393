"""Weights drawn from the distributions that a circuit has learned.

Parameters may have learned a variance below that of their spike alone. Drawn weights are then zero as often as the
spike says, and vary more than the variance says; `contradicted_share` is the share of synapses for which this holds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_tables import SynapseType
from neuro_mpc.descriptions.formulas import formula
from neuro_mpc.randomness import generator
from neuro_mpc.rules.spike import contradicted
from neuro_mpc.simulation.connections import existing, only
from neuro_mpc.simulation.initial import Parameters

Weights = dict[str, np.ndarray]


def draw_weights(circuit: Circuit, parameters: Parameters, seed: int, network: int) -> Weights:
    """projection → weights, of the circuit's `shape`, of network number `network`, of a sized circuit; 0 where there is
    no synapse.

    Every projection of every network has a random stream of its own.
    """
    return {
        name: drawn(
            circuit.synapse[circuit.projection[name].synapse],
            parameters[name],
            circuit.shape(name),
            generator(seed, "network", str(network), name),
            float(circuit.fan_in(name)),
        )
        for name in circuit.untied
    }


def contradicted_share(circuit: Circuit, parameters: Parameters) -> float:
    """The share of all synapses of a sized circuit whose spike alone varies more than their variance says."""
    masks, number = [], 0
    for name in circuit.untied:
        synapse = circuit.synapse[circuit.projection[name].synapse]
        fan_in, values = float(circuit.fan_in(name)), parameters[name]
        masks.append(contradicted(*_moments(synapse, values, circuit.shape(name), fan_in)))
        number += int(np.sum(there)) if (there := existing(values)) is not None else masks[-1].size
    return sum(int(mask.sum()) for mask in masks) / number


def drawn(
    synapse: SynapseType,
    parameters: Mapping[str, np.ndarray],
    shape: tuple[int, int],
    rng: np.random.Generator,
    fan_in: float | None = None,
) -> np.ndarray:
    """One weight for each synapse: zero with the probability p of its spike, else from its normal slab; zero where
    parameters are missing. The fan-in is by default the number of columns.

    The slab is what leaves the weight its mean μ and its variance v (Li, Qiu & Huang 2024, Eqs. 3 and 4):

        mean μ/(1 − p),   variance (v + μ²)/(1 − p) − μ²/(1 − p)²
    """
    mean, variance, spike = _moments(synapse, parameters, shape, float(shape[1]) if fan_in is None else fan_in)
    present = rng.random(shape) >= spike
    probability = np.where(spike < 1, 1 - spike, 1)
    slab = mean / probability
    # Rounding, or a spike that contradicts the variance, may leave a negative number.
    spread = np.sqrt(np.maximum((variance + mean**2) / probability - slab**2, 0))
    weights = present * (slab + spread * rng.standard_normal(shape))
    there = existing(parameters)
    return weights if there is None else np.where(there, weights, 0.0)


def _moments(
    synapse: SynapseType, parameters: Mapping[str, np.ndarray], shape: tuple[int, int], fan_in: float
) -> list[np.ndarray]:
    """Mean, variance and probability of the spike, of that shape each; missing where there is no synapse."""
    values, there = {**parameters, "n": fan_in}, existing(parameters)
    texts = synapse.mean, synapse.variance, synapse.spike
    moments = [np.broadcast_to(formula(text, values).evaluate(values), shape) for text in texts]
    return moments if there is None or there.all() else [only(there, moment) for moment in moments]
