"""Variability of the synapses of each unit."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from neuro_mpc.analysis.weights import of_weights
from neuro_mpc.descriptions.connections import CONNECTED


@of_weights
def unit_variability(weights: xr.Dataset) -> xr.Dataset:
    """Variability of the synapses of each unit.

    Parameters
    ----------
    weights : xarray.Dataset
        (snapshot, post, pre), as `neuro_mpc.analysis.weights` gives them. A run and the name of a projection take its
        place.

    Returns
    -------
    xarray.Dataset
        `incoming` (snapshot, post) and `outgoing` (snapshot, pre), between 0 and 1: the share of the variance in the
        squared weights that the unit receives or sends, missing for a unit without synapses.

    Raises
    ------
    RunFileError
        The synapses of the projection were not recorded.

    Notes
    -----
    Over the synapses of a unit, μ being the mean and v the variance of a weight::

        Σ v / Σ (μ² + v)

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.unit_variability(nm.open_run("run.nc"), "input")["outgoing"].dims
    ('snapshot', 'pre')
    """
    variance, power = weights["variance"], weights["mean"] ** 2 + weights["variance"]
    variability = xr.Dataset({"incoming": _share(variance, power, "pre"), "outgoing": _share(variance, power, "post")})
    for name, far in (("incoming", "received"), ("outgoing", "sent")):
        label = f"share of the variance in the squared weights {far} by a unit"
        variability[name].attrs = {"long_name": label, "units": "1"}
    return variability.assign_attrs(weights.attrs)


@of_weights
def most_variable_units(
    weights: xr.Dataset,
    side: Literal["incoming", "outgoing"] = "incoming",
    number: int = 10,
    snapshot: int = -1,
) -> xr.DataArray:
    """The units of the largest `unit_variability` at a snapshot.

    Parameters
    ----------
    weights : xarray.Dataset
        (snapshot, post, pre), as `neuro_mpc.analysis.weights` gives them. A run and the name of a projection take its
        place.
    side : {"incoming", "outgoing"}, optional
        The synapses that units receive, or those that they send.
    number : int, optional
        Units to list.
    snapshot : int, optional
        Index of the snapshot.

    Returns
    -------
    xarray.DataArray
        (rank), from the largest down, with the coordinate `unit`.

    Raises
    ------
    RunFileError
        The synapses of the projection were not recorded.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.most_variable_units(nm.open_run("run.nc"), "recurrent", number=3)["unit"].sizes["rank"]
    3
    """
    values = unit_variability(weights)[side].isel(snapshot=snapshot)
    order = np.argsort(-values.values, kind="stable")  # units without synapses come last, and are left out
    order = order[~np.isnan(values.values[order])][:number]
    return xr.DataArray(
        values.values[order],
        dims="rank",
        name=side,
        attrs={**values.attrs, **weights.attrs},
        coords={"unit": ("rank", order), "presentation": values["presentation"]},
    )


def _share(variance: xr.DataArray, power: xr.DataArray, over: str) -> xr.DataArray:
    whole = power.sum(over)
    share = (variance.sum(over) / whole.where(whole > 0)).fillna(0.0)
    # A unit without synapses has no share; one whose weights are all zero has none of the variance.
    return share.where(power[CONNECTED].any(over)) if CONNECTED in power.coords else share
