"""Networks drawn from the learned distributions: single networks, and their votes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from neuro_mpc.analysis.bootstrap import LEVEL
from neuro_mpc.analysis.experiments import ensembles, experiment
from neuro_mpc.plots import style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile.attributes import attribute

BINS = 4
MEAN_OUTPUT: dict[str, Any] = {"color": style.OUTPUT, "linestyle": ":", "linewidth": 1.5, "label": "mean output"}


@figure("ensemble", place=150)
def plot_ensemble(run: xr.DataTree) -> list[Figure]:
    """Performance of the networks beside that of the circuit with noise and with mean weights (a); of the
    most frequent answer and the mean output of more and more networks (b); how often the most frequent answer
    is right, by the fraction of networks that give it, with 95 % intervals (c, Wilson's; area: number of answers).

    Raises RunFileError where there was no ensemble.
    """
    results, summary = experiment(run, "ensemble"), ensembles(run)
    figure = style.new_figure(style.DOUBLE, 66 * style.MILLIMETRE)
    panels = figure.subplots(1, 3)
    _networks(panels[0], results)
    _together(panels[1], results)
    _reliability(panels[2], results)
    number, agreement = results.sizes["network"], float(summary["agreement"][0])
    answers = int(np.isfinite(results["share"].values).sum())
    style.note(figure, f"c: {100 * LEVEL:g} % intervals of Wilson, {answers:,} answers of one run in all")
    style.heading(panels[0], f"{number} networks")
    style.heading(panels[2], f"pairs agree: {agreement:.2f}")
    for index, axes in enumerate(panels):
        style.letter(axes, index)
    lines = [*panels[0].get_lines(), *panels[1].get_lines()]
    handles = {line.get_label(): line for line in lines}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles))
    return [figure]


def _counted(results: xr.Dataset) -> str:
    return f"fraction of {attribute(results, 'counted')}"


def _networks(axes: Axes, results: xr.Dataset) -> None:
    values = results["performance"].values
    low, high = values.min(), values.max()
    margin = max((high - low) / 2, 0.01)
    axes.hist(values, np.linspace(low - margin, min(high + margin, 1.0), 21), color=style.AFTER)
    lines = {"noise": ("--", "with noise"), "mean_weights": ("-", "mean weights")}
    for name, (linestyle, label) in lines.items():
        axes.axvline(attribute(results, name), color=style.INK, linestyle=linestyle, label=label)
    axes.axvline(float(results["mean_output"][-1]), **MEAN_OUTPUT)
    axes.set(xlabel=_counted(results), ylabel="networks")
    style.ticks(axes.xaxis, 4)
    style.ticks(axes.yaxis, 4, integer=True)


def _together(axes: Axes, results: xr.Dataset) -> None:
    axes.plot(results["size"], results["vote"], color=style.AFTER, label="most frequent answer")
    axes.plot(results["size"], results["mean_output"], **MEAN_OUTPUT)
    single = float(results["performance"].mean())
    axes.axhline(single, color=style.FAINT, linestyle="--", label="one network, mean")
    axes.set(xlabel="networks together", ylabel=_counted(results))
    style.ticks(axes.xaxis, 4, integer=True)
    style.ticks(axes.yaxis, 4)


def _reliability(axes: Axes, results: xr.Dataset) -> None:
    answered = np.isfinite(results["share"].values)  # where there is a target
    share, right = (results[name].values[answered].astype(float) for name in ("share", "vote_right"))
    bin_numbers = np.digitize(share, np.linspace(share.min(), share.max(), BINS + 1)[1:-1])
    bins = [bin_numbers == k for k in range(BINS) if (bin_numbers == k).any()]
    centres, mean = ([values[members].mean() for members in bins] for values in (share, right))
    sizes = [4 + 60 * members.mean() for members in bins]
    ends = np.array([_fraction(right[members]) for members in bins]).T
    axes.errorbar(centres, mean, np.abs(ends - mean), color=style.AFTER, linewidth=0.8, elinewidth=0.8, zorder=1)
    axes.scatter(centres, mean, s=sizes, color=style.AFTER, linewidth=0, zorder=2)
    axes.set(xlabel="networks that give the answer", ylabel=_counted(results), ylim=(0, 1.05))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    style.ticks(axes.xaxis, 4)


def _fraction(right: np.ndarray) -> tuple[float, float]:
    """Wilson's interval of a fraction, which is right for few answers and near 0 and 1, too."""
    from scipy.stats import binomtest  # takes half a second to import

    interval = binomtest(int(right.sum()), len(right)).proportion_ci(LEVEL, method="wilson")
    return interval.low, interval.high
