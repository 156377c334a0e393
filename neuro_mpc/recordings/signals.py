"""What a recording holds of its neurons: spikes of sorted units, or series of regions of interest, of populations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.errors import RunFileError
from neuro_mpc.recordings import exported
from neuro_mpc.recordings.series import Series
from neuro_mpc.recordings.spikes import TIMES, UNITS, SortedUnits

if TYPE_CHECKING:
    from neuro_mpc.examination.inside import Inside

MODULES = "processing"
SPIKES, DFF = "spikes", "dff"
SERIES = {"events": "event", "positive": "positive_error", "negative": "negative_error"}
"""Quantity → what its series is called, where that is another name."""
CONTAINER = "_timeseries"
SIZES = ("error", "surprise")
"""Quantities with a sign, whose size is meant."""
ADAPTATION = "adaptation"
MOST_RESPONSES = 2**29


@dataclass(frozen=True)
class Responses:
    """values (event, unit), and labels of the units (unit,)."""

    values: np.ndarray
    labels: dict[str, np.ndarray]


def default(file: Inside) -> str:
    """The quantity that is meant where none is named."""
    if exported.is_exported(file):
        return "error"
    return SPIKES if file.has(f"{UNITS}/{TIMES}") else DFF


def spike_rates(file: Inside, device: str, quality: bool, starts: np.ndarray, stops: np.ndarray) -> Responses:
    """Spikes a second in each window, of units that pass quality control."""
    if not file.has(f"{UNITS}/{TIMES}"):
        raise RunFileError("there are no spikes of sorted units", hint=_offered(file))
    units = SortedUnits(file)
    rows = units.chosen(device, quality)
    _refuse_too_many(len(starts), len(rows))
    rates = units.counts(rows, starts, stops) / (stops - starts).astype(np.float32)[:, None]
    if not rates.any():
        first, last = units.span()
        raise RunFileError(
            f"no unit has a spike in any window from {starts.min():g} to {stops.max():g} s",
            hint=f"spike times in seconds: they are {first:g} to {last:g}",
        )
    return Responses(rates, {"unit": rows, **units.labels(rows)})


def series_means(file: Inside, population: str, quantity: str, starts: np.ndarray, stops: np.ndarray) -> Responses:
    """Means in each window over the series of a population, or of all that have it, one beside the other."""
    found = list(_series(file, population, quantity))
    if not found:
        where = f" of {population!r}" if population else ""
        raise RunFileError(f"there is no {quantity}{where}", hint=_offered(file))
    _refuse_too_many(len(starts), sum(series.units for _, series in found))
    parts = []
    for _, series in found:
        values = series.means(starts, stops, quantity in SIZES)
        if np.isnan(values).all():
            raise RunFileError(
                f"no frame of {series.path} lies in any window from {starts.min():g} to {stops.max():g} s",
                hint=f"a window as long as a frame, and times in seconds: there are {series.described()}",
            )
        parts.append(values)
    names = np.concatenate([np.full(series.units, module) for module, series in found])
    numbers = np.concatenate([np.arange(series.units) for _, series in found])
    return Responses(np.concatenate(parts, axis=1), {"unit": numbers, "population": names})


def _series(file: Inside, population: str, quantity: str) -> Iterator[tuple[str, Series]]:
    """Population and series; of an exported run the target, where no population is named."""
    modules = [population] if population else file.names(MODULES)
    if exported.is_exported(file) and not population:
        modules = _target(file)
    if quantity == ADAPTATION:
        modules, quantity = [ADAPTATION], "input"
    for module in modules:
        if path := _path(file, f"{MODULES}/{module}", SERIES.get(quantity, quantity)):
            yield module, Series(file, path)


def _path(file: Inside, module: str, name: str) -> str:
    """Of the series with this name, in a module or in a container in it; "" where there is none."""
    names = (name, name + CONTAINER)
    candidates = [f"{module}/{each}" for each in names]
    candidates += [f"{module}/{outer}/{inner}" for outer in names for inner in names]
    return next((path for path in candidates if file.has(f"{path}/data")), "")


def _target(file: Inside) -> list[str]:
    targets = exported.targets(file)
    if len(targets) > 1:
        raise RunFileError("this run has several targets", hint=f"population, one of {', '.join(targets)}")
    return targets


def _refuse_too_many(events: int, units: int) -> None:
    if events * units > MOST_RESPONSES:
        raise RunFileError(f"{events:,} responses of {units:,} units each take too much memory", hint="one population")


def _offered(file: Inside) -> str:
    """Population and series, or spikes: what there is."""
    found = ["spikes"] if file.has(f"{UNITS}/{TIMES}") else []
    for module in file.names(MODULES)[:20]:
        names = [name for name in file.names(f"{MODULES}/{module}")[:50] if _path(file, f"{MODULES}/{module}", name)]
        found += [f"{name.removesuffix(CONTAINER)} of {module!r}" for name in names]
    return f"there is {', '.join(found[:30])}" if found else "no series and no spikes are in it"
