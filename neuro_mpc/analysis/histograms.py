"""Histograms over the synapses of a projection, in the same bins at every snapshot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neuro_mpc.analysis.weights import of_mean_weights
from neuro_mpc.descriptions.connections import CONNECTED


@of_mean_weights
def histogram(values: xr.DataArray, bins: int | Sequence[float] = 50) -> xr.Dataset:
    """Count the synapses of a projection in the same bins at every snapshot.

    Parameters
    ----------
    values : xarray.DataArray
        (snapshot, post, pre), such as ``weights(run, projection)["mean"]``. A run and the name of a projection take its
        place, for the mean weights.
    bins : int or sequence of float, optional
        Number of bins, between the smallest and the largest finite value of all snapshots, or their edges.

    Returns
    -------
    xarray.Dataset
        `fraction` (snapshot, bin) of the synapses in each bin, and `outside` (snapshot); values of synapses that are
        not finite are outside. Coordinates `left` and `right` (bin) are the edges; the last bin holds its right one.

    Raises
    ------
    RunFileError
        The synapses of the projection were not recorded.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> run = nm.open_run("run.nc")
    >>> nm.analysis.histogram(run, "input", bins=20).sizes["bin"]
    20
    """
    rows = values.transpose("snapshot", ...).values.reshape(values.sizes["snapshot"], -1)
    there = np.broadcast_to(values[CONNECTED].values if CONNECTED in values.coords else True, values.shape[1:]).ravel()
    rows = rows[:, there]
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
