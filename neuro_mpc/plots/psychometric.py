"""Psychometric curves, intact and while units or synapses are silenced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit

from neuro_mpc.analysis.experiments import experiment
from neuro_mpc.analysis.intervals import described
from neuro_mpc.analysis.psychometric import logistic, psychometric_curves, psychometric_fit
from neuro_mpc.plots import style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile.attributes import attribute

MOST_PANELS = 3
APART = 0.015  # of the axis, between the marks of two orders at the same evidence
INTACT = {"color": style.INK, "linestyle": "-", "marker": "o"}
EVIDENCE = {"coherence": "signed coherence (%)"}
UNITS = {"coherence": "%"}


@figure("psychometric", place=145, of_several=True)
def plot_psychometric(runs: xr.DataTree | Sequence[xr.DataTree]) -> list[Figure]:
    """The fraction of choices by the evidence, intact and for up to two other fractions that are silenced, in every
    order, with the logistic functions that fit the means (dotted: that of the intact circuit); and, by the fraction
    silenced, the sensitivity to evidence, the slope of such functions fitted to each run or random order. Means with
    95 % intervals over the random orders of one run, or over several runs.

    Raises RunFileError where there was no such experiment.
    """
    first = experiment(runs if isinstance(runs, xr.DataTree) else runs[0], "psychometric")
    curves, fit = psychometric_curves(runs), psychometric_fit(runs)
    against, trials = attribute(first, "against"), first["trials"].values.astype(float)
    fractions = _shown(curves["fraction"].values)
    drawing = style.new_figure(style.DOUBLE, 62 * style.MILLIMETRE)
    panels = np.atleast_1d(drawing.subplots(1, len(fractions) + 1))
    for index, fraction in enumerate(fractions):
        _panel(panels[index], curves, fraction, trials)
        what = f"{100 * fraction:g} % of {attribute(first, 'of')} silenced" if fraction else "intact"
        style.heading(panels[index], what)
        panels[index].set_xlabel(EVIDENCE.get(against, against))
        if index:
            panels[index].tick_params(labelleft=False)
    panels[0].set_ylabel(f"fraction of choices: {attribute(first, 'counted')}")
    _sensitivity(panels[-1], fit.sel(parameter="sensitivity"))
    panels[-1].set_xlabel(f"fraction of {attribute(first, 'of')} silenced")
    panels[-1].set_ylabel(f"sensitivity (nats per {UNITS.get(against, 'unit')})")
    for index, axes in enumerate(panels):
        style.letter(axes, index)
    over = "random order" if curves.attrs["over"] == "repeat" else curves.attrs["over"]
    style.note(drawing, described(curves.attrs["number"], over))
    lines = [line for line in panels[-1].get_lines() if not line.get_label().startswith("_")]
    drawing.legend(handles=lines, loc="outside lower center", ncols=len(lines))
    return [drawing]


def _shown(fractions: np.ndarray) -> list[float]:
    """The smallest, the middle and the largest of the fractions, or all where they are no more."""
    ordered = np.unique(fractions)
    places = np.linspace(0, len(ordered) - 1, min(len(ordered), MOST_PANELS)).round().astype(int)
    return [float(fraction) for fraction in ordered[places]]


def _panel(axes: Axes, curves: xr.Dataset, fraction: float, trials: np.ndarray) -> None:
    """All orders at one fraction; without silencing they are the same."""
    levels = curves["level"].values.astype(float)
    evidence = np.linspace(levels.min(), levels.max(), 200)
    axes.axhline(0.5, color=style.FAINT, linestyle=(0, (1, 2)), zorder=0)
    axes.axvline(0, color=style.FAINT, linestyle=(0, (1, 2)), zorder=0)
    at = curves.sel(fraction=fraction)
    orders = [str(order) for order in at["order"].values]
    if 0 in curves["fraction"].values and fraction:
        axes.plot(
            evidence, _fitted(curves.sel(fraction=0, order=orders[0]), trials, evidence), color=style.INK, linestyle=":"
        )
    shown = orders if fraction else orders[:1]
    for index, order in enumerate(shown):
        curve, look = at.sel(order=order), _look(order) if fraction else INTACT
        marks: dict[str, Any] = {name: value for name, value in look.items() if name.startswith("marker")}
        places = levels + (index - (len(shown) - 1) / 2) * APART * np.ptp(levels)
        axes.vlines(
            places, curve["low"].clip(0, 1), curve["high"].clip(0, 1), color=look["color"], alpha=0.4, linewidth=0.8
        )
        axes.plot(evidence, _fitted(curve, trials, evidence), color=look["color"], linestyle=look["linestyle"])
        axes.plot(places, curve["mean"], color=look["color"], linestyle="", markersize=3, **marks)
    axes.set_ylim(-0.03, 1.03)
    style.ticks(axes.xaxis, 4)


def _fitted(curve: xr.Dataset, trials: np.ndarray, evidence: np.ndarray) -> np.ndarray:
    bias, sensitivity = logistic(curve["level"].values.astype(float), curve["mean"].values.astype(float), trials)
    return expit(bias + sensitivity * evidence)


def _look(order: str) -> dict:
    look = style.ORDERS[order]
    return look if look["marker"] else {**look, "marker": "s"}


def _sensitivity(axes: Axes, fit: xr.Dataset) -> None:
    for order in fit["order"].values:
        values, look = fit.sel(order=order).sortby("fraction"), _look(str(order))
        label = str(order) if order == "random" else f"{str(order).replace('-', ' ')} first"
        axes.plot(values["fraction"], values["mean"], label=label, markersize=3, **look)
        axes.fill_between(
            values["fraction"], values["low"], values["high"], color=look["color"], alpha=0.25, linewidth=0
        )
    axes.axhline(0, color=style.FAINT, linestyle=(0, (1, 2)), zorder=0)
    style.ticks(axes.xaxis, 4)
    style.ticks(axes.yaxis, 5)
