"""Attributes of a run, of its groups and of its variables: each has to be of the kind that runs write.

A run file may be a stranger's, or damaged: an attribute of another kind is an error that names it, wherever it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from neuro_mpc.errors import RunFileError

if TYPE_CHECKING:
    import xarray as xr

Owner: TypeAlias = "xr.DataTree | xr.Dataset | xr.DataArray"
LONGEST_SHOWN = 80
FOUND_RATE = "found_learning_rate"
DIGITS = re.compile(r"[+-]?\d{1,20}")
_REQUIRED = object()


@dataclass(frozen=True)
class Kind:
    """What an attribute has to be, in words, and whether a value is that."""

    expected: str
    holds: Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any, kinds: str = "iuf") -> bool:
    return not isinstance(value, str | bytes) and np.ndim(value) == 0 and np.asarray(value).dtype.kind in kinds


def _is_whole_number(value: Any) -> bool:
    return _is_number(value, "iu") or (isinstance(value, str) and DIGITS.fullmatch(value) is not None)


def _are_whole_numbers(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "iu" and np.size(value) > 0


TEXT, NUMBER = Kind("a text", _is_text), Kind("a number", _is_number)
WHOLE_NUMBER, WHOLE_NUMBERS = Kind("a whole number", _is_whole_number), Kind("whole numbers", _are_whole_numbers)
KINDS = {
    **dict.fromkeys(("seed", "complete", "start_presentation", "onset"), WHOLE_NUMBER),
    **dict.fromkeys(("chance", "chance_loss", "noise", "mean_weights", "step_ms", FOUND_RATE), NUMBER),
    **dict.fromkeys(("circuit", "protocol", "start_run", "warning", "kind", "counted", "of", "data_sha256"), TEXT),
    **dict.fromkeys(("against", "symbols", "flag_meanings"), TEXT),
    "transitions": WHOLE_NUMBERS,
}


def attribute(owner: Owner, name: str, default: Any = _REQUIRED) -> Any:
    """The attribute of a run, a group or a variable, or `default` where it has none.

    A whole number may be written as text, and is returned as an integer.  Raises RunFileError where the attribute is
    missing and there is no default, or is not of the kind that runs write.
    """
    try:
        return attribute_of(owner.attrs, name, default)
    except ValueError as problem:
        raise RunFileError(f"{_source(owner)}: the attribute {name}{_place(owner)} is {problem}") from None


def attribute_of(attributes: Mapping[Any, Any], name: str, default: Any = _REQUIRED) -> Any:
    """As `attribute`, of attributes whose owner is not known; ValueError says what was found and expected."""
    if name not in attributes and default is not _REQUIRED:
        return default
    value, kind = attributes.get(name, "missing"), KINDS[name]
    if name not in attributes or not kind.holds(value):
        found = f"{str(value)[:LONGEST_SHOWN]!r}" if name in attributes else value
        raise ValueError(f"{found}, not {kind.expected}")
    return int(value) if kind is WHOLE_NUMBER else value


def checked(group: xr.Dataset) -> xr.Dataset:
    """A group of a run, once what is known of its attributes and those of its variables is of the right kind."""
    for part in (group, *(group[name] for name in group.variables)):
        for name in KINDS.keys() & part.attrs.keys():
            attribute(part, name)
    return group


def _source(owner: Owner) -> str:
    """The path of the file, as far as it is known."""
    import xarray as xr  # takes a second to import, which those who only write files do without

    encoding = owner.root.encoding if isinstance(owner, xr.DataTree) else owner.encoding
    return encoding.get("source") or "this run"


def _place(owner: Owner) -> str:
    import xarray as xr

    name = owner.path.strip("/") if isinstance(owner, xr.DataTree) else getattr(owner, "name", "")
    return f" of {name}" if name else ""
