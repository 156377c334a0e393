"""How the parameters of synapses are distributed over each projection before and after learning a text."""

from __future__ import annotations

import numpy as np
import xarray as xr
from language_runs import PAPER, Corpus
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neuro_mpc.analysis import histogram
from neuro_mpc.plots import lettering, style

SENDERS = {"embedding": "#7B5EA7", "input": "#15357A", "recurrent": "#E8A317", "output": "#C8372D"}
BINS = 100  # as in the paper
ORDER = ("pi", "Xi", "m")
BEFORE, AFTER = {"linewidth": 0.7, "linestyle": ":"}, {"linewidth": 1.0}


def draw_densities(found: list[Corpus]) -> Figure | None:
    """A row for each kind whose weights are distributions, of its first run; None where there is none."""
    rows = [
        (f"{kind.label(corpus.groups)}, {corpus.name}", runs[0])
        for corpus in found
        for kind, runs in corpus.groups.items()
        if kind.varies
    ]
    if not rows:
        return None
    figure = style.new_figure(style.DOUBLE, (10 + 50 * len(rows)) * style.MILLIMETRE)
    for index, (panels, (name, run)) in enumerate(zip(figure.subplots(len(rows), 3, squeeze=False), rows)):
        for axes, parameter in zip(panels, ORDER):
            _density(axes, run, parameter)
        style.letter(panels[0], index)
        style.heading(panels[0], name)
    there = {name for _, run in rows for name in run["synapses"].children}
    _name_projections(figure, [name for name in SENDERS if name in there])
    return figure


def _density(axes: Axes, run: xr.DataTree, parameter: str) -> None:
    nodes = {name: node for name, node in run["synapses"].children.items() if parameter in node}
    for name, node in nodes.items():
        for snapshot, look in ((0, BEFORE), (-1, AFTER)):
            fractions, edges = _fractions(node, parameter, snapshot)
            middles, shown = (edges[1:] + edges[:-1]) / 2, np.where(fractions > 0, fractions, np.nan)
            axes.plot(middles, shown, color=SENDERS.get(name, style.INK), **look)
    axes.set_yscale("log")
    axes.set_xlabel(lettering.parameter(run, next(iter(nodes)), parameter))
    axes.set_ylabel(f"fraction of synapses\nin each of {BINS} bins")
    style.ticks(axes.xaxis, 5)


def _name_projections(figure: Figure, names: list[str]) -> None:
    after = [Line2D([], [], color=SENDERS[name], label=name, **AFTER) for name in names]
    before = Line2D([], [], color=style.INK, label="before training", **BEFORE)
    figure.legend(handles=[*after, before], loc="outside lower center", ncols=len(names) + 1)


def _fractions(node: xr.DataTree, parameter: str, snapshot: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the synapses in each bin, and the edges of the bins."""
    found = histogram(node[parameter].isel(snapshot=[snapshot]), BINS)
    return found["fraction"].values[0], np.append(found["left"].values, found["right"].values[-1])


def first_bins(found: list[Corpus]) -> str:
    """Fractions of the synapses whose π is in the first bin after training, beside the paper's."""
    return "\n".join(
        f"π in the first of {BINS} bins, {kind.label(corpus.groups)}: {_first_bins(runs[0])}"
        for corpus in found
        for kind, runs in corpus.groups.items()
        if kind.varies
    )


def _first_bins(run: xr.DataTree) -> str:
    nodes = {name: node for name, node in run["synapses"].children.items() if "pi" in node}
    paper = {name: f" (paper {value:.2f})" for name, value in PAPER["first_bin"].items()}
    return ", ".join(
        f"{name} {_fractions(node, 'pi', -1)[0][0]:.2f}{paper.get(name, '')}" for name, node in nodes.items()
    )
