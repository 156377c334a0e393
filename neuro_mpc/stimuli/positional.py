"""Data of Python and of NPZ files as a data set: arrays without names of dimensions have them by their position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli.axes import STEP, TRIAL

if TYPE_CHECKING:
    import xarray as xr

ACCEPTED = "an xarray.Dataset, a DataArray, or a dict: name of the channel → DataArray or NumPy array"
ALONE = "stimulus"
"""The channel of a single array without a name."""


def as_dataset(data: Any, *, trial: str, step: str, recording: bool, source: str) -> xr.Dataset:
    """The data set of `data`; DescriptionError where it is none.

    trial, step  names of the dimensions, "" for the usual ones
    recording    arrays have the axes step, unit …, in place of trial, step, unit …
    """
    import xarray as xr

    if isinstance(data, xr.Dataset):
        return data
    if isinstance(data, xr.DataArray):
        data = {str(data.name or ALONE): data}
    if not isinstance(data, Mapping) or not data or not all(isinstance(name, str) for name in data):
        raise DescriptionError(
            "is no data set",
            key=source,
            found=_told(data),
            expected=ACCEPTED,
            hint=_instead(data),
        )
    leading = [step or STEP] if recording else [trial or TRIAL, step or STEP]
    variables = {name: _variable(name, values, leading, source) for name, values in data.items()}
    labelled = {name: values for name, values in data.items() if isinstance(values, xr.DataArray)}
    axes = f"an array without names has the axes {', '.join(leading)}, unit: a value for each {leading[0]} is a vector"
    _refuse_other_lengths(variables, {name: "" if name in labelled else axes for name in variables}, source)
    _refuse_other_labels(labelled, source)
    _refuse_other_coordinates(labelled, source)
    coordinates = {key: each.variable for values in labelled.values() for key, each in values.coords.items()}
    others = {key: each for key, each in coordinates.items() if key not in variables}
    return xr.Dataset(variables, coords=others)


def _told(data: Any) -> str:
    """What is no data set, by its type and, of a dict, by what is wrong with it."""
    if not isinstance(data, Mapping):
        return type(data).__name__
    others = [name for name in data if not isinstance(name, str)]
    return f"a dict with the key {others[0]!r}" if others else "a dict of nothing"


def _instead(data: Any) -> str:
    if hasattr(data, "to_numpy"):  # a table of pandas, polars …
        return "data={'spikes': table.to_numpy()}, reshaped to trial, step, unit"
    return "files are named by the protocol, stimulus.file; arrays by a dict, data={'spikes': array}"


def _variable(name: str, values: Any, leading: list[str], source: str) -> xr.Variable:
    import xarray as xr

    if isinstance(values, xr.DataArray):
        return values.variable
    array = _plain(name, values, source)
    units = [f"unit of {name}" + (f", axis {axis}" if axis > len(leading) else "") for axis in range(9)]
    dims = [*leading, *units[len(leading) :]][: array.ndim] if array.ndim <= len(units) else []
    if not dims:
        raise DescriptionError(
            "is no array of trials", source=source, key=name, found=array.shape, expected=" × ".join([*leading, "unit"])
        )
    return xr.Variable(dims, array)


def _plain(name: str, values: Any, source: str) -> np.ndarray:
    """A NumPy array; what a mask hides is missing."""
    if isinstance(values, np.ma.MaskedArray):
        # Neither booleans nor numbers without a sign can hold a mark of what is missing.
        if values.dtype.kind in "iu":
            return np.ma.filled(values.astype(np.int64), -1)
        return np.ma.filled(values.astype(np.float32) if values.dtype.kind == "b" else values, np.nan)
    try:
        return np.asarray(values)
    except ValueError:  # lists of different lengths
        raise DescriptionError(
            "is no array", source=source, key=name, found=type(values).__name__, expected="rows of equal lengths"
        ) from None


def _refuse_other_lengths(variables: Mapping[str, xr.Variable], hints: Mapping[str, str], source: str) -> None:
    first: dict[object, tuple[str, int]] = {}
    for name, variable in variables.items():
        for dimension, size in variable.sizes.items():
            other, length = first.setdefault(dimension, (name, size))
            if size != length:
                raise DescriptionError(
                    f"has another length along {dimension!r} than {other!r}",
                    source=source,
                    key=name,
                    found=f"{size:,}, in all {variable.shape}",
                    expected=f"{length:,}, in all {variables[other].shape}",
                    hint=hints[name],
                )


def _refuse_other_labels(arrays: Mapping[str, xr.DataArray], source: str) -> None:
    """Of the same dimension; xarray would put what has the same label side by side, and fill in the rest."""
    first: dict[object, tuple[str, Any]] = {}
    for name, array in arrays.items():
        for dimension, index in array.indexes.items():
            other, labels = first.setdefault(dimension, (name, index))
            if not index.equals(labels):
                raise DescriptionError(
                    f"has other labels along {dimension!r} than {other!r}",
                    source=source,
                    key=name,
                    hint='xarray.align(…, join="inner"), or the arrays without labels: drop_vars',
                )


def _refuse_other_coordinates(arrays: Mapping[str, xr.DataArray], source: str) -> None:
    """Of the same name and several entries, such as the split of each trial: one array would decide for all."""
    first: dict[object, tuple[str, xr.Variable]] = {}
    for name, array in arrays.items():
        for key, each in array.coords.items():
            other, values = first.setdefault(key, (name, each.variable))
            if each.ndim and not each.variable.equals(values):
                raise DescriptionError(
                    f"has other values of the coordinate {key!r} than {other!r}",
                    source=source,
                    key=name,
                    hint=f"the same for all arrays, or none: drop_vars({key!r})",
                )
