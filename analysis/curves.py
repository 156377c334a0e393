"""What recipes that compare several runs share: curves over runs, bands, and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from neuro_mpc.plots import style


def over_runs(curves: list[xr.DataArray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Epoch, mean and standard deviation (0 of a single run) over the runs that got there.

    An epoch at which some run has no value, though it went on, is left out: the mean of the others would be a step in
    the curve.
    """
    together = xr.concat(curves, "run", join="outer")
    epochs = together["epoch"].values
    passed = [np.isin(epochs, curve["epoch"]) | (epochs > curve["epoch"].values.max()) for curve in curves]
    together = together[:, np.all(passed, axis=0)]
    spread = together.std("run", ddof=1).fillna(0) if len(curves) > 1 else 0 * together[0]
    return together["epoch"].values, together.mean("run").values, spread.values


def band(axes: Axes, curves: list, label: str | None = None, logarithmic: bool = False, **look) -> None:
    """Mean and standard deviation over runs, of the logarithms where the axis is logarithmic."""
    scaled = [np.log(curve.where(curve > 0)) for curve in curves] if logarithmic else curves
    epoch, mean, deviation = over_runs(scaled)
    low, middle, high = (np.exp(each) if logarithmic else each for each in (mean - deviation, mean, mean + deviation))
    axes.plot(epoch, middle, label=label, **look)
    axes.fill_between(epoch, low, high, color=look["color"], alpha=0.2, linewidth=0)
    if logarithmic:
        logarithmic_axis(axes)


def over_seeds(numbers: Iterable[int]) -> str:
    """Words for a figure with `band`s: over how many runs they are."""
    several = sorted({number for number in numbers if number > 1})
    if not several:
        return "one run a curve"
    return f"means and bands of one standard deviation over {' or '.join(map(str, several))} runs"


def logarithmic_axis(axes: Axes) -> None:
    """A logarithmic y axis that is readable over few decades too."""
    axes.set_yscale("log")
    low, high = axes.dataLim.y0, axes.dataLim.y1
    few = high < style.FEW_DECADES * low
    subs = (1, 2, 3, 4, 5, 7) if high < 10 * low else (1, 2, 5) if few else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=8))
    axes.yaxis.set_minor_locator(NullLocator())
    if few:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def number(value: float, deviation: float = 0.0) -> str:
    return f"{value:.1f} ± {deviation:.1f}" if deviation > 0 else f"{value:.1f}"


def summary(values: Iterable[float]) -> str:
    """Mean and standard deviation, empty without values."""
    values = np.asarray(list(values), float)
    if not len(values):
        return ""
    return number(values.mean(), values.std(ddof=1) if len(values) > 1 else 0)


def table(head: list[str], rows: Iterable[Iterable[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows))
