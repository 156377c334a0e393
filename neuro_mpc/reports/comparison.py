"""In what two runs differ: what they were made with, what they measured, and their values, variable by variable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from neuro_mpc.examination.isolation import blocks
from neuro_mpc.reports.columns import columns, printable
from neuro_mpc.runfile import access, labels
from neuro_mpc.runfile.differences import Difference, differing

# They tell when, under which name and in which format a file was written.
OF_THE_FILE = ("created", "title", "Conventions", "format_version")
BLOCK_NUMBERS = 2**22
LONGEST = 60


@dataclass(frozen=True)
class Unequal:
    """A variable that is not equal bit for bit.

    largest  the largest difference of two numbers; None where `reason` says why there is none
    size     the largest magnitude of a number of either run
    """

    variable: str
    reason: str = ""
    largest: float | None = None
    size: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side; `variables` have been compared, in either of them."""

    files: tuple[str, str]
    made_with: tuple[Difference, ...]
    measured: Mapping[str, tuple[float | None, float | None]]
    values: tuple[Unequal, ...]
    variables: int

    @property
    def equal(self) -> bool:
        """Whether the runs differ in nothing but when and under which name they were written."""
        return not self.made_with and not self.values


def compared(first: xr.DataTree, second: xr.DataTree, values_only: bool = False) -> Comparison:
    """Two runs side by side, or their values alone."""
    texts = [] if values_only else [_texts(run) for run in (first, second)]
    names = sorted(_variables(first) | _variables(second))
    return Comparison(
        files=(access.source(first), access.source(second)),
        made_with=tuple(differing(*texts)) if texts else (),
        measured=_measured(first, second),
        values=tuple(each for name in names for each in _unequal(name, first, second)),
        variables=len(names),
    )


def as_text(comparison: Comparison) -> str:
    """What differs, a line each; that nothing does, where it does not."""
    same = comparison.variables - len(comparison.values)
    ending = f"values: {same} of {comparison.variables} variables are equal bit for bit"
    if comparison.equal:
        return ending
    rows = [
        (printable(name), *(printable(str(text))[:LONGEST] for text in (before or "cannot be read", now or "")))
        for name, before, now in comparison.made_with
    ]
    rows += [(name, *map(_number, pair)) for name, pair in comparison.measured.items() if len(set(pair)) > 1]
    head = columns(("", *map(printable, comparison.files)), rows) if rows else []
    unequal = [(printable(each.variable), _in_words(each)) for each in comparison.values]
    return "\n".join([*head, ending, *(f"  {line}" for line in columns(("", ""), unequal))])


def _texts(run: xr.DataTree) -> dict[str, str]:
    """The attributes of a run as text."""
    return {str(name): str(value) for name, value in run.attrs.items() if name not in OF_THE_FILE}


def _measured(*runs: xr.DataTree) -> dict[str, tuple[float | None, float | None]]:
    first, second = map(access.final_measure, runs)
    return {
        labels.measured(name).words: (first.get(name), second.get(name))
        for name in sorted(first.keys() | second.keys())
    }


def _variables(run: xr.DataTree) -> set[str]:
    return {
        f"{node.path.strip('/')}/{name}".lstrip("/")
        for node in run.subtree
        for name in node.to_dataset(False).variables
    }


def _unequal(name: str, *runs: xr.DataTree) -> Iterator[Unequal]:
    found = [_variable(run, name) for run in runs]
    present = [each for each in found if each is not None]
    if len(present) < len(found):
        yield Unequal(name, f"only in {access.source(runs[0 if found[0] is not None else 1])}")
        return
    first, second = present
    if (first.dims, first.shape, first.dtype) != (second.dims, second.shape, second.dtype):
        yield Unequal(name, f"{_shape(first)} and {_shape(second)}")
        return
    yield from _of_values(name, first, second)


def _variable(run: xr.DataTree, name: str) -> xr.DataArray | None:
    path, _, variable = name.rpartition("/")
    node = access.group(run, path) if path else run
    return access.variable(node, variable) if node is not None and variable in node.variables else None


def _of_values(name: str, first: xr.DataArray, second: xr.DataArray) -> Iterator[Unequal]:
    """The largest difference of two arrays, read block by block."""
    largest, size, same, missing = 0.0, 0.0, True, False
    for block in blocks(first.shape, [1] * first.ndim, BLOCK_NUMBERS):
        left, right = (np.asarray(values[block].values) for values in (first, second))
        if left.tobytes() == right.tobytes():
            continue
        same = False
        if left.dtype.kind not in "iufb":
            yield Unequal(name, "other values")
            return
        left, right = left.astype(float), right.astype(float)
        missing |= not np.array_equal(np.isfinite(left), np.isfinite(right))
        both = np.isfinite(left) & np.isfinite(right)
        largest = max(largest, float(np.max(np.abs(left - right), where=both, initial=0)))
        size = max(size, *(float(np.max(np.abs(values), where=both, initial=0)) for values in (left, right)))
    if not same:
        yield Unequal(name, "other values are missing or infinite" if missing else "", largest, size)


def _shape(array: xr.DataArray) -> str:
    sizes = " × ".join(f"{size:,} {dimension}" for dimension, size in array.sizes.items())
    return f"{array.dtype} {sizes}".rstrip()


def _in_words(unequal: Unequal) -> str:
    if unequal.largest is None:
        return unequal.reason
    difference = f"differs by at most {unequal.largest:.3g}, of values up to {unequal.size:.3g}"
    return f"{difference}; {unequal.reason}" if unequal.reason else difference


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
