"""Comparison of all projections of a run: over learning, and with intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from neuro_mpc.analysis.bootstrap import DRAWS, LEVEL, SEED
from neuro_mpc.analysis.determinism import CERTAINTY, SYNAPSES, WIDTH, determinism
from neuro_mpc.analysis.entropy import entropy
from neuro_mpc.analysis.intervals import difference, ends
from neuro_mpc.analysis.units import unit_variability
from neuro_mpc.analysis.weights import projections, weights


def summary(run: xr.DataTree, certainty: float = CERTAINTY, width: float = WIDTH) -> xr.Dataset:
    """Summary of the synapses of every projection over learning.

    Parameters
    ----------
    run : xarray.DataTree
        A run with snapshots of its synapses.
    certainty : float, optional
        Threshold of `determinism`.
    width : float, optional
        Threshold of `determinism`, and the least standard deviation for the entropy, relative to w̄.

    Returns
    -------
    xarray.Dataset
        (projection, snapshot): `size`, the root mean square w̄ = √⟨μ² + v⟩ of the weights; `variability`,
        ⟨v⟩ / ⟨μ² + v⟩; `coefficient_of_variation`, median over synapses; `entropy`, mean over synapses of the entropy
        of w / w̄ in nats, which is the same in every unit of the weights; and the fractions of `determinism`.

    Raises
    ------
    RunFileError
        No snapshot was recorded.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.summary(nm.open_run("run.nc"))["variability"].dims
    ('projection', 'snapshot')
    """
    rows = {name: _over_learning(run, name, certainty, width) for name in projections(run)}
    dataset = xr.concat(rows.values(), dim="projection", coords="minimal", compat="override", join="outer")
    return dataset.assign_coords(projection=list(rows)).assign_attrs(certainty=certainty, width=width)


def _over_learning(run: xr.DataTree, name: str, certainty: float, width: float) -> xr.Dataset:
    # A snapshot at a time: those of a large circuit would not fit into memory together.
    count = run[f"synapses/{name}"].sizes["snapshot"]
    snapshots = [_of_snapshot(weights(run, name, snapshots=[index]), certainty, width) for index in range(count)]
    return xr.concat(snapshots, dim="snapshot")


def _of_snapshot(distribution: xr.Dataset, certainty: float, width: float) -> xr.Dataset:
    power = (distribution["mean"] ** 2 + distribution["variance"]).mean(SYNAPSES)
    nonzero = power.where(power > 0)  # missing where all the weights are zero
    scaled = distribution.assign(slab_variance=(distribution["slab_variance"] / nonzero).fillna(0.0))
    values = {
        "size": np.sqrt(power),
        "variability": (distribution["variance"].mean(SYNAPSES) / nonzero).fillna(0.0),
        "coefficient_of_variation": distribution["coefficient_of_variation"].median(SYNAPSES),
        "entropy": entropy(scaled, smallest_width=width)["entropy"].mean(SYNAPSES),
    }
    return xr.merge([determinism(distribution, certainty, width), xr.Dataset(values)], combine_attrs="drop")


def compare_projections(
    run: xr.DataTree, snapshot: int = -1, draws: int = DRAWS, level: float = LEVEL, seed: int = SEED
) -> xr.Dataset:
    """Variability of the projections, and differences between them, with intervals.

    Parameters
    ----------
    run : xarray.DataTree
        A run with snapshots of its synapses.
    snapshot : int, optional
        Index of the snapshot.
    draws : int, optional
        Bootstrap samples.
    level : float, optional
        Level of the intervals.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `variability`, `low`, `high` and the `number` of units (projection); `difference`, `difference_low` and
        `difference_high` (projection, other), that of a projection minus the other.

    Raises
    ------
    RunFileError
        No snapshot was recorded.

    Notes
    -----
    Each receiving unit has one value, its `unit_variability`. Units are drawn with replacement, all the synapses of a
    unit together, because they learned together; below 30 units the intervals are those of Student's t, and Welch's for
    differences. The two projections of a difference are drawn apart; where its interval leaves out zero, one is more
    variable at this level. The intervals are about the units of one trained circuit, not about circuits trained again;
    with a single receiving unit their ends are missing.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> result = nm.analysis.compare_projections(nm.open_run("run.nc"))
    >>> int(result["number"].sel(projection="recurrent"))
    10
    """
    values = {
        name: unit_variability(weights(run, name, snapshots=[snapshot]))["incoming"][0].dropna("post").values
        for name in projections(run)
    }
    comparison = compared(values, draws, level, seed)
    return comparison.assign_attrs(snapshot=snapshot, draws=draws, level=level, seed=seed)


def compared(values: Mapping[str, np.ndarray], draws: int, level: float, seed: int) -> xr.Dataset:
    """`compare_projections` for the values (unit,) of each projection."""
    # Every projection has a stream of its own: equal numbers would make their draws go together.
    seeds = {name: [seed, k] for k, name in enumerate(values)}
    means = np.array([np.mean(units) for units in values.values()])
    low, high = np.array([ends(units, draws, level, seeds[name]) for name, units in values.items()]).T
    between = [[_apart(values, name, other, draws, level, seeds) for other in values] for name in values]
    difference_low, difference_high = np.moveaxis(np.array(between), -1, 0)
    one, two = ("projection",), ("projection", "other")
    arrays = {
        "variability": (one, means),
        "low": (one, low),
        "high": (one, high),
        "number": (one, [len(units) for units in values.values()]),
        "difference": (two, means[:, None] - means),
        "difference_low": (two, difference_low),
        "difference_high": (two, difference_high),
    }
    names = list(values)
    return xr.Dataset(arrays, coords={"projection": names, "other": names})


def _apart(
    values: Mapping[str, np.ndarray], one: str, other: str, draws: int, level: float, seeds: Mapping
) -> np.ndarray:
    """The ends of the difference of two projections; a projection does not differ from itself."""
    if one == other:
        return np.zeros(2) if len(values[one]) > 1 else np.full(2, np.nan)
    return difference(values[one], values[other], draws, level, (seeds[one], seeds[other]))
