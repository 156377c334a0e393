"""Entropy of a weight that is zero with some probability and otherwise normal."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.special import entr

from neuro_mpc.analysis.connections import only_existing
from neuro_mpc.analysis.weights import of_weights


@of_weights
def entropy(weights: xr.Dataset, smallest_width: float = 0.0) -> xr.Dataset:
    """Entropy of every weight: zero with some probability and otherwise normal.

    Parameters
    ----------
    weights : xarray.Dataset
        As `neuro_mpc.analysis.weights` gives them. A run and the name of a projection take its place.
    smallest_width : float, optional
        Standard deviation that narrower slabs are taken to have.

    Returns
    -------
    xarray.Dataset
        `entropy`, `discrete` and `differential` in nats, of the dimensions of `weights`.

    Raises
    ------
    RunFileError
        The synapses of the projection were not recorded.

    Notes
    -----
    p is the probability of the spike, b the variance of the slab::

        entropy       h = discrete + (1 − p) · differential
        discrete      −p ln p − (1 − p) ln(1 − p)      zero or not?
        differential  ½ ln(2π e b)                     which value, where it is not zero?

    h is the entropy of the mixture with respect to the measure δ₀ + dw, a point mass at zero beside the line. With
    p = 0 it is that of a normal weight. As any differential entropy it depends on the weight's unit, grows by
    (1 − p) ln c when weights are multiplied by c, and is −∞ for a slab without width, as for a point weight. A weight
    that is always zero (p = 1) has the entropy 0.

    References
    ----------
    Nair, Prabhakar & Shah 2006, "On entropy for mixtures of discrete and continuous variables", arXiv cs/0607075.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> run = nm.open_run("run.nc")
    >>> nm.analysis.entropy(run, "recurrent")["entropy"].dims
    ('snapshot', 'post', 'pre')
    """
    spike = weights["spike"]
    width = np.maximum(weights["slab_variance"], smallest_width**2)
    discrete = entr(spike) + entr(1 - spike)
    with np.errstate(divide="ignore", invalid="ignore"):
        differential = 0.5 * np.log(2 * np.pi * np.e * width)
        total = discrete + xr.where(spike < 1, (1 - spike) * differential, 0.0)
    parts = {"entropy": total, "discrete": discrete, "differential": differential}
    entropies = xr.Dataset({name: only_existing(part) for name, part in parts.items()})
    labels = ("entropy of the weight", "entropy of being zero or not", "entropy of the slab")
    for name, label in zip(entropies, labels):
        entropies[name].attrs = {"long_name": label, "units": "nat"}
    return entropies.assign_attrs(weights.attrs, smallest_width=smallest_width)
