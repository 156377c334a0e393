"""What the tables of a description hold: their keys, the tables in them, and the forms of open ones.

A table is whatever pydantic makes a model of; `tables` gives all of them their base.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard, get_args, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    from neuro_mpc.descriptions.tables import OpenTable


def is_open(table: type[BaseModel]) -> TypeGuard[type[OpenTable]]:
    """Whether a class stands for all the forms of an open table; it has no instances itself."""
    return "registry" in vars(table)


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """key in TOML → annotation of the fields of a table."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def inner(annotation: Any, value: object) -> Any:
    """What a field holds: its Table class, the annotation of a dict's values in a 1-tuple, None for a value.

    `value` chooses among the forms of an open table.
    """
    options = (annotation, *get_args(annotation))
    if dicts := [option for option in options if get_origin(option) is dict]:
        return (get_args(dicts[0])[1],)
    table = next((option for option in options if isinstance(option, type) and issubclass(option, BaseModel)), None)
    if table is None or not is_open(table):
        return table
    name = value.get(table.tag, table.default_tag) if isinstance(value, Mapping) else table.default_tag
    return next((form for form in table.forms() if name in tags_of(form, table.tag)), None)


def open_table(annotation: Any) -> type[OpenTable] | None:
    """The open table that a field takes, if it takes one."""
    options = (option for option in (annotation, *get_args(annotation)) if isinstance(option, type))
    return next((option for option in options if issubclass(option, BaseModel) and is_open(option)), None)


def tags_of(form: type[BaseModel], tag: str) -> tuple[str, ...]:
    """Those that choose a form of an open table."""
    return get_args(fields(form)[tag])
