"""Writes docs/keys.md: every key of a circuit and of a protocol, from the tables that check them.

    python docs/make_keys.py

Types, limits and defaults are those of the fields; meanings are in the docstrings of the tables.
"""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from neuro_mpc.descriptions import circuit, circuit_tables, connections, learning, protocol
from neuro_mpc.descriptions.docstrings import SIGNS, unit_of
from neuro_mpc.descriptions.experiments import ExperimentTable
from neuro_mpc.descriptions.inference import Inference
from neuro_mpc.descriptions.learning import Learning
from neuro_mpc.descriptions.sources import StimulusTable
from neuro_mpc.descriptions.tables import OpenTable, Table

PAGE = Path(__file__).with_name("keys.md")
HEAD = """# Every key

All keys of a circuit and of a protocol. On the command line, `--set circuit.population.hidden.size=50` and
`--set protocol.learning.epochs=3` set one; `neuro-mpc list` shows the files to start from. Unknown keys are refused
with the nearest known one. Expressions are described in [synapse types](guides/own-synapse.md). A key without
a default is required, unless its meaning says what holds without it.

This page is written by `python docs/make_keys.py`.
"""
NAMES = {int: "whole number", float: "number", bool: "true or false", str: "text"}
HEADING = ["| key | type | default | unit | meaning |", "|---|---|---|---|---|"]


def page() -> str:
    """The text of the page."""
    parts = [HEAD, "## A circuit\n", *_sections(CIRCUIT), "## A protocol\n", *_sections(PROTOCOL)]
    return "\n".join(parts)


CIRCUIT: list[tuple[str, type[Table]]] = [
    ("", circuit.Circuit),
    ("population.NAME", circuit_tables.Population),
    ("population.NAME.precision", circuit_tables.LearnedPrecision),
    ("population.NAME.errors", circuit_tables.SplitErrors),
    ("projection.NAME", circuit_tables.Projection),
    ("projection.NAME.connect", connections.Connect),
    ("synapse.NAME", circuit_tables.SynapseType),
    ("synapse.NAME.parameter.NAME", circuit_tables.Parameter),
]
PROTOCOL: list[tuple[str, type[Table]]] = [
    ("", protocol.Protocol),
    ("stimulus", StimulusTable),
    ("target", protocol.Target),
    ("inference", Inference),
    ("learning", Learning),
    ("learning.schedule", learning.Schedule),
    ("test", protocol.Test),
    ("recording", protocol.Recording),
    ("experiment", ExperimentTable),
]


def _sections(tables: list[tuple[str, type[Table]]]) -> Iterator[str]:
    for key, table in tables:
        yield f"### {f'`[{key}]`' if key else 'The file itself'}\n"
        yield f"{_summary(table)}{_default_form(table)}\n\n{_rows(table)}".rstrip("\n") + "\n"
        if issubclass(table, OpenTable):
            shared = set(_lines(table))
            for form in table.forms():
                name = form.model_fields[table.tag].default
                own = [line for line in _lines(form) if line not in shared]
                yield f'#### `{table.tag} = "{name}"`\n\n{_summary(form)}\n\n{_in_table(own)}'.rstrip("\n") + "\n"


def _summary(table: type[Table]) -> str:
    """The first paragraph of the docstring."""
    return " ".join(inspect.cleandoc(table.__doc__ or "").partition("\n\n")[0].replace("``", "`").split())


def _default_form(table: type[Table]) -> str:
    """The form of an open table whose tag is not given."""
    if not issubclass(table, OpenTable):
        return ""
    if not table.default_tag:
        return f" `{table.tag}` is required."
    return f' By default, `{table.tag} = "{table.default_tag}"`.'


def _rows(table: type[Table]) -> str:
    return _in_table(list(_lines(table)))


def _in_table(lines: list[str]) -> str:
    """Rows below their heading; nothing where there are none."""
    return "\n".join([*HEADING, *lines]) + "\n" if lines else ""


def _lines(table: type[Table]) -> Iterator[str]:
    """A row for each key of a table, its tag aside."""
    tags = {each.tag for each in table.__mro__ if issubclass(each, OpenTable) and hasattr(each, "tag")}
    for name, field in table.model_fields.items():
        if name in tags:
            continue
        key = field.alias or name
        meaning = table.__meanings__.get(key, "").replace("``", "`")
        cells = (f"`{key}`", _type(field), _default(field), unit_of(table, name), meaning)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(field: FieldInfo) -> str:
    return _limited(_named(field.annotation), field.metadata)


def _limited(named: str, metadata: Iterable[Any]) -> str:
    limits = [
        f"{sign} {_number(value)}"
        for each in metadata
        for name, sign in SIGNS.items()
        if (value := getattr(each, name, None)) is not None
    ]
    return " and ".join([f"{named} {limits[0]}", *limits[1:]]) if limits else named


def _constraints(metadata: Iterable[Any]) -> Iterator[Any]:
    for each in metadata:
        yield from each.metadata if isinstance(each, FieldInfo) else [each]


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _named(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        inner, *metadata = get_args(kind)
        return _limited(_named(inner), _constraints(metadata))
    if get_origin(kind) is Literal:
        return ", ".join(f'`"{each}"`' for each in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_named(each) for each in get_args(kind) if each is not type(None)))
    if get_origin(kind) is tuple:
        return f"list of {_plural(get_args(kind)[0])}"
    if get_origin(kind) is dict or kind is dict or (isinstance(kind, type) and issubclass(kind, Table)):
        return "table"
    return NAMES.get(kind, getattr(kind, "__name__", str(kind)))


def _plural(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        inner, *metadata = get_args(kind)
        return _limited(_plural(inner), _constraints(metadata))
    if get_origin(kind) is tuple:
        return "pairs"
    return f"{NAMES[kind]}s" if kind in NAMES else _named(kind)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True) if field.default_factory is None else None
    if value is None or isinstance(value, (dict, Table)):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, tuple):
        return f"`{json.dumps(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
