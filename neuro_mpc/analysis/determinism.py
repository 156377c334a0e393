"""How many synapses are deterministic: their weight has one value only."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_mpc.analysis.weights import of_weights

CERTAINTY, WIDTH = 0.01, 0.01
EACH = ("post", "pre")


@of_weights
def determinism(weights: xr.Dataset, certainty: float = CERTAINTY, width: float = WIDTH) -> xr.Dataset:
    """Fractions of the synapses of a projection, (snapshot).

        absent         p ≥ 1 − certainty: the weight is zero
        unspiked       p ≤ certainty: the weight comes from the slab
        narrow         √b ≤ width · w̄: the slab has no width
        fixed          unspiked and narrow: the weight is the mean of the slab
        deterministic  absent or fixed

    p is the probability of the spike and b the variance of the slab; w̄ = √⟨μ² + v⟩ is the root mean square of
    the weights of the projection at that snapshot, so that a weight that is small among its own kind needs no
    smaller width. A slab without width alone leaves the synapse random, unless p is 0 or 1.

    certainty, width  thresholds, kept as attributes
    """
    size = np.sqrt((weights["mean"] ** 2 + weights["variance"]).mean(EACH))
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
    found = xr.Dataset({name: kind.mean(EACH) for name, kind in kinds.items()})
    for name in found:
        found[name].attrs = {"long_name": f"fraction of {name} synapses", "units": "1"}
    return found.assign_attrs(weights.attrs, certainty=certainty, width=width)
