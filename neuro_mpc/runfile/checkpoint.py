"""Checkpoints: all that a training needs to continue, in one file beside the run file.

A checkpoint is a copy of the run file up to a presentation, followed by what that file does not hold:

    run file (netCDF) | arrays | header (JSON) | footer: the sizes of these three, their sha256, a mark

Readers of netCDF stop where the first part ends: a checkpoint opens as the run file that it holds.  It is written
under another name, flushed to the disk and then renamed, so that at every moment there is a whole one.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from neuro_mpc.errors import RunError, RunFileError
from neuro_mpc.examination.opening import refuse_strange
from neuro_mpc.runfile.paths import saved_path
from neuro_mpc.system import files

FORMAT = 2
MAGIC = b"neuro_mpc checkpoint "
MARK = MAGIC + b"%d\n" % FORMAT
FOOTER = struct.Struct(f"<3Q32s{len(MARK)}s")
BLOCK_BYTES = 2**20
LARGEST_HEADER = 2**26
# Saving takes at most this part of the time, however large the run file grows.
LARGEST_SHARE_OF_TIME = 0.05
# The largest energy tolerated, presentations in a row above it, the factor of the learning rate; what tests selected.
PROGRESS = ("largest", "high", "factor", "plateau_factor", "best", "best_presentation")
DTYPES = ("<f4", "<f8", "<i4")


@dataclass(frozen=True)
class Checkpoint:
    """A training before one of its presentations.

    presentation  presentations learned before
    origin        provenance of the run, see `neuro_mpc.runs.provenance`
    arrays        state of the synapses, by the name of the program's variable
    progress      numbers that the training keeps
    records       bytes of the run file in `path`
    """

    path: Path
    presentation: int
    origin: dict[str, str]
    arrays: dict[str, np.ndarray]
    progress: dict[str, float]
    records: int

    def write_records(self, path: Path) -> None:
        """Writes the run file as it was."""
        with self.path.open("rb") as source, files.replacement(path) as new, new.open("wb") as sink:
            _copy(source, self.records, sink.write)


class Checkpoints:
    """Saves a training at its beginning, then every `every` seconds; 0: whenever asked, infinity: never."""

    def __init__(
        self,
        run_file: Path,
        written: Path,
        origin: Mapping[str, str],
        every: float,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.path, self.written, self.origin, self.every = saved_path(run_file), written, origin, every
        self._clock, self._last, self._cost = clock, -math.inf, 0.0

    @property
    def due(self) -> bool:
        """Whether it is time for another one."""
        interval = self._cost / LARGEST_SHARE_OF_TIME if self.every else 0.0
        return self.wanted and self._clock() - self._last >= max(self.every, interval)

    @property
    def wanted(self) -> bool:
        """Whether checkpoints are written at all."""
        return math.isfinite(self.every)

    def save(self, presentation: int, arrays: Mapping[str, np.ndarray], progress: Mapping[str, float]) -> None:
        """Replaces the last checkpoint; the run file that is being written has to be synced.

        Raises RunError where the disk has no room for it; the last one then stays.
        """
        start = self._clock()
        header = {
            "presentation": presentation,
            "origin": dict(self.origin),
            "progress": dict(progress),
            "arrays": {name: [array.dtype.str, array.size] for name, array in arrays.items()},
        }
        text = json.dumps(header).encode()
        try:
            with (
                self.written.open("rb") as records,
                files.replacement(self.path) as new,
                new.open("wb") as sink,
            ):
                _write(sink, records, arrays, text)
        except OSError as problem:
            raise RunError(
                f"the checkpoint {self.path} cannot be written: {problem.strerror or problem}",
                hint="free space on the disk, then --resume; the last checkpoint is kept",
            ) from problem
        self._last = self._clock()
        self._cost = self._last - start


def discard(run_file: Path) -> None:
    """Removes the checkpoint of a run file, if there is one."""
    saved_path(run_file).unlink(missing_ok=True)


def read(path: Path) -> Checkpoint:
    """The checkpoint in a file. Raises RunFileError for one that is damaged, or is none."""
    with _errors_of(path), path.open("rb") as file:
        checkpoint = _read(path, file)
        refuse_strange(path)  # it opens as the run file that it holds
        return checkpoint


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Within, problems of a checkpoint become a RunFileError."""
    try:
        yield
    except OSError as problem:
        raise RunFileError(f"the checkpoint {path} cannot be read: {problem.strerror or problem}") from problem
    except (ValueError, OverflowError, KeyError, TypeError, AttributeError, RecursionError, RuntimeError) as problem:
        raise RunFileError(
            f"the checkpoint {path} is damaged: {problem}",
            hint="--overwrite starts again; what was recorded may be left in *.partial",
        ) from None


def _read(path: Path, file: BinaryIO) -> Checkpoint:
    size = file.seek(0, os.SEEK_END)
    if size < FOOTER.size:
        raise ValueError("it is too short")
    file.seek(size - FOOTER.size)
    *sizes, digest, mark = FOOTER.unpack(file.read())
    if mark != MARK and mark.startswith(MAGIC):
        raise RunFileError(
            f"the checkpoint {path} is of another version of neuro_mpc: its format is "
            f"{mark.removeprefix(MAGIC).decode(errors='replace').strip()}, and this version reads {FORMAT}",
            hint="the version that wrote it (the attribute neuro_mpc_version of the run file), "
            "or --overwrite to start again; what was recorded stays readable",
        )
    if mark != MARK or sum(sizes) + FOOTER.size != size or sizes[2] > LARGEST_HEADER:
        raise ValueError("it does not end like a checkpoint")
    records, arrays, length = sizes
    file.seek(0)
    actual = hashlib.sha256()
    _copy(file, size - FOOTER.size, actual.update)
    if actual.digest() != digest:
        raise ValueError("its content does not match its sha256")
    file.seek(records + arrays)
    header = json.loads(file.read(length))
    file.seek(records)
    return Checkpoint(
        path=path,
        presentation=_count(header["presentation"]),
        origin=_texts(header["origin"]),
        arrays=_arrays(header["arrays"], file.read(arrays)),
        progress=_numbers(header["progress"]),
        records=records,
    )


def _count(number: object) -> int:
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"{number!r} presentations"[:100])
    return number


def _texts(table: Mapping[str, str]) -> dict[str, str]:
    if not all(isinstance(text, str) for text in table.values()):
        raise ValueError("its provenance is not text")
    return dict(table)


def _numbers(progress: Mapping[str, float]) -> dict[str, float]:
    numbers = {name: float(progress[name]) for name in PROGRESS}
    high, factor, largest = (numbers[name] for name in ("high", "factor", "largest"))
    if not (high >= 0 and math.isfinite(high) and 0 < factor <= 1 and largest >= 0):
        raise ValueError(f"its progress is {numbers}")
    return numbers


def _arrays(types: Mapping[str, list], content: bytes) -> dict[str, np.ndarray]:
    arrays, start = {}, 0
    for name, (dtype, size) in types.items():
        if dtype not in DTYPES:
            raise ValueError(f"an array of type {dtype!r}")
        arrays[name] = np.frombuffer(content, dtype, size, start)
        start += arrays[name].nbytes
    return arrays


def _write(sink: BinaryIO, records: BinaryIO, arrays: Mapping[str, np.ndarray], header: bytes) -> None:
    digest = hashlib.sha256()

    def write(data) -> None:
        digest.update(data)
        sink.write(data)

    size = os.fstat(records.fileno()).st_size
    _copy(records, size, write)
    for array in arrays.values():
        write(np.ascontiguousarray(array).data.cast("B"))
    write(header)
    sink.write(FOOTER.pack(size, sum(array.nbytes for array in arrays.values()), len(header), digest.digest(), MARK))


def _copy(source: BinaryIO, size: int, write: Callable[[bytes], object]) -> None:
    while size:
        block = source.read(min(size, BLOCK_BYTES))
        if not block:
            raise ValueError("it ends too early")
        write(block)
        size -= len(block)
