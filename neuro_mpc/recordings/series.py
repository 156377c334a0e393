"""Time series of a recording, of which only what lies in windows is read, by parts, whatever their length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.errors import RunFileError

if TYPE_CHECKING:
    import h5py

    from neuro_mpc.examination.inside import Inside

BLOCK_NUMBERS = 2**20
MOST_UNITS, MOST_TIMES, FURTHER_ROWS = 100_000, 2**31, 64
TOLERANCE = 1e-6
"""Of a time (s): a frame that is as much too early for its window lies in it."""


class Series:
    """Values (time,) or (time, unit), and when they were taken (s)."""

    def __init__(self, file: Inside, path: str):
        self.path, self._file = path, file
        self._data = file.dataset(f"{path}/data")
        if self._data.ndim not in (1, 2) or self._data.dtype.kind not in "fiu":
            raise RunFileError(f"the series {path} is no array of numbers (time,) or (time, unit)")
        self.frames, self.units = self._data.shape[0], (*self._data.shape, 1)[1]
        if self.units > MOST_UNITS:
            raise RunFileError(f"the series {path} has {self.units:,} columns, more than {MOST_UNITS:,} units")
        self._factor, self._offset = self._number("data", "conversion", 1.0), self._number("data", "offset", 0.0)
        self._times = self._timestamps()
        self._start = self._rate = 0.0
        if self._times is None:
            begin = file.dataset(f"{path}/starting_time")
            self._start = float(begin[()]) if begin.shape == () and begin.dtype.kind in "fiu" else np.nan
            self._rate = self._number("starting_time", "rate", 0.0)
            if not (np.isfinite(self._start) and np.isfinite(self._rate) and self._rate > 0):
                raise RunFileError(f"the series {path} begins at {self._start} s, at a rate of {self._rate} Hz")

    @property
    def unit(self) -> str:
        """What the values are measured in."""
        return str(self._file.attribute(f"{self.path}/data", "unit") or "")

    def described(self) -> str:
        """How long it is, for messages."""
        if self._times is None:
            return f"{self.frames:,} frames from {self._start:g} s on, at {self._rate:g} Hz"
        ends = f"from {self._times[0]:g} to {self._times[-1]:g} s" if self.frames else "at no time"
        return f"{self.frames:,} frames {ends}"

    def rows(self, times: np.ndarray) -> np.ndarray:
        """How many frames lie before each of these times."""
        times = np.asarray(times) - TOLERANCE
        if self._times is None:
            return np.clip(np.ceil((times - self._start) * self._rate), 0, self.frames).astype(int)
        before, last = np.zeros(times.shape, int), -np.inf
        for start in range(0, self.frames, BLOCK_NUMBERS):
            block = self._times[start : start + BLOCK_NUMBERS].astype(float)
            if not (np.diff(block, prepend=last) >= 0).all():
                raise RunFileError(f"the timestamps of the series {self.path} are not in the order of time")
            before, last = before + np.searchsorted(block, times), block[-1]
        return before

    def means(self, starts: np.ndarray, stops: np.ndarray, size: bool = False) -> np.ndarray:
        """(window, unit): means over the frames of each window, from its start until before its stop; NaN where it has
        none. Missing values are left out.

        size  of absolute values
        """
        first, last = self.rows(starts), self.rows(stops)
        found = np.full((len(first), self.units), np.nan, np.float32)
        filled = np.flatnonzero(last > first)
        for group, begin, end in self._groups(first, last, filled[np.argsort(first[filled], kind="stable")]):
            if end - begin > self._block_rows:
                found[group[0]] = self._long_mean(begin, end, size)
                continue
            values = self._read(begin, end, size)
            for window in group:
                found[window] = _mean(values[first[window] - begin : last[window] - begin])
        return found

    def _groups(self, first: np.ndarray, last: np.ndarray, order: np.ndarray) -> Iterator[tuple[list[int], int, int]]:
        """Windows whose rows are read together, and these rows: those near to each other, as many as fit."""
        group: list[int] = []
        begin = end = 0
        for window in order.tolist():
            until = max(end, int(last[window]))
            if group and (until - begin > self._block_rows or first[window] - end > self._gap):
                yield group, begin, end
                group = []
            if not group:
                begin, until = int(first[window]), int(last[window])
            group.append(window)
            end = until
        if group:
            yield group, begin, end

    @property
    def _block_rows(self) -> int:
        return max(BLOCK_NUMBERS // max(self.units, 1), 1)

    @property
    def _gap(self) -> int:
        """Rows between windows that are read along, rather than the same chunk twice."""
        return max((self._data.chunks or (0,))[0], FURTHER_ROWS)

    def _read(self, begin: int, end: int, size: bool) -> np.ndarray:
        values = self._data[begin:end].reshape(end - begin, self.units) * self._factor + self._offset
        return np.abs(values) if size else values

    def _long_mean(self, begin: int, end: int, size: bool) -> np.ndarray:
        total, number = np.zeros(self.units), np.zeros(self.units, int)
        for start in range(begin, end, self._block_rows):
            of_block, there = _sums(self._read(start, min(start + self._block_rows, end), size))
            total, number = total + of_block, number + there
        return _quotient(total, number)

    def _timestamps(self) -> h5py.Dataset | None:
        if not self._file.has(f"{self.path}/timestamps"):
            return None
        times = self._file.dataset(f"{self.path}/timestamps")
        if len(times) > MOST_TIMES:
            raise RunFileError(f"the series {self.path} has {len(times):,} timestamps, more than {MOST_TIMES:,}")
        if times.ndim == 1 and len(times) == self.frames:
            return times
        swapped = times.ndim == 1 and len(times) == self.units
        raise RunFileError(
            f"the series {self.path} has {self.frames:,} rows of data, and timestamps of shape {times.shape}",
            hint="its data as (time, unit): here they are (unit, time)" if swapped else "",
        )

    def _number(self, of: str, name: str, default: float) -> float:
        value = self._file.attribute(f"{self.path}/{of}", name)
        if value is None:
            return default
        if not np.isscalar(value) or isinstance(value, str | bytes):
            raise RunFileError(f"the attribute {name} of {self.path}/{of} is no number")
        return float(value)  # pyright: ignore[reportArgumentType]


def _mean(values: np.ndarray) -> np.ndarray:
    """Over frames, without those that are missing; NaN where all are."""
    return _quotient(*_sums(values))


def _sums(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each unit the sum over frames that are not missing, and their number."""
    present = np.isfinite(values)
    return np.where(present, values, 0).sum(axis=0, dtype=float), present.sum(axis=0)


def _quotient(total: np.ndarray, number: np.ndarray) -> np.ndarray:
    return np.where(number, total / np.maximum(number, 1), np.nan)
