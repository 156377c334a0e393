"""The version of the format of a run file: what this version reads, and what it says of a newer file.

A version is two numbers, such as 1.1. The second one grows with every addition: what an earlier file holds is still
found in its place, and means the same. The first one grows with every other change. docs/run-file.md specifies the
format; the attributes named here are at the root of a file in every version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from neuro_mpc.errors import RunFileError

VERSION, WRITER = "format_version", "neuro_mpc_version"
CURRENT, FIRST = (1, 2), (1, 0)  # files of neuro_mpc 0.1 have the first one, and do not say so
GROUPS = frozenset(
    ("learning", "evaluation", "answers", "synapses", "precision", "neural", "stimulus", "generation", "experiment")
)
NUMBERS = re.compile(r"(\d{1,6})\.(\d{1,6})")


def as_text(version: tuple[int, int] = CURRENT) -> str:
    return ".".join(map(str, version))


def version_of(path: Path, attributes: Mapping[Any, Any]) -> tuple[int, int]:
    """The version that the root attributes of a run file state; RunFileError where they state none that can be."""
    stated = attributes.get(VERSION, as_text(FIRST))
    numbers = NUMBERS.fullmatch(stated) if isinstance(stated, str) else None
    if numbers is None:
        found = f"{str(stated)[:80]!r}"
        raise RunFileError(f"{path}: the attribute {VERSION} is {found}, not two numbers, such as {as_text()}")
    return int(numbers[1]), int(numbers[2])


def refuse_unknown(path: Path, attributes: Mapping[Any, Any]) -> None:
    """RunFileError for a run file whose contents may lie elsewhere, or mean something else, than this version knows."""
    if WRITER in attributes and (version := version_of(path, attributes))[0] > CURRENT[0]:
        raise RunFileError(
            f"{path} is a run file of format {as_text(version)}; this version of neuro_mpc reads formats up to "
            f"{CURRENT[0]}",
            hint=_writer(attributes),
        )


def refuse_newer(path: Path, attributes: Mapping[Any, Any]) -> None:
    """RunFileError for a run file to which this version cannot add what belongs there."""
    if (version := version_of(path, attributes)) > CURRENT:
        raise RunFileError(
            f"{path} is a run file of format {as_text(version)}; this version of neuro_mpc writes format {as_text()}",
            hint=f"{_writer(attributes)}, or --overwrite to start again",
        )


def unread(path: Path, attributes: Mapping[Any, Any], groups: Iterable[str]) -> str:
    """What to tell of a file with additions that this version does not know; "" of any other.

    groups  names of the groups at its root
    """
    if WRITER not in attributes or (version := version_of(path, attributes)) <= CURRENT:
        return ""
    strange = sorted(set(groups) - GROUPS)
    additions = f"the {'group' if len(strange) == 1 else 'groups'} {', '.join(strange)}" if strange else "additions"
    return (
        f"{path} is a run file of format {as_text(version)}, and this version of neuro_mpc knows {as_text()}: "
        f"{additions} may not be analysed, drawn or reported; all else means what it did ({_writer(attributes)})"
    )


def _writer(attributes: Mapping[Any, Any]) -> str:
    return f"neuro_mpc {str(attributes.get(WRITER, 'of a later version'))[:80]}, which wrote it"
