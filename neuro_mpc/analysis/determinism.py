"""Fractions of synapses that are deterministic: their weight has one value only."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_mpc.analysis.connections import only_existing
from neuro_mpc.analysis.weights import of_weights

CERTAINTY, WIDTH = 0.01, 0.01
SYNAPSES = ("post", "pre")


@of_weights
def determinism(weights: xr.Dataset, certainty: float = CERTAINTY, width: float = WIDTH) -> xr.Dataset:
    """Measure the fractions of the synapses of a projection that are deterministic: their weight has one value only.

    Parameters
    ----------
    weights : xarray.Dataset
        (snapshot, post, pre), as `neuro_mpc.analysis.weights` gives them. A run and the name of a projection take its
        place.
    certainty : float, optional
        Distance of the probability p of the spike from 0 or 1 that counts as none.
    width : float, optional
        Standard deviation of the slab, relative to w̄, that counts as none.

    Returns
    -------
    xarray.Dataset
        `absent`, `unspiked`, `narrow`, `fixed` and `deterministic` (snapshot), between 0 and 1; the thresholds are
        attributes.

    Raises
    ------
    RunFileError
        The synapses of the projection were not recorded.

    Notes
    -----
    ::

        absent         p ≥ 1 − certainty: the weight is zero (of the synapses that there are)
        unspiked       p ≤ certainty: the weight comes from the slab
        narrow         √b ≤ width · w̄: the slab has no width
        fixed          unspiked and narrow: the weight is the mean of the slab
        deterministic  absent or fixed

    b is the variance of the slab, and w̄ = √⟨μ² + v⟩ the root mean square of the weights of the projection at that
    snapshot, so that the width is relative to the scale of the projection. A slab without width alone leaves the
    synapse random, unless p is 0 or 1.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> run = nm.open_run("run.nc")
    >>> float(nm.analysis.determinism(run, "recurrent")["deterministic"][0])
    0.0
    """
    size = np.sqrt((weights["mean"] ** 2 + weights["variance"]).mean(SYNAPSES))
    absent, unspiked = weights["spike"] >= 1 - certainty, weights["spike"] <= certainty
    narrow = np.sqrt(weights["slab_variance"]) <= width * size
    fixed = unspiked & narrow
    kinds = {
        "absent": absent,
        "unspiked": unspiked,
        "narrow": narrow,
        "fixed": fixed,
        "deterministic": absent | fixed,
    }
    fractions = xr.Dataset({name: only_existing(kind).mean(SYNAPSES) for name, kind in kinds.items()})
    for name in fractions:
        fractions[name].attrs = {"long_name": f"fraction of {name} synapses", "units": "1"}
    return fractions.assign_attrs(weights.attrs, certainty=certainty, width=width)
