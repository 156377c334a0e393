"""The base of every table of a description: closed, immutable, with errors that name the key.

Pydantic checks types and ranges; here its errors become DescriptionErrors with found, expected and hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Self,
    TypeGuard,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
)

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from neuro_mpc.descriptions.docstrings import docstring_of, meanings_of, signature_of
from neuro_mpc.descriptions.other_names import known_name
from neuro_mpc.descriptions.plugins import Registry
from neuro_mpc.descriptions.toml_text import parse_toml, to_toml
from neuro_mpc.descriptions.values import FixedDict, plain, refuse_change
from neuro_mpc.errors import DescriptionError, did_you_mean

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
LARGEST_NUMBER = 1e300

Count = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]

LIMITS = {
    "gt": "above",
    "ge": "at least",
    "lt": "below",
    "le": "at most",
    "min_length": "items or more:",
    "max_length": "items or fewer:",
}


Entry = TypeVar("Entry")
# A tuple in Python, a list in TOML; both accepted.
Listed = Annotated[tuple[Entry, ...], Field(strict=False)]


def problem(text: str, *, expected: str = "", hint: str = "") -> PydanticCustomError:
    """An error for validators of values to raise; what was found and its key are added by the table."""
    return PydanticCustomError("description", "{problem}", {"problem": text, "expected": expected, "hint": hint})


def formula(value: object) -> str | float:
    """A validator: the text of an expression, or a finite number."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LARGEST_NUMBER:
        raise problem("is neither an expression nor a finite number", expected='such as 0.1 or "normal(0, 1)"')
    return float(value)


Formula = Annotated[str | float, PlainValidator(formula)]


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class _CheckedType(type(BaseModel)):
    def __dir__(cls) -> list[str]:
        # What `help` and editors list: of pydantic's own methods none is needed.
        return [name for name in super().__dir__() if not (hasattr(BaseModel, name) or name.startswith("_"))]

    if not TYPE_CHECKING:  # type checkers and editors take the arguments from the fields
        # Python code gets the same errors as a file. Pydantic builds nested tables without this call,
        # so the outermost table reports all the problems with their whole path.
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            construct = super().__call__
            if args:
                raise DescriptionError(
                    f"{cls.__name__} takes keys and values, not a list of values",
                    found=args[0],
                    expected=", ".join(f"{name}=…" for name in cls.model_fields),
                )
            if is_open(cls):
                return _validated(cls, "", lambda: cls.model_validate(plain(kwargs)), called=True)
            values = {name: plain(value) for name, value in kwargs.items()}
            return _validated(cls, "", lambda: construct(**values), called=not cls.whole)


class Table(BaseModel, metaclass=_CheckedType):
    """A table of a description: unknown keys are refused, fields cannot be changed."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        populate_by_name=True,
        validate_default=True,
    )
    whole: ClassVar[bool] = False  # a description of its own, not a part of one
    __meanings__: ClassVar[dict[str, str]] = {}  # key → what the docstring says of it

    @classmethod
    def __pydantic_init_subclass__(cls, **keywords: Any) -> None:
        super().__pydantic_init_subclass__(**keywords)
        cls.__meanings__ = meanings_of(cls)
        cls.__doc__ = docstring_of(cls, cls.__meanings__)
        cls.__signature__ = signature_of(cls)

    @classmethod
    def from_tables(cls, tables: Mapping[str, object], source: str = "") -> Self:
        """The checked description of nested dicts, as TOML gives them.

        Parameters
        ----------
        tables : mapping of str to object
            Keys of the TOML file and their values.
        source : str, optional
            Where the tables come from, for messages.

        Returns
        -------
        Table
            An instance of the class.

        Raises
        ------
        DescriptionError
            The tables do not fit; all problems are listed.
        """
        return _validated(cls, source, lambda: cls.model_validate(plain(tables), context={"source": source}))

    @classmethod
    def from_toml(cls, text: str, source: str = "") -> Self:
        """The checked description of a TOML text.

        Parameters
        ----------
        text : str
            The TOML.
        source : str, optional
            Where the text comes from, for messages.

        Returns
        -------
        Table
            An instance of the class.

        Raises
        ------
        DescriptionError
            The text is no TOML, or does not fit; all problems are listed.
        """
        return cls.from_tables(parse_toml(text, source), source)

    @model_validator(mode="after")
    def _fixed(self) -> Self:
        values = vars(self)
        values.update({name: FixedDict(value) for name, value in values.items() if isinstance(value, dict)})
        return self

    def __dir__(self) -> list[str]:
        return sorted({*type(self).model_fields, *dir(type(self))})

    def __setattr__(self, name: str, value: object) -> None:
        refuse_change(type(self).__name__, name, value)

    def __delattr__(self, name: str) -> None:
        refuse_change(type(self).__name__, name)

    def tables(self) -> dict[str, Any]:
        """The description as nested dicts with the names of the TOML file.

        Returns
        -------
        dict of str to object
            Keys and values; those that are not set are left out.
        """
        return self.model_dump(by_alias=True, exclude_none=True)

    def to_toml(self) -> str:
        """The description as TOML, defaults written out.

        Returns
        -------
        str
            The text from which `from_toml` makes an equal description.
        """
        return to_toml(self.tables())


def is_open(table: type[Table]) -> TypeGuard[type[OpenTable]]:
    """Whether a class stands for all the forms of an open table; it has no instances itself."""
    return "registry" in vars(table)


class OpenTable(Table):
    """A table of several forms, chosen by a tag, to which other packages add theirs.

    Its direct subclass is the type of a field, which takes every form: a subclass of that in turn, with a `Literal`
    of its name as the tag.  What is registered under the name has the form as its attribute `table`.

    registry     where the forms are found
    tag          the key that chooses one
    default_tag  the form of a table without the key; "": the key is required
    """

    registry: ClassVar[Registry[Any]]
    tag: ClassVar[str]
    default_tag: ClassVar[str] = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(cls._of_a_form) if is_open(cls) else handler(source)

    @classmethod
    def forms(cls) -> tuple[type[Self], ...]:
        """The tables of all that is registered."""
        return tuple(cls.registry.get(name).table for name in cls.registry.names())

    @classmethod
    def descriptions(cls) -> dict[str, str]:
        """name → first line of the docstring of every form."""
        forms = zip(cls.registry.names(), cls.forms(), strict=True)
        return {name: next(iter((form.__doc__ or "").strip().splitlines()), "") for name, form in forms}

    @classmethod
    def _of_a_form(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping) and cls.default_tag:
            value = {cls.tag: cls.default_tag, **value}
        name = value.get(cls.tag) if isinstance(value, Mapping) else None
        if isinstance(name, str) and (failure := cls.registry.failure(name)) and name not in cls.registry.names():
            raise problem(failure, hint="repair or uninstall the package that provides it")
        return _any_of(cls.forms(), cls.tag).validate_python(value, context=info.context)


@cache
def _any_of(forms: tuple[type[Table], ...], tag: str) -> TypeAdapter[Any]:
    if len(forms) == 1:
        return TypeAdapter(forms[0])
    union: Any = reduce(or_, forms)
    # Made of what is registered, so that no reader of the code can know the type.
    form = Annotated[union, Field(discriminator=tag)]  # pyright: ignore[reportInvalidTypeForm]
    return TypeAdapter(form)  # pyright: ignore[reportArgumentType]


def _validated(model: type[Table], source: str, make: Any, called: bool = False) -> Any:
    """What `make` gives, with the errors of descriptions; those of a part that is `called` in Python name it."""
    try:
        return make()
    except ValidationError as error:
        problems = [_description_error(model, details) for details in error.errors(include_url=False)]
        for problem in problems if called else ():
            _name_arguments(problem, model)
        raise DescriptionError.collect(problems, source) from None
    except DescriptionError as error:
        for problem in error.problems:
            problem.source = problem.source or source
        error.source = error.source or source
        raise


def fields(model: type[Table]) -> dict[str, Any]:
    """key in TOML → annotation of the fields of a table."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def inner(annotation: Any, value: object) -> Any:
    """What a field holds: its Table class, the annotation of a dict's values in a 1-tuple, None for a value.

    `value` chooses among the forms of an open table.
    """
    options = (annotation, *get_args(annotation))
    if dicts := [option for option in options if get_origin(option) is dict]:
        return (get_args(dicts[0])[1],)
    table = next((option for option in options if isinstance(option, type) and issubclass(option, Table)), None)
    if table is None or not is_open(table):
        return table
    name = value.get(table.tag, table.default_tag) if isinstance(value, Mapping) else table.default_tag
    return next((form for form in table.forms() if name in _names(form, table.tag)), None)


def open_table(annotation: Any) -> type[OpenTable] | None:
    """The open table that a field takes, if it takes one."""
    options = (option for option in (annotation, *get_args(annotation)) if isinstance(option, type))
    return next((option for option in options if issubclass(option, OpenTable) and is_open(option)), None)


def _names(form: type[Table], tag: str) -> tuple[str, ...]:
    """Those that choose a form of an open table."""
    return get_args(fields(form)[tag])


def _description_error(model: type[Table], details: Any) -> DescriptionError:
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
    if isinstance(value, Table):
        value = type(value).__name__
    value = None if kind == "missing" or isinstance(value, dict) else value
    return DescriptionError(text, key=key, found=value, expected=expected, hint=hint)


def _name_arguments(problem: DescriptionError, model: type[Table]) -> None:
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
            if isinstance(table, type) and issubclass(table, Table) and is_open(table)
            for form in table.forms()
            for name in _names(form, table.tag)
        }
        if part in options:
            schema = options[part]
            continue
        table = _table_in(schema)
        known = list(fields(table)) if table else []
        keys.append(_alias(table, part) if table else part)
        schema = fields(table).get(keys[-1]) if table else (get_args(schema) or (None,))[-1]
    return keys, known


def _table_in(annotation: Any) -> type[Table] | None:
    """The table that a field takes, perhaps besides words."""
    options = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return next((each for each in options if isinstance(each, type) and issubclass(each, Table)), None)


def _alias(table: type[Table], name: str) -> str:
    field = table.model_fields.get(name)
    return field.alias if field and field.alias else name
