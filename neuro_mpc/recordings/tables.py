"""Tables of a recording: columns of numbers or texts, one value a row; numbers may be written as texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.errors import RunFileError, did_you_mean

if TYPE_CHECKING:
    import h5py

    from neuro_mpc.examination.inside import Inside

MOST_ROWS, LONGEST_TEXT, BYTES_OF_CHARACTER = 2**20, 100, 4
# Where nothing tells how long texts are that are yet to be read, many can be one and the same, as long as the file:
# read are so many that even then they stand for no more than this.
TEXT_BYTES, FEWEST_ROWS, ROWS = 2**30, 16, 4096
MISSING = {"", "nan", "none", "null", "na", "n/a", "none or blank"}
"""What stands where there is no value."""
INDEX = "_index"
"""What the name of a column ends in that says where the rows of another one end."""


class Table:
    """The columns of a table that are as long as it, read when they are asked for."""

    def __init__(self, file: Inside, path: str, first: str):
        """`first` is the column that tells how many rows there are."""
        self._file, self.path, self.name = file, path, path.rpartition("/")[2]
        names = file.names(path)
        self.columns = [name for name in names if not name.endswith(INDEX) and name + INDEX not in names]
        self.rows = self._dataset(first).shape[0]
        if self.rows > MOST_ROWS:
            raise RunFileError(f"the table {self.name!r} has {self.rows:,} rows, more than {MOST_ROWS:,}")

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def numbers(self, column: str) -> np.ndarray:
        """(row,), NaN where a value is missing; RunFileError where one is no number."""
        dataset = self._column(column)
        if not _is_text(dataset):
            return dataset[()].astype(float)
        texts, where = np.unique(self.texts(column), return_inverse=True)
        return np.array([self._number(text, column, where, place) for place, text in enumerate(texts)], float)[where]

    def texts(self, column: str) -> np.ndarray:
        """(row,); RunFileError where they are numbers."""
        dataset = self._column(column)
        if not _is_text(dataset):
            raise self.error(column, "holds numbers, where names are expected")
        return np.array([text for block in self._blocks(dataset, column) for text in block], str)

    def truths(self, column: str) -> np.ndarray:
        """(row,): true where a value is true, by any of its names."""
        if not _is_text(self._column(column)):
            return self.numbers(column) > 0
        return np.isin(np.char.lower(self.texts(column)), ("true", "1", "1.0", "yes", "pass", "good"))

    def error(self, column: str, problem: str, hint: str = "") -> RunFileError:
        return RunFileError(f"the column {column} of the table {self.name!r} {problem}", hint=hint)

    def _number(self, text: str, column: str, where: np.ndarray, place: int) -> float:
        if text.strip().lower() in MISSING:
            return np.nan
        try:
            return float(text)
        except ValueError:
            row = int(np.flatnonzero(where == place)[0])
            raise self.error(column, f"holds {text[:100]!r} in row {row}, which is no number") from None

    def _column(self, name: str) -> h5py.Dataset:
        dataset = self._dataset(name)
        if dataset.shape[0] != self.rows:
            raise self.error(name, f"has {dataset.shape[0]:,} rows, where the table has {self.rows:,}")
        return dataset

    def _dataset(self, name: str) -> h5py.Dataset:
        if name not in self.columns:
            hint = did_you_mean(name, self.columns) or f"it has {', '.join(sorted(self.columns)[:30])}"
            raise RunFileError(f"the table {self.name!r} has no column {name}", hint=hint)
        dataset = self._file.dataset(f"{self.path}/{name}")
        if dataset.ndim != 1:
            raise self.error(name, f"has {dataset.ndim} dimensions, where one is expected")
        return dataset

    def _blocks(self, dataset: h5py.Dataset, column: str) -> Iterator[Sequence[str]]:
        longest = self._file.longest_text(f"{self.path}/{column}")
        if longest is not None and longest > BYTES_OF_CHARACTER * LONGEST_TEXT:
            raise self.error(column, f"holds texts of {longest:,} bytes")
        few = np.clip(TEXT_BYTES // max(self._file.size, 1), FEWEST_ROWS, ROWS)
        rows, texts = int(few) if longest is None else ROWS, dataset.asstr(errors="replace")
        for start in range(0, self.rows, rows):
            block = [str(text) for text in texts[start : start + rows]]
            if max(map(len, block)) > LONGEST_TEXT:
                raise self.error(column, f"holds texts of more than {LONGEST_TEXT:,} characters")
            yield block


def _is_text(dataset: h5py.Dataset) -> bool:
    return dataset.dtype.kind in "OSU"
