"""Asymmetry of the synapses between pairs of units: from i to j, and from j to i."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_mpc.analysis.named import of_run
from neuro_mpc.analysis.weights import of_mean_weights, projections, weights
from neuro_mpc.errors import RunFileError


@of_mean_weights
def pairs(values: xr.DataArray, back: xr.DataArray | None = None) -> xr.Dataset:
    """Both directions of every pair of units.

    Parameters
    ----------
    values : xarray.DataArray
        (snapshot, post, pre) of a projection from a population to itself, for the pairs i < j. A run and the name of a
        projection take its place, for the mean weights.
    back : xarray.DataArray, optional
        (snapshot, post, pre) of the projection that returns, where `values` is from one population to another: all
        pairs, `i` counting the units of the sender of `values` and `j` those of its receiver.

    Returns
    -------
    xarray.Dataset
        `forward` (snapshot, pair), the synapse i → j, and `backward`, j → i; coordinates `i` and `j` (pair). NaN where
        there is no synapse: what measures pairs takes those that have both.

    Raises
    ------
    RunFileError
        The synapses do not connect the same units in both directions.

    References
    ----------
    Compare Li, Qiu & Huang 2024, Phys. Rev. E 109, 044309, Fig. 4.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> run = nm.open_run("run.nc")
    >>> nm.analysis.pairs(run, "recurrent").sizes["pair"]  # of 10 units
    45
    """
    forward = values.transpose("snapshot", "post", "pre").values
    if back is None:
        _refuse(forward.shape[1] != forward.shape[2], values.shape, values.shape)
        i, j = np.triu_indices(forward.shape[1], k=1)
        backward = forward
    else:
        backward = back.transpose("snapshot", "post", "pre").values
        _refuse(forward.shape[:0:-1] != backward.shape[1:], values.shape, back.shape)
        i, j = (index.ravel() for index in np.indices(backward.shape[1:]))
    return xr.Dataset(
        {
            "forward": (("snapshot", "pair"), forward[:, j, i]),
            "backward": (("snapshot", "pair"), backward[:, i, j]),
        },
        coords={"i": ("pair", i), "j": ("pair", j), "presentation": values["presentation"]},
        attrs={"of": values.name or "", **values.attrs},
    )


@of_run(projections, lambda run, name: pairs(weights(run, name)["mean"]))
def asymmetry(pairs: xr.Dataset) -> xr.DataArray:
    """Asymmetry of the two directions of pairs of units, between 0 and 1.

    Parameters
    ----------
    pairs : xarray.Dataset
        `forward` and `backward` (snapshot, pair), as `neuro_mpc.analysis.pairs` gives them. A run and the name of a
        projection take its place.

    Returns
    -------
    xarray.DataArray
        (snapshot): 0 for a symmetric matrix, 1 for an antisymmetric one, ½ on average for independent weights of mean
        zero, missing where all weights are zero.

    Raises
    ------
    RunFileError
        The synapses of the projection were not recorded, or it does not connect a population with itself.

    Notes
    -----
    The share of the antisymmetric part in the squared weights, the sums being over pairs::

        A = Σ (w_ij − w_ji)² / (2 Σ (w_ij² + w_ji²))

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> run = nm.open_run("run.nc")
    >>> float(nm.analysis.asymmetry(run, "recurrent")[0])  # a multiple of the identity
    nan
    """
    forward, backward = pairs["forward"], pairs["backward"]
    power = (forward**2 + backward**2).sum("pair")
    index = ((forward - backward) ** 2).sum("pair") / (2 * power.where(power > 0))
    label = "share of the antisymmetric part in the squared weights"
    return index.rename("asymmetry").assign_attrs(long_name=label, units="1")


def _refuse(mismatch: bool, *shapes: tuple[int, ...]) -> None:
    if mismatch:
        forward, backward = (" × ".join(map(str, shape[1:])) for shape in shapes)
        raise RunFileError(
            f"synapses {forward} (post × pre) and back {backward} do not connect the same pairs of units",
            hint="a projection from a population to itself, or back=… with the one that returns",
        )
