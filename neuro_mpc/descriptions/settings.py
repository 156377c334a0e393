"""Values as the command line writes them."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_origin

from neuro_mpc.descriptions.structure import fields, is_open
from neuro_mpc.descriptions.tables import Table
from neuro_mpc.descriptions.toml_text import is_long_integer

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
NO_VALUES = (datetime.date, datetime.time)  # no field holds one: what looks like a date is a text


def written_value(text: str) -> object:
    """The value of a text: one of TOML, a number as Python writes it (``.5``), else the text."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # ValueError: no TOML, or an integer of thousands of digits
        return float(text) if NUMBER.fullmatch(text) else text
    # More than one key: the text had a line break, so it was no value.
    if set(parsed) != {"value"} or isinstance(parsed["value"], NO_VALUES) or is_long_integer(parsed["value"]):
        return text
    return parsed["value"]


def takes_text(model: type[Table], path: Sequence[str]) -> bool:
    """Whether the field of a dotted path holds a text, in every table that the path may mean."""
    annotations: list[Any] = [model]
    for part in path:
        annotations = [inner for annotation in annotations for inner in _fields_named(annotation, part)]
    return bool(annotations) and all(_is_text(annotation) for annotation in annotations)


def _fields_named(annotation: Any, part: str) -> Iterator[Any]:
    """The annotations of the fields called `part` in whatever tables an annotation allows."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        for form in annotation.forms() if is_open(annotation) else [annotation]:
            yield from [field for name, field in fields(form).items() if name == part]
    elif get_origin(annotation) is dict:
        yield get_args(annotation)[1]
    else:
        for option in get_args(annotation):
            yield from _fields_named(option, part)


def _is_text(annotation: Any) -> bool:
    return annotation is str or set(get_args(annotation)) == {str, type(None)}
