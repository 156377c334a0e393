"""Measures of weights and traces take a run and a name in their place."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import xarray as xr

from neuro_mpc.errors import RunFileError

Measure = TypeVar("Measure", bound=Callable[..., Any])


def of_run(
    names: Callable[[xr.DataTree], list[str]], load: Callable[[xr.DataTree, str], Any]
) -> Callable[[Measure], Measure]:
    """A decorator: ``measure(run, name, …)`` is ``measure(load(run, name), …)``; `names` lists those of a run."""

    def decorate(measure: Any) -> Any:
        @wraps(measure)
        def measured(values: Any, *arguments: Any, **options: Any) -> Any:
            if not isinstance(values, xr.DataTree):
                return measure(values, *arguments, **options)
            if not arguments or not isinstance(arguments[0], str):
                example = f'{measure.__name__}(run, "{names(values)[0]}")'
                raise RunFileError(
                    f"{measure.__name__} of a run needs a name", hint=f"a projection or a population, such as {example}"
                )
            return measure(load(values, arguments[0]), *arguments[1:], **options)

        return measured

    return decorate
