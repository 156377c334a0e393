"""Histograms over the synapses of a projection, in the same bins at every snapshot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neuro_mpc.analysis.weights import of_mean_weights


@of_mean_weights
def histogram(values: xr.DataArray, bins: int | Sequence[float] = 50) -> xr.Dataset:
    """Fractions of the synapses in each bin, `fraction` (snapshot, bin), and `outside` (snapshot) of them.

    values  (snapshot, post, pre), such as `weights(run, projection)["mean"]`
    bins    their number, between the smallest and the largest finite value of all snapshots, or their edges

    `left` and `right` (bin) are the edges; the last bin holds its right one. What is not finite is outside.
    """
    rows = values.transpose("snapshot", ...).values.reshape(values.sizes["snapshot"], -1)
    finite = rows[np.isfinite(rows)]
    edges = np.histogram_bin_edges(finite if finite.size else [0.0], bins)
    fractions = np.array([np.histogram(row[np.isfinite(row)], edges)[0] for row in rows]) / rows.shape[1]
    return xr.Dataset(
        {"fraction": (("snapshot", "bin"), fractions), "outside": ("snapshot", 1 - fractions.sum(1))},
        coords={
            "left": ("bin", edges[:-1]),
            "right": ("bin", edges[1:]),
            "presentation": values["presentation"],
        },
        attrs={"of": values.name or "", **values.attrs},
    )
