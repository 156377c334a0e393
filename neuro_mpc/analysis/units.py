"""Which units have the most variable synapses?"""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from neuro_mpc.analysis.weights import of_weights


@of_weights
def unit_variability(weights: xr.Dataset) -> xr.Dataset:
    """How variable the synapses of each unit are: `incoming` (snapshot, post) and `outgoing` (snapshot, pre).

        Σ v / Σ (μ² + v)     over the synapses that the unit receives (incoming) or sends (outgoing)

    the share of the variance in the squared weights of the unit: 0 where there is no variance, at most 1.
    """
    variance, power = weights["variance"], weights["mean"] ** 2 + weights["variance"]
    found = xr.Dataset({"incoming": _share(variance, power, "pre"), "outgoing": _share(variance, power, "post")})
    for name, far in (("incoming", "received"), ("outgoing", "sent")):
        label = f"share of the variance in the squared weights {far} by a unit"
        found[name].attrs = {"long_name": label, "units": "1"}
    return found.assign_attrs(weights.attrs)


@of_weights
def most_variable_units(
    weights: xr.Dataset,
    side: Literal["incoming", "outgoing"] = "incoming",
    number: int = 10,
    snapshot: int = -1,
) -> xr.DataArray:
    """The units of the largest `unit_variability` at a snapshot: (rank), with the coordinate `unit`."""
    values = unit_variability(weights)[side].isel(snapshot=snapshot)
    order = np.argsort(-values.values, kind="stable")[:number]
    return xr.DataArray(
        values.values[order],
        dims="rank",
        name=side,
        attrs={**values.attrs, **weights.attrs},
        coords={"unit": ("rank", order), "presentation": values["presentation"]},
    )


def _share(variance: xr.DataArray, power: xr.DataArray, over: str) -> xr.DataArray:
    whole = power.sum(over)
    return (variance.sum(over) / whole.where(whole > 0)).fillna(0.0)
