"""What is compared in a recorded mismatch session: deviants, what is usual, and the same stimuli in control blocks.

The stimulus tables name presentations; an event has the name that the same stimulus has in runs, and in every block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.errors import RunFileError
from neuro_mpc.recordings.blocks import BLOCKS, SUFFIX
from neuro_mpc.recordings.tables import MISSING, Table

if TYPE_CHECKING:
    from neuro_mpc.examination.inside import Inside

FOLDER = "intervals"
CHANGES = ("orientation_45", "orientation_90", "halt", "omission")
STANDARD, GREY = "standard", "sequence_omission"
"""Trial types: what is usual, and the grey that ends a sequence, which is no omission."""
COUPLED = ("sensorimotor", "control-4")
"""Blocks in which a wheel moves the grating, a frame a row."""
TIMED = ("duration", "control-3")
PLACES = {"sequence": 3, "local": 5, "global": 5}
"""Block of sequences → the place at which one is compared."""
USUAL = {
    "standard": "orientation_0",
    "sequence": "orientation_0",
    "duration": "delay_343",
    **dict.fromkeys(COUPLED, "coupled"),
}
"""Block → the stimulus that is usual in it; all others are deviants."""
DELAY, TOLERANCE = 0.343, 0.02
"""Usual grey after a grating (s), after which one that is missing is noticed; and how exact it is, a frame."""
DELAYS = (150.0, 343.0, 500.0, 750.0, 914.0, 1000.0, 1500.0)
"""Delays of the sessions (ms)."""
LONGEST_FRAME = 0.2
"""A coupled grating lasts for a frame; what lasts longer has been uncoupled (s)."""
LONGEST_PRESENTATION, LONGEST_DELAY = 10.0, 60.0
"""Beyond these, times are no seconds."""
KEPT = ("Orientation", "contrast", "TemporalFrequency", "SpatialFrequency", "Delay", "TrialInSequence")
"""Columns of the stimulus table, where it has them, that say what is shown, and that events keep."""
KEPT_TOO = ("phase", "Duration", "BlockNumber", "TrialNumber", "SequenceNumber")
"""Columns that events keep, where they hold numbers."""
NEAREST, WITHIN = 22.5, 1.0
"""Directions of the session (degrees), and how far a rounded one may be from them."""


@dataclass(frozen=True)
class Events:
    """Of each event a value in every array.

    onset    when it is seen, or missed (s)
    columns  of its row in the stimulus table
    """

    block: np.ndarray
    stimulus: np.ndarray
    trial_type: np.ndarray
    onset: np.ndarray
    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.onset)

    def chosen(self, which: np.ndarray) -> Events:
        columns = {name: values[which] for name, values in self.columns.items()}
        return Events(self.block[which], self.stimulus[which], self.trial_type[which], self.onset[which], columns)


def of_tables(file: Inside, every: bool = False) -> Events:
    """The events of all blocks, in the order of time in each; RunFileError where there are none.

    every  all presentations, from their beginnings on, also those that are not compared
    """
    tables = [(Table(file, path, "start_time"), block) for path, block in _tables(file)]
    found = [each for table, block in tables for each in _of_table(table, block, every)]
    if not found:
        names = [name for name in file.names(FOLDER) if name.endswith(SUFFIX)]
        problem = "there is no block of a mismatch session"
        if names:
            raise RunFileError(problem, hint=f"there is {', '.join(names[:20])}")
        hint = 'the file of a mismatch session, or a run of the experiment "mismatch" that was exported'
        raise RunFileError(f"{problem}: no stimulus table in {FOLDER}", hint=hint)
    return joined(found)


def joined(parts: list[Events]) -> Events:
    names = list(dict.fromkeys(name for part in parts for name in part.columns))
    columns = {
        name: np.concatenate([part.columns.get(name, np.full(len(part), np.nan)) for part in parts]) for name in names
    }
    block, stimulus, trial_type, onset = (
        np.concatenate([getattr(part, key) for part in parts]) for key in ("block", "stimulus", "trial_type", "onset")
    )
    return Events(block, stimulus, trial_type, onset, columns)


def spaced(events: Events, apart: float) -> Events:
    """Without events less than `apart` seconds after a deviant of the same block, of those blocks that have deviants;
    of coupled frames one in that time."""
    keep = np.ones(len(events), bool)
    for block, usual in USUAL.items():
        rows = np.flatnonzero(events.block == block)
        rows = rows[np.argsort(events.onset[rows], kind="stable")]
        deviant, frame = -np.inf, -np.inf
        for row, onset in zip(rows.tolist(), events.onset[rows].tolist(), strict=True):
            is_usual = events.stimulus[row] == usual
            is_near = onset - deviant < apart or (is_usual and block in COUPLED and onset - frame < apart)
            keep[row] = not is_near
            if not is_usual:
                deviant = onset
            elif not is_near:
                frame = onset
    return events.chosen(keep)


def _tables(file: Inside) -> Iterator[tuple[str, str]]:
    """Path of every stimulus table, and the block that its name tells, or ""."""
    blocks = {label.casefold(): block for block, label in BLOCKS.values()}
    for name in sorted(file.names(FOLDER)):
        if name.endswith(SUFFIX):
            yield f"{FOLDER}/{name}", blocks.get(name.removesuffix(SUFFIX).casefold(), "")


def _of_table(table: Table, named: str, every: bool) -> Iterator[Events]:
    """The events of each block whose presentations are in a table."""
    types = table.texts("BlockType") if "BlockType" in table else np.full(table.rows, "")
    if not named and not set(types.tolist()) & set(BLOCKS):
        return
    start, stop = _times(table)
    order = np.argsort(start, kind="stable")
    types, start, stop = types[order], start[order], stop[order]
    trial_type = table.texts("TrialType")[order]
    columns = {name: _column(table, name)[order] for name in KEPT if name in table}
    columns |= {name: values[order] for name in KEPT_TOO if (values := _numbers_at_most(table, name)) is not None}
    for block_type in dict.fromkeys(types.tolist()):
        block = BLOCKS[block_type][0] if block_type in BLOCKS else named
        rows = np.flatnonzero(types == block_type)
        own = {name: values[rows] for name, values in columns.items()}
        if block:
            yield Presentations(table, block, start[rows], stop[rows], trial_type[rows], own).events(every)


def _times(table: Table) -> tuple[np.ndarray, np.ndarray]:
    start, stop = table.numbers("start_time"), table.numbers("stop_time")
    for name, values in (("start_time", start), ("stop_time", stop)):
        if not np.isfinite(values).all():
            raise table.error(name, f"has no time in row {int(np.flatnonzero(~np.isfinite(values))[0])}")
    if len(start) and np.median(stop - start) > LONGEST_PRESENTATION:
        length = np.median(stop - start)
        raise table.error("stop_time", f"says that presentations last {length:g} s", "times in seconds, not in ms")
    return start, stop


def _numbers_at_most(table: Table, name: str) -> np.ndarray | None:
    """A column that nothing depends on; None where there is none, or it holds what is no number."""
    try:
        return table.numbers(name)
    except RunFileError:
        return None


def _column(table: Table, name: str) -> np.ndarray:
    values = table.numbers(name)
    largest = np.nanmax(np.abs(values), initial=0) if np.isfinite(values).any() else 0
    if name == "Orientation" and largest > 2 * np.pi + 0.01:
        raise table.error(name, f"reaches {largest:g}: these are no radians", "numpy.radians of the column")
    if name == "Delay" and largest > LONGEST_DELAY:
        raise table.error(name, f"reaches {largest:g} s", "delays in seconds, not in ms")
    return values


@dataclass(frozen=True)
class Presentations:
    """The presentations of a block in the order of time, (row,)."""

    table: Table
    block: str
    start: np.ndarray
    stop: np.ndarray
    trial_type: np.ndarray
    columns: dict[str, np.ndarray]

    def events(self, every: bool) -> Events:
        """Those that are compared, or all, by the names of what is shown."""
        kinds = np.array([str(name).removeprefix("motor_") for name in self.trial_type], dtype=object)
        chosen = (kinds != GREY) & ~self._blank()
        if self.block in PLACES and not every:
            chosen &= self._needed("TrialInSequence", chosen) == PLACES[self.block]
        names = self._named(kinds, chosen)
        onset, compared = self._onsets(names, chosen)
        if every:
            onset, compared = self.start, ~self._blank()
        rows = np.flatnonzero(compared)
        return Events(
            np.full(len(rows), self.block),
            names[rows].astype(str),
            self.trial_type[rows],
            onset[rows],
            {name: values[rows] for name, values in self.columns.items()},
        )

    def _blank(self) -> np.ndarray:
        """Rows of nothing, such as between blocks."""
        return np.isin(np.char.lower(np.char.strip(self.trial_type.astype(str))), list(MISSING))

    def _named(self, kinds: np.ndarray, which: np.ndarray) -> np.ndarray:
        """By their trial types or, of these rows, by the columns; the grey that ends a sequence is called so."""
        names = np.where(np.isin(kinds, CHANGES), kinds, np.where(kinds == GREY, "grey", ""))
        unnamed = which & (names == "")
        if self.block not in COUPLED:
            missing = unnamed & (self._needed("contrast", unnamed) == 0)
            names[missing] = "omission"
            unnamed &= ~missing
        names[unnamed] = self._names(unnamed)[unnamed]
        return names

    def _names(self, which: np.ndarray) -> np.ndarray:
        """What gratings are called that are neither missing nor named by their trial type."""
        if self.block in TIMED:
            return _labels("delay_", _nearest_delay(1000 * self._needed("Delay", which)), 1)
        if self.block == "repetition":
            return _labels("repetition_", self._needed("TrialInSequence", which), 1)
        if self.block in COUPLED:
            return self._coupled()
        return self._gratings(which)

    def _gratings(self, which: np.ndarray) -> np.ndarray:
        """By direction; those that stand still are halts, also where all space has one phase."""
        still = np.zeros(len(self.start), bool)
        for name in ("TemporalFrequency", "SpatialFrequency"):
            still |= self.columns.get(name, np.ones(len(still))) == 0
        names = _labels("orientation_", _nearest(np.degrees(self._needed("Orientation", which & ~still))), 0.1)
        names[still] = "halt"
        return names

    def _coupled(self) -> np.ndarray:
        """Frames are usual; what lasts longer in an open loop, under no name of its own, is told by its columns."""
        long = (self.stop - self.start > LONGEST_FRAME) & (self.trial_type != STANDARD)
        names = np.full(len(long), "coupled", object)
        if long.any():
            names[long] = self._gratings(long)[long]
            names[long & (names == "orientation_0")] = "halt"
            names[long & (self.columns.get("contrast", np.ones(len(long))) == 0)] = "omission"
        return names

    def _onsets(self, names: np.ndarray, compared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """When each is seen or missed, and which are left: of delays the time at which the next grating comes, or has
        failed to come; what is missing at that time is an omission, no delay, and after the last one nothing comes."""
        if self.block not in TIMED:
            return self.start, compared
        delayed = np.array([str(name).startswith("delay_") for name in names])
        following = np.append(self.start[1:], np.inf)
        due = self.stop + DELAY
        is_missing = np.append(names[1:] == "omission", False) & (following <= due + TOLERANCE)
        in_time = self.columns.get("Delay", np.zeros(len(due))) <= DELAY + TOLERANCE
        nothing_comes = is_missing | (np.isinf(following) & in_time)
        return np.where(delayed, np.minimum(following, due), self.start), compared & ~(delayed & nothing_comes)

    def _needed(self, name: str, which: np.ndarray) -> np.ndarray:
        """A column; RunFileError where it is not there, or has no value in one of these rows."""
        if name not in self.columns:
            if not which.any():
                return np.full(len(which), np.nan)
            raise RunFileError(
                f"the table {self.table.name!r} has no column {name}",
                hint=f"it has {', '.join(sorted(self.table.columns)[:30])}",
            )
        values = self.columns[name]
        if (which & np.isnan(values)).any():
            at = int(np.flatnonzero(which & np.isnan(values))[0])
            raise self.table.error(name, f"has no value for the presentation at {self.start[at]:g} s")
        return values


def _nearest(degrees: np.ndarray) -> np.ndarray:
    """Directions as they were meant: tables hold rounded radians."""
    meant = NEAREST * np.round(degrees / NEAREST)
    return np.where(np.abs(degrees - meant) < WITHIN, meant, degrees)


def _nearest_delay(ms: np.ndarray) -> np.ndarray:
    """Delays as they were meant: a screen shows whole frames."""
    meant = np.array(DELAYS)[np.argmin(np.abs(np.nan_to_num(ms)[:, None] - DELAYS), axis=1)]
    return np.where(np.abs(ms - meant) <= 1000 * TOLERANCE, meant, ms)


def _labels(prefix: str, values: np.ndarray, unit: float) -> np.ndarray:
    rounded = np.round(np.nan_to_num(values) / unit) * unit
    return np.array([f"{prefix}{round(value, 1):g}" for value in rounded.tolist()], dtype=object)
