"""Measures of weights and traces take a run and a name in their place."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import xarray as xr

from neuro_mpc.errors import RunFileError

Measure = TypeVar("Measure", bound=Callable[..., Any])


def of_run(
    known: Callable[[xr.DataTree], list[str]], found: Callable[[xr.DataTree, str], Any]
) -> Callable[[Measure], Measure]:
    """A decorator: ``measure(run, name, …)`` is ``measure(found(run, name), …)``; `known` lists the names of a run."""

    def decorate(measure: Any) -> Any:
        @wraps(measure)
        def named(values: Any, *more: Any, **options: Any) -> Any:
            if not isinstance(values, xr.DataTree):
                return measure(values, *more, **options)
            if not more or not isinstance(more[0], str):
                example = f'{measure.__name__}(run, "{known(values)[0]}")'
                raise RunFileError(f"{measure.__name__} of what in this run?", hint=f"a name, such as {example}")
            return measure(found(values, more[0]), *more[1:], **options)

        return named

    return decorate
