"""How variable synapses are: over learning, compared between projections, and unit by unit."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis import compare_projections, intervals, projections, summary, unit_variability, weights
from neuro_mpc.analysis.weights import varies
from neuro_mpc.errors import RunFileError
from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile import access

CURVES = {
    "variability": "variability $v/(\\mu^2+v)$",
    "deterministic": "fraction deterministic",
    "entropy": "entropy of $w/\\bar{w}$ (nats)",
}
ALONE = ("o", "s", "^", "D", "v", "P")  # of projections with a single snapshot
NAMES = 3  # in a line of the legend
NAME = 18  # characters of a projection beside a panel


@figure("variability", place=50, chapter="Synapses")
def plot_variability(run: xr.DataTree) -> list[Figure]:
    """Variability (a), deterministic synapses (b) and entropy (c) of every projection whose weights have a variance
    over learning; at its end the mean over receiving units with a 95 % interval (d), the projection to the target
    minus the others (e), and the variability of what each unit receives, in falling order (f).

    Raises RunFileError where no snapshot of the synapses was recorded, and where every weight is a point.
    """
    names = [name for name in projections(run) if varies(run, name)]
    if not names:
        problem = f"no weight of {access.source(run)} has a variance: all synapse types of its circuit are points"
        raise RunFileError(problem, hint="a circuit whose synapses vary, such as mpl")
    found = summary(run).sel(projection=names)
    compared = compare_projections(run).sel(projection=names, other=names)
    legend = 4 * -(-len(names) // NAMES)
    heights = (46, max(34, 12 + 4.5 * len(names)))
    figure = style.new_figure(style.DOUBLE, (sum(heights) + legend) * style.MILLIMETRE)
    panels = figure.subplots(2, 3, height_ratios=heights)
    for axes, curve in zip(panels[0], CURVES):
        _over_learning(axes, found, curve)
    _means(panels[1, 0], compared)
    _differences(panels[1, 1], compared, _to_target(run, names))
    _units(panels[1, 2], run, names)
    for index, axes in enumerate(axes for axes in panels.flat if axes.axison):
        style.letter(axes, index)
    style.note(figure, f"d, e: 95 % intervals over the units of one run, {_kinds(compared)}")
    lines = panels[0, 0].get_lines()
    figure.legend(lines, [lettering.shorten(name, 36) for name in names], loc="outside lower center", ncols=NAMES)
    return [figure]


def _over_learning(axes: Axes, measures: xr.Dataset, curve: str) -> None:
    for index in range(measures.sizes["projection"]):
        one = access.while_learning(measures.isel(projection=index))
        look = style.projection_style(index, one.sizes["snapshot"])
        marker = ALONE[index % len(ALONE)] if one.sizes["snapshot"] == 1 else look["marker"]
        axes.plot(one["presentation"], one[curve], **{**look, "marker": marker})
    axes.set_ylabel(CURVES[curve])
    if curve != "entropy":
        axes.set_ylim(0, 1)
    style.presentations_axis(axes)


def _kinds(compared: xr.Dataset) -> str:
    """Which interval: that of Student's t where there are few units."""
    return " and ".join(sorted({intervals.kind(int(number)) for number in compared["number"].values}))


def _means(axes: Axes, compared: xr.Dataset) -> None:
    _intervals(axes, compared["projection"].values, compared["variability"], compared["low"], compared["high"])
    axes.set_xlim(left=0)
    axes.set_xlabel("variability, mean over units")


def _differences(axes: Axes, compared: xr.Dataset, target: str) -> None:
    others = [name for name in compared["projection"].values if name != target]
    if not others:
        axes.set_axis_off()
        return
    row = compared.sel(projection=target, other=others)
    _intervals(axes, others, row["difference"], row["difference_low"], row["difference_high"])
    axes.axvline(0, color=style.FAINT, linestyle=(0, (1, 2)), zorder=0)
    axes.set_xlabel(f"{lettering.shorten(target, NAME)} − other")


def _intervals(axes: Axes, names, middle: xr.DataArray, low: xr.DataArray, high: xr.DataArray) -> None:
    rows = np.arange(len(names))
    axes.hlines(rows, low, high, color=style.INK, linewidth=1)
    axes.plot(middle, rows, "o", color=style.INK, markersize=3.5, clip_on=False)
    axes.set_yticks(rows, [lettering.shorten(name, NAME) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    style.ticks(axes.xaxis, 4)


def _units(axes: Axes, run: xr.DataTree, names: list[str]) -> None:
    for index, name in enumerate(names):
        values = unit_variability(weights(run, name, snapshots=[-1]))["incoming"][0].dropna("post").values
        look = style.projection_style(index, len(values))
        axes.plot(np.arange(1, len(values) + 1), np.sort(values)[::-1], **look)
    axes.set_ylim(0, 1)
    axes.set_ylabel("variability\nreceived")
    axes.set_xlabel("unit, most variable first")
    style.ticks(axes.xaxis, 4, integer=True)


def _to_target(run: xr.DataTree, names: list[str]) -> str:
    tables, target = access.describe(run, "circuit").get("projection", {}), access.target_population(run)
    ending = [each.get("tied", name) for name, each in tables.items() if each.get("to") == target]
    return ([name for name in ending if name in names] or names)[-1]
