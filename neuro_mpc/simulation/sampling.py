"""Weights drawn from the distributions that a circuit has learned.

Parameters may have learned a variance below that of their spike alone. Weights that are drawn are zero as often as the
spike says, and then vary more than the variance says; `contradicted_share` tells of how many this holds.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_tables import SynapseType
from neuro_mpc.descriptions.expressions import evaluate, parse
from neuro_mpc.randomness import generator
from neuro_mpc.rules.slab import contradicted
from neuro_mpc.simulation.initial import Parameters

Weights = dict[str, np.ndarray]


def draw_weights(circuit: Circuit, parameters: Parameters, seed: int, network: int) -> Weights:
    """projection → weights (n_post, n_pre) of network number `network`, of a sized circuit.

    Every projection of every network has a random stream of its own.
    """
    return {
        name: drawn(
            circuit.synapse[each.synapse],
            parameters[name],
            circuit.shape(name),
            generator(seed, "network", str(network), name),
        )
        for name, each in circuit.projection.items()
    }


def contradicted_share(circuit: Circuit, parameters: Parameters) -> float:
    """The share of all synapses of a sized circuit whose spike alone varies more than their variance says."""
    found = [
        contradicted(*_moments(circuit.synapse[each.synapse], parameters[name], circuit.shape(name)))
        for name, each in circuit.projection.items()
    ]
    return sum(int(each.sum()) for each in found) / sum(each.size for each in found)


def drawn(
    synapse: SynapseType, parameters: Mapping[str, np.ndarray], shape: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """One weight for each synapse: zero with the probability p of its spike, else from its normal slab.

    The slab is what leaves the weight its mean μ and its variance v (Li, Qiu & Huang 2024, Eqs. 3 and 4):

        mean μ/(1 − p),   variance (v + μ²)/(1 − p) − μ²/(1 − p)²
    """
    mean, variance, spike = _moments(synapse, parameters, shape)
    present = rng.random(shape) >= spike
    kept = np.where(spike < 1, 1 - spike, 1)
    slab = mean / kept
    # Rounding, or a spike that contradicts the variance, may leave less than nothing.
    spread = np.sqrt(np.maximum((variance + mean**2) / kept - slab**2, 0))
    return present * (slab + spread * rng.standard_normal(shape))


def _moments(synapse: SynapseType, parameters: Mapping[str, np.ndarray], shape: tuple[int, int]) -> list[np.ndarray]:
    """Mean, variance and probability of the spike, (n_post, n_pre) each."""
    return [_values(text, parameters, shape) for text in (synapse.mean, synapse.variance, synapse.spike)]


def _values(text: str, parameters: Mapping[str, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    values = {**parameters, "n": float(shape[1])}
    return np.broadcast_to(evaluate(parse(text, values), values), shape)
