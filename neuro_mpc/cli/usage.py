"""Usage errors of the command line, told as all other errors are: where, what was found, what was expected, what to do.

The library that parses the command line raises an error that knows the parameter; what the parameter takes is read from
the signature of the command.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperGroup

from neuro_mpc.errors import DescriptionError, did_you_mean
from neuro_mpc.runs.terminal import mention
from neuro_mpc.spelling import command_line

UsageError: Any = typer.BadParameter.__base__
NUMBERS = {int: "a whole number", float: "a number"}
EXTRA = re.compile(r"unexpected extra arguments?(?:\(s\))? \((.*)\)")


class Told(UsageError):
    """A usage error in our words."""

    def __init__(self, error: DescriptionError, context: Any):
        super().__init__(str(error), context)

    def show(self, file: Any = None) -> None:
        mention(f"neuro-mpc: {self.message}", file or sys.stderr)


class Command(TyperCommand):
    """A command whose usage errors are in our words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        with usage_errors_told(ctx, given):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with usage_errors_told(ctx):
            return super().invoke(ctx)


class Commands(TyperGroup):
    """The commands of the package, with the nearest one for a name that none has."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        with usage_errors_told(ctx, given):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands:
            hint = did_you_mean(args[0], self.commands) or "neuro-mpc --help"
            with command_line():
                raise Told(
                    DescriptionError("not a command", found=args[0], expected=", ".join(self.commands), hint=hint), ctx
                )
        return super().resolve_command(ctx, args)


@contextmanager
def usage_errors_told(context: Any, given: Sequence[str] = ()) -> Iterator[None]:
    """Within, a usage error becomes one in our words; the help of a command without arguments stays what it is."""
    try:
        yield
    except UsageError as error:
        if isinstance(error, Told) or type(error).__name__ == "NoArgsIsHelpError":
            raise
        with command_line():
            raise Told(_described(error, error.ctx or context, given), context) from None


def _described(error: Any, context: Any, given: Sequence[str]) -> DescriptionError:
    """Where the error is, what was found and what the command takes."""
    command = context.command
    source = "" if isinstance(command, Commands) else str(context.info_name)
    hint = f"{context.command_path} --help"
    parameter = getattr(error, "param", None)
    if hasattr(error, "option_name"):
        return _of_option(error, context, source, hint)
    if parameter is not None and type(error).__name__ == "MissingParameter":
        expected = _help(command, parameter.name)
        return DescriptionError("missing", source=source, key=_name(parameter), expected=expected, hint=hint)
    if parameter is not None:
        return _of_value(error.message, parameter, command, source, given)
    if extra := EXTRA.search(error.message):
        return DescriptionError(
            "more arguments than it takes", source=source, found=extra[1], expected=_usage(context), hint=hint
        )
    return DescriptionError(error.message, source=source, hint=hint)


def _of_option(error: Any, context: Any, source: str, hint: str) -> DescriptionError:
    """The error of an option that there is not, or whose value is missing, or that takes none."""
    option, parameters = error.option_name, context.command.get_params(context)
    if type(error).__name__ == "NoSuchOption":
        known = [name for each in parameters for name in each.opts if name.startswith("--")]
        return DescriptionError("no such option", source=source, key=option, hint=did_you_mean(option, known) or hint)
    if "does not take a value" in error.message:
        return DescriptionError("takes no value", source=source, key=option, hint=hint)
    name = next((each.name for each in parameters if option in each.opts), "")
    expected = _help(context.command, name)
    return DescriptionError("lacks its value", source=source, key=option, expected=expected, hint=hint)


def _of_value(message: str, parameter: Any, command: Any, source: str, given: Sequence[str]) -> DescriptionError:
    found, (expected, choices) = _given_to(parameter, given), _taken(command, parameter.name)
    return DescriptionError(
        "not a value that it takes" if expected else message,
        source=source,
        key=_name(parameter),
        found=found,
        expected=expected,
        hint=did_you_mean(found, choices) if found is not None else "",
    )


def _name(parameter: Any) -> str:
    """An option by its longest spelling, an argument by the name in the help."""
    options = [name for name in parameter.opts if name.startswith("-")]
    return max(options, key=len) if options else parameter.metavar or parameter.name.upper()


def _help(command: Any, name: str) -> str:
    """The first sentence of what the help says of a parameter."""
    text = next((info.help for info in _annotation(command, name)[1:] if getattr(info, "help", None)), "")
    first = re.split(r"[.;](?:\s|$)", text)[0]
    return first[:1].lower() + first[1:]


def _usage(context: Any) -> str:
    return " ".join(context.get_usage().split()).removeprefix("Usage: ")


def _given_to(parameter: Any, given: Sequence[str]) -> str | None:
    """The text that the command line has for an option."""
    for option in parameter.opts:
        for text, following in zip(given, [*given[1:], None]):
            if text == option:
                return following
            if text.startswith(f"{option}="):
                return text.partition("=")[2]
    return None


def _taken(command: Any, name: str) -> tuple[str, tuple[str, ...]]:
    """What a parameter of a command takes, in words, and the choices if it has any."""
    annotation, *infos = _annotation(command, name)
    kinds = [each for each in (annotation, *get_args(annotation)) if each is not type(None)]
    if choices := next((get_args(each) for each in kinds if get_origin(each) is Literal), None):
        return ", ".join(choices), choices
    words = next((NUMBERS[each] for each in kinds if each in NUMBERS), "")
    least = next((getattr(info, "min", None) for info in infos), None)
    return (f"{words}, {least} or more" if words and least is not None else words), ()


def _annotation(command: Any, name: str) -> tuple[Any, ...]:
    """The type of a parameter, and what is annotated to it, as the function of the command has them."""
    parameter = inspect.signature(inspect.unwrap(command.callback)).parameters.get(name)
    annotation = parameter.annotation if parameter is not None else None
    return get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
