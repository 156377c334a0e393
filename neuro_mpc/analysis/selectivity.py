"""Tuning of units, and of their errors, to symbols such as letters or digits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import xarray as xr

from neuro_mpc.analysis.rounding import varies
from neuro_mpc.analysis.traces import Side, labels, settled, traces
from neuro_mpc.runfile.attributes import attribute


def selectivity(
    run: xr.DataTree,
    population: str,
    quantity: str = "rate",
    of: Side = "target",
    sample: int = -1,
    steps: Sequence[int] | None = None,
) -> xr.Dataset:
    """The `tuning` of a population's units to the symbols of a presentation, as inference left them.

    Parameters
    ----------
    run : xarray.DataTree
        A run with recorded samples.
    population : str
        Name of the population.
    quantity : str, optional
        "rate", "error", "belief", ….
    of : {"target", "stimulus"}, optional
        The symbols of the target, or those of the stimulus.
    sample : int, optional
        Index of the recorded presentation, in the order of recording.
    steps : sequence of int, optional
        Steps of the sequence to look at; None: all that were recorded.

    Returns
    -------
    xarray.Dataset
        As of `tuning`.

    Raises
    ------
    RunFileError
        No traces were recorded, or the stimulus has no symbols.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.selectivity(nm.open_run("run.nc"), "hidden", quantity="error").sizes["unit"]
    10
    """
    values = settled(traces(run, population, sample))[quantity]
    symbols = labels(run, of, sample).sel(step=values["step"])
    if steps is not None:
        values, symbols = values.sel(step=list(steps)), symbols.sel(step=list(steps))
    return tuning(values, symbols).assign_attrs(population=population, quantity=quantity, of=of)


def tuning(values: xr.DataArray | xr.DataTree, symbols: xr.DataArray | str) -> xr.Dataset:
    """Tuning of units to symbols.

    Parameters
    ----------
    values : xarray.DataArray
        (…, unit), a value for each observation. A run and the name of a population take the place of both arguments:
        that is the `selectivity` of its rates.
    symbols : xarray.DataArray
        (…), the number of the symbol of each observation, from 0; the attribute `symbols` has their names, a line each.
        Observations of a negative number, which have no symbol, are left out.

    Returns
    -------
    xarray.Dataset
        `response` (unit, symbol), mean over the observations of the symbol; `explained` (unit), share ε² of the unit's
        variance that the symbol explains; `sparseness` (unit); `preferred` (unit), the symbol of the largest
        ``|response|``; `count` (symbol), observations. The coordinate `name` (symbol) has the names; symbols that never
        occur are left out.

    Raises
    ------
    RunFileError
        The population of the run was not recorded.

    Notes
    -----
    For N observations of C symbols::

        ε² = 1 − (SS_within / (N − C)) / (SS_total / (N − 1))

    without bias: 1 where the symbol determines the value, about 0 where it has no influence, missing where N = C.
    Sparseness is 1 for a response to one symbol only, 0 for the same to all::

        (1 − ⟨|response|⟩² / ⟨response²⟩) / (1 − 1/C)

    A unit that does not vary has the explained share 0, a silent one no sparseness; one with a value that is missing or
    infinite has neither, and no preferred symbol (−1).

    References
    ----------
    Vinje & Gallant 2000, Science 287:1273.

    Examples
    --------
    >>> import xarray as xr
    >>> from neuro_mpc.analysis import tuning
    >>> values = xr.DataArray([[0.0, 1.0], [2.0, 1.0], [0.0, 1.0], [2.0, 1.0]], dims=("trial", "unit"))
    >>> result = tuning(values, xr.DataArray([0, 1, 0, 1], dims="trial"))
    >>> result["explained"].values
    array([1., 0.])
    """
    if isinstance(values, xr.DataTree) or isinstance(symbols, str):
        return selectivity(cast(xr.DataTree, values), cast(str, symbols))
    order = [name for name in values.dims if name != "unit"]
    table = values.transpose(*order, "unit").values.reshape(-1, values.sizes["unit"]).astype(float)
    given = symbols.transpose(*order).values.ravel()
    table, given = table[given >= 0], given[given >= 0]
    present, numbers = np.unique(given, return_inverse=True)
    count = np.bincount(numbers)
    response = _sums(table, numbers, len(present)) / count[:, None]
    names = attribute(symbols, "symbols", "").split("\n")
    symbol_names = [names[k] if k < len(names) and names[k] else str(k) for k in present]
    size = np.abs(response)
    return xr.Dataset(
        {
            "response": (("unit", "symbol"), response.T),
            "explained": ("unit", _explained(table, numbers, response)),
            "sparseness": ("unit", _sparseness(size)),
            "preferred": ("unit", np.where(np.isfinite(size).all(0), present[size.argmax(0)], -1)),
            "count": ("symbol", count),
        },
        coords={"symbol": present, "name": ("symbol", symbol_names)},
    )


def _sums(table: np.ndarray, numbers: np.ndarray, count: int) -> np.ndarray:
    sums = np.zeros((count, table.shape[1]))
    np.add.at(sums, numbers, table)
    return sums


def _explained(table: np.ndarray, numbers: np.ndarray, response: np.ndarray) -> np.ndarray:
    observations, symbols = len(table), len(response)
    apart = table - table.mean(0)
    total = (apart**2).sum(0)
    within = ((table - response[numbers]) ** 2).sum(0)
    if observations <= symbols:
        return np.full(table.shape[1], np.nan)
    varying = varies(apart, table)
    ratio = np.divide(within, total, out=np.ones_like(total), where=varying)
    share = np.where(varying, 1 - ratio * (observations - 1) / (observations - symbols), 0.0)
    return np.where(np.isfinite(total), share, np.nan)


def _sparseness(size: np.ndarray) -> np.ndarray:
    if len(size) < 2:
        return np.full(size.shape[1], np.nan)
    power = (size**2).mean(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (1 - size.mean(0) ** 2 / power) / (1 - 1 / len(size))
