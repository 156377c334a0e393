"""Arrays that lie in a file as they are: read by runs of steps, without a library between them and the file.

netCDF takes a tenth of a millisecond for every trial that is asked for, and unpacks a whole chunk for it. So what a
file holds in one piece is read from where it lies, and what it holds in chunks is copied, in one piece, to a temporary
file, which no name leads to and which is gone with the process.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from neuro_mpc.errors import DescriptionError

SHARE_OF_DISK = 0.5  # of what is free, for a copy
IN_MEMORY = ("tmpfs", "ramfs")
FOR_LARGE_FILES = "/var/tmp"  # where the temporary folder is held in memory


@dataclass(frozen=True)
class StoredArray:
    """Numbers (trial, step, …) in a file, from a place on, the last index fastest.

    file   open for reading, without a buffer
    begin  byte at which they begin
    """

    file: BinaryIO = field(repr=False)
    begin: int
    dtype: np.dtype
    shape: tuple[int, ...]

    def runs(self, trials: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
        """`length` steps of each of these trials (B,) from its start (B,) on, (B, length, …).

        They are read in the order of the file. Raises DescriptionError where it has become too short.
        """
        found = np.empty((len(trials), length, *self.shape[2:]), self.dtype)
        parts: list[memoryview] = [trial.reshape(-1).view(np.uint8).data for trial in found]
        step = self.dtype.itemsize * int(np.prod(self.shape[2:], dtype=int))
        places = self.begin + (trials.astype(np.int64) * self.shape[1] + starts) * step
        for run in np.argsort(places, kind="stable"):
            if os.preadv(self.file.fileno(), [parts[run]], int(places[run])) != length * step:
                raise DescriptionError(
                    "is shorter than when it was opened",
                    source=str(self.file.name),
                    expected="the data as they were when the run began",
                    hint="a copy that nothing else writes to",
                )
        return found


def in_file(path: Path, begin: int, dtype: np.dtype, shape: tuple[int, ...]) -> StoredArray | None:
    """An array in a file that holds it whole; None where it does not, or the system cannot read from a place."""
    size = dtype.itemsize * int(np.prod(shape, dtype=object))
    if not hasattr(os, "preadv") or begin + size > path.stat().st_size:
        return None
    return StoredArray(path.open("rb", buffering=0), begin, dtype, shape)


class Copy:
    """A temporary file to which an array is written, block after block in its order."""

    def __init__(self, file: BinaryIO, dtype: np.dtype, shape: tuple[int, ...]):
        self._array = StoredArray(file, 0, dtype, shape)

    def add(self, block: np.ndarray) -> None:
        self._array.file.write(np.ascontiguousarray(block, self._array.dtype).data)

    def stored(self) -> StoredArray:
        return self._array


def copy_for(dtype: np.dtype, shape: tuple[int, ...]) -> Copy | None:
    """A copy to be written; None where no folder for temporary files has room, or all are held in memory."""
    size = dtype.itemsize * int(np.prod(shape, dtype=object))
    for folder in dict.fromkeys((tempfile.gettempdir(), FOR_LARGE_FILES)):
        try:
            if (
                not hasattr(os, "preadv")
                or _is_in_memory(folder)
                or size > SHARE_OF_DISK * shutil.disk_usage(folder).free
            ):
                continue
            return Copy(tempfile.TemporaryFile(dir=folder, buffering=0, prefix="neuro_mpc-"), dtype, shape)
        except OSError:
            continue
    return None


def _is_in_memory(folder: str, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether the files of a folder are held in memory: what the system says of the place where it is mounted."""
    try:
        fields = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return False
    above = Path(os.path.realpath(folder))
    around = [(len(point), kind) for _, point, kind, *_ in fields if above.is_relative_to(point)]
    return max(around, default=(0, ""))[1] in IN_MEMORY
