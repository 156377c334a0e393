"""The base of every table of a description: closed, immutable, with errors that name the key.

Pydantic checks types and ranges; here its errors become DescriptionErrors with found, expected and hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache, reduce
from operator import or_
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Self,
    TypeVar,
    dataclass_transform,
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
from neuro_mpc.descriptions.plugins import Registry
from neuro_mpc.descriptions.structure import is_open
from neuro_mpc.descriptions.table_errors import description_error, name_arguments
from neuro_mpc.descriptions.toml_text import parse_toml, to_toml
from neuro_mpc.descriptions.values import FixedDict, plain, refuse_change
from neuro_mpc.errors import DescriptionError

LARGEST_NUMBER = 1e300

Count = Annotated[int, Field(ge=0)]
AtLeastOne = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]

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
        if isinstance(name, str):
            if (known := cls.registry.known(name)) is not None:
                with suppress(ValidationError):  # which are told as those of one of all forms
                    return _any_of((known.table,), cls.tag).validate_python(value, context=info.context)
            elif failure := cls.registry.failure(name):
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
        problems = [description_error(model, details) for details in error.errors(include_url=False)]
        for problem in problems if called else ():
            name_arguments(problem, model)
        raise DescriptionError.collect(problems, source) from None
    except DescriptionError as error:
        for problem in error.problems:
            problem.source = problem.source or source
        error.source = error.source or source
        raise
