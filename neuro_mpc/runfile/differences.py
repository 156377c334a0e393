"""In what the provenance of two runs differs: circuits and protocols key by key, everything else as text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.errors import DescriptionError

SHOWN_LINES = 8
ABSENT = "nothing"


class Difference(NamedTuple):
    """A key, or an attribute, with its two values as text; without them where a description cannot be read."""

    name: str
    before: str | None = None
    now: str | None = None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.name} cannot be read"
        return f"{self.name} was {self.before}, is {self.now}"


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """What differs between the texts of two runs, of which `circuit` and `protocol` are TOML."""
    return [
        difference
        for name in dict.fromkeys([*before, *now])
        for difference in _differing(name, before.get(name, ABSENT), now.get(name, ABSENT))
    ]


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs, a line each: ``protocol.learning.rate was 0.1, is 0.5``."""
    return list(map(str, differing(before, now)))


def as_lines(lines: list[str]) -> str:
    """The first of the differences, indented, for an error."""
    selected = lines[:SHOWN_LINES]
    if len(lines) > SHOWN_LINES:
        selected.append(f"and {len(lines) - SHOWN_LINES} more")
    return "".join(f"\n    {line}" for line in selected)


def _differing(name: str, before: str, now: str) -> Iterator[Difference]:
    if before == now:
        return
    if name not in ("circuit", "protocol"):
        yield Difference(name, before, now)
        return
    try:
        old, new = (dict(_flat(name, _tables(name, text))) for text in (before, now))
    except (ValueError, RecursionError):  # from a file that is damaged, or a stranger's
        yield Difference(name)
        return
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            yield Difference(key, *(repr(side[key]) if key in side else ABSENT for side in (old, new)))


def _tables(name: str, text: str) -> dict[str, object]:
    """The tables of a circuit or a protocol, with the defaults of keys that an earlier version did not write."""
    tables, kind = tomllib.loads(text), Circuit if name == "circuit" else Protocol
    with suppress(DescriptionError):  # of a source that is not installed, or a stranger's
        tables = tomllib.loads(kind.from_tables(tables, name).to_toml())
    return tables


def _flat(path: str, table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{path}.{name}", value)
        else:
            yield f"{path}.{name}", value
