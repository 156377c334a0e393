"""Deviance of runs and recordings side by side: the same measures, whatever they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis.bootstrap import LEVEL
from neuro_mpc.analysis.mismatch import ALL, CONTEXTS, MEASURES
from neuro_mpc.errors import RunFileError, did_you_mean
from neuro_mpc.plots import style
from neuro_mpc.plots.lettering import literal

LOOKS: tuple[dict[str, Any], ...] = (
    {"color": style.ERROR, "marker": "o"},
    {"color": style.INK, "marker": "s"},
    {"color": style.BELIEF, "marker": "^"},
    {"color": style.PREDICTION, "marker": "D"},
    {"color": style.OUTPUT, "marker": "v"},
)
"""Of sources, in their order; from the sixth on markers are white."""
LABELS = {"index": "deviance index", "slope": "slope", "offset": "offset", "difference": "deviant − control"}
IDENTITY = {"index": (0.0,), "slope": (0.0, 1.0)}
"""Values at which a line is drawn: no deviance, and responses that differ from, or are, those in the control."""
SPREAD = 0.6
"""Width, in places, that the sources take together."""


def plot_deviance(
    found: Mapping[str, xr.Dataset], measure: str = "index", context: str = "", axes: Axes | None = None
) -> Axes:
    """Draw a measure of deviance of several sources, such as runs and recordings, beside each other.

    Parameters
    ----------
    found : mapping of str to xarray.Dataset
        Label → what `neuro_mpc.analysis.mismatch` gives for a run, a recording, or several of either.
    measure : str, optional
        "index", "slope", "offset", "difference", "deviant" or "control".
    context : str, optional
        Show each deviant of this context, and the stimulus that is usual in it; by default all deviants of each context
        together.
    axes : matplotlib.axes.Axes, optional
        Where to draw; by default axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes, with a marker and the interval for each source at each place.

    Raises
    ------
    RunFileError
        There is no such measure, or no source has what is asked for.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> found = {name: nm.analysis.mismatch(name, draws=100) for name in ("mismatch.nc", "recording.nwb")}
    >>> axes = nm.plots.plot_deviance(found, "slope")
    >>> axes.get_ylabel()
    'slope'
    """
    if measure not in MEASURES:
        raise RunFileError(f"there is no measure {measure!r}", hint=did_you_mean(measure, MEASURES) or str(MEASURES))
    places = _places(found, context)
    if not places:
        raise RunFileError(f"no source has deviants of the context {context!r}", hint=", ".join(_places(found, "")))
    panel = axes or style.new_figure(style.SINGLE, 60 * style.MILLIMETRE).add_subplot()
    for value in IDENTITY.get(measure, ()):
        panel.axhline(value, color=style.FAINT, linewidth=0.6, zorder=0)
    step = SPREAD / max(len(found), 2)
    for number, (label, one) in enumerate(found.items()):
        shown = [place for place, where in enumerate(places.values()) if _row(one, where) is not None]
        rows = [_row(one, where) for where in places.values()]
        values = one.sel(measure=measure).isel(comparison=[row for row in rows if row is not None])
        at = np.array(shown) + step * (number - (len(found) - 1) / 2)
        look = _look(number)
        panel.vlines(at, values["low"], values["high"], color=look["color"], linewidth=0.8)
        panel.plot(at, values["mean"], linestyle="", markersize=3, label=_described(label, one), **look)
    panel.set_xticks(range(len(places)), list(places), rotation=30, ha="right")
    panel.set_xlim(-0.6, len(places) - 0.4)
    panel.set_ylabel(LABELS.get(measure, f"response as {measure}"))
    style.ticks(panel.yaxis, 5)
    return panel


def side_by_side(found: Mapping[str, xr.Dataset]) -> Figure:
    """Index and slope of all deviants of each context (first row), and the index of each stimulus of each context
    (second row), of every source."""
    contexts = list(_places(found, ""))
    figure = style.new_figure(style.DOUBLE, 110 * style.MILLIMETRE)
    above, below = cast(np.ndarray, figure.subfigures(2, 1))
    panels = [*above.subplots(1, 2)]
    plot_deviance(found, "index", axes=panels[0])
    plot_deviance(found, "slope", axes=panels[1])
    widths = [len(_places(found, context)) for context in contexts]
    lower = below.subplots(1, len(contexts), squeeze=False, sharey=True, width_ratios=widths)[0]
    for panel, context in zip(lower, contexts, strict=True):
        plot_deviance(found, "index", context, panel)
        panel.set_ylabel("deviance index" if panel is lower[0] else "")
        style.heading(panel, context)
    for number, panel in enumerate((*panels, *lower)):
        style.letter(panel, number)
    style.note(figure, f"{100 * LEVEL:g} % intervals: over runs t, over trials bootstrap")
    figure.legend(handles=panels[0].get_legend_handles_labels()[0], loc="outside lower center", ncols=3)
    return figure


def _places(found: Mapping[str, xr.Dataset], context: str) -> dict[str, tuple[str, str]]:
    """Label of a place on the axis → context and stimulus that stand there, of those that any source has."""
    known = {
        (str(one), str(other))
        for each in found.values()
        for one, other in zip(each["context"].values, each["stimulus"].values, strict=True)
    }
    if not context:
        return {name: (name, ALL) for name in CONTEXTS if (name, ALL) in known}
    usual = CONTEXTS.get(context, ("", ""))[1]
    stimuli = [name for one, name in known if one == context and name != ALL]
    return {_short(name): (context, name) for name in sorted(stimuli, key=lambda name: _order(name, usual))}


def _order(stimulus: str, usual: str) -> tuple[bool, bool, str, float]:
    """Gratings and delays by their number, then what has none, then what is usual."""
    kind, _, number = stimulus.partition("_")
    return stimulus == usual, not number, kind if not number else "", float(number or 0)


def _short(stimulus: str) -> str:
    """45° for orientation_45, 150 ms for delay_150."""
    kind, _, number = stimulus.partition("_")
    return f"{number}°" if kind == "orientation" else f"{number} ms" if kind == "delay" else stimulus


def _row(found: xr.Dataset, where: tuple[str, str]) -> int | None:
    """The comparison of this context and stimulus; None where there is none."""
    rows = np.flatnonzero((found["context"].values == where[0]) & (found["stimulus"].values == where[1]))
    return int(rows[0]) if len(rows) else None


def _look(number: int) -> dict[str, Any]:
    look = LOOKS[number % len(LOOKS)]
    return look if number < len(LOOKS) else {**look, "markerfacecolor": "white"}


def _described(label: str, found: xr.Dataset) -> str:
    """A source, and what its intervals are over."""
    number, over = found.attrs["number"], found.attrs["over"]
    return literal(f"{label} ({number:,} {over}s)" if over == "run" else f"{label} (over {over}s)")
