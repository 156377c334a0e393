"""Weights drawn from the distributions that a circuit has learned.

Parameters may have learned a variance below that of their spike alone. Drawn weights are then zero as often as the
spike says, and vary more than the variance says; `contradicted_share` is the share of synapses for which this holds.
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
            circuit.synapse[projection.synapse],
            parameters[name],
            circuit.shape(name),
            generator(seed, "network", str(network), name),
        )
        for name, projection in circuit.projection.items()
    }


def contradicted_share(circuit: Circuit, parameters: Parameters) -> float:
    """The share of all synapses of a sized circuit whose spike alone varies more than their variance says."""
    masks = [
        contradicted(*_moments(circuit.synapse[projection.synapse], parameters[name], circuit.shape(name)))
        for name, projection in circuit.projection.items()
    ]
    return sum(int(mask.sum()) for mask in masks) / sum(mask.size for mask in masks)


def drawn(
    synapse: SynapseType, parameters: Mapping[str, np.ndarray], shape: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """One weight for each synapse: zero with the probability p of its spike, else from its normal slab.

    The slab is what leaves the weight its mean μ and its variance v (Li, Qiu & Huang 2024, Eqs. 3 and 4):

        mean μ/(1 − p),   variance (v + μ²)/(1 − p) − μ²/(1 − p)²
    """
    mean, variance, spike = _moments(synapse, parameters, shape)
    present = rng.random(shape) >= spike
    probability = np.where(spike < 1, 1 - spike, 1)
    slab = mean / probability
    # Rounding, or a spike that contradicts the variance, may leave a negative number.
    spread = np.sqrt(np.maximum((variance + mean**2) / probability - slab**2, 0))
    return present * (slab + spread * rng.standard_normal(shape))


def _moments(synapse: SynapseType, parameters: Mapping[str, np.ndarray], shape: tuple[int, int]) -> list[np.ndarray]:
    """Mean, variance and probability of the spike, (n_post, n_pre) each."""
    return [_values(text, parameters, shape) for text in (synapse.mean, synapse.variance, synapse.spike)]


def _values(text: str, parameters: Mapping[str, np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    values = {**parameters, "n": float(shape[1])}
    return np.broadcast_to(evaluate(parse(text, values), values), shape)
