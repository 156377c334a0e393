"""Error responses to a deviant or an omission, step by step, beside the expected stimulus."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis.experiments import contrast, experiment, responses
from neuro_mpc.analysis.intervals import described
from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile import access
from neuro_mpc.runfile.attributes import attribute

Runs = xr.DataTree | Sequence[xr.DataTree]


@figure("oddball", place=120, of_several=True)
def plot_oddball(runs: Runs) -> list[Figure]:
    """Size of the error of each population (rows) by step: to the standard, to another letter that is allowed
    and to a forbidden one (left), and the differences from the standard (right), means with 95 % intervals.

    Intervals are over the trials of one run, or over several runs. The grey band is the step at which the
    deviant is compared with the prediction; it is the stimulus of the next step.

    Raises RunFileError where there was no oddball.
    """
    return _figure(runs, "oddball")


@figure("omission", place=130, of_several=True)
def plot_omission(runs: Runs) -> list[Figure]:
    """Size of the error of each population (rows) by step: with the expected stimulus and without it (left), and the
    difference (right), means with 95 % intervals.

    Intervals are over the trials of one run, or over several runs. The grey band is the first step that the absence
    touches.

    Raises RunFileError where there was no omission.
    """
    return _figure(runs, "omission")


def _figure(runs: Runs, kind: str) -> list[Figure]:
    run = runs if isinstance(runs, xr.DataTree) else runs[0]
    first = experiment(run, kind)
    found, differences = responses(runs), contrast(runs)
    names = found["population"].values
    figure = style.new_figure(style.DOUBLE, (14 + 44 * len(names)) * style.MILLIMETRE)
    panels = figure.subplots(len(names), 2, squeeze=False, sharex=True)
    number, over = found.attrs["number"], found.attrs["over"]
    counted = f"{number} {over}{'s' if number > 1 else ''}"
    for row, name in zip(panels, names):
        for axes, values in zip(row, (found, differences)):
            _panel(axes, values.sel(population=name), attribute(first, "onset"))
        row[0].set_ylim(bottom=0)
        row[0].set_ylabel("size of the error (a.u.)")
        row[1].set_ylabel("difference (a.u.)")
        row[1].axhline(0, color=style.FAINT, linewidth=0.6, zorder=0)
        style.heading(row[0], f"{lettering.shorten(name, 24)}, {counted}")
        style.heading(row[1], f"{lettering.shorten(name, 24)}, minus standard")
    for axes in panels[-1]:
        style.steps_axis(axes, access.describe(run, "protocol").get("inference", {}).get("step_duration"))
    for index, axes in enumerate(panels.flat):
        style.letter(axes, index)
    style.note(figure, described(number, over))
    lines = panels[0, 0].get_lines()
    figure.legend(lines, list(found["condition"].values), loc="outside lower center", ncols=len(lines))
    return [figure]


def _panel(axes: Axes, curves: xr.Dataset, onset: int) -> None:
    axes.axvspan(onset - 0.4, onset + 0.4, color="#E9EBED", linewidth=0, zorder=-2)
    for condition in curves["condition"].values:
        curve = curves.sel(condition=condition)
        look = style.CONDITIONS[condition]
        axes.plot(curve["step"], curve["mean"], **look)
        ends = curve["low"], curve["high"]
        axes.fill_between(curve["step"], *ends, color=look["color"], alpha=0.25, linewidth=0)
        if curve["mean"].notnull().sum() == 1:  # a single step has no band
            axes.vlines(curve["step"], *ends, color=look["color"])
    style.ticks(axes.yaxis, 4)
