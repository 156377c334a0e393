"""Opening netCDF-4 files that a stranger may have made: examined first, and compared with their size."""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

import netCDF4
import numpy as np

from neuro_mpc.examination.netcdf_lock import NETCDF
from neuro_mpc.system.locks import WITHOUT_LOCKS

# No run is packed by more than this; a file that promises more is not what it seems.
MOST_COMPRESSION, SMALL_BYTES = 200, 64_000_000
MOST_DEFLATED = 1032  # of anything, as of data that are zero almost everywhere
# A chunk that is stored takes more bytes than this; one that is not takes time to read all the same.
BYTES_OF_CHUNK, MOST_EMPTY_CHUNKS = 16, 10_000

KEPT = 4_096  # files that were found sound: those of a large sweep are opened three times each

# What the system answers where HDF5 wants a lock: there are none, or another program holds it.
NO_LOCK = (*WITHOUT_LOCKS, errno.EAGAIN)
UNLOCKED = (
    "HDF5 cannot lock it; if nothing writes to it, HDF5_USE_FILE_LOCKING=FALSE in the environment does without locks"
)


OF_HDF5 = re.compile(r"error message = '([^']+)'")


def reason(problem: Exception) -> str:
    """Why a file cannot be read or written, in a few words: HDF5 tells of its own functions, and of addresses."""
    text = str(getattr(problem, "strerror", None) or problem)
    if (of_system := OF_HDF5.search(text)) is not None:
        return of_system[1]
    return "HDF5 fails and does not say why" if text == "NetCDF: HDF error" else text


def opened(path: Path, mode: Literal["r", "a"] = "r", data: bool = False) -> netCDF4.Dataset:
    """An existing file, opened once it is known to refer to nothing outside; every file is opened through this.

    data  it is a data set, not a run: it may hold texts, which is safe once `isolation` has read all of them

    Raises ValueError where it has contents that no run file has; OSError or RuntimeError where it cannot be read.
    """
    try:
        _examined(path, _state(path), data)
    except OSError as problem:
        if problem.errno in NO_LOCK:
            raise OSError(problem.errno, UNLOCKED) from problem
        raise
    try:
        return netCDF4.Dataset(path, mode)
    except (AttributeError, KeyError, TypeError, IndexError) as problem:  # of dimensions that contradict each other
        raise RuntimeError("netCDF cannot make sense of its dimensions") from problem


def _state(path: Path) -> tuple[int, ...]:
    """What changes when a file does."""
    found = os.stat(path)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@lru_cache(maxsize=KEPT)
def _examined(path: Path, state: tuple[int, ...], data: bool) -> None:
    """Examines a file; one that was found sound only once in each of its states."""
    from neuro_mpc.examination.structure import examine  # h5py takes a tenth of a second to import

    examine(path, data)


def refuse_strange(path: Path, data: bool = False) -> None:
    """Raises ValueError where a file declares more data, or chunks, than one of its size can hold; errors of `opened`.

    Counted is what would be read: a variable is as long as its dimensions, which others may have made longer.
    """
    with NETCDF, opened(path, data=data) as file:
        _refuse_excess(file, path.stat().st_size, data)


def opened_sound(path: Path) -> netCDF4.Dataset:
    """A run file, opened once it passes `refuse_strange`, with the errors of that."""
    file = opened(path)
    try:
        _refuse_excess(file, path.stat().st_size, data=False)
    except BaseException:
        file.close()
        raise
    return file


def _refuse_excess(file: netCDF4.Dataset, size: int, data: bool) -> None:
    """ValueError for a file that declares more than its size can hold."""
    shapes = [
        (tuple(map(int, variable.shape)), np.dtype(variable.dtype).itemsize, chunking(variable))
        for variable in variables(file)
    ]
    declared = sum(math.prod(shape) * item for shape, item, _ in shapes)
    if declared > (MOST_DEFLATED if data else MOST_COMPRESSION) * size + SMALL_BYTES:
        raise ValueError(f"it declares {declared:,} bytes of data, which a file of its size cannot hold")
    chunks = sum(
        math.prod(-(-length // part) for length, part in zip(shape, chunk, strict=True))
        for shape, _, chunk in shapes
        if chunk
    )
    if chunks > MOST_EMPTY_CHUNKS + size // BYTES_OF_CHUNK:
        raise ValueError(f"it declares {chunks:,} chunks of data, which a file of its size cannot hold")


def chunking(variable: netCDF4.Variable) -> list[int]:
    """The sizes of the chunks of a variable; none where it is stored in one piece."""
    stored = variable.chunking()
    return [] if stored is None or isinstance(stored, str) else list(map(int, stored))


def variables(group: netCDF4.Dataset) -> Iterator[netCDF4.Variable]:
    """Those of a group and of all groups in it."""
    yield from group.variables.values()
    for inner in group.groups.values():
        yield from variables(inner)
