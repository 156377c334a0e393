"""Performance while more and more units or synapses are silenced."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis.experiments import experiment, lesion_curves
from neuro_mpc.analysis.intervals import described
from neuro_mpc.plots import style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile.attributes import attribute

QUANTITIES = {
    "performance": "fraction of {}",
    "correct_letter_ratio": "correct letter ratio",
    "loss": "loss (nats per trial)",
}


@figure("lesion", place=140, of_several=True)
def plot_lesion(runs: xr.DataTree | Sequence[xr.DataTree]) -> list[Figure]:
    """Answers that are right (in a language: allowed), the correct letter ratio of generated strings where
    there is a language, and the loss, each by the fraction that is silenced, in every order; means with 95 %
    intervals over the random orders of one run, or over several runs. Dotted: chance.

    Raises RunFileError where there was no lesion.
    """
    first = experiment(runs if isinstance(runs, xr.DataTree) else runs[0], "lesion")
    names = [name for name in QUANTITIES if name in first]
    figure = style.new_figure(style.DOUBLE, 66 * style.MILLIMETRE)
    panels = figure.subplots(1, len(names))
    for index, (axes, name) in enumerate(zip(panels, names)):
        curves = lesion_curves(runs, name)
        _panel(axes, curves)
        chance = attribute(first, "chance_loss" if name == "loss" else "chance")
        axes.axhline(chance, color=style.FAINT, linestyle=(0, (1, 2)), zorder=0)
        axes.set_xlabel(f"fraction of {attribute(first, 'of')} silenced")
        axes.set_ylabel(QUANTITIES[name].format(attribute(first, "counted")))
        axes.set_ylim(bottom=0)
        style.letter(axes, index)
    over = "random order" if curves.attrs["over"] == "repeat" else curves.attrs["over"]
    style.note(figure, described(curves.attrs["number"], over))
    lines = [line for line in panels[0].get_lines() if not line.get_label().startswith("_")]
    figure.legend(handles=lines, loc="outside lower center", ncols=len(lines))
    return [figure]


def _panel(axes: Axes, curves: xr.Dataset) -> None:
    for order in curves["order"].values:
        curve, look = curves.sel(order=order), style.ORDERS[order]
        label = order if order == "random" else f"{order.replace('-', ' ')} first"
        axes.plot(curve["fraction"], curve["mean"], label=label, markersize=3, **look)
        ends = curve["low"], curve["high"]
        axes.fill_between(curve["fraction"], *ends, color=look["color"], alpha=0.25, linewidth=0)
    style.ticks(axes.xaxis, 5)
    style.ticks(axes.yaxis, 5)
