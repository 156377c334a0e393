"""TOML text: reading with errors that say where, and writing of nested tables."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from neuro_mpc.errors import DescriptionError

LARGEST_FILE, DEEPEST, LARGEST_BITS = 1_000_000, 12, 4096
QUOTED = 'texts and expressions are quoted, such as activation = "relu(r)"'
TWICE = "one table of each name, with all of its keys"
TOLD_TWICE = re.compile("twice|overwrite|duplicate", re.IGNORECASE)
LONG_INTEGER = "an integer with more digits than any number here can have"


def read_toml(path: Path, source: str = "") -> dict[str, Any]:
    """The tables of a TOML file; DescriptionError where it is missing, unreadable, too large or not TOML."""
    source = source or str(path)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DescriptionError(f"cannot be read: {reason}", source=source) from None
    if len(content) > LARGEST_FILE:
        raise DescriptionError("too large for a description", source=source, expected="at most a megabyte of TOML")
    try:
        return parse_toml(content.decode("utf-8-sig"), source)
    except UnicodeDecodeError:
        raise DescriptionError("not a text file in UTF-8", source=source, expected="a TOML file") from None


def parse_toml(text: str, source: str = "") -> dict[str, Any]:
    """The tables of a TOML text; DescriptionError with line and column where it is malformed."""
    try:
        tables = tomllib.loads(text.replace("\r\n", "\n"))
        _refuse_unwieldy(tables)
        return tables
    except (ValueError, RecursionError) as error:  # ValueError: Python reads no integers of thousands of digits
        problem = str(error) if isinstance(error, (tomllib.TOMLDecodeError, _UnwieldyError)) else ""
        problem = problem or (LONG_INTEGER if isinstance(error, ValueError) else "nested too deeply")
        raise DescriptionError(
            f"not valid TOML: {problem}",
            source=source,
            hint=TWICE if TOLD_TWICE.search(problem) else QUOTED,
        ) from None


class _UnwieldyError(ValueError):
    """Tables of TOML that no description needs, and Python stumbles over."""


def is_long_integer(value: object) -> bool:
    """Whether a value is an integer that no float is as large as; Python does not even print the longest ones."""
    return isinstance(value, int) and value.bit_length() > LARGEST_BITS


def _refuse_unwieldy(tables: object) -> None:
    """Tables and lists are nested no more than a description needs, and integers are numbers; looked at by levels."""
    level = [tables]
    for _ in range(DEEPEST):
        if any(is_long_integer(value) for value in level):
            raise _UnwieldyError(LONG_INTEGER)
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    if level:
        raise _UnwieldyError("nested too deeply")


def to_toml(table: Mapping[str, object]) -> str:
    """The TOML text of nested tables: values first, then one section for each table that is not empty."""
    return tomli_w.dumps(_without_empty(table))


def _without_empty(table: Mapping[str, object]) -> dict[str, object]:
    pruned = {name: _without_empty(value) if isinstance(value, Mapping) else value for name, value in table.items()}
    return {name: value for name, value in pruned.items() if value != {}}
