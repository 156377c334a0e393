"""Figures of runs combined into one, with panels of one's own, for print."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import matplotlib
import xarray as xr
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from neuro_mpc.errors import RunFileError, did_you_mean
from neuro_mpc.plots import placing, style
from neuro_mpc.plots.figures import FIGURES
from neuro_mpc.runfile.reading import as_run
from neuro_mpc.system import notebook

LINES = cycler(
    color=[style.INK, style.ERROR, style.BELIEF, style.PREDICTION, style.OUTPUT, style.FAINT],
    linestyle=["-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1))],
)
Run = xr.DataTree | str | os.PathLike[str]


@contextmanager
def paper(width_mm: float = 183, height_mm: float = 70, font: str | None = None) -> Iterator[Figure]:
    """A figure for print, within which everything is drawn and saved in the style of all figures here.

    Letters are 7 pt, lines 0.6 and 1 pt, of colours and dashes that differ in grey, too; PDF and SVG files hold text as
    text. Other settings of matplotlib come back at the end of the ``with`` block: save the figure within it. A notebook
    shows the figure below the cell.

    Parameters
    ----------
    width_mm, height_mm : float, optional
        Size in millimetres; journals take 89 (one column) or 183 (two).
    font : str, optional
        A family that is tried first; what it lacks is taken from other fonts of the system.

    Yields
    ------
    matplotlib.figure.Figure
        An empty figure, laid out by matplotlib's constrained layout.

    Raises
    ------
    RunFileError
        The font is unknown.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> with nm.plots.paper(width_mm=183, height_mm=60) as figure:
    ...     left, right = figure.subfigures(1, 2, width_ratios=(2, 1))
    ...     part = nm.plots.draw("run.nc", "learning", into=left)
    ...     axes = right.subplots()
    ...     line = axes.plot([0, 1], [0, 1], color="black")
    ...     figure.savefig("figure.pdf")
    >>> len(part.axes)
    2
    """
    with style.applied(font=font), matplotlib.rc_context({"axes.prop_cycle": LINES}):
        figure = style.empty_figure(width_mm * style.MILLIMETRE, height_mm * style.MILLIMETRE)
        yield figure
        if notebook.in_notebook():
            notebook.display(figure)


def draw(
    run: Run | Sequence[Run],
    figure: str,
    into: Figure | SubFigure | Axes | None = None,
    *,
    page: int = 0,
    letter: str = placing.FIRST,
    font: str | None = None,
) -> Figure | SubFigure:
    """Draw a figure of a run into a part of a figure of one's own.

    Parameters
    ----------
    run : xarray.DataTree, str or path, or sequence of these
        A run, or its file; several for the figures of several runs.
    figure : str
        A name in `neuro_mpc.plots.FIGURES`.
    into : Figure, SubFigure or Axes, optional
        An empty matplotlib figure, or a part of one, such as ``figure.subfigures(1, 2)[0]``. Axes of a grid give their
        place away: they are removed. None: a new figure of the size that print takes.
    page : int, optional
        The page, from 0, of a figure that has several.
    letter : str, optional
        Letter of the first panel, for figures that have more than one; "" leaves letters out.
    font : str, optional
        As for `paper`.

    Returns
    -------
    Figure or SubFigure
        Where it was drawn; its ``axes`` can be changed.

    Raises
    ------
    RunFileError
        Figure, page or place are none, or the recording lacks what the figure shows.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> figure = nm.plots.draw("run.nc", "learning")
    >>> figure.axes[0].get_ylabel()
    'energy per trial (nats)'
    """
    if figure not in FIGURES:
        raise RunFileError(
            f"there is no figure {figure!r}", hint=did_you_mean(figure, FIGURES) or f"one of {', '.join(FIGURES)}"
        )
    several = not isinstance(run, (xr.DataTree, str, os.PathLike))
    with ExitStack() as stack:
        runs = [stack.enter_context(as_run(each)) for each in (run if several else [run])]
        stack.enter_context(style.applied(*runs, font=font))
        place = None if into is None else placing.as_place(into)
        stack.enter_context(placing.placed(place, page, letter))
        pages = FIGURES[figure](runs if several else runs[0])
    if not 0 <= page < len(pages):
        raise RunFileError(f"the figure {figure!r} has no page {page}", hint=f"0 to {len(pages) - 1}")
    return pages[page]
