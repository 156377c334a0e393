"""A recording as a table of text: a row for each sample, a column for each unit."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, cast

import numpy as np
from pydantic import Field, model_validator

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES
from neuro_mpc.descriptions.tables import Listed
from neuro_mpc.errors import DescriptionError, did_you_mean
from neuro_mpc.stimuli import text_file
from neuro_mpc.stimuli.axes import STEP
from neuro_mpc.stimuli.cuts import Cuts
from neuro_mpc.stimuli.files import find, refuse_paths
from neuro_mpc.stimuli.labelled import LabelledStimuli, meanings
from neuro_mpc.stimuli.parting import OWN_SPLIT

if TYPE_CHECKING:
    import xarray as xr

REST = "values"
"""The channel of all columns that the protocol does not name."""
DELIMITERS = ",;\t"
ABSENT = ("", "nan", "na", "n/a", "null")
SHOWN = 20  # names of columns in an error
LARGEST_GAP = 1.5  # times the usual distance of two samples


class Csv(Cuts):
    """A recording in a CSV file: its first line names the columns, each other line is a sample.

    file      the file, plain or gzipped; fields are parted by commas, semicolons or tabs
    time      the column of times, by which samples are checked to be evenly spaced; "": there is none
    channels  CHANNEL → its columns, each a unit, whose empty fields are missing values; empty: all columns that have no
              other meaning make up the channel "values"
    classes   columns of classes, as texts or numbers from 0 on: each is a channel
    split     the column that names the split of each sample, if there is one

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.Csv(file="behaviour.csv", channels={"wheel": ["speed", "angle"]}, classes=["choice"]).time
    ''
    """

    source: Literal["csv"] = "csv"
    file: Annotated[str, Field(min_length=1)]
    time: str = ""
    channels: dict[str, Listed[str]] = {}
    classes: Listed[str] = ()
    split: str = OWN_SPLIT

    @model_validator(mode="after")
    def _names_a_file(self) -> Self:
        refuse_paths((self.file,), {})
        return self


@SOURCES.register("csv")
class CsvStimuli(LabelledStimuli):
    """Windows or streams of the only recording."""

    table = Csv

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        table = cast(Csv, protocol.stimulus)
        path = find((table.file,), protocol.data_dir, "data", {})[0]
        super().__init__(
            _dataset(Columns(path), table),
            protocol,
            seed,
            shares=table,
            cutting=table.cutting(protocol.learning.batch),
            step=STEP,
            split=table.split,
            source=str(path),
        )


class Columns:
    """The fields of a file by column: name → texts."""

    def __init__(self, path: Path):
        self.source = str(path)
        lines = text_file.lines(path, None, expected="a line of the names of columns, then one for each sample")
        delimiter = max(DELIMITERS, key=lines[0].count)
        head, *rows = csv.reader(lines, delimiter=delimiter)
        self.names = [name.strip() for name in head]
        if "" in self.names or len(set(self.names)) < len(self.names):
            raise DescriptionError(
                "has columns without a name, or two of the same name",
                source=f"{path}, row 1",
                found=head,
                expected="the names of the columns, all different",
            )
        for number, row in enumerate(rows, 2):
            if len(row) != len(head):
                raise DescriptionError(
                    "has another number of fields than the first line",
                    source=f"{path}, row {number}",
                    found=f"{len(row)} fields",
                    expected=f"{len(head)}, parted by {delimiter!r}",
                )
        self._rows = rows
        self._columns = {name: number for number, name in enumerate(self.names)}

    def texts(self, name: str, key: str) -> Iterator[str]:
        """The fields of a column; DescriptionError where it is missing."""
        if name not in self._columns:
            raise DescriptionError(
                "the file has no such column",
                source=self.source,
                key=f"stimulus.{key}",
                found=name,
                expected=", ".join(self.names[:SHOWN]) + (" …" if len(self.names) > SHOWN else ""),
                hint=did_you_mean(name, self.names),
            )
        column = self._columns[name]
        return (row[column].strip() for row in self._rows)

    def numbers(self, name: str, key: str) -> np.ndarray:
        """A column of numbers, (row,) float64; NaN for what is missing."""
        found = np.full(len(self._rows), np.nan)
        for row, text in enumerate(self.texts(name, key)):
            if text.lower() not in ABSENT:
                found[row] = self._number(text, name, row)
        return found

    def _number(self, text: str, name: str, row: int) -> float:
        try:
            return float(text)
        except ValueError:
            raise DescriptionError(
                "is no number",
                source=f"{self.source}, row {row + 2}",
                key=name,
                found=text,
                expected="a number such as 0.5, or nothing",
                hint='stimulus.channels = { values = ["…"] } selects columns; stimulus.classes = ["…"] are texts',
            ) from None


def _dataset(columns: Columns, table: Csv) -> xr.Dataset:
    """The channels of a file as a data set of one recording."""
    import xarray as xr

    if table.time:
        _refuse_uneven(columns.numbers(table.time, "time"), columns.source, table.time)
    special = {table.time, *table.classes, table.split}
    rest = {REST: tuple(name for name in columns.names if name not in special)}
    channels = table.channels or (rest if rest[REST] else {})
    variables, coordinates = {}, {}
    for channel, names in channels.items():
        unit = f"unit of {channel}"
        stacked = [columns.numbers(name, f"channels.{channel}") for name in names]
        variables[channel] = xr.Variable((STEP, unit), np.stack(stacked, axis=1))
        coordinates[unit] = list(names)
    for name in table.classes:
        variables[name] = _classes(list(columns.texts(name, "classes")), columns.source, name)
    if table.split in columns.names:
        variables[table.split] = xr.Variable(STEP, np.array(list(columns.texts(table.split, "split"))))
    return xr.Dataset(variables, coords=coordinates)


def _classes(texts: list[str], source: str, name: str) -> xr.Variable:
    """Numbers as they are; other texts are numbered in the order of the alphabet."""
    import xarray as xr

    present = sorted({text for text in texts if text.lower() not in ABSENT})
    if all(text.removeprefix("-").isdecimal() for text in present):
        try:
            numbers = [int(text) if text.lower() not in ABSENT else -1 for text in texts]
            return xr.Variable(STEP, np.array(numbers, np.int64))
        except (OverflowError, ValueError):
            raise DescriptionError("has classes out of range", source=source, key=name, found=present[-1]) from None
    number = {text: index for index, text in enumerate(present)}
    numbers = np.array([number.get(text, -1) for text in texts])
    return xr.Variable(STEP, numbers, {"flag_meanings": meanings(present)})


def _refuse_uneven(times: np.ndarray, source: str, name: str) -> None:
    """DescriptionError where times do not rise evenly: a step of a recording has one duration."""
    distances = np.diff(times)
    usual = float(np.median(distances)) if len(distances) else 1.0
    wrong = ~((distances > 0) & (distances < LARGEST_GAP * usual))
    if not math.isfinite(usual) or wrong.any():
        row = int(np.argmax(wrong)) if wrong.any() else 0
        raise DescriptionError(
            "is not evenly spaced",
            source=f"{source}, row {row + 3}",
            key=name,
            found=f"{times[row + 1]:g} after {times[row]:g}",
            expected=f"times that rise by {usual:g}",
            hint="rows with empty fields where samples are missing, or samples interpolated at even times",
        )
