"""Onset of learning: a power law above an onset, fitted to a measure over the data load."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_mpc.analysis.bootstrap import LEVEL, SEED, percentiles
from neuro_mpc.analysis.intervals import ends, widened
from neuro_mpc.errors import NeuroMPCError

PARAMETERS = ("offset", "amplitude", "onset", "exponent")
EXPONENTS = (0.1, 5.0)
GRID = 40
DRAWS = 1000
LEAST_LOADS = 5  # one more than there are parameters
BELOW = 0.5


def power_law(load: np.ndarray, offset: float, amplitude: float, onset: float, exponent: float) -> np.ndarray:
    """A power law above an onset, and a constant below it.

    Parameters
    ----------
    load : numpy.ndarray
        Data load α, of any shape.
    offset : float
        Value c₀ below the onset.
    amplitude : float
        Amplitude A.
    onset : float
        Load α_c at which the power law sets in.
    exponent : float
        Exponent β.

    Returns
    -------
    numpy.ndarray
        The value c₀ + A (α − α_c)^β above the onset, c₀ below it, of the shape of `load`.

    Examples
    --------
    >>> from neuro_mpc.analysis import power_law
    >>> power_law([0.0, 1.0, 3.0], offset=0.1, amplitude=0.2, onset=1.0, exponent=1.0)
    array([0.1, 0.1, 0.5])
    """
    return offset + amplitude * _above(np.asarray(load, float), onset, exponent)


def by_load(values: xr.DataArray, dim: str = "load", level: float = LEVEL, seed: int = SEED) -> xr.Dataset:
    """Mean over the seeds of a sweep at each load, with intervals.

    Parameters
    ----------
    values : xarray.DataArray
        (load, seed) of a sweep, in any order of dimensions; missing runs are left out.
    dim : str, optional
        The dimension of the loads.
    level : float, optional
        Level of the intervals.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `mean`, `deviation`, `runs`, and the ends `low` and `high` of the `interval` of the mean, by rising load.

    Examples
    --------
    >>> import xarray as xr
    >>> from neuro_mpc.analysis import by_load
    >>> accuracy = xr.DataArray([[0.5, 0.7], [0.1, 0.1]], dims=("load", "seed"), coords={"load": [2.0, 1.0]})
    >>> by_load(accuracy)["mean"].values
    array([0.1, 0.6])
    """
    table, loads = _table(values, dim)
    rows = [row[np.isfinite(row)] for row in table]
    low, high = np.array([ends(row, level=level, seed=[seed, k]) for k, row in enumerate(rows)]).T
    arrays = {
        "mean": [row.mean() if len(row) else np.nan for row in rows],
        "deviation": [row.std(ddof=1) if len(row) > 1 else np.nan for row in rows],
        "low": low,
        "high": high,
        "runs": list(map(len, rows)),
    }
    return xr.Dataset({name: (dim, np.asarray(column)) for name, column in arrays.items()}, coords={dim: loads})


def onset(
    values: xr.DataArray,
    dim: str = "load",
    *,
    below: float = BELOW,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = SEED,
) -> xr.Dataset:
    """The onset and the exponent of a measure that rises from some load on, with bootstrap intervals.

    Parameters
    ----------
    values : xarray.DataArray
        (load, seed) of a sweep, in any order of dimensions; missing runs are left out.
    dim : str, optional
        The dimension of the loads.
    below : float, optional
        A power law holds near the onset only: loads from the first on whose mean passes this are left out.
    draws : int, optional
        Bootstrap samples: seeds are drawn with replacement, each with its runs of all loads, because they share their
        random numbers.
    level : float, optional
        Level of the intervals.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `value`, `low` and `high` (parameter), in the order offset, amplitude, onset, exponent; the coordinate `load`
        has the loads that were fitted.

    Raises
    ------
    NeuroMPCError
        There are fewer than five loads to fit.

    Notes
    -----
    ::

        c(α) = c₀ + A (α − α_c)^β  for α > α_c,   c₀ otherwise

    c₀ offset, the value by chance; A amplitude; α_c onset; β exponent. Least squares over all runs, within 0 ≤ α_c and
    0.1 ≤ β ≤ 5: for given α_c and β the other two follow from a linear fit with A ≥ 0; the best pair of a grid is then
    refined. The interval of the bootstrap is widened as far as Student's t reaches for this number of seeds, within the
    bounds of the parameters; a single seed has none.

    References
    ----------
    Li, Qiu & Huang 2024, Phys. Rev. E 109, 044309, draw such a curve.

    Examples
    --------
    >>> import numpy as np
    >>> import xarray as xr
    >>> from neuro_mpc.analysis import onset, power_law
    >>> load = np.arange(1.0, 9.0)
    >>> ratio = power_law(load, offset=0.1, amplitude=0.05, onset=2.5, exponent=1.0)
    >>> measured = xr.DataArray(ratio[:, None], dims=("load", "seed"), coords={"load": load})
    >>> round(float(onset(measured, draws=2)["value"].sel(parameter="onset")), 1)
    2.5
    """
    table, loads = _table(values, dim)
    used = _near(table, loads, below)
    table, loads = table[used], loads[used]
    if len(loads) < LEAST_LOADS:
        raise NeuroMPCError(
            f"the four parameters of an onset need {LEAST_LOADS} loads with means below {below:g}, "
            f"and there are {len(loads)}"
        )
    fit = _Fit(loads)
    best = fit(table)
    rng = np.random.default_rng(seed)
    count = table.shape[1]
    samples = [fit(table[:, rng.integers(0, count, count)]) for _ in range(draws)]
    lower, upper = percentiles(np.array(samples), level)
    least, most = fit.reach
    low, high = np.clip(widened(np.array(best), lower, upper, count, level), least, most)
    arrays = {"value": best, "low": low, "high": high}
    fitted = xr.Dataset(
        {name: ("parameter", np.asarray(estimates)) for name, estimates in arrays.items()},
        coords={"parameter": list(PARAMETERS), dim: loads},
    )
    attributes = {"interval": "bootstrap, widened", "level": level, "runs": count}
    return fitted.assign_attrs(below=below, draws=draws, seed=seed, **attributes)


def _table(values: xr.DataArray, dim: str) -> tuple[np.ndarray, np.ndarray]:
    """(load, run) in rising order of the loads, and the loads."""
    ordered = values.sortby(dim).transpose(dim, ...)
    return ordered.values.reshape(ordered.sizes[dim], -1).astype(float), ordered[dim].values.astype(float)


def _near(table: np.ndarray, loads: np.ndarray, below: float) -> np.ndarray:
    """Loads that have runs, before the first whose mean passes `below`."""
    measured = np.isfinite(table).any(axis=1)
    means = np.full(len(loads), np.nan)
    means[measured] = np.nanmean(table[measured], axis=1)
    return measured & ~np.maximum.accumulate(means > below)


class _Fit:
    """Best fits to runs at these loads; what does not depend on the runs is computed once."""

    def __init__(self, loads: np.ndarray):
        self.loads, self.bounds = (
            loads,
            ((0.0, loads[-2]), EXPONENTS),
        )  # two loads or more lie above the onset
        (first, last), (least, most) = self.bounds
        self.reach = np.array([(-np.inf, 0, first, least), (np.inf, np.inf, last, most)])  # ends of `PARAMETERS`
        onsets = np.unique([*np.linspace(*self.bounds[0], GRID), *loads[:-1]])
        pairs = np.meshgrid(onsets, np.geomspace(*EXPONENTS, GRID), indexing="ij")
        self.pairs = np.stack(pairs, -1).reshape(-1, 2)
        self.rising = _above(loads, self.pairs[:, :1], self.pairs[:, 1:])

    def __call__(self, table: np.ndarray) -> tuple[float, float, float, float]:
        """Offset, amplitude, onset and exponent for runs (load, run)."""
        from scipy.optimize import minimize  # takes half a second to import

        runs = np.isfinite(table).sum(axis=1).astype(float)
        means = np.nansum(table, axis=1) / np.maximum(runs, 1)
        first = self.pairs[np.argmin(_linear(self.rising, means, runs)[0])]
        optimum = minimize(
            lambda pair: float(_linear(_above(self.loads, *pair), means, runs)[0]),
            first,
            method="Nelder-Mead",
            bounds=self.bounds,
            options={"xatol": 1e-4, "fatol": 1e-12, "maxiter": 200},
        )
        _, offset, amplitude = _linear(_above(self.loads, *optimum.x), means, runs)
        return float(offset), float(amplitude), float(optimum.x[0]), float(optimum.x[1])


def _linear(rising: np.ndarray, means: np.ndarray, runs: np.ndarray) -> tuple:
    """Sum of squares, offset and amplitude (≥ 0) of means (load,) against `rising` (…, load): each (…,)."""
    whole = runs.sum()
    centre, mean = rising @ runs / whole, means @ runs / whole
    apart = rising - centre[..., None]
    spread, shared = apart**2 @ runs, apart @ ((means - mean) * runs)
    amplitude = np.maximum(shared, 0) / np.where(spread > 0, spread, 1)
    squares = (means - mean) ** 2 @ runs - amplitude * shared
    return squares, mean - amplitude * centre, amplitude


def _above(loads: np.ndarray, onset, exponent) -> np.ndarray:
    return np.maximum(loads - onset, 0) ** exponent
