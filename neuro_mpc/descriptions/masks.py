"""Masks of projections: which pairs of units have a synapse, as arrays, as lines of text, and from files.

A mask is kept as a line of 0 and 1 for each postsynaptic unit, with a digit for each presynaptic one: such lines are
immutable, and TOML as it is typed.
"""

from __future__ import annotations

import hashlib
import math
import os
import tokenize
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from pydantic_core import PydanticCustomError

from neuro_mpc.descriptions.tables import problem
from neuro_mpc.errors import file_beside

Rows = tuple[str, ...]
LARGEST_MASK = 100_000_000
EXPECTED = "0 or 1 for every pair of units, (n_post, n_pre): a row for each unit that receives"
FORMATS = ".npy, .npz, .nc or .csv"


def mask_rows(value: object) -> Rows:
    """A validator: the lines of a mask, of lines, nested lists or an array, or from a file of that name."""
    if isinstance(value, str):
        value = read_mask(Path(os.path.expanduser(value)))
    if isinstance(value, (list, tuple)) and value and all(isinstance(row, str) for row in value):
        return _checked(tuple(value))
    try:
        array = np.asarray(value)
    except ValueError:  # lists of different lengths
        raise _refused("has rows of different lengths") from None
    return rows_of(array)


def rows_of(array: np.ndarray) -> Rows:
    """The lines of an array (n_post, n_pre) of truth values, or of zeros and ones."""
    if array.ndim != 2 or not array.size:
        raise _refused(f"has the shape {array.shape}")
    if array.size > LARGEST_MASK:
        raise _refused(f"has {array.size:,} entries, more than {LARGEST_MASK:,}")
    if array.dtype.kind not in "biuf":
        raise _refused(f"holds values of the type {array.dtype}")
    if not ((array == 0) | (array == 1)).all():
        wrong = array[~((array == 0) | (array == 1))][0]
        raise _refused(f"holds other values than 0 and 1, such as {wrong}")
    digits = array.astype(np.uint8) + ord("0")
    return tuple(row.tobytes().decode() for row in digits)


def mask_of(rows: Rows) -> np.ndarray:
    """The mask, bool (n_post, n_pre), of its lines."""
    return (np.frombuffer("".join(rows).encode(), np.uint8) == ord("1")).reshape(len(rows), -1)


def sha256_of(rows: Rows) -> str:
    """The checksum by which a run file names a mask."""
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def read_mask(path: Path) -> np.ndarray:
    """The array of a file; what it holds otherwise is neither loaded nor executed."""
    readers = {".npy": _npy, ".npz": _npz, ".nc": _netcdf, ".csv": _csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise problem(f"{path.name} is no file of a mask", expected=FORMATS)
    try:
        return reader(path)
    except PydanticCustomError:
        raise
    except (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, tokenize.TokenError) as error:
        reason = getattr(error, "strerror", None) or f"it is no {path.suffix.lower()} file of numbers"
        hint = file_beside(path) if isinstance(error, FileNotFoundError) else ""
        raise problem(f"{path} cannot be read: {reason}", expected=f"an array of {EXPECTED}", hint=hint) from None


def _npy(path: Path) -> np.ndarray:
    with path.open("rb") as file:
        return _array_of(file)


def _npz(path: Path) -> np.ndarray:
    with zipfile.ZipFile(path) as archive:
        name = _the_one([each.removesuffix(".npy") for each in archive.namelist()], path)
        with archive.open(f"{name}.npy") as file:
            return _array_of(file)


def _array_of(file) -> np.ndarray:
    """An array in NumPy's format, read only where its header says that it can be a mask."""
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, columns_first, dtype = read_header(file)
    _refuse_shape(shape, dtype)
    content = file.read(math.prod(shape) * dtype.itemsize)
    return np.frombuffer(content, dtype).reshape(shape, order="F" if columns_first else "C")


def _netcdf(path: Path) -> np.ndarray:
    # They take long to import, and few circuits have such a mask.
    from neuro_mpc.examination.netcdf_lock import NETCDF
    from neuro_mpc.examination.opening import opened, refuse_strange

    try:
        refuse_strange(path, data=True)
    except ValueError as error:
        raise problem(f"{path} is refused: {error}", expected=f"an array of {EXPECTED}") from None
    with NETCDF, opened(path, data=True) as file:
        file.set_auto_maskandscale(False)
        variable = file[_the_one([name for name, each in file.variables.items() if each.ndim == 2], path)]
        if not isinstance(variable.dtype, np.dtype):
            raise _refused("holds texts")
        _refuse_shape(variable.shape, variable.dtype)
        values = np.asarray(variable[...])
        return values.T if variable.dimensions == ("pre", "post") else values


def _csv(path: Path) -> np.ndarray:
    if path.stat().st_size > 2 * LARGEST_MASK:
        raise _refused(f"in {path.name} is larger than {LARGEST_MASK:,} entries")
    return np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float32)


def _the_one(names: Sequence[str], path: Path) -> str:
    """The only array of a file, or the one that is called mask."""
    if "mask" in names:
        return "mask"
    if len(names) != 1:
        raise problem(f"{path.name} holds {len(names)} arrays", expected="one, or one that is called mask")
    return names[0]


def _refuse_shape(shape: tuple[int, ...], dtype: np.dtype) -> None:
    if len(shape) != 2:
        raise _refused(f"has the shape {shape}")
    if math.prod(shape) > LARGEST_MASK:
        raise _refused(f"has {math.prod(shape):,} entries, more than {LARGEST_MASK:,}")
    if dtype.kind not in "biuf":
        raise _refused(f"holds values of the type {dtype}")


def _checked(rows: Rows) -> Rows:
    if len({len(row) for row in rows}) > 1 or not rows[0]:
        raise _refused("has rows of different lengths" if rows[0] else "has empty rows")
    if len(rows) * len(rows[0]) > LARGEST_MASK:
        raise _refused(f"has more than {LARGEST_MASK:,} entries")
    if wrong := next((row for row in rows if row.strip("01")), None):
        raise _refused(f"holds other digits than 0 and 1: {wrong[:40]!r}")
    return rows


def _refused(text: str) -> PydanticCustomError:
    return problem(f"the mask {text}", expected=EXPECTED)
