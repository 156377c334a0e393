"""What all figures share: sizes, colours with one meaning each, panel letters, pages.

The colours differ in lightness too, so that a figure can be read in grey and by colour-blind readers.
"""

from __future__ import annotations

import itertools
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from neuro_mpc.plots import fonts, placing
from neuro_mpc.plots.showing import ShownFigure

MILLIMETRE = 1 / 25.4
SINGLE, DOUBLE = 89 * MILLIMETRE, 183 * MILLIMETRE  # widths of one and two columns
MARKERS = 8  # on the curve of a projection
FEW_DECADES = 300  # ratio below which powers of ten are too few ticks

INK, FAINT = "#222222", "#8A8F94"
BELIEF, PREDICTION, ERROR, OUTPUT = "#15357A", "#E8A317", "#C8372D", "#7B5EA7"
BEFORE, AFTER = "#B4B9BF", "#00594F"
UNEXPECTED = "#B0228C"  # what an experiment shows in the place of what was expected
SIGNED, POSITIVE = "cividis", "Greys"  # lightness grows, or falls, all the way

QUANTITIES: dict[str, dict[str, Any]] = {
    "belief": {"color": BELIEF, "linestyle": "-", "marker": "o"},
    "prediction": {"color": PREDICTION, "linestyle": "--", "marker": "s"},
    "error": {"color": ERROR, "linestyle": ":", "marker": "^"},
    "rate": {"color": INK, "linestyle": "-.", "marker": "d"},
}
ENERGIES: dict[str, dict[str, Any]] = {
    "free_energy": {"color": INK, "linestyle": "-"},
    "free_energy_hidden": {"color": ERROR, "linestyle": ":"},
    "loss": {"color": OUTPUT, "linestyle": "--"},
}
CONDITIONS: dict[str, dict[str, Any]] = {
    "standard": {"color": FAINT, "linestyle": "--", "marker": "s"},
    "control": {"color": INK, "linestyle": ":", "marker": "^"},
    "deviant": {"color": UNEXPECTED, "linestyle": "-", "marker": "o"},
    "omitted": {"color": UNEXPECTED, "linestyle": "-", "marker": "o"},
}
ORDERS: dict[str, dict[str, Any]] = {
    "random": {"color": FAINT, "linestyle": "-", "marker": None},
    "most-variable": {"color": INK, "linestyle": "--", "marker": "o", "markerfacecolor": "white"},
    "least-variable": {"color": INK, "linestyle": "-", "marker": "o"},
    "strongest": {"color": INK, "linestyle": "-", "marker": "^"},
    "weakest": {"color": INK, "linestyle": "--", "marker": "^", "markerfacecolor": "white"},
}

RC: dict[Any, Any] = {
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "figure.titlesize": 7,
    "mathtext.fontset": "dejavusans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "ytick.minor.size": 1.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 2.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.borderaxespad": 0.2,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "neuro_mpc",
}

ONE_AT_A_TIME = threading.RLock()  # matplotlib's settings are those of the process


@contextmanager
def applied(*runs: xr.DataTree, font: str | None = None, text: str = "") -> Iterator[None]:
    """Within, figures are drawn and saved in this style, whatever the user has set; other threads wait.

    runs, text: whose characters the fonts must have; font: a family that comes first.
    """
    characters = set(text).union(*map(fonts.characters_of, runs))
    families = fonts.families(characters, font)
    with ONE_AT_A_TIME, matplotlib.rc_context(), warnings.catch_warnings(), fonts.without_weight_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # one warning of ours names all of them
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        matplotlib.rcParams["font.family"] = families
        yield


def new_figure(width: float, height: float, laid_out: bool = True) -> Figure:
    """An empty figure, sizes in inches, that no window and no global state knows of; or the place that a user has for
    it, of whatever size, which has the methods of a figure."""
    if (place := placing.place()) is not None:
        return cast(Figure, place)
    return empty_figure(width, height) if laid_out else ShownFigure(figsize=(width, height))


def empty_figure(width: float, height: float) -> Figure:
    """A figure of its own, sizes in inches."""
    engine = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.04, hspace=0.04)
    return ShownFigure(figsize=(width, height), layout=engine)


def letter(axes: Axes, index: int) -> None:
    """Marks a panel by the letter a, b, … above its upper left corner."""
    axes.annotate(
        placing.panel_letter(index),
        (0, 1),
        (-24, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=8,
        fontweight="bold",
        va="bottom",
        ha="left",
    )


def heading(axes: Axes, text: str) -> None:
    """A title at the left, beside the letter of the panel."""
    # The letter of the row holds the height free; a long text must not take width from its panel.
    axes.annotate(
        text, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", va="bottom"
    ).set_in_layout(False)


def note(figure: Figure, text: str) -> None:
    """A line above the figure, at the right: what its intervals are."""
    figure.suptitle(text, x=0.995, ha="right", fontsize="small")


def legend_above(axes: Axes, columns: int = 2, side: str = "left") -> None:
    """A legend over the panel, where no curve can run into it, flush with its left or right end."""
    legend = axes.legend(
        loc="lower left" if side == "left" else "lower right",
        bbox_to_anchor=(0 if side == "left" else 1, 1.0),
        ncols=columns,
        handlelength=1.9,
        columnspacing=0.8,
        handletextpad=0.4,
    )
    legend.set_in_layout(len(legend.get_texts()) > columns)


def decades(axes: Axes, values: np.ndarray) -> None:
    """A logarithmic y axis where `values` are positive and span a decade, else one that starts at zero."""
    values = values[np.isfinite(values)]
    if not len(values) or values.min() < 0:
        return
    if values.min() > 0 and values.max() > 10 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
        if values.max() < FEW_DECADES * values.min():
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_ylim(bottom=0)


def ticks(axis: Axis, count: int, integer: bool = False) -> None:
    """At most `count` intervals between round numbers."""
    axis.set_major_locator(MaxNLocator(count, integer=integer, steps=(1, 2, 5, 10), min_n_ticks=1))


def presentations_axis(axes: Axes) -> None:
    axes.set_xlabel("presentations learned")
    ticks(axes.xaxis, 5, integer=True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def steps_axis(axes: Axes, duration: float | None = None) -> None:
    """An axis of sequence steps; in ms, where a step has a duration."""
    axes.set_xlabel("time (ms)" if duration else "step")
    ticks(axes.xaxis, 5, integer=True)
    if duration:  # more digits
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=(1, 2, 4, 5, 10), min_n_ticks=1))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step * duration:g}"))


def projection_style(index: int, points: int = 0) -> dict[str, Any]:
    """Line and marker of the projection of this number, on a curve of so many points: 24 can be distinguished, by
    markers that leave room for the dashes between them."""
    return {
        "markevery": max(1, points // MARKERS),
        "color": (INK, FAINT)[index // 12 % 2],
        "linestyle": ("-", "--", ":", "-.")[index % 4],
        "marker": (None, "o", "^")[index // 4 % 3],
    }


def pages(items: Iterable, size: int) -> list[list]:
    """`items` in lists of at most `size`, as even as can be: [1, 2, 3] by two is [1, 2], [3]."""
    items = list(items)
    count = -(-len(items) // size)
    return [list(part) for part in _split(items, count)]


def _split(items: Sequence, count: int) -> list[Sequence]:
    bounds = np.linspace(0, len(items), count + 1).round().astype(int)
    return [items[first:last] for first, last in itertools.pairwise(bounds)]
