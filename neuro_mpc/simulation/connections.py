"""Which pairs of units have a synapse in a run: drawn, or known from the description, and told by the parameters.

Where there is no synapse its parameters are missing: NaN.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.connections import Connect, fixed_mask, grid_of, missing_mask
from neuro_mpc.errors import DescriptionError
from neuro_mpc.randomness import generator


def connects_some(circuit: Circuit, projection: str) -> bool:
    """Whether a projection connects some pairs of units only, by a mask that is drawn or given."""
    return isinstance(circuit.projection[projection].connect, Connect)


def mask_for(circuit: Circuit, projection: str, seed: int) -> np.ndarray | None:
    """Which pairs have a synapse, bool (n_post, n_pre), of a sized circuit; None where the description says it all.

    Raises DescriptionError where none is drawn, or where the circuit has of a mask only its checksum.
    """
    table = circuit.projection[projection]
    if not isinstance(connect := table.connect, Connect):
        return None
    if connect.is_fixed:
        return fixed_mask(connect, *(grid_of(circuit.population[end]) for end in (table.target, table.source)))
    if connect.random is None:
        raise missing_mask(circuit.name, projection)
    mask = generator(seed, "connect", "random", projection).random(circuit.shape(projection)) < connect.random
    if not mask.any():
        raise DescriptionError(
            f"with seed {seed} no pair of units of {projection} is connected",
            source=circuit.name,
            key=f"projection.{projection}.connect.random",
            found=connect.random,
            expected="a probability that makes some synapses",
        )
    return mask


def existing(parameters: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Which synapses there are, bool, by the parameters of a projection; None without any parameter."""
    return next((~np.isnan(values) for values in parameters.values()), None)


def only(mask: np.ndarray | None, values: np.ndarray) -> np.ndarray:
    """Values of synapses, missing where there is none."""
    return values if mask is None else np.where(mask, values, values.dtype.type(np.nan))


def filled(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values of synapses with those of the first one where there is none: numbers that a network can compute with."""
    return np.where(mask, values, values[mask][0])


def between(circuit: Circuit, projection: str, of_post: np.ndarray, of_pre: np.ndarray) -> np.ndarray:
    """Whether both ends of the synapses of a projection are true, of the shape of their arrays.

    of_post, of_pre   bool (unit,)
    """
    if circuit.projection[projection].connect == "one-to-one":
        return (of_post & of_pre)[:, None]
    return of_post[:, None] & of_pre


def sums(circuit: Circuit, projection: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of values of synapses over those that every unit receives, and over those that every unit sends."""
    if circuit.projection[projection].connect == "one-to-one":
        return values[:, 0], values[:, 0]
    return values.sum(axis=1), values.sum(axis=0)
