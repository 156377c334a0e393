"""Trajectories of populations in their principal components."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from neuro_mpc.analysis import labels, principal_components, settled, traces
from neuro_mpc.errors import RunFileError
from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile import access
from neuro_mpc.runfile.attributes import attribute

ROWS = 4  # populations on a page
COMPONENTS = 20
CLASS = "class"
TRIALS = (("-", style.INK), ("--", style.INK), ("-", style.FAINT))


def free_populations(run: xr.DataTree) -> list[str]:
    """Names of the free populations that were recorded; RunFileError where there are none."""
    neural = access.group(run, "neural")
    names = [] if neural is None else [name for name, node in neural.children.items() if "belief" in node.data_vars]
    if not names:
        others = neural is not None and neural.children
        setting = "protocol.recording.populations=[]" if others else "protocol.recording.samples=[-1]"
        raise access.lacking(run, "neural traces of a free population", setting)
    return names


@figure("populations", place=90, chapter="Neural traces", title="Populations in principal components")
def plot_populations(run: xr.DataTree, sample: int = -1) -> list[Figure]:
    """The beliefs of each free population, as inference left them, in principal components: all states and
    their mean for each symbol, trajectories from step to step, and the variance that components hold.

    The symbols are those shown, or, where the stimulus has none, the classes of the trials; then the
    trajectories are means over the trials of a class, else those of three trials. Where the target is values, too,
    nothing is marked.

    Raises RunFileError where no traces were recorded.
    """
    return [_page(run, part, sample) for part in style.pages(free_populations(run), ROWS)]


def _page(run: xr.DataTree, names: list[str], sample: int) -> Figure:
    figure = style.new_figure(style.DOUBLE, (10 + 58 * len(names)) * style.MILLIMETRE)
    grid = figure.subplots(len(names), 3, squeeze=False, width_ratios=(1.2, 1.2, 0.8))
    symbols, word = _symbols(run, sample)
    for index, (row, name) in enumerate(zip(grid, names)):
        components = principal_components(settled(traces(run, name, sample))["belief"], COMPONENTS)
        _states(row[0], components, symbols)
        _trajectories(row[1], components, symbols, word)
        _explained(row[2], components)
        style.letter(row[0], index)
        what = "all states" if symbols is None else f"mean by {word}"
        style.heading(row[0], f"{lettering.shorten(name, 20)}: {what}")
    return figure


def _word(run: xr.DataTree) -> str:
    """What a symbol of the stimulus is called."""
    stimulus = access.describe(run, "protocol").get("stimulus", {})
    words = {"toy-language": "letter", "text": stimulus.get("level", "word")}
    return words.get(stimulus.get("source"), "symbol")


def _symbols(run: xr.DataTree, sample: int) -> tuple[xr.DataArray | None, str]:
    """The symbols by which states are told apart, if there are any, and what one is called."""
    try:
        return labels(run, "stimulus", sample), _word(run)
    except RunFileError:
        pass
    try:
        return labels(run, "target", sample), CLASS
    except RunFileError:
        return None, ""


def _states(axes: Axes, components: xr.Dataset, symbols: xr.DataArray | None) -> None:
    score = _plane(components)
    axes.plot(*score.reshape(2, -1), ".", color=style.BEFORE, markersize=1.5, markeredgewidth=0, rasterized=True)
    if symbols is not None:
        numbers = symbols.sel(step=components["step"]).values
        for number in np.unique(numbers[numbers >= 0]):
            _mark(axes, np.nanmean(score[:, numbers == number], axis=1), _name(symbols, number))
    _planes(axes, components)


def _trajectories(axes: Axes, components: xr.Dataset, symbols: xr.DataArray | None, word: str) -> None:
    """Three trials, each state marked by the `word` it was shown; of classes the means, marked at their end."""
    score = _plane(components)
    numbers = None if symbols is None else symbols.sel(step=components["step"]).values
    if word == CLASS and symbols is not None and numbers is not None:
        for number in np.unique(numbers[-1][numbers[-1] >= 0]):
            mean = np.nanmean(score[:, :, numbers[-1] == number], axis=2)
            axes.plot(*mean, color=style.FAINT, linewidth=0.7)
            _mark(axes, mean[:, -1], _name(symbols, number), ground=True)
        style.heading(axes, "mean of each class, step by step")
    else:
        for trial, (line, colour) in zip(range(score.shape[2]), TRIALS):
            axes.plot(*score[:, :, trial], linestyle=line, color=colour, linewidth=0.7)
            if symbols is not None and numbers is not None:
                for state, number in zip(score[:, :, trial].T, numbers[:, trial]):
                    _mark(axes, state, _name(symbols, number), colour, ground=True)
        style.heading(axes, f"three trials, marked by {word}" if word else "three trials")
    _planes(axes, components)


def _plane(components: xr.Dataset) -> np.ndarray:
    """Scores (2, step, trial) of the first two components, the second zero where there is one only."""
    score = components["score"].transpose("component", "step", "trial").values[:2]
    return np.concatenate([score, np.zeros((2 - len(score), *score.shape[1:]))])


def _name(symbols: xr.DataArray, number: int) -> str:
    return lettering.symbol(attribute(symbols, "symbols").split("\n")[number])


def _mark(axes: Axes, at: np.ndarray, name: str, colour: str = style.INK, ground: bool = False) -> None:
    """The name at a state, on a white ground where a line would run through it."""
    if ground:
        axes.plot(*at, "o", color="white", markersize=6, markeredgewidth=0)
    # A marker, not a text: it needs no room in the layout and may lie on another.
    written = TextPath((0, 0), name, size=style.RC["font.size"])
    shape = written.transformed(Affine2D().translate(*-written.get_extents().get_points().mean(0)))
    # Markers are scaled to a size; this one keeps that of the letters.
    size = 2 * np.abs(shape.vertices).max()
    axes.plot(*at, marker=shape, color=colour, markersize=size, markeredgewidth=0.2, linestyle="none")


def _planes(axes: Axes, components: xr.Dataset) -> None:
    share = 100 * components["explained"].values
    second = share[1] if len(share) > 1 else 0
    axes.set(xlabel=f"component 1 ({share[0]:.0f} %)", ylabel=f"component 2 ({second:.0f} %)")
    for axis in (axes.xaxis, axes.yaxis):
        style.ticks(axis, 4)


def _explained(axes: Axes, components: xr.Dataset) -> None:
    axes.plot(components["component"], np.cumsum(components["explained"]), "o-", color=style.INK)
    axes.set(xlabel="components", ylabel="variance explained, cumulated", ylim=(0, 1))
    axes.set_xlim(left=0)
    style.ticks(axes.xaxis, 4, integer=True)
