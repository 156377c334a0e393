"""What a command answers: in words, as one line of JSON, or not at all; and where its progress is shown meanwhile."""

import inspect
import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neuro_mpc.runs.progress import console_of
from neuro_mpc.runs.terminal import mention, write_result

if TYPE_CHECKING:
    from rich.console import Console

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print warnings and errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON; progress goes to stderr.")]


@dataclass(frozen=True)
class Manner:
    """How a command is asked to answer."""

    quiet: bool = False
    as_json: bool = False


IN_WORDS = Manner()
_manner = ContextVar("manner", default=IN_WORDS)


def answering(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options --quiet and --json, which `answer`, `tell` and `progress_console` heed."""

    @wraps(command)
    def asked(*, quiet: bool, as_json: bool, **options: Any) -> None:
        before = _manner.set(Manner(quiet, as_json))
        try:
            command(**options)
        finally:
            _manner.reset(before)

    added = {"quiet": Quiet, "as_json": AsJson}
    signature = inspect.signature(command)
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in added.items()
    ]
    vars(asked)["__signature__"] = signature.replace(parameters=[*signature.parameters.values(), *parameters])
    asked.__annotations__ = {**command.__annotations__, **added}
    return asked


def answer(text: object, result: Mapping[str, Any]) -> None:
    """Writes what a command was asked for: as text, or `result` as JSON; RunError where it cannot be written."""
    _write(text, result, write_result)


def tell(text: object | None, result: Mapping[str, Any]) -> None:
    """Tells of work whose result is elsewhere, such as in a file: as text, None where progress has told all of it, or
    `result` as JSON."""
    _write(text, result, lambda line: None if line is None else mention(line, sys.stdout))


def progress_console() -> "Console | None":
    """Where progress is shown: standard output, standard error beside JSON, or nowhere."""
    manner = _manner.get()
    if manner.quiet:
        return None
    return console_of(sys.stderr if manner.as_json else sys.stdout)


def _write(text: object, result: Mapping[str, Any], write: Callable[[object], None]) -> None:
    manner = _manner.get()
    if manner.as_json:
        write_result(as_json(result))
    elif not manner.quiet:
        write(text)


def as_json(result: Mapping[str, Any]) -> str:
    """One line of JSON, whose numbers every reader takes: those that are not finite are null."""
    return json.dumps(_plain(result), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
