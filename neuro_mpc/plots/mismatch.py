"""Responses to deviants in several contexts, beside those in control blocks, and beside what adaptation predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis import intervals
from neuro_mpc.analysis.mismatch import ALL, CONTEXTS, MANY, adaptation_and_deviance, comparisons, mismatch
from neuro_mpc.analysis.mismatch_responses import ADAPTATION, cells_of, mismatch_course, mismatch_means
from neuro_mpc.plots import style
from neuro_mpc.plots.figures import figure

Runs = xr.DataTree | Sequence[xr.DataTree]
WINDOW = (-600.0, 900.0)
"""Around the onset (ms)."""
DRAWS = 200
THEORIES = {
    "error": ("size of the error", {"color": style.ERROR, "marker": "o"}),
    "positive": ("positive part", {"color": style.ERROR, "marker": "^", "markerfacecolor": "white"}),
    "negative": ("negative part", {"color": style.ERROR, "marker": "v", "markerfacecolor": "white"}),
    ADAPTATION: ("fatigue of the input", {"color": style.INK, "marker": "s"}),
}
SHORT = {"sensorimotor": "sensorim."}
APART = 0.17


@figure("mismatch", place=150, of_several=True)
def plot_mismatch(runs: Runs) -> list[Figure]:
    """Mismatch in all contexts that were shown with their control: the size of the target's error from the onset of
    deviants, of the same stimuli in the control block, and of the stimulus that is usual (first row); the mean error of
    each unit to each deviant against that in the control block, with the line that fits and that of equality (second
    row); the deviance index (D − C)/(D + C) of errors, of their parts, and of an input that merely tires; responses by
    the number of repetitions, in those to the first; and what adaptation and deviance each add, with many standards as
    the control (third row). Means with 95 % intervals over the trials of one run, or over several runs.

    Raises RunFileError where there was no such experiment.
    """
    several = [runs] if isinstance(runs, xr.DataTree) else list(runs)
    found = mismatch(runs if isinstance(runs, xr.DataTree) else several, draws=DRAWS)
    contexts = list(dict.fromkeys(found["context"].values.tolist()))
    drawing = style.new_figure(style.DOUBLE, 165 * style.MILLIMETRE)
    rows = cast(np.ndarray, drawing.subfigures(3, 1))
    courses = [mismatch_course(run, window=WINDOW) for run in several]
    axes = []
    for row, draw in zip(rows, (_courses, _units), strict=False):
        panels = row.subplots(1, len(contexts), squeeze=False, sharey=draw is _courses)[0]
        for panel, context in zip(panels, contexts, strict=True):
            draw(panel, context, courses, found)
        panels[0].set_ylim(bottom=0)  # only now: a limit would end the search for that of the panels that share it
        axes += list(panels)
    third = rows[2].subplots(1, 3)
    _indices(third[0], runs, contexts)
    _repetitions(third[1], runs)
    _parts(third[2], runs)
    for place, panel in enumerate((*axes, *third)):
        style.letter(panel, place)
    style.note(drawing, intervals.described(found.attrs["number"], found.attrs["over"]))
    handles = [
        line for panel in (axes[0], third[0]) for line in panel.get_lines() if not line.get_label().startswith("_")
    ]
    drawing.legend(handles=handles, loc="outside lower center", ncols=4)
    return [drawing]


def _courses(axes: Axes, context: str, courses: list[xr.DataArray], found: xr.Dataset) -> None:
    """From the onset, in ms: deviants, the same in the control block, the usual stimulus."""
    control, usual = CONTEXTS[context]
    names = {"deviant": (context, None), "control": (control, None), "standard": (context, usual)}
    lag = courses[0]["lag"].values
    deviants = [pair[0][1] for pair in comparisons(cells_of(courses[0].isel(lag=0)))[context, ALL]]
    for label, (block, stimulus) in names.items():
        stimuli = deviants if stimulus is None else [stimulus]
        curves = np.array([_mean_course(course, block, stimuli) for course in courses])
        each = curves if len(courses) > 1 else _trials(courses[0], block, stimuli)
        low, high = intervals.ends(each, DRAWS)
        look = style.CONDITIONS[label]
        axes.plot(lag, curves.mean(axis=0), label=label, **look)
        axes.fill_between(lag, low, high, color=look["color"], alpha=0.25, linewidth=0)
    axes.axvline(0, color=style.FAINT, linewidth=0.6, zorder=0)
    axes.set(xlabel="time (ms)", ylabel="size of the error (a.u.)" if context == _first(found) else "")
    style.ticks(axes.xaxis, 3)
    style.ticks(axes.yaxis, 4)
    style.heading(axes, SHORT.get(context, context))


def _trials(course: xr.DataArray, block: str, stimuli: list[str]) -> np.ndarray:
    """(trial, lag), means over units."""
    chosen = (course["block"].values == block) & np.isin(course["stimulus"].values, stimuli)
    return course.values[:, chosen].mean(axis=2).T


def _mean_course(course: xr.DataArray, block: str, stimuli: list[str]) -> np.ndarray:
    return _trials(course, block, stimuli).mean(axis=0)


def _first(found: xr.Dataset) -> str:
    return str(found["context"].values[0])


def _units(axes: Axes, context: str, courses: list[xr.DataArray], found: xr.Dataset) -> None:
    """Each unit and each deviant: in the context against in the control block."""
    of_context = found["context"].values == context
    each = found.isel(comparison=of_context & ~np.isin(found["stimulus"].values, (ALL, CONTEXTS[context][1])))
    control, deviant = each["unit_control"].values.ravel(), each["unit_deviant"].values.ravel()
    top = 1.05 * max(control.max(), deviant.max(), 1e-12)
    axes.plot(control, deviant, ".", color=style.ERROR, markersize=1.5, alpha=0.4, rasterized=True)
    axes.plot([0, top], [0, top], color=style.FAINT, linestyle=(0, (1, 2)), zorder=0)
    pooled = found.isel(comparison=of_context & (found["stimulus"].values == ALL))
    slope, offset = (float(pooled["mean"].sel(measure=name).values[0]) for name in ("slope", "offset"))
    axes.plot([0, top], [offset, offset + slope * top], color=style.INK)
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="in control", ylabel="as deviant" if context == _first(found) else "")
    style.ticks(axes.xaxis, 3)
    style.ticks(axes.yaxis, 3)
    style.heading(axes, f"slope {slope:.2f}")


def _indices(axes: Axes, runs: Runs, contexts: list[str]) -> None:
    for place, (quantity, (label, look)) in enumerate(THEORIES.items()):
        found = mismatch(runs, quantity=quantity, draws=DRAWS)
        pooled = found.isel(comparison=found["stimulus"].values == ALL).sel(measure="index")
        at = np.arange(len(contexts)) + APART * (place - (len(THEORIES) - 1) / 2)
        _with_interval(axes, at, pooled, label, look)
    axes.axhline(0, color=style.FAINT, linewidth=0.6, zorder=0)
    axes.set_xticks(range(len(contexts)), [SHORT.get(name, name) for name in contexts], rotation=30, ha="right")
    axes.set_ylabel("deviance index")
    style.ticks(axes.yaxis, 5)


def _with_interval(axes: Axes, at: np.ndarray, found: xr.Dataset, label: str, look: dict) -> None:
    mean, low, high = (found[name].values for name in ("mean", "low", "high"))
    axes.vlines(at, low, high, color=look["color"], linewidth=0.8)
    axes.plot(at, mean, linestyle="", label=label, **{**look, "markersize": 3})


def _repetitions(axes: Axes, runs: Runs) -> None:
    axes.set(xlabel="presentation in a train", ylabel="response / first")
    for quantity in ("error", ADAPTATION):
        means = mismatch_means(runs, quantity=quantity, draws=DRAWS)
        trains = means.isel(cell=means["block"].values == "repetition")
        number = np.array([int(name.removeprefix("repetition_")) for name in trains["stimulus"].values])
        if not len(number):
            return
        ordered, first = trains.isel(cell=np.argsort(number)), float(trains["mean"].values[number == 1][0])
        color = THEORIES[quantity][1]["color"]
        axes.plot(np.sort(number), ordered["mean"] / first, color=color, marker=THEORIES[quantity][1]["marker"])
        axes.fill_between(
            np.sort(number), ordered["low"] / first, ordered["high"] / first, color=color, alpha=0.2, lw=0
        )
    axes.axhline(1, color=style.FAINT, linewidth=0.6, zorder=0)
    axes.set_ylim(bottom=0)
    style.steps_axis(axes)
    axes.set_xlabel("presentation in a train")


def _parts(axes: Axes, runs: Runs) -> None:
    """What adaptation and deviance add, where many standards were shown."""
    axes.set_ylabel("change (a.u.)")
    axes.axhline(0, color=style.FAINT, linewidth=0.6, zorder=0)
    axes.set_xticks(range(2), ["adaptation", "deviance"])
    axes.set_xlim(-0.5, 1.5)
    style.heading(axes, MANY.replace("-", " "))
    for place, quantity in enumerate(("error", ADAPTATION)):
        if MANY not in mismatch_means(runs, quantity=quantity, draws=2)["block"].values:
            return
        found = adaptation_and_deviance(runs, quantity=quantity, draws=DRAWS)
        label, look = THEORIES[quantity]
        _with_interval(axes, np.arange(2) + APART * (2 * place - 1), found, f"_{label}", look)
