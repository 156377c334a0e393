"""Values set by dotted keys: put into the tables of a description, refused where a key names nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args, get_origin

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.other_names import known_name
from neuro_mpc.descriptions.structure import fields, inner, open_table
from neuro_mpc.descriptions.tables import Table
from neuro_mpc.errors import DescriptionError

# Mutually exclusive keys: setting one removes the other.
ALTERNATIVES = [
    ("learning.epochs", "learning.presentations"),
    ("learning.schedule.every", "learning.schedule.every_presentations"),
]


def overridden(model: type[Table], tables: Mapping[str, Any], overrides: Mapping[str, object]) -> dict[str, Any]:
    """A copy of the tables of a description with other values, set in their order.

    Raises DescriptionError for a key that names nothing, and for a table that would replace a value set before it.
    """
    if pair := first_replaced(overrides):
        earlier, later = (f"{prefix(model)}.{key}" for key in pair)
        raise DescriptionError(
            f"would be replaced by {later}, which is set after it",
            source="--set",
            key=earlier,
            hint=f"{later} first, or one of them alone",
        )
    new = copy.deepcopy(dict(tables))
    if "learning" in fields(model):
        _without_alternatives(new, overrides)
    _without_other_kinds(model, new, overrides)
    for key, value in overrides.items():
        _set(model, new, key, value)
    return new


def first_replaced(keys: Iterable[str]) -> tuple[str, str] | None:
    """The first of the dotted keys that a later one would replace, which is the same or a table that it is in, and that
    one; None where each keeps its value."""
    given = list(keys)
    for place, earlier in enumerate(given):
        for later in given[place + 1 :]:
            if f"{earlier}.".startswith(f"{later}."):
                return earlier, later
    return None


def excluded(key: str) -> str | None:
    """The key of a protocol, with its `protocol.`, that setting this one removes."""
    for pair in ALTERNATIVES:
        for one, other in (pair, pair[::-1]):
            if key == f"protocol.{one}":
                return f"protocol.{other}"
    return None


def prefix(model: type[Table]) -> str:
    """How the keys of a kind of description begin on the command line."""
    return "circuit" if model is Circuit else "protocol"


def _without_alternatives(tables: Mapping[str, Any], overrides: Mapping[str, object]) -> None:
    for pair in ALTERNATIVES:
        for key, other in (pair, pair[::-1]):
            if key in overrides and other not in overrides:
                _remove(tables, other)


def _without_other_kinds(model: type[Table], tables: dict[str, Any], overrides: Mapping[str, object]) -> None:
    """Another source of stimuli, kind of experiment or scheme keeps the keys that all have, and begins with its own."""
    for key, value in overrides.items():
        table, _, tag = key.rpartition(".")
        current, kinds = tables.get(table, {}), open_table(fields(model).get(table))
        if not kinds or tag != kinds.tag or not isinstance(current, dict) or current.get(tag) == value:
            continue
        if inner(kinds, {tag: value}):
            common = {name: entry for name, entry in current.items() if name in fields(kinds)}
            tables[table] = {**common, tag: value}


def _set(model: type[Table], tables: dict[str, Any], key: str, value: object) -> None:
    """Sets a dotted key; every table on the path must be one of the description, or one that was left out."""
    table, schema = tables, model
    *parents, last = key.split(".")
    for depth, part in enumerate(parents):
        path = f"{prefix(model)}.{'.'.join(parents[: depth + 1])}"
        _require(schema, table, part, path, may_be_new=False)
        annotation, schema = _within(schema, part, table.get(part))
        if _is_word(annotation, table.get(part)):
            table[part] = {}
        table = table.setdefault(part, {})
        if schema is None and isinstance(table, dict):
            _refuse_unknown_form(annotation, table, path)
        if schema is None or not isinstance(table, dict):
            raise DescriptionError("is a value, not a table", source="--set", key=path, hint=f"{path}=VALUE")
    _require(schema, table, last, f"{prefix(model)}.{key}", may_be_new=isinstance(value, (Mapping, Table)))
    table[last] = value.tables() if isinstance(value, Table) else value


def _remove(tables: Mapping[str, Any], key: str) -> None:
    """Removes a dotted key if present."""
    *parents, last = key.split(".")
    table: Any = tables
    for part in parents:
        table = table.get(part) if isinstance(table, dict) else None
    if isinstance(table, dict):
        table.pop(last, None)


def _require(schema: Any, table: Mapping[str, Any], part: str, path: str, may_be_new: bool) -> None:
    """Refuses a part of a key that names no field of a table, and no entry of a table of named tables."""
    if not isinstance(schema, tuple):
        known = list(fields(schema))
    elif isinstance(schema[0], type):
        known = list(table)
    else:
        known = [part]
    if part not in known and not (may_be_new and isinstance(schema, tuple)):
        raise DescriptionError(
            "unknown key",
            source="--set",
            key=path,
            found=part,
            expected=", ".join(known),
            hint=known_name(part, known),
        )


def _refuse_unknown_form(annotation: Any, table: Mapping[str, Any], path: str) -> None:
    """Refuses the source, kind, scheme or optimiser of a table if nothing has its name."""
    if kinds := open_table(annotation):
        try:
            kinds.registry.get(table.get(kinds.tag, kinds.default_tag))
        except DescriptionError as error:
            error.source, error.key = "--set", f"{path}.{kinds.tag}"
            raise


def _is_word(annotation: Any, value: object) -> bool:
    """Whether a value is a word in whose place a field takes a table, such as "all"."""
    return any(value in get_args(option) for option in get_args(annotation) if get_origin(option) is Literal)


def _within(schema: Any, part: str, value: object) -> tuple[Any, Any]:
    """The annotation of a part of a key, and what it holds where it has this value."""
    annotation = schema[0] if isinstance(schema, tuple) else fields(schema)[part]
    return annotation, inner(annotation, value)
