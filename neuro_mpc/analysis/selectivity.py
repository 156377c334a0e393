"""Which symbols, letters or digits, a unit or its error answers to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from neuro_mpc.analysis.traces import Side, labels, settled, traces


def selectivity(
    run: xr.DataTree,
    population: str,
    quantity: str = "rate",
    of: Side = "target",
    sample: int = -1,
    steps: Sequence[int] | None = None,
) -> xr.Dataset:
    """The `tuning` of a population's units to the symbols of a presentation, as inference left them.

    quantity  "rate", "error", "belief", …;  of  symbols asked for ("target") or shown ("stimulus")
    steps     steps of the sequence to look at; None: all that were recorded

    Raises RunFileError where no traces were recorded, and for symbols of a stimulus that has none.
    """
    values = settled(traces(run, population, sample))[quantity]
    symbols = labels(run, of, sample).sel(step=values["step"])
    if steps is not None:
        values, symbols = values.sel(step=list(steps)), symbols.sel(step=list(steps))
    return tuning(values, symbols).assign_attrs(population=population, quantity=quantity, of=of)


def tuning(values: xr.DataArray | xr.DataTree, symbols: xr.DataArray | str) -> xr.Dataset:
    """How the units answer to symbols: values (…, unit) where symbols (…) are numbers from 0.

    Of a run and the name of a population, the `selectivity` of its rates.

    `response` (unit, symbol)  mean over the observations of the symbol; symbols that never come are left out
    `explained` (unit)         share of the unit's variance that the symbol explains, without bias:
                               ε² = 1 − (SS_within / (N − C)) / (SS_total / (N − 1)) for N observations of
                               C symbols: 1 where the symbol says all, about 0 where it says nothing, missing
                               where N = C
    `sparseness` (unit)        (1 − ⟨|response|⟩² / ⟨response²⟩) / (1 − 1/C): 1 for an answer to one symbol
                               only, 0 for the same to all (Vinje & Gallant 2000, Science 287:1273)
    `preferred` (unit)         the symbol of the largest |response|
    `count` (symbol)           observations

    A unit that does not vary has the explained share 0, one that is silent no sparseness; one with a value that is
    missing or infinite has none of them, and no preferred symbol (−1).
    The coordinate `name` (symbol) has the names of the symbols.
    """
    if isinstance(values, xr.DataTree) or isinstance(symbols, str):
        return selectivity(values, symbols)
    order = [name for name in values.dims if name != "unit"]
    table = values.transpose(*order, "unit").values.reshape(-1, values.sizes["unit"]).astype(float)
    present, numbers = np.unique(symbols.transpose(*order).values.ravel(), return_inverse=True)
    count = np.bincount(numbers)
    response = _sums(table, numbers, len(present)) / count[:, None]
    names = symbols.attrs.get("symbols", "").split("\n")
    named = [names[k] if k < len(names) and names[k] else str(k) for k in present]
    size = np.abs(response)
    return xr.Dataset(
        {
            "response": (("unit", "symbol"), response.T),
            "explained": ("unit", _explained(table, numbers, response)),
            "sparseness": ("unit", _sparseness(size)),
            "preferred": ("unit", np.where(np.isfinite(size).all(0), present[size.argmax(0)], -1)),
            "count": ("symbol", count),
        },
        coords={"symbol": present, "name": ("symbol", named)},
    )


def _sums(table: np.ndarray, numbers: np.ndarray, count: int) -> np.ndarray:
    sums = np.zeros((count, table.shape[1]))
    np.add.at(sums, numbers, table)
    return sums


def _explained(table: np.ndarray, numbers: np.ndarray, response: np.ndarray) -> np.ndarray:
    observations, symbols = len(table), len(response)
    total = ((table - table.mean(0)) ** 2).sum(0)
    within = ((table - response[numbers]) ** 2).sum(0)
    if observations <= symbols:
        return np.full(table.shape[1], np.nan)
    # What rounding leaves of a constant is no variance.
    varies = total > 1e-12 * (table**2).sum(0)
    ratio = np.divide(within, total, out=np.ones_like(total), where=varies)
    share = np.where(varies, 1 - ratio * (observations - 1) / (observations - symbols), 0.0)
    return np.where(np.isfinite(total), share, np.nan)


def _sparseness(size: np.ndarray) -> np.ndarray:
    if len(size) < 2:
        return np.full(size.shape[1], np.nan)
    power = (size**2).mean(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (1 - size.mean(0) ** 2 / power) / (1 - 1 / len(size))
