"""Root mean squares of belief, prediction, error and rate by step, unit, trial and iteration."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis import profile, settled, traces
from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.plots.populations import free_populations

ROWS = 4  # populations on a page
SPAN = 1e6  # from the largest value down
DENSE = 30  # points beyond which markers would touch
LABELS = {
    "step": "step",
    "unit": "unit, largest first",
    "trial": "trial, largest first",
    "iteration": "iteration of inference",
}


@figure("profiles", place=70, chapter="Neural traces", title="Sizes by step, unit and trial")
def plot_profiles(run: xr.DataTree, sample: int = -1) -> list[Figure]:
    """Root mean squares over everything but the step, the unit, the trial, and, where the trajectory of
    inference was recorded, the iteration: a row for each free population.

    Raises RunFileError where no traces were recorded.
    """
    names = free_populations(run)
    recorded = {name: traces(run, name, sample) for name in names}
    return [_page({name: recorded[name] for name in part}) for part in style.pages(names, ROWS)]


def _page(recorded: dict[str, xr.Dataset]) -> Figure:
    iterated = any("iteration" in population.sizes for population in recorded.values())
    dimensions = [name for name in LABELS if iterated or name != "iteration"]
    figure = style.new_figure(style.DOUBLE, (10 + 44 * len(recorded)) * style.MILLIMETRE)
    grid = figure.subplots(len(recorded), len(dimensions), squeeze=False, sharey="row")
    for index, (row, (name, population)) in enumerate(zip(grid, recorded.items())):
        for axes, dimension in zip(row, dimensions):
            _profile(axes, population if dimension == "iteration" else settled(population), dimension)
        drawn = np.concatenate([line.get_ydata() for axes in row for line in axes.get_lines()])
        style.decades(row[0], drawn)
        if row[0].get_yscale() == "log":
            row[0].set_ylim(bottom=max(np.nanmin(drawn) / 2, np.nanmax(drawn) / SPAN))
        row[0].set_ylabel(f"{lettering.shorten(name, 20)}, root mean\nsquare (a.u.)")
        style.letter(row[0], index)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels))
    return figure


def _profile(axes: Axes, dataset: xr.Dataset, dimension: str) -> None:
    averages = profile(dataset, dimension)
    for quantity, look in style.QUANTITIES.items():
        if quantity not in averages:
            continue
        values, numbers = averages[quantity].values, np.arange(averages.sizes[dimension])
        if dimension in ("unit", "trial"):
            values, numbers = np.sort(values)[::-1], numbers + 1
        values = np.where(values > 0, values, np.nan)  # before inference the error is zero, which no decade holds
        marker = look["marker"] if len(values) <= DENSE else None
        axes.plot(numbers, values, label=quantity, **{**look, "marker": marker})
    axes.set_xlabel(LABELS[dimension])
    style.ticks(axes.xaxis, 4, integer=True)
