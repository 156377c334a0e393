"""Spikes of the sorted units of a recording, counted in windows unit by unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.errors import RunFileError
from neuro_mpc.recordings.tables import Table

if TYPE_CHECKING:
    from neuro_mpc.examination.inside import Inside

UNITS, TIMES, INDEX = "units", "spike_times", "spike_times_index"
BLOCK_SPIKES, MOST_SPIKES = 2**20, 2**31
LIMITS = {
    "isi_violations_ratio": ("at most", 0.5),
    "amplitude_cutoff": ("at most", 0.1),
    "presence_ratio": ("at least", 0.8),
}
"""Column of quality control → which values pass."""
VERDICT = "default_qc"
LABELS = ("device_name", "decoder_label")
"""Columns that are kept beside the responses of a unit."""


class SortedUnits:
    """The table of units, and the spikes of each."""

    def __init__(self, file: Inside):
        self._times = file.dataset(f"{UNITS}/{TIMES}")
        self.table = Table(file, UNITS, "id")
        ends = file.dataset(f"{UNITS}/{INDEX}")
        if ends.shape != (self.table.rows,):
            raise RunFileError(f"{UNITS}/{INDEX} has the shape {ends.shape}, where there are {self.table.rows:,} units")
        self._ends = ends[()].astype(np.int64)
        whole = (np.diff(self._ends, prepend=0) >= 0).all() and self._ends[-1:].sum() == self._times.shape[0]
        if self._times.ndim != 1 or len(self._times) > MOST_SPIKES:
            shape = self._times.shape
            raise RunFileError(f"{UNITS}/{TIMES} has the shape {shape}, where up to {MOST_SPIKES:,} times are expected")
        if not whole:
            raise RunFileError(f"{UNITS}/{INDEX} does not divide the {self._times.shape[0]:,} spikes among the units")

    def chosen(self, device: str = "", quality: bool = True) -> np.ndarray:
        """Rows of units of a device that pass quality control, by those of its columns that there are."""
        keep = np.ones(self.table.rows, bool)
        if device:
            names = self.table.texts("device_name")
            keep &= names == device
            if not keep.any():
                raise RunFileError(f"no unit is of {device!r}", hint=", ".join(sorted(set(names.tolist()))))
        before = int(keep.sum())
        passed = {name: int((keep & passes).sum()) for name, passes in self._verdicts().items()} if quality else {}
        if quality:
            keep &= np.all([np.ones_like(keep), *self._verdicts().values()], axis=0)
        if not keep.any():
            told = ", ".join(f"{name} {number}" for name, number in passed.items()) or "there are none"
            raise RunFileError(f"of {before} units none passes quality control: {told}", hint="quality=False")
        return np.flatnonzero(keep)

    def labels(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {name: self.table.texts(name)[rows] for name in LABELS if name in self.table}

    def counts(self, rows: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """(window, unit): spikes of each unit from the start of a window until before its stop."""
        return np.stack([self._counted(unit, starts, stops) for unit in rows], axis=1)

    def span(self) -> tuple[float, float]:
        """Times of the first and the last spike of the unit with most spikes (s)."""
        unit = int(np.argmax(np.diff(self._ends, prepend=0)))
        begin, end = self._range(unit)
        return (float(self._times[begin]), float(self._times[end - 1])) if end > begin else (np.nan, np.nan)

    def _verdicts(self) -> dict[str, np.ndarray]:
        found = {}
        for name, (side, limit) in LIMITS.items():
            if name in self.table:
                values = self.table.numbers(name)
                found[name] = values <= limit if side == "at most" else values >= limit
        return {**found, VERDICT: self.table.truths(VERDICT)} if VERDICT in self.table else found

    def _counted(self, unit: int, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        begin, end = self._range(unit)
        found = np.zeros(len(starts), np.float32)
        for start in range(begin, end, BLOCK_SPIKES):
            times = np.sort(self._times[start : min(start + BLOCK_SPIKES, end)])
            if not np.isfinite(times[[0, -1]]).all():
                raise RunFileError(f"the unit in row {unit} of the table {UNITS!r} has spikes at no time (NaN)")
            found += np.searchsorted(times, stops) - np.searchsorted(times, starts)
        return found

    def _range(self, unit: int) -> tuple[int, int]:
        return int(self._ends[unit - 1]) if unit else 0, int(self._ends[unit])
