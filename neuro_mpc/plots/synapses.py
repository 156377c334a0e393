"""Distributions over synapses of every parameter, before and after training, and their way there."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator

from neuro_mpc.analysis.connections import parameters
from neuro_mpc.descriptions.connections import CONNECTED
from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile import access

BINS = 50
ROWS = 7  # projections on a page
COLUMNS, NAMES = 4, 3  # panels of means, and names in their legend, beside each other


@figure("synapses", place=20, chapter="Synapses", title="Parameters of the synapses")
def plot_synapses(run: xr.DataTree) -> list[Figure]:
    """Histograms of the parameters of each projection; with three snapshots or more, their means between.

    Raises RunFileError when fewer than two snapshots of the synapses were recorded.
    """
    group = access.group(run, "synapses")
    projections = dict(group.children) if group is not None else {}
    if not projections or min(node.sizes.get("snapshot", 0) for node in projections.values()) < 2:
        raise access.lacking(run, "two snapshots of the synapses", "protocol.recording.synapses_every=100")
    parts = style.pages(projections, ROWS)
    figures = [_histograms(run, {name: projections[name] for name in part}) for part in parts]
    if next(iter(projections.values())).sizes["snapshot"] > 2:
        figures.append(_means(run, projections))
    return figures


def _histograms(run: xr.DataTree, projections: dict[str, xr.DataTree]) -> Figure:
    columns = max(len(parameters(node.dataset)) for node in projections.values())
    width = style.SINGLE if columns == 1 else style.DOUBLE
    figure = style.new_figure(width, (12 + 31 * len(projections)) * style.MILLIMETRE)
    grid = figure.subplots(len(projections), columns, squeeze=False)
    for index, (row, (name, node)) in enumerate(zip(grid, projections.items())):
        _projection(run, row, name, node)
        style.letter(row[0], index)
        style.heading(row[0], title(run, name, 38 * columns))
    _name_snapshots(run, figure, next(iter(projections.values())))
    return figure


def _projection(run: xr.DataTree, row: np.ndarray, name: str, node: xr.DataTree) -> None:
    there = np.asarray(node[CONNECTED].values == 1).ravel() if CONNECTED in node.data_vars else slice(None)
    names = parameters(node.dataset)
    for axes, parameter in zip(row, names):
        values = access.variable(node, parameter).isel(snapshot=[0, -1]).values.reshape(2, -1)
        _histogram(axes, *values[:, there])
        axes.set_xlabel(lettering.parameter(run, name, parameter))
    for axes in row[len(names) :]:
        axes.set_axis_off()
    row[0].set_ylabel("fraction of\nsynapses")


def _histogram(axes: Axes, before: np.ndarray, after: np.ndarray) -> None:
    finite = np.concatenate([before, after])
    finite = finite[np.isfinite(finite)]
    edges = np.histogram_bin_edges(finite, BINS) if len(finite) else np.linspace(0, 1, BINS + 1)
    for values, look in ((before, _before_look()), (after, _after_look())):
        counts, _ = np.histogram(values[np.isfinite(values)], edges)
        axes.stairs(counts / max(len(values), 1), edges, **look)
    axes.set_yscale("log")
    axes.set_ylim(0.5 / max(len(before), 1), 2)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    style.ticks(axes.xaxis, 5)


def _before_look() -> dict:
    return {"fill": True, "facecolor": style.BEFORE, "edgecolor": "none"}


def _after_look() -> dict:
    return {"fill": False, "edgecolor": style.AFTER, "linewidth": 1.0}


def _name_snapshots(run: xr.DataTree, figure: Figure, node: xr.DataTree) -> None:
    presentations = access.variable(node, "presentation").values
    handles = [
        Patch(**look, label=access.snapshot_name(run, presentations, index))
        for look, index in ((_before_look(), 0), (_after_look(), -1))
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)


def _means(run: xr.DataTree, projections: dict[str, xr.DataTree]) -> Figure:
    names = list(dict.fromkeys(name for node in projections.values() for name in parameters(node.dataset)))
    rows, columns = -(-len(names) // COLUMNS), min(len(names), COLUMNS)
    legend_rows = -(-len(projections) // (1 if columns == 1 else NAMES))
    width = style.SINGLE if columns == 1 else style.DOUBLE
    figure = style.new_figure(width, (48 * rows + 4 * legend_rows) * style.MILLIMETRE)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for index, (axes, parameter) in enumerate(zip(panels, names)):
        _mean(run, axes, projections, parameter)
        style.letter(axes, index)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    lines = [axes.get_legend_handles_labels() for axes in panels]
    handles = {label: line for group in lines for line, label in zip(*group)}
    beside = 1 if columns == 1 else NAMES
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=beside)
    return figure


def _mean(run: xr.DataTree, axes: Axes, projections: dict[str, xr.DataTree], parameter: str) -> None:
    with_it = {name: node for name, node in projections.items() if parameter in node.data_vars}
    signed = any(float(access.variable(node, parameter).min()) < 0 for node in with_it.values())
    means = []
    for index, (name, node) in enumerate(projections.items()):
        if name in with_it:
            values = access.while_learning(access.variable(node, parameter).load())
            mean = (abs(values) if signed else values).mean(("post", "pre")).values
            means.append(mean)
            look = style.projection_style(index, len(mean))
            axes.plot(values["presentation"].values, mean, label=lettering.shorten(name, 36), **look)
    symbol = lettering.parameter(run, next(iter(with_it)), parameter)
    axes.set_ylabel(f"mean of |{symbol}|" if signed else f"mean of {symbol}")
    style.decades(axes, np.concatenate(means))
    style.presentations_axis(axes)


def title(run: xr.DataTree, projection: str, length: int) -> str:
    """`recurrent: hidden → hidden, delay 1`, cut where it is longer than `length`."""
    table = access.projection(run, projection)
    text = projection
    if "from" in table and "to" in table:
        text += f": {table['from']} → {table['to']}"
    if table.get("delay"):
        text += f", delay {table['delay']}"
    return lettering.shorten(text, length)
