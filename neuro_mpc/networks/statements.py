"""The few kinds of statement to which every operation of a phase comes down, and the numbers that occur in them.

Statements say what to do on one tile of trials.  Their numbers depend on three things that are known when they are
executed: `_first` and `_width`, the tile's first trial and its number of trials, and `_step` and `_trial`, those of the
loops around.  `neuro_mpc.networks.printers` writes them in the language of each target; arithmetic is written alike in
all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache


@dataclass(frozen=True)
class Extent:
    """first · _first + (step · _step + width) · _width + trial · _trial + fixed: an offset into an array, or a number
    of rows or elements."""

    first: int = 0
    width: int = 0
    step: int = 0
    trial: int = 0
    fixed: int = 0

    def __str__(self) -> str:
        widths = _sum(_times(self.step, "_step"), str(self.width or ""))
        if self.step and self.width:
            widths = f"({widths})"
        tile = f"{widths}*_width" if self.step else _times(self.width, "_width")
        trial, fixed = _times(self.trial, "_trial"), str(self.fixed or "")
        return _sum(_times(self.first, "_first"), tile, trial, fixed) or "0"


def _times(count: int, name: str) -> str:
    return name if count == 1 else f"{count}*{name}" if count else ""


def _sum(*terms: str) -> str:
    return " + ".join(filter(None, terms))


@dataclass(frozen=True)
class Scalar:
    """The value of a scalar variable."""

    name: str


@dataclass(frozen=True)
class Pointer:
    """A variable's array, from an offset on."""

    name: str
    offset: Extent = Extent()


Value = Extent | Scalar | Pointer | int | float | str
"""What a kernel is given; text stands for itself, such as "_width"."""


@dataclass(frozen=True, init=False)
class Call:
    """kernel(arguments), in this order."""

    kernel: str
    arguments: tuple[Value, ...]

    def __init__(self, kernel: str, *arguments: Value):
        object.__setattr__(self, "kernel", kernel)
        object.__setattr__(self, "arguments", arguments)


@dataclass(frozen=True)
class Elementwise:
    """A block of Brian2 code for each of `size` elements from `begin` on."""

    block: str
    begin: Extent
    size: Extent


@dataclass(frozen=True)
class Guard:
    """What is done where left `relation` right ("<", "!=" …)."""

    left: Value
    relation: str
    right: Value
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class Loop:
    """The body for variable = 0 … count − 1, or `backwards`."""

    variable: str
    count: Value
    body: tuple[Statement, ...]
    backwards: bool = False


@dataclass(frozen=True)
class BreakUnless:
    """Leave the loop around unless a kernel says that there is more to do."""

    call: Call


Statement = Call | Elementwise | Guard | Loop | BreakUnless


def kernels(statements: Iterable[Statement]) -> list[str]:
    """Names of all kernels that some statements call."""
    return sorted({each.kernel for each in _parts(statements) if isinstance(each, Call)})


def names(statements: Iterable[Statement]) -> set[str]:
    """All variables in some statements, but for those of blocks, which Brian2 finds itself."""
    return {each.name for each in _parts(statements) if isinstance(each, Pointer | Scalar)}


def _parts(statements: Iterable[Statement]) -> Iterator[object]:
    """Some statements, with all statements and values that they are made of, but for plain numbers and texts."""
    waiting: list[object] = [*statements]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list | tuple):
            waiting.extend(part)
        elif held := _held(type(part)):
            yield part
            waiting.extend(getattr(part, name) for name in held)


@cache
def _held(kind: type) -> tuple[str, ...]:
    """The fields of a kind of statement or value; none of a number or a text."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
