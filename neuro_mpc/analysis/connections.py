"""Which synapses there are: what a run file says of it, and how measures leave out those that are not there."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import xarray as xr

from neuro_mpc.descriptions.connections import CONNECTED
from neuro_mpc.errors import RunFileError
from neuro_mpc.runfile import access

LARGEST_DIAGONAL = 10_000  # units; the matrix of more takes gigabytes
Labelled = TypeVar("Labelled", xr.Dataset, xr.DataArray)


def parameters(node: xr.Dataset) -> list[str]:
    """The names of the parameters of a group of synapses."""
    return [str(name) for name in node.data_vars if name != CONNECTED]


def fan_in(run: xr.DataTree, projection: str, node: xr.Dataset) -> float:
    """n of the expressions of a projection's synapses."""
    connect, pre = _connect(run, projection), node.sizes["pre"]
    if not isinstance(connect, dict):
        return float(pre)  # one of them one-to-one
    share = connect.get("random", connect.get("share"))
    if share is None:
        share = node[CONNECTED].mean() if CONNECTED in node.data_vars else 1
    return max(1.0, float(share) * pre)


def connected(run: xr.DataTree, projection: str, node: xr.Dataset) -> np.ndarray | None:
    """Which pairs of units have a synapse, bool (post, pre); None where all have one.

    Raises RunFileError where the mask is none of these synapses, and for the diagonal of too large a matrix.
    """
    units = node.sizes["post"]
    if CONNECTED in node.data_vars:
        mask = node[CONNECTED].values == 1
        if mask.shape != (units, node.sizes["pre"]):
            raise RunFileError(f"{access.source(run)}: the mask of {projection!r} is not one of its synapses")
        return mask
    if _connect(run, projection) != "one-to-one" or node.sizes["pre"] != 1:
        return None
    if units > LARGEST_DIAGONAL:
        raise RunFileError(
            f"{projection!r} connects {units:,} units one to one, whose matrix has {units**2:,} entries",
            hint=f'run["synapses/{projection}"] has the parameters of each unit',
        )
    return np.eye(units, dtype=bool)


def matrix(values: np.ndarray, connected: np.ndarray | None) -> np.ndarray:
    """Values of synapses (snapshot, post, pre), or (snapshot, post, 1) one-to-one, as matrices, NaN where there is no
    synapse."""
    return values if connected is None else np.where(connected, values, np.nan)


def only_existing(values: Labelled) -> Labelled:
    """The same, as numbers, with NaN where there is no synapse."""
    return values.astype(float).where(values[CONNECTED]) if CONNECTED in values.coords else values


def _connect(run: xr.DataTree, projection: str) -> object:
    return access.projection(run, projection).get("connect", "all")
