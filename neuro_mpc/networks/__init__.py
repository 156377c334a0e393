"""The network of a circuit in Brian2: groups, operations, templates, compiling, the program and its conversation.

Called, this room is the public `neuro_mpc.networks`, which has its name and stands above it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """A package that is called like the function of its name."""

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """The function, for what asks for its signature and its documentation."""
        return import_module("neuro_mpc.runs.in_process").network

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return self.__wrapped__(*args, **keywords)


sys.modules[__name__].__class__ = _Room
