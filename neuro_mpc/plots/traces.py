"""One trial: stimuli, outputs, and the belief, prediction, error and compartments of populations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import zip_longest

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis.traces import clamped, settled
from neuro_mpc.analysis.traces import traces as traces_of
from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.clamped import LONGEST_NAME, plot_stimulus, plot_target
from neuro_mpc.plots.figures import figure
from neuro_mpc.plots.unit_maps import around_zero, signed_map, thinned
from neuro_mpc.runfile import access
from neuro_mpc.runfile.labels import compartments_of, of_compartment

ROWS = 4  # rows of panels on a page
MAPS = 3  # heat maps in a row
RECORDED = ("belief", "prediction", "error")
COMPARTMENTS = (
    {"color": style.INK, "linestyle": "-", "marker": "o"},
    {"color": style.INK, "linestyle": "--", "marker": "s", "markerfacecolor": "white"},
    {"color": style.FAINT, "linestyle": ":", "marker": "^"},
)

Row = Callable[[np.ndarray], None]
"""Draws a row of panels."""


@figure("traces", place=30, chapter="Neural traces", title="Traces of a trial")
def plot_traces(run: xr.DataTree, sample: int = -1, trial: int = 0) -> list[Figure]:
    """Stimuli and outputs of one trial, then a row of panels for each population that was recorded, and rows for the
    inputs of its compartments where it has several.

    Heat maps are unit against step; lines are those of the unit whose belief varies most.

    Raises RunFileError when no sample was recorded.
    """
    neural, stimulus = access.group(run, "neural"), access.group(run, "stimulus")
    if neural is None or stimulus is None or not stimulus.sizes.get("sample"):
        raise access.lacking(run, "neural traces", "protocol.recording.samples=[-1]")
    traces = {name: settled(traces_of(run, name, sample)).isel(trial=trial).load() for name in neural.children}
    rows = [*_clamped_rows(run, traces, sample, trial)]
    for name, values in traces.items():
        if set(RECORDED) <= set(values.data_vars):
            rows.append(partial(_population, name=name, traces=values))
            rows.extend(_compartment_rows(name, values))
    presented = stimulus.to_dataset().isel(sample=sample, trial=trial)
    number = int(presented["trial_number"]) if "trial_number" in presented else trial
    title = f"presentation {int(presented['presentation']):,}, trial {number:,}"
    duration = access.describe(run, "protocol").get("inference", {}).get("step_duration")
    return [_page(page, title, duration) for page in style.pages(rows, ROWS)]


def _page(rows: list[Row], title: str, duration: float | None) -> Figure:
    figure = style.new_figure(style.DOUBLE, (6 + 43 * len(rows)) * style.MILLIMETRE)
    grid = figure.subplots(len(rows), MAPS + 1, squeeze=False, width_ratios=(*[1] * MAPS, 1.3))
    for index, (panels, draw) in enumerate(zip(grid, rows)):
        draw(panels)
        for axes in panels:
            if not axes.has_data() and axes.get_legend() is None:
                axes.set_axis_off()
        style.letter(panels[0], index)
    for axes in grid.flat if duration else ():
        if axes.get_xlabel() == "step":
            style.steps_axis(axes, duration)
    figure.suptitle(title, x=0.995, ha="right")
    return figure


def _clamped_rows(run: xr.DataTree, traces: dict[str, xr.Dataset], sample: int, trial: int) -> list[Row]:
    """Rows of a stimulus and an output, as many as there are of what there are more."""
    stimuli, targets = (
        {name: values.isel(trial=trial).load() for name, values in clamped(run, role, sample).items()}
        for role in ("stimulus", "target")
    )
    shown = [name for name in targets if "output" in traces.get(name, ())]
    several = [name if len(stimuli) > 1 else "stimulus" for name in stimuli]
    return [
        partial(
            _clamped,
            stimulus=None if stimulus is None else (stimuli[stimulus], several[index]),
            target=None if target is None else (targets[target], traces[target], target if len(shown) > 1 else ""),
            softmax=access.population(run, target or "").get("readout", "softmax") == "softmax",
        )
        for index, (stimulus, target) in enumerate(zip_longest(stimuli, shown))
    ]


def _clamped(row: np.ndarray, stimulus: tuple | None, target: tuple | None, softmax: bool) -> None:
    if stimulus is not None:
        values, name = stimulus
        plot_stimulus(row[0], values, name)
    if target is not None:
        values, traces, name = target
        plot_target(row[1:], values, traces, name, softmax)


def _population(row: np.ndarray, name: str, traces: xr.Dataset) -> None:
    """Heat maps of belief and prediction on one scale, of the error on its own, and the lines of one unit."""
    largest = around_zero(traces["belief"], traces["prediction"])
    for axes, quantity in zip(row, RECORDED):
        limit = None if quantity == "error" else largest
        signed_map(axes, traces[quantity], f"{quantity} (a.u.)", limit, bar=quantity != "belief")
    row[0].set_ylabel(f"{lettering.shorten(name, LONGEST_NAME)} unit")
    _lines(row[MAPS], traces, {quantity: (quantity, style.QUANTITIES[quantity]) for quantity in RECORDED})


def _compartment_rows(name: str, traces: xr.Dataset) -> list[Row]:
    """Rows of the inputs of compartments, of populations that have more than one."""
    compartments = compartments_of(traces.data_vars)
    if len(compartments) < 2:
        return []
    pages = style.pages(compartments, MAPS)
    return [partial(_compartments, name=name, traces=traces, compartments=page) for page in pages]


def _compartments(row: np.ndarray, name: str, traces: xr.Dataset, compartments: list[str]) -> None:
    """A heat map of the input of each compartment, and its line of one unit."""
    lines = {}
    for axes, compartment, look in zip(row, compartments, COMPARTMENTS):
        variable = of_compartment("input", compartment)
        whose = lettering.shorten(compartment, LONGEST_NAME)
        signed_map(axes, traces[variable], f"{whose} (a.u.)")
        lines[variable] = whose, look
    row[0].set_ylabel(f"{lettering.shorten(name, LONGEST_NAME)} unit")
    _lines(row[MAPS], traces, lines)


def _lines(axes: Axes, traces: xr.Dataset, lines: dict[str, tuple[str, dict]]) -> None:
    """Lines of the unit whose belief varies most: variable → its label and how it looks."""
    unit = int(traces["belief"].std("step").fillna(0).argmax("unit"))
    steps = traces["step"].values
    for variable, (label, look) in lines.items():
        axes.plot(steps, traces[variable].isel(unit=unit).values, label=label, **thinned(look, steps))
    axes.axhline(0, color=style.FAINT, linewidth=0.5, zorder=0)
    axes.set_ylabel(f"unit {unit} (a.u.)")
    style.steps_axis(axes)
    style.legend_above(axes, len(lines), "right")
