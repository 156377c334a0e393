"""Variables of a netCDF-4 group that grow by rows: a presentation, a test, a snapshot, a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import netCDF4
import numpy as np

from neuro_mpc.examination.opening import chunking

if TYPE_CHECKING:
    import xarray as xr

# With an unlimited dimension the default chunk is one row, which is slow to write and slower to read.
CHUNK_ROWS, CHUNK_BYTES = 1024, 2**20
# Inference may take more iterations later on, and the last batch of an epoch may be smaller.
GROWING = ("iteration", "trial")
LEARNED_BEFORE = "presentations learned before"


def create_rows(group: netCDF4.Group, dimension: str, coordinates: Sequence[str]) -> None:
    """Makes an unlimited dimension; each coordinate holds the presentations learned before a row."""
    group.createDimension(dimension, None)
    for name in coordinates:
        create_column(group, name, "i8", dimension, LEARNED_BEFORE)


def create_column(group: netCDF4.Group, name: str, kind: str, dimension: str, label: str) -> None:
    """Makes a variable with one number in a row."""
    _create(group, name, kind, (dimension,), (CHUNK_ROWS,), label)


def next_row(group: netCDF4.Group, dimension: str, coordinates: Sequence[str], presentation: int) -> int:
    """Adds a row with the number of its presentation and returns its index."""
    if dimension not in group.dimensions:
        create_rows(group, dimension, coordinates)
    row = len(group.dimensions[dimension])
    for name in coordinates:
        group[name][row] = presentation
    return row


def require_columns(file: netCDF4.Dataset, group: str, names: Sequence[str]) -> None:
    """Raises OSError where a group lacks one of these columns."""
    columns = file.groups[group].variables if group in file.groups else {}
    if missing := [name for name in names if name not in columns]:
        raise OSError(f"it has no {group}/{missing[0]}")


def create_steps(group: netCDF4.Group, name: str, size: int, steps: int) -> None:
    """Makes a dimension of steps with its coordinate: the last `size` of the `steps` of a sequence."""
    if name in group.dimensions:
        return
    group.createDimension(name, size)
    _create(group, name, "i8", (name,), (size,), "step of the sequence")
    group[name][:] = np.arange(steps - size, steps)


def create_times(group: netCDF4.Group, duration: float) -> None:
    """Makes the times at which the steps of a group begin, in ms."""
    if "time" not in group.variables:
        _create(group, "time", "f8", ("step",), (group.dimensions["step"].size,), "time")
        group["time"].units = "ms"
        group["time"][:] = duration * np.asarray(group["step"][:])


def put(
    group: netCDF4.Group,
    name: str,
    row: int,
    array: np.ndarray,
    dimensions: Sequence[str],
    kind: str,
    label: str,
) -> None:
    """Writes `array` as one row of a compressed variable, made with its dimensions when it is new."""
    if name not in group.variables:
        for dimension, size in zip(dimensions[1:], array.shape):
            if dimension not in group.dimensions:
                group.createDimension(dimension, None if dimension in GROWING else size)
        packed = {"compression": "zlib", "complevel": 1, "shuffle": True}
        _create(group, name, kind, dimensions, (1, *chunks(array.shape)), label, **packed)
    group[name][(row, *map(slice, array.shape))] = array


def put_fixed(group: netCDF4.Group, name: str, array: np.ndarray, dimensions: Sequence[str], label: str) -> None:
    """Writes an array that has no rows, compressed, with its dimensions where they are new; once."""
    if name in group.variables:
        return
    for dimension, size in zip(dimensions, array.shape, strict=True):
        if dimension not in group.dimensions:
            group.createDimension(dimension, size)
    packed = {"compression": "zlib", "complevel": 1, "shuffle": True}
    _create(group, name, array.dtype.str[1:], dimensions, chunks(array.shape), label, **packed)
    group[name][...] = array


def put_result(
    group: netCDF4.Group, name: str, value: float | np.ndarray, dimension: str, kind: str, label: str
) -> None:
    """Writes a number, or one number for each entry of `dimension`; again, in place of an earlier one."""
    value = np.asarray(value)
    if value.ndim and dimension not in group.dimensions:
        group.createDimension(dimension, len(value))
    if name not in group.variables:
        dimensions = (dimension,) * value.ndim
        variable = group.createVariable(name, kind, dimensions, fill_value=np.nan)
        variable.setncatts({"units": "1", "long_name": label})
    group[name][...] = value


def put_text(group: netCDF4.Group, name: str, text: np.ndarray, label: str) -> None:
    """Writes bytes of a text; attributes hold 64 kB at most."""
    group.createDimension(f"{name}_byte", text.size)
    variable = group.createVariable(name, "u1", (f"{name}_byte",), zlib=True)
    variable.long_name = label
    variable[:] = text


def put_dataset(group: netCDF4.Group, dataset: xr.Dataset, kind: str) -> None:
    """Writes a labelled dataset: its dimensions, coordinates, variables and attributes; floats as `kind`.

    Names become numbers with `flag_meanings` (CF-1.11, 3.5), as a run file holds numbers only.
    """
    for dimension, size in dataset.sizes.items():
        group.createDimension(str(dimension), size)
    for name, values in ((str(key), variable) for key, variable in dataset.variables.items()):
        array, attributes = values.values, {"long_name": name.replace("_", " "), "units": "1", **values.attrs}
        if array.dtype.kind == "U":
            array, attributes = _numbered(array, attributes)
        dtype = {"f": "f8" if name in dataset.coords else kind, "b": "i1", "i": "i4"}[array.dtype.kind]
        dimensions = tuple(map(str, values.dims))
        variable = group.createVariable(name, dtype, dimensions, compression="zlib", complevel=1, shuffle=True)
        variable.setncatts(attributes)
        variable[...] = array
    group.setncatts(dataset.attrs)


def _numbered(names: np.ndarray, attributes: dict[str, object]) -> tuple[np.ndarray, dict[str, object]]:
    meanings = list(dict.fromkeys(names.tolist()))
    numbers = np.array([meanings.index(name) for name in names.tolist()], "i4")
    flags = {"flag_values": np.arange(len(meanings), dtype="i4"), "flag_meanings": " ".join(meanings)}
    return numbers, {**attributes, **flags}


def hold_little(variable: netCDF4.Variable) -> None:
    """Lets the library hold two chunks of a variable: rows are written once, one after another. By itself it holds
    16 MiB of each, and a long run took more and more memory."""
    if chunk := chunking(variable):
        variable.set_var_chunk_cache(size=2 * math.prod(chunk) * np.dtype(variable.dtype).itemsize)


def chunks(shape: Sequence[int]) -> tuple[int, ...]:
    """The largest chunk of at most 1 MiB that is whole along the last dimensions of `shape`."""
    chunk = [max(size, 1) for size in shape]
    for axis in range(len(chunk)):
        others = np.prod(chunk[axis + 1 :]) * 8
        chunk[axis] = int(np.clip(CHUNK_BYTES // others, 1, chunk[axis]))
    return tuple(chunk)


def _create(group, name, kind, dimensions, chunks, label, **packed) -> None:
    # Rows that a test or a shorter inference leaves out read as missing, not as zero.
    missing = np.nan if kind.startswith("f") else None
    variable = group.createVariable(name, kind, dimensions, chunksizes=chunks, fill_value=missing, **packed)
    hold_little(variable)
    variable.setncatts({"units": "1", "long_name": label})
    if others := [other for other in group.variables if _labels(group[other], variable)]:
        variable.coordinates = " ".join(others)


def _labels(other: netCDF4.Variable, variable: netCDF4.Variable) -> bool:
    """Whether `other` holds the numbers of presentations along the rows of `variable`."""
    of_rows = other.dimensions == variable.dimensions[:1] and other.name not in other.dimensions
    return of_rows and other.long_name == LEARNED_BEFORE and variable.long_name != LEARNED_BEFORE
