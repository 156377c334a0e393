"""Trajectories of a population in its principal components."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_mpc.analysis.rounding import varies
from neuro_mpc.analysis.traces import of_rates


@of_rates
def principal_components(values: xr.DataArray, count: int = 3) -> xr.Dataset:
    """The directions in which a population varies most, and its states along them.

    Parameters
    ----------
    values : xarray.DataArray
        (…, unit), such as ``traces(run, "hidden")["belief"]``; states with missing values are left out. A run and the
        name of a population take its place, for the rates.
    count : int, optional
        Components; there are at most as many as units and as states.

    Returns
    -------
    xarray.Dataset
        `score` (component, …), `loading` (component, unit), `mean` (unit), and `explained` (component), the fraction of
        the variance over all states. The largest entry of each loading is positive.

    Raises
    ------
    RunFileError
        The population was not recorded.

    Notes
    -----
    The loadings are orthonormal, of falling variance::

        x − ⟨x⟩ = Σ_c score_c · loading_c

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> run = nm.open_run("run.nc")
    >>> dict(nm.analysis.principal_components(run, "hidden", count=2)["loading"].sizes)
    {'component': 2, 'unit': 10}
    """
    others = [name for name in values.dims if name != "unit"]
    states = values.transpose(*others, "unit")
    table = states.values.reshape(-1, values.sizes["unit"]).astype(float)
    complete = np.isfinite(table).all(1)
    mean = table[complete].mean(0)
    apart = table[complete] - mean
    apart[:, ~varies(apart, table[complete])] = 0
    score, loading, explained = _decomposed(apart, count)
    scores = np.full((len(table), len(loading)), np.nan)
    scores[complete] = score
    shape = (len(loading), *(states.sizes[name] for name in others))
    components = xr.Dataset(
        {
            "score": (("component", *others), scores.T.reshape(shape)),
            "loading": (("component", "unit"), loading),
            "explained": ("component", explained),
            "mean": ("unit", mean),
        },
        coords={name: states[name] for name in others if name in states.coords},
        attrs={"of": values.name or ""},
    )
    return components.assign_coords(component=np.arange(1, len(loading) + 1))


def _decomposed(table: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    left, sizes, right = np.linalg.svd(table, full_matrices=False)
    leading = slice(min(count, len(sizes)))
    largest = np.abs(right[leading]).argmax(1)
    sign = np.where(np.take_along_axis(right[leading], largest[:, None], 1) < 0, -1.0, 1.0)
    power = sizes**2
    explained = power[leading] / power.sum() if power.sum() > 0 else np.zeros(len(power[leading]))
    return left[:, leading] * sizes[leading] * sign.T, right[leading] * sign, explained
