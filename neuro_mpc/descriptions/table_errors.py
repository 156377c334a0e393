"""Pydantic's errors of a table in words: the key, what was found, what was expected, and what to try."""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import BaseModel

from neuro_mpc.descriptions.other_names import known_name
from neuro_mpc.descriptions.structure import fields, is_open, tags_of
from neuro_mpc.errors import DescriptionError, did_you_mean

if TYPE_CHECKING:
    from neuro_mpc.descriptions.tables import Table

PROBLEMS = {
    "missing": ("is missing", ""),
    "bool_type": ("is not true or false", "true or false"),
    "int_type": ("is not a whole number", "a whole number"),
    "int_from_float": ("is not a whole number", "a whole number"),
    "float_type": ("is not a number", "a number"),
    "finite_number": ("is not finite", "a finite number"),
    "string_type": ("is not a text", 'a text in quotes, such as "name"'),
    "dict_type": ("is not a table", "a table of keys and values"),
    "model_type": ("is not a table", "a table of keys and values"),
    "model_attributes_type": ("is not a table", "a table of keys and values"),
    "tuple_type": ("is not a list", "a list, such as [1, 2]"),
    "union_tag_not_found": ("has no {discriminator}", "{discriminator} = one of the known ones"),
}
LIMITS = {
    "gt": "above",
    "ge": "at least",
    "lt": "below",
    "le": "at most",
    "min_length": "items or more:",
    "max_length": "items or fewer:",
}


def description_error(model: type[Table], details: Any) -> DescriptionError:
    """An error of pydantic with its key, what was found, what is expected, and what to try."""
    keys, known = _located(model, details["loc"])
    kind, context, key = details["type"], details.get("ctx", {}), ".".join(keys)
    if kind == "extra_forbidden":
        return DescriptionError("unknown key", key=key, expected=", ".join(known), hint=known_name(keys[-1], known))
    text, expected = PROBLEMS.get(kind, (details["msg"], ""))
    if kind == "union_tag_not_found":
        tag = context["discriminator"].strip("'")
        text, expected = (template.format(discriminator=tag) for template in (text, expected))
    hint, value = context.get("hint", ""), details["input"]
    if kind == "description":
        text, expected = context["problem"], context["expected"]
    elif kind in ("literal_error", "union_tag_invalid"):
        expected = context.get("expected") or context["expected_tags"]
        value = context.get("tag", details["input"])
        text, hint = "is not one of the known values", did_you_mean(value, _unquoted(expected))
        if kind == "union_tag_invalid":
            hint = hint or "install the package that provides it, if another one does"
        tags = [context["discriminator"].strip("'")] if "discriminator" in context else []
        key = ".".join([*keys, *tags])
    elif limits := [f"{word} {context[name]}" for name, word in LIMITS.items() if name in context]:
        text, expected = "is out of range", " and ".join(limits)
    if isinstance(value, BaseModel):
        value = type(value).__name__
    value = None if kind == "missing" or isinstance(value, dict) else value
    return DescriptionError(text, key=key, found=value, expected=expected, hint=hint)


def name_arguments(problem: DescriptionError, model: type[Table]) -> None:
    """The keys of a table that was called, as the arguments of the call."""
    names = {key: name for name, field in model.model_fields.items() if (key := field.alias or name) != name}
    key, dot, rest = problem.key.partition(".")
    problem.key = ".".join(part for part in (model.__name__, names.get(key, key) + dot + rest) if part)
    if problem.problem == "unknown key" and not dot:
        known = list(model.model_fields)
        problem.expected, problem.hint = ", ".join(known), known_name(key, known)


def _unquoted(expected: str) -> list[str]:
    return [word.strip(" '\"") for word in expected.replace(" or ", ",").split(",")]


def _located(model: Any, location: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """The keys of a pydantic location without the tags of unions, and the known keys of the last table."""
    keys, known, schema = [], [], model
    for part in map(str, location):
        options = {
            name: form
            for table in (schema, *get_args(schema))
            if isinstance(table, type) and issubclass(table, BaseModel) and is_open(table)
            for form in table.forms()
            for name in tags_of(form, table.tag)
        }
        if part in options:
            schema = options[part]
            continue
        table = _table_in(schema)
        known = list(fields(table)) if table else []
        keys.append(_alias(table, part) if table else part)
        schema = fields(table).get(keys[-1]) if table else (get_args(schema) or (None,))[-1]
    return keys, known


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """The table that a field takes, perhaps besides words."""
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return next((each for each in options if isinstance(each, type) and issubclass(each, BaseModel)), None)


def _alias(table: type[BaseModel], name: str) -> str:
    field = table.model_fields.get(name)
    return field.alias if field and field.alias else name
