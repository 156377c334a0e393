"""How circuits learn to read digits row by row, beside figure 1 of Li, Qiu & Huang (2024).

    python analysis/mnist_learning.py RUN… --out figure.png

Runs that differ in their seed only are one curve: their mean, in a band of one standard deviation. Drawn are
accuracy and energy by epoch and, for circuits whose weights are distributions, the mean over synapses of each
parameter, projection by projection. Open symbols are the paper's values. Tables are printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from curves import band, over_seeds
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from mnist_runs import PAPER, Groups, Kind, accuracy, energy, grouped, statistic, tables

from neuro_mpc import NeuroMPCError, open_run
from neuro_mpc.plots import lettering, style
from neuro_mpc.runfile import access

ORDER = ("pi", "m", "Xi")
LINES = ("-", "--", ":", "-.")
SENDERS = (("#15357A", "o"), ("#E8A317", "s"), ("#C8372D", "^"), ("#7B5EA7", "D"))
OPEN = {"mfc": "white", "mew": 0.8, "markersize": 4, "clip_on": False, "zorder": 3}  # values of the paper


def draw(groups: Groups) -> Figure:
    """Accuracy and energy of all runs; below, a row for each kind whose weights are distributions."""
    varying = [kind for kind in groups if kind.rule]
    figure = style.new_figure(style.DOUBLE, (64 + 4 * len(groups) + 52 * len(varying)) * style.MILLIMETRE)
    grid = figure.add_gridspec(1 + len(varying), 3)
    panels = [figure.add_subplot(grid[0, :2]), figure.add_subplot(grid[0, 2])]
    _learning(*panels, groups)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    bars = "; paper: bars of one standard deviation"
    style.note(figure, over_seeds(map(len, groups.values())) + bars)
    last = max(axes.dataLim.x1 for axes in panels)
    above: Sequence[Axes] = ()
    for row, kind in enumerate(varying, start=1):
        above = _parameters(figure, [grid[row, column] for column in range(3)], groups, kind, last, above)
        panels += above
    if varying:
        _name_projections(figure, above[-1])
    for index, axes in enumerate(panels):
        style.letter(axes, index)
        axes.set_xlabel(f"epoch ({PAPER['epoch_trials']:,} trials)")
        axes.set_xlim(0, last)
        style.ticks(axes.xaxis, 5)
    return figure


def _learning(left: Axes, right: Axes, groups: Groups) -> None:
    used = {True: 0, False: 0}
    for kind, members in groups.items():
        varies = bool(kind.rule)
        look = {"color": style.INK if varies else style.FAINT, "linestyle": LINES[used[varies] % len(LINES)]}
        used[varies] += 1
        seeds = f" ({len(members)} seeds)" if len(members) > 1 else ""
        band(left, [accuracy(run) for run in members], label=kind.label(groups) + seeds, **look)
        band(right, [energy(run) for run in members], logarithmic=True, **look)
    _paper_accuracy(left)
    shown = _some(np.arange(len(PAPER["log_energy"])), right.dataLim.x1)
    right.plot(shown, np.exp(PAPER["log_energy"])[shown], "o", color=style.INK, **OPEN)
    left.set_ylim(0, 100)
    splits = {access.describe(run, "protocol")["test"]["split"] for runs in groups.values() for run in runs}
    left.set_ylabel(f"{' and '.join(sorted(splits))} accuracy (%)")
    right.set_ylabel("energy of a batch (nats)")


def _paper_accuracy(axes: Axes) -> None:
    paper = PAPER["accuracy"]
    for name, colour, symbol in (("mpl", style.INK, "o"), ("pc", style.FAINT, "s")):
        shown = _some(np.arange(len(paper[name])) + 1, axes.dataLim.x1)
        axes.errorbar(
            shown,
            *(np.array(each[name])[shown - 1] for each in (paper, paper["deviation"])),
            color=colour,
            fmt=symbol,
            elinewidth=0.8,
            label=f"{name.upper()}, paper",
            **OPEN,
        )


def _some(epochs: np.ndarray, last: float) -> np.ndarray:
    """Of the epochs up to the last one about ten, so that their symbols stay apart; the first one is among them."""
    shown = epochs[epochs <= last]
    return shown[:: -(-len(shown) // 10) or 1]


def _parameters(
    figure: Figure, places: list, groups: Groups, kind: Kind, last: float, above: Sequence[Axes]
) -> list[Axes]:
    """A panel for each parameter, with the scale of the panel above it."""
    found = {name for node in groups[kind][0]["synapses"].children.values() for name in node.data_vars}
    panels = []
    for place, name, shared in zip(places, [name for name in ORDER if name in found], above or [None] * 3):
        panels.append(figure.add_subplot(place, sharey=shared))
        _parameter(panels[-1], groups[kind], name, last)
    panels[0].set_title(" ", pad=22)  # holds the height free; the text itself would take width
    panels[0].annotate(
        kind.label(groups), (0, 1), (0, 19), xycoords="axes fraction", textcoords="offset points", va="bottom"
    ).set_in_layout(False)
    return panels


def _parameter(axes: Axes, members: list, parameter: str, last: float) -> None:
    paper = PAPER["log_mean"].get(parameter, {})
    for projection, (colour, symbol), line in zip(members[0]["synapses"].children, SENDERS, LINES):
        curves = [statistic(run, projection, parameter) for run in members]
        band(axes, curves, label=projection, logarithmic=True, color=colour, linestyle=line)
        if projection in paper:
            shown = _some(np.arange(len(paper[projection])), last)
            axes.plot(shown, np.exp(paper[projection])[shown], symbol, color=colour, **OPEN)
    written = lettering.parameter(members[0], projection, parameter)
    signed = any((node[parameter] < 0).any() for node in members[0]["synapses"].children.values())
    axes.set_ylabel(f"|mean of {written}|" if signed else f"mean of {written}")


def _name_projections(figure: Figure, axes: Axes) -> None:
    """A legend of projections: lines, with the symbols of the paper."""
    lines, names = axes.get_legend_handles_labels()
    handles = [
        (line, Line2D([], [], color=colour, marker=symbol, linestyle="", **OPEN))
        for line, (colour, symbol) in zip(lines, SENDERS)
    ]
    figure.legend(
        handles,
        [f"{name} (symbol: paper)" for name in names],
        loc="outside lower center",
        ncols=len(names),
        handler_map={tuple: HandlerTuple(ndivide=None)},
        handlelength=4,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run file of MNIST, a row at a step")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="figure to write")
    arguments = parser.parse_args()
    try:
        with ExitStack() as stack, style.applied():
            groups = grouped([stack.enter_context(open_run(path)) for path in arguments.runs])
            draw(groups).savefig(arguments.out)
            print(tables(groups))
    except (NeuroMPCError, OSError) as problem:
        parser.exit(2, f"{parser.prog}: {problem}\n")


if __name__ == "__main__":
    main()
