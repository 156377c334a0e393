"""Errors of populations against the surprise at the target."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis import error_by_surprise
from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.plots.populations import free_populations
from neuro_mpc.runfile import access

COLUMNS = 3  # panels beside each other


@figure("surprise", place=110, chapter="Neural traces", title="Errors and surprise")
def plot_surprise(run: xr.DataTree, sample: int = -1) -> list[Figure]:
    """The size of the error at every step and trial against −ln of the probability that the prediction gave
    to the target (minus a constant, for a Gaussian read-out), a panel for each population; means of bins of equal
    count with 95 % intervals.

    Raises RunFileError where the traces, or the output before inference, were not recorded.
    """
    target = access.target_population(run)
    names = [*free_populations(run), target]
    rows, columns = -(-len(names) // COLUMNS), min(len(names), COLUMNS)
    width = style.SINGLE if columns == 1 else style.DOUBLE
    figure = style.new_figure(width, (8 + 50 * rows) * style.MILLIMETRE)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for index, (axes, name) in enumerate(zip(panels, names)):
        colour = style.OUTPUT if name == target else style.ERROR
        _panel(axes, error_by_surprise(run, name, sample), name, colour)
        style.letter(axes, index)
    style.note(figure, "means with 95 % intervals over the trials of one run (bootstrap, widened as Student's t)")
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    return [figure]


def _panel(axes: Axes, errors: xr.Dataset, name: str, colour: str) -> None:
    axes.plot(
        errors["surprise"].values.ravel(),
        errors["error"].values.ravel(),
        ".",
        color=style.BEFORE,
        markersize=2,
        markeredgewidth=0,
        alpha=0.7,
        rasterized=True,
    )
    surprise, mean, low, high = (errors[name].values for name in ("mean_surprise", "mean_error", "low", "high"))
    # By rounding, a mean may lie outside of the interval of equal values.
    reach = np.maximum([mean - low, high - mean], 0)
    axes.errorbar(
        surprise,
        mean,
        yerr=reach,
        color=colour,
        marker="o",
        markersize=3,
        linewidth=1,
        elinewidth=1,
        capsize=1.5,
    )
    axes.set(xlabel="surprise at the target (nats)", ylabel="size of the error (a.u.)")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    style.heading(axes, f"{lettering.shorten(name, 16)}: rank correlation {errors.attrs['rank_correlation']:.2f}")
    for axis in (axes.xaxis, axes.yaxis):
        style.ticks(axis, 4)
