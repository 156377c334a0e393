"""Selectivity of units and of their errors for symbols."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis import selectivity
from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.plots.populations import free_populations

ROWS = 4  # populations on a page
LOOKS: dict[str, dict[str, Any]] = {
    "rate": {"color": style.INK, "linestyle": "-"},
    "error": {"color": style.ERROR, "linestyle": ":"},
}
NAMED = 13  # symbols below an axis
UPRIGHT = 2  # characters; longer names stand on end


@figure("selectivity", place=100, chapter="Neural traces", title="Selectivity of units")
def plot_selectivity(run: xr.DataTree, sample: int = -1) -> list[Figure]:
    """Mean rate and mean error of every unit for each symbol of the target, and the share of the units'
    variance that the symbol explains, in falling order: a row for each free population.

    The answers of a unit are divided by its largest; units are sorted by the symbol that they prefer.

    Raises RunFileError where no traces were recorded.
    """
    return [_page(run, part, sample) for part in style.pages(free_populations(run), ROWS)]


def _page(run: xr.DataTree, names: list[str], sample: int) -> Figure:
    figure = style.new_figure(style.DOUBLE, (10 + 54 * len(names)) * style.MILLIMETRE)
    grid = figure.subplots(len(names), 3, squeeze=False, width_ratios=(1.2, 1.2, 0.8))
    for index, (row, name) in enumerate(zip(grid, names)):
        tunings = {quantity: selectivity(run, name, quantity, sample=sample) for quantity in LOOKS}
        for axes, (quantity, tuning) in zip(row, tunings.items()):
            _responses(figure, axes, tuning, quantity)
        _explained(row[2], tunings)
        row[0].set_ylabel(f"{lettering.shorten(name, 20)} unit, sorted")
        style.letter(row[0], index)
    return figure


def _responses(figure: Figure, axes: Axes, tuning: xr.Dataset, quantity: str) -> None:
    answers = tuning["response"].transpose("unit", "symbol").values
    largest = np.abs(answers).max(1)
    order = np.lexsort((-largest, tuning["preferred"].values))
    scaled = (answers / np.where(largest > 0, largest, 1)[:, None])[order]
    signed = scaled.min() < 0
    image = axes.imshow(
        scaled,
        cmap=style.SIGNED if signed else style.POSITIVE,
        vmin=-1 if signed else 0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
    )
    bar = figure.colorbar(image, ax=axes, aspect=18, pad=0.03)
    bar.outline.set_linewidth(0.6)
    style.heading(axes, f"mean {quantity}, of its largest")
    names = tuning["name"].values
    positions = np.arange(0, len(names), -(-len(names) // NAMED))
    upright = max(map(len, names[positions]), default=0) > UPRIGHT
    axes.set_xticks(positions, [lettering.symbol(names[index]) for index in positions], rotation=90 if upright else 0)
    axes.set_xlabel("symbol of the target")
    style.ticks(axes.yaxis, 5, integer=True)


def _explained(axes: Axes, tunings: dict[str, xr.Dataset]) -> None:
    for quantity, tuning in tunings.items():
        values = np.sort(tuning["explained"].values)[::-1]
        axes.plot(np.arange(1, len(values) + 1), values, label=quantity, **LOOKS[quantity])
    axes.axhline(0, color=style.FAINT, linewidth=0.5, zorder=0)
    axes.set(xlabel="unit, most selective first", ylabel="variance explained by symbol")
    axes.set_ylim(top=1)
    style.ticks(axes.xaxis, 4, integer=True)
    style.legend_above(axes, 2, "right")
