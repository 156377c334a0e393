"""TOML text: reading with errors that say where, and writing of nested tables."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import tomli_w

from neuro_mpc.errors import DescriptionError

LARGEST_FILE, DEEPEST = 1_000_000, 12


def read_toml(path: Path, source: str = "") -> dict[str, object]:
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


def parse_toml(text: str, source: str = "") -> dict[str, object]:
    """The tables of a TOML text; DescriptionError with line and column where it is malformed."""
    try:
        tables = tomllib.loads(text.replace("\r\n", "\n"))
        if not _is_shallow(tables):
            raise RecursionError
        return tables
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        problem = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "nested too deeply"
        raise DescriptionError(
            f"not valid TOML: {problem}",
            source=source,
            hint='texts and expressions are quoted, such as activation = "relu(r)"',
        ) from None


def _is_shallow(tables: object) -> bool:
    """Whether tables and lists are nested no more than a description needs; looked at level by level."""
    level = [tables]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return not level


def to_toml(table: Mapping[str, object]) -> str:
    """The TOML text of nested tables: values first, then one section for each table that is not empty."""
    return tomli_w.dumps(_without_empty(table))


def _without_empty(table: Mapping[str, object]) -> dict[str, object]:
    pruned = {name: _without_empty(each) if isinstance(each, Mapping) else each for name, each in table.items()}
    return {name: each for name, each in pruned.items() if each != {}}
