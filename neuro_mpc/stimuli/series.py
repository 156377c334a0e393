"""One channel of a data set: read by trial and step, from memory if the data are small, else from a file."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.descriptions.circuit_tables import LARGEST
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli.axes import Axes
from neuro_mpc.stimuli.contents import Contents
from neuro_mpc.stimuli.interface import Channel
from neuro_mpc.stimuli.stored import Copy, StoredArray, copy_for

if TYPE_CHECKING:
    import xarray as xr

BLOCK = 2**22  # numbers that are read at once
STORED = "stored"  # in the encoding of a variable: where its numbers lie in their file as they are, if they do
KINDS = {"O": "objects", "U": "texts", "S": "texts", "T": "texts", "M": "dates", "m": "durations", "c": "complex"}


@dataclass
class Series:
    """A variable with its axes in the order trial, step, unit; classes have no units.

    name      of the channel
    variable  of xarray, in memory or not
    axes      which of its dimensions are trials and steps; it may lack either: then it holds for all of them
    source    of the data, for messages
    channel   what it offers, known once `examine` has seen all of it
    digest    of all its values
    without_values  units that never have one
    """

    name: str
    variable: xr.Variable
    axes: Axes
    source: str
    channel: Channel = field(init=False)
    digest: bytes = field(init=False, default=b"")
    without_values: list[str] = field(init=False, default_factory=list)
    _held: np.ndarray | None = field(init=False, default=None, repr=False)
    _stored: StoredArray | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        axes, self._dims = self.axes, tuple(map(str, self.variable.dims))
        self._units = axes.units(self._dims)
        self.symbolic = _is_whole(self.variable)
        self.width = math.prod(self.variable.sizes[name] for name in self._units)
        self._has_trials, self._has_steps = (name in self._dims for name in (axes.trial, axes.step))
        lengths = (axes.trials if self._has_trials else 1, axes.steps if self._has_steps else 1)
        self._shape = (*lengths, *([] if self.symbolic else [self.width]))
        self._place = {"source": self.source, "key": self.name}
        self._refuse_kind()

    @property
    def bytes(self) -> int:
        """What holding it takes."""
        return 4 * self.variable.size

    def examine(self, hold: bool, names: tuple[str, ...] = ()) -> None:
        """Reads all of it once, and keeps it if `hold`; DescriptionError where it cannot be a channel.

        names  of its classes or units
        """
        contents, digest = Contents(self.symbolic, self.width, names, self._place), hashlib.sha256()
        held = np.empty(self._shape, self._dtype) if hold else None
        stored = None if hold else self._in_its_file()
        copy = None if hold or stored else self._copy()
        for rows, steps in self._blocks():
            block = self._read(rows, steps)
            contents.add(block)
            digest.update(np.ascontiguousarray(block).data)
            if held is not None:
                held[rows, steps] = block
            if copy is not None:
                copy.add(block)
        self.channel, self.digest = contents.channel(), digest.digest()
        self.without_values = contents.without_values()
        self._held, self._stored = held, copy.stored() if copy else stored

    @property
    def _dtype(self) -> np.dtype:
        return np.dtype(np.int32 if self.symbolic else np.float32)

    def _in_its_file(self) -> StoredArray | None:
        """The numbers where they lie, if they do so in the order trial, step, unit."""
        stored = self.variable.encoding.get(STORED)
        order = tuple(name for name in (self.axes.trial, self.axes.step) if name in self._dims) + self._units
        if stored is None or order != self._dims:
            return None
        return replace(stored, shape=self._shape)

    def _copy(self) -> Copy | None:
        """A copy to be made of what a library reads piece by piece; None for what is in memory already."""
        return None if self.variable._in_memory else copy_for(self._dtype, self._shape)

    def shown(self, recordings: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
        """(length, B, width) float32 from the steps `starts` (B,) on of these recordings; classes int32 (length, B)."""
        rows = recordings if self._has_trials else 0 * recordings
        if self._held is not None:
            steps = starts[:, None] + np.arange(length) if self._has_steps else 0 * starts[:, None]
            shown = self._held[rows[:, None], steps]
        elif self._stored is not None:
            steps, number = (starts, length) if self._has_steps else (0 * starts, 1)
            shown = _converted(self._stored.runs(rows, steps, number), self.symbolic)
        else:
            shown = self._from_file(recordings, starts, length)
        shown = np.broadcast_to(shown, (len(recordings), length, *shown.shape[2:]))
        return np.array(shown.swapaxes(0, 1), order="C")

    def _from_file(self, recordings: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
        if length == self.axes.steps:  # rows of a file are read in its order
            rows, place = np.unique(recordings, return_inverse=True)
            return self._read(rows, slice(None))[place if self._has_trials else 0 * place]
        rows = [slice(recording, recording + 1) for recording in recordings]
        return np.concatenate([self._read(row, slice(start, start + length)) for row, start in zip(rows, starts)])

    def _read(self, rows: np.ndarray | slice, steps: slice) -> np.ndarray:
        """(trial, step, width) float32, or (trial, step) int32; an axis that it lacks has length 1."""
        index = {self.axes.trial: rows, self.axes.step: steps}
        part = self.variable.isel({name: index[name] for name in self._dims if name in index})
        ordered = part.transpose(*(name for name in index if name in self._dims), *self._units)
        lengths = [ordered.sizes.get(name, 1) for name in (self.axes.trial, self.axes.step)]
        values = ordered.values
        if self.symbolic:
            self._refuse_fractions(values)
        return _converted(values, self.symbolic).reshape(*lengths, *self._shape[2:])

    def _blocks(self) -> Iterator[tuple[slice, slice]]:
        """Trials and steps of parts of it in their order, of so many numbers as a block holds."""
        trials, steps = self._shape[:2]
        rows = max(1, BLOCK // (steps * self.width))
        some = steps if steps * self.width <= BLOCK else max(1, BLOCK // self.width)
        for first in range(0, trials, rows):
            for start in range(0, steps, some):
                yield slice(first, first + rows), slice(start, start + some)

    def _refuse_fractions(self, classes: np.ndarray) -> None:
        """Floats are classes where the numbers of their file were whole; others may have taken their place since."""
        if classes.dtype.kind == "f" and (between := classes[np.floor(classes) != classes]).size:
            missing = np.isnan(between)
            if not missing.all():
                raise DescriptionError(
                    "has values between whole numbers, and the encoding of whole numbers, which are classes",
                    found=float(between[~missing][0]),
                    hint=f'if they are values: data["{self.name}"].drop_encoding()',
                    **self._place,
                )

    def _refuse_kind(self) -> None:
        place, kind = self._place, self.variable.dtype.kind
        if kind not in "biuf":
            raise DescriptionError(
                f"holds {KINDS.get(kind, 'neither numbers nor classes')}",
                found=str(self.variable.dtype),
                expected="floats for values, or whole numbers for classes",
                hint="classes as numbers from 0 on, their names in the attribute flag_meanings; or other variables: "
                'stimulus.channels = ["…"]',
                **place,
            )
        if self.variable.size == 0:
            raise DescriptionError("is empty", found=self.variable.shape, **place)
        if self.symbolic and self._units:
            raise DescriptionError(
                f"has whole numbers, which are classes, along the dimension {self._units[0]!r}",
                found=dict(zip(self._dims, self.variable.shape)),
                expected="one class at each step: the dimensions of trials and steps alone",
                hint="floats, if they are values: .astype('float32')",
                **place,
            )
        if self.width > LARGEST:
            raise DescriptionError("has too many units", found=self.width, expected=f"up to {LARGEST:,}", **place)


def _is_whole(variable: xr.Variable) -> bool:
    """Whether a variable holds classes: whole numbers, also those of a file with a mark for missing ones."""
    stored = np.dtype(variable.encoding.get("dtype", variable.dtype))
    packed = {"scale_factor", "add_offset"} & variable.encoding.keys()
    marked = variable.dtype.kind == "f" and stored.kind in "iu" and not packed
    return variable.dtype.kind in "iu" or marked


def _converted(values: np.ndarray, symbolic: bool) -> np.ndarray:
    """Values in single precision; classes as whole numbers, -1 for missing ones."""
    with np.errstate(over="ignore", invalid="ignore"):
        if not symbolic:
            return np.asarray(values, np.float32)
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), -1, values)
        return np.clip(values, -(2**31), 2**31 - 1).astype(np.int32)
