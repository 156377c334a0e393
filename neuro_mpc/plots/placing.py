"""Figures in figures of one's own: where a page is drawn, and at which letter its panels begin."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from neuro_mpc.errors import RunFileError

Place = Figure | SubFigure
FIRST = "a"


@dataclass(frozen=True)
class Placement:
    """The page of this number is drawn into a place; the others get figures of their own.

    letter  of the first panel; "": panels have none
    """

    into: Place | None
    page: int = 0
    letter: str = FIRST
    pages: Iterator[int] = field(default_factory=itertools.count)


EVERYWHERE = Placement(None)
_placement: ContextVar[Placement] = ContextVar("placement", default=EVERYWHERE)


@contextmanager
def placed(into: Place | None, page: int, letter: str) -> Iterator[None]:
    """Within, one of the pages that are drawn is drawn into a place."""
    before = _placement.set(Placement(into, page, letter))
    try:
        yield
    finally:
        _placement.reset(before)


def place() -> Place | None:
    """Where the page that is about to be drawn belongs; None: into a figure of its own."""
    placement = _placement.get()
    if placement.into is None:
        return None
    return placement.into if next(placement.pages) == placement.page else None


def panel_letter(index: int) -> str:
    """The letter of a panel, "" where panels have none."""
    first = _placement.get().letter
    return chr(ord("a") + (ord(first) - ord("a") + index) % 26) if first else ""


def as_place(into: Place | Axes) -> Place:
    """A part of a figure that can hold several axes; RunFileError for what cannot be one.

    Axes give their cell of a grid away: they are removed.
    """
    if isinstance(into, (Figure, SubFigure)):
        return into
    cell = into.get_subplotspec() if isinstance(into, Axes) else None
    if cell is None:
        raise RunFileError(
            f"{type(into).__name__} is no place for a figure",
            hint="a matplotlib figure, one of figure.subfigures(1, 2), or axes that figure.subplots() has made",
        )
    figure = into.figure
    into.remove()
    return figure.add_subfigure(cell)
