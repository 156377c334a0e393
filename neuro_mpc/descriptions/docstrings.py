"""How a table looks from Python: its signature, and a numpydoc docstring made of its lines and of its fields.

The docstring of a table says what each of its own keys means, either in a line `key  meaning` or as numpydoc has it.
Types, limits, units and defaults are those of the fields; keys of the tables that it inherits from are put in.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
import types
from collections.abc import Iterable, Mapping
from functools import reduce
from inspect import Parameter, Signature
from operator import or_
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

LINE = re.compile(r"([a-z_0-9]+(?:, [a-z_0-9]+)*)(?: {2,}(\S.*)| : (.+))")
RULE = re.compile(r"-{3,}")
RAISES = """Raises
------
DescriptionError
    An argument is unknown, missing, of another type or out of range; all problems are listed."""
WIDTH, INDENT = 100, 4 * " "
UNITS = {
    "size": "units",
    "step_duration": "ms",
    "delay": "steps",
    "every": "presentations",
    "every_epochs": "epochs",
    "every_presentations": "presentations",
    "synapses_every": "presentations",
    "samples": "presentations",
    "presentations": "presentations",
    "epochs": "epochs",
    "warmup": "presentations",
    "iterations": "iterations",
    "batch": "trials",
    "trials": "trials",
    "subset": "trials",
    "steps": "steps",
    "length": "steps",
    "energy_limit": "nats",
    "lines": "lines",
    "vocabulary": "tokens",
    "letters": "letters",
    "generate": "letters",
    "ensemble": "networks",
    "position": "steps",
    "duration": "steps",
}
UNITS_OF_TABLES = {("Schedule", "every"): "epochs", ("Schedule", "first"): "epochs"}
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def unit_of(table: type[BaseModel], name: str) -> str:
    """The unit of a field; "" for what has none."""
    return UNITS_OF_TABLES.get((table.__name__, name), UNITS.get(name, ""))


def meanings_of(table: type[BaseModel]) -> dict[str, str]:
    """key → what its docstring says of it, of a table and of those that it inherits from."""
    inherited: dict[str, str] = {}
    for base in reversed(table.__mro__[1:]):
        inherited |= vars(base).get("__meanings__", {})
    return inherited | _parts(table)[1]


def docstring_of(table: type[BaseModel], meanings: Mapping[str, str]) -> str:
    """The docstring in the form of numpydoc, with every key of the table."""
    summary, _, rest = _parts(table)
    entries = [line for name, field in table.model_fields.items() for line in _entry(table, name, field, meanings)]
    raises = "" if "Raises\n" in rest else RAISES
    parts = [summary, "\n".join(["Parameters", "----------", *entries]) if entries else "", raises, rest]
    return "\n\n".join(part for part in parts if part) + "\n"


def signature_of(table: type[BaseModel]) -> Signature:
    """Keyword arguments by the names of the fields, with types as a reader would write them."""
    arguments = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=_default(field), annotation=bare(field.annotation))
        for name, field in table.model_fields.items()
    ]
    return Signature(arguments)


def bare(annotation: Any) -> Any:
    """A type without the checks that its values have to pass."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    arguments = tuple(bare(argument) for argument in get_args(annotation))
    if get_origin(annotation) in (Union, types.UnionType):
        return reduce(or_, arguments)
    if get_origin(annotation) in (dict, tuple, list):
        return get_origin(annotation)[arguments]
    return annotation


def _parts(table: type[BaseModel]) -> tuple[str, dict[str, str], str]:
    """What stands before the keys, key → meaning, and the sections after them."""
    head, sections = _split(inspect.cleandoc(vars(table).get("__doc__") or "").splitlines())
    before: list[str] = []
    meanings: dict[str, str] = {}
    sentences: list[str] = []
    names: list[str] = []
    for line in head:
        if found := LINE.fullmatch(line):
            names = found[1].split(", ")
            meanings |= dict.fromkeys(names, found[2] or "")
            sentences += [] if found[2] else names
        elif names and line.startswith("  "):
            meanings |= {name: f"{meanings[name]} {line.strip()}".lstrip() for name in names}
        elif line != "Parameters" and not RULE.fullmatch(line):
            names = []
            before.append(line)
    meanings |= {name: _phrase(meanings[name]) for name in sentences}
    return _paragraphs(before), meanings, "\n".join(sections)


def _split(lines: list[str]) -> tuple[list[str], list[str]]:
    """The lines before the sections of numpydoc that follow its parameters, and those sections."""
    titles = [number for number, line in enumerate(lines[1:]) if RULE.fullmatch(line)]
    first = next((number for number in titles if lines[number] != "Parameters"), len(lines))
    return lines[:first], lines[first:]


def _phrase(meaning: str) -> str:
    """A sentence without its capital and its period."""
    return (meaning[:1].lower() + meaning[1:]).removesuffix(".")


def _paragraphs(lines: Iterable[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _entry(table: type[BaseModel], name: str, field: FieldInfo, meanings: Mapping[str, str]) -> list[str]:
    alias = field.alias or name
    in_toml = "" if alias == name else f" (``{alias}`` in TOML)"
    meaning = _sentence(f"{meanings.get(alias) or meanings.get(name, '')}{in_toml}")
    unit = unit_of(table, name)
    kind = f"{_words(field)} ({unit})" if unit else _words(field)
    return [f"{name} : {kind}{_default_words(field)}", *_indented(meaning)]


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)


def _sentence(meaning: str) -> str:
    return f"{meaning[:1].upper()}{meaning[1:].removesuffix('.')}." if meaning else ""


def _words(field: FieldInfo) -> str:
    """The type of a field with its limits, as numpydoc writes it."""
    limits = [
        f"{sign} {value:,}"
        for each in _checks(field)
        for name, sign in SIGNS.items()
        if (value := getattr(each, name, None)) is not None
    ]
    return " ".join([_kind(bare(field.annotation)), " and ".join(limits)]).rstrip()


def _checks(field: FieldInfo) -> list[Any]:
    options = [field.annotation, *get_args(field.annotation)]
    nested = [
        check
        for option in options
        if get_origin(option) is Annotated
        for each in get_args(option)[1:]
        for check in (each.metadata if isinstance(each, FieldInfo) else [each])
    ]
    return [*field.metadata, *nested]


def _kind(kind: Any) -> str:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return "{" + ", ".join(json.dumps(value) for value in arguments) + "}"
    if origin in (Union, types.UnionType):
        return " or ".join(_kind(each) for each in arguments if each is not type(None))
    if origin is tuple:
        return f"sequence of {_kind(arguments[0])}"
    if origin is dict:
        return f"dict of str to {_kind(arguments[1])}"
    return getattr(kind, "__name__", str(kind))


class _Call:
    """A default that is made when it is needed: making one of a scheme imports all schemes."""

    def __init__(self, factory: Any):
        self.name = factory.__name__

    def __repr__(self) -> str:
        return f"{self.name}()"


def _default(field: FieldInfo) -> Any:
    if field.is_required():
        return Parameter.empty
    return _Call(field.default_factory) if field.default_factory else field.get_default()


def _default_words(field: FieldInfo) -> str:
    default = _default(field)
    if default is Parameter.empty:
        return ""
    shown = isinstance(default, (bool, int, float, str)) and default != ""
    return f", default: {json.dumps(default) if isinstance(default, str) else default}" if shown else ", optional"
