"""Learning curves: energies of the presentations, and what the tests measured."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile import access, labels

LABELS = {
    "free_energy": "free energy $F$",
    "free_energy_hidden": "errors of free populations",
    "loss": "loss of the output",
}
UNITS = {"accuracy": " (fraction correct)"}
NOT_MEASURES = (*LABELS, "free_energy_start", "iterations", "test", "test_presentation", "test_loss")
POINTS, SHARE = 150, 10  # a longer curve is drawn as at most POINTS medians, each over at least SHARE presentations
LONG = 200
LONGEST_LABEL = 36  # characters beside a panel
LOW = 45  # mm, less than a row of panels needs
BAND = (10, 90)  # percentiles


@figure("learning", place=10, chapter="Learning", title="Learning curves")
def plot_learning(run: xr.DataTree) -> list[Figure]:
    """Free energy, its two parts and the test loss (a), and what the task measures (b), by presentation.

    Bands hold the 10th to the 90th percentile of the presentations that a point of the curve stands for.

    Raises RunFileError when no presentation was learned.
    """
    learning = access.group(run, "learning")
    if learning is None or not learning.sizes.get("presentation"):
        raise access.lacking(run, "presentation that was learned", "protocol.learning.presentations=100")
    measures = [str(name) for name in learning.data_vars if name not in NOT_MEASURES]
    width = style.DOUBLE if measures else style.SINGLE
    rows = -(-(1 + len(measures)) // 2)
    figure = style.new_figure(width, 62 * rows * style.MILLIMETRE)
    # Into a place of a figure, panels are drawn side by side where it is not high enough for rows.
    low = rows > 1 and figure.bbox.height < LOW * rows * style.MILLIMETRE * figure.dpi
    panels = list(figure.subplots(1, 1 + len(measures))) if low else _panels(figure, 1 + len(measures))
    _energies(panels[0], learning, 1 if low else 2)
    for axes, name in zip(panels[1:], measures):
        _measure(axes, learning, name, chance_level(run, name), _split(run))
    if measures:
        for index, axes in enumerate(panels):
            style.letter(axes, index)
    presentations = learning.sizes["presentation"]
    if (number := presentations // _points(presentations)) > 1:
        low, high = BAND
        style.note(figure, f"medians and {low}th to {high}th percentiles of {number} presentations each, one run")
    return [figure]


def _panels(figure: Figure, number: int) -> list[Axes]:
    """Two in a row, where the legend of the energies has room; of an odd number the first one has a row to itself."""
    wide = number % 2
    grid = figure.add_gridspec(-(-number // 2), 1 if number == 1 else 2)
    places = [grid[0, :]] if wide else []
    places += [grid[(place + wide) // 2, (place + wide) % 2] for place in range(wide, number)]
    return [figure.add_subplot(place) for place in places]


def chance_level(run: xr.DataTree, measure: str) -> float | None:
    """What guessing scores: for n classes 1/n correct, perplexity n; for k allowed of n next letters k/n."""
    what = labels.measured(measure)
    classes = access.population(run, what.population or access.target_population(run)).get("size")
    if not classes:
        return None
    stimulus = access.describe(run, "protocol").get("stimulus", {})
    allowed = len(stimulus.get("transitions", ()))
    levels = {"accuracy": 1 / classes, "perplexity": classes}
    return allowed / classes or None if measure == "correct_letter_ratio" else levels.get(what.measure)


def _energies(axes: Axes, learning: xr.DataTree, columns: int) -> None:
    presentation = access.variable(learning, "presentation").values
    for name, look in style.ENERGIES.items():
        _curve(axes, presentation, access.variable(learning, name).values, LABELS[name], look)
    if "test_loss" in learning.data_vars:
        tested = access.variable(learning, "test_presentation").values
        axes.plot(
            tested,
            access.variable(learning, "test_loss").values,
            "D",
            color=style.OUTPUT,
            mfc="white",
            mew=0.8,
            markersize=3,
            clip_on=False,
            label="loss in tests",
        )
    style.decades(axes, np.concatenate([access.variable(learning, name).values for name in style.ENERGIES]))
    axes.set_ylabel("energy per trial (nats)")
    style.presentations_axis(axes)
    style.legend_above(axes, columns)


def _curve(axes: Axes, x: np.ndarray, values: np.ndarray, label: str, look: dict) -> None:
    x, values = x[np.isfinite(values)], values[np.isfinite(values)]
    points = _points(len(values))
    if points == len(values):
        axes.plot(x, values, label=label, marker="." if len(values) == 1 else None, **look)
        return
    shares = np.array_split(np.arange(len(values)), points)
    centre = [x[share].mean() for share in shares]
    low, middle, high = np.array([np.percentile(values[share], (BAND[0], 50, BAND[1])) for share in shares]).T
    axes.fill_between(centre, low, high, color=look["color"], alpha=0.2, linewidth=0)
    axes.plot(centre, middle, label=label, **look)


def _points(presentations: int) -> int:
    """Points of a curve: one for each presentation, or medians over shares of them."""
    return presentations if presentations < LONG else min(POINTS, presentations // SHARE)


def _split(run: xr.DataTree) -> str:
    return access.describe(run, "protocol").get("test", {}).get("split", "test")


def _measure(axes: Axes, learning: xr.DataTree, name: str, chance: float | None, split: str) -> None:
    values, tested = (access.variable(learning, each).values for each in (name, "test_presentation"))
    axes.plot(tested, values, "-o", color=style.INK, clip_on=False, label=split)
    if chance is not None:
        axes.axhline(chance, color=style.FAINT, linestyle=(0, (1, 2)), label="chance", zorder=0)
    what = labels.measured(name)
    if what.measure in ("accuracy", "correct_letter_ratio"):
        axes.set_ylim(0, 1)
    else:
        style.decades(axes, values)
    axes.set_ylabel(lettering.shorten(what.words, LONGEST_LABEL) + UNITS.get(what.measure, ""))
    style.presentations_axis(axes)
    style.legend_above(axes)
