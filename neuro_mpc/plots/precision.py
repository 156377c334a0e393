"""The precisions that a run has learned, over learning."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis import learned_precisions, precision
from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile import access

COLUMNS, ROWS = 2, 3  # populations on a page
FEW = 8  # units of which each has a line of its own


@figure("precision", place=45, chapter="Learning", title="Learned precisions of prediction errors", of_some=True)
def plot_precision(run: xr.DataTree) -> list[Figure]:
    """The precision of the errors of each population that learned it: a line for a precision, or, of many units, their
    median and the range from the least to the greatest.

    Raises RunFileError where none was learned.
    """
    return [_page(run, names) for names in style.pages(learned_precisions(run), COLUMNS * ROWS)]


def _page(run: xr.DataTree, names: list[str]) -> Figure:
    rows = -(-len(names) // COLUMNS)
    width = style.DOUBLE if len(names) > 1 else style.SINGLE
    figure = style.new_figure(width, (8 + 46 * rows) * style.MILLIMETRE)
    panels = figure.subplots(rows, min(COLUMNS, len(names)), squeeze=False).ravel()
    for index, (axes, name) in enumerate(zip(panels, names)):
        _over_learning(axes, access.while_learning(precision(run, name)["precision"]), name)
        style.letter(axes, index)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    return figure


def _over_learning(axes: Axes, values: xr.DataArray, name: str) -> None:
    presentations, units = values["presentation"].values, values.sizes["unit"]
    if units <= FEW:
        for unit in range(units):
            axes.plot(presentations, values.isel(unit=unit), marker="o", markersize=2.5, color=style.ERROR, alpha=0.8)
    else:
        low, high = values.min("unit").values, values.max("unit").values
        axes.fill_between(presentations, low, high, color=style.ERROR, alpha=0.25, linewidth=0, label="all units")
        axes.plot(presentations, values.median("unit"), color=style.ERROR, label="median")
        axes.legend(title=f"{units:,} units")
    style.decades(axes, np.asarray(values))
    style.presentations_axis(axes)
    axes.set_ylabel("precision $\\Pi$ of errors")
    axes.set_title(lettering.shorten(name, 30))
