"""The synapses from i to j beside those from j to i, before and after training."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis import asymmetry, pairs, projections, weights
from neuro_mpc.analysis.weights import varies
from neuro_mpc.errors import RunFileError
from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile import access

ROWS = 4  # of panels on a page
QUANTITIES = {"mean": "mean of the weight", "variance": "variance of the weight"}
DRAWN = 20_000  # pairs of which all are drawn; of more, an even choice


@figure("asymmetry", place=60, chapter="Synapses", title="The two directions of a pair")
def plot_asymmetry(run: xr.DataTree) -> list[Figure]:
    """For each projection that returns to the units it comes from: means and variances of both directions of
    every pair of units, and how asymmetric they are over learning: 0 symmetric, 1 antisymmetric
    (compare Li, Qiu & Huang 2024, Fig. 4). Weights that are points have no variances to show.

    Raises RunFileError without a snapshot, and where no two units are connected in both directions.
    """
    both = returning(run)
    if not both:
        problem = "no two units of this circuit are connected in both directions"
        raise RunFileError(problem, hint="a circuit with a recurrent projection, such as mpl")
    return [_page(run, part) for part in style.pages(both, ROWS)]


def returning(run: xr.DataTree) -> list[tuple[str, str | None]]:
    """Projections from a population to itself, with None, and those to another with the one that returns."""
    tables = access.describe(run, "circuit")["projection"]
    ends = {name: (tables[name]["from"], tables[name]["to"]) for name in projections(run)}
    own = [(name, None) for name, (a, b) in ends.items() if a == b and access.population(run, a).get("size", 2) > 1]
    names = list(ends)
    two = [
        (one, other)
        for k, one in enumerate(names)
        for other in names[k + 1 :]
        if ends[one] == ends[other][::-1] and ends[one][0] != ends[one][1]
    ]
    return [*own, *two]


def _page(run: xr.DataTree, rows: list[tuple[str, str | None]]) -> Figure:
    shown = _quantities(run, rows)
    figure = style.new_figure(style.DOUBLE, (10 + 54 * len(rows)) * style.MILLIMETRE)
    grid = figure.subplots(len(rows), len(shown) + 1, squeeze=False)
    for index, (row, (name, back)) in enumerate(zip(grid, rows)):
        own = _quantities(run, [(name, back)])
        by_quantity = {quantity: _pairs(run, name, back, quantity) for quantity in own}
        for axes, quantity in zip(row, shown):
            if quantity in by_quantity:
                _scatter(run, axes, by_quantity[quantity], quantity)
            else:
                axes.set_axis_off()
        _index(row[-1], by_quantity)
        style.letter(row[0], index)
        style.heading(row[0], lettering.shorten(f"{name} and {back}" if back else name, 40))
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, markerscale=4)
    return figure


def _quantities(run: xr.DataTree, rows: list[tuple[str, str | None]]) -> list[str]:
    """What there is to show of these projections: variances only where weights have some."""
    some = any(varies(run, name) for row in rows for name in row if name)
    return [quantity for quantity in QUANTITIES if some or quantity != "variance"]


def _pairs(run: xr.DataTree, name: str, back: str | None, quantity: str) -> xr.Dataset:
    return pairs(weights(run, name)[quantity], weights(run, back)[quantity] if back else None)


def _scatter(run: xr.DataTree, axes: Axes, directions: xr.Dataset, quantity: str) -> None:
    drawn = directions.isel(pair=slice(None, None, -(-directions.sizes["pair"] // DRAWN)))
    looks: tuple[dict[str, Any], ...] = ({"color": style.BEFORE, "marker": "o"}, {"color": style.AFTER, "marker": "."})
    snapshots = [0, -1] if directions.sizes["snapshot"] > 1 else [-1]
    for snapshot, look in zip(snapshots, looks[-len(snapshots) :]):
        state = drawn.isel(snapshot=snapshot)
        label = access.snapshot_name(run, directions["presentation"].values, snapshot)
        axes.plot(
            state["forward"],
            state["backward"],
            linestyle="none",
            markersize=1.5,
            markeredgewidth=0,
            alpha=0.6,
            label=label,
            rasterized=True,
            **look,
        )
    ends = axes.get_xlim() + axes.get_ylim()
    low, high = (min(ends), max(ends)) if quantity == "variance" else (-np.abs(ends).max(), np.abs(ends).max())
    axes.plot([low, high], [low, high], color=style.INK, linewidth=0.5, linestyle=(0, (4, 3)), zorder=0)
    axes.set(
        xlim=(low, high),
        ylim=(low, high),
        aspect="equal",
        xlabel=f"{QUANTITIES[quantity]} $i \\to j$",
        ylabel="$j \\to i$",
    )
    for axis in (axes.xaxis, axes.yaxis):
        style.ticks(axis, 4)


def _index(axes: Axes, by_quantity: dict[str, xr.Dataset]) -> None:
    looks: tuple[dict[str, Any], ...] = (
        {"linestyle": "-", "marker": "o"},
        {"linestyle": "--", "marker": "s", "markerfacecolor": "white"},
    )
    for (quantity, directions), look in zip(by_quantity.items(), looks):
        index = access.while_learning(asymmetry(directions))
        axes.plot(index["presentation"], index, color=style.INK, label=quantity, **look)
    axes.axhline(0.5, color=style.FAINT, linestyle=(0, (1, 2)), label="independent, of mean zero", zorder=0)
    axes.set_ylim(0, 1)
    axes.set_ylabel("asymmetry")
    style.presentations_axis(axes)
    style.legend_above(axes, 3, "right")
