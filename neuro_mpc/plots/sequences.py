"""Generated sequences before and after training, letter by letter."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from neuro_mpc.errors import RunFileError
from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile import access
from neuro_mpc.runfile.attributes import attribute

ROWS, POSITIONS = 30, 24  # of a panel; longer output is cut
WIDEST = 3  # characters in a cell
GIVEN, ALLOWED, FORBIDDEN = range(3)
FILLS = to_rgba_array([style.BEFORE, "#FFFFFF", style.ERROR])
LETTERS = np.array([style.INK, style.INK, "#FFFFFF"])


@figure("sequences", place=40, chapter="Generated sequences", title="Sequences before and after training")
def plot_sequences(run: xr.DataTree) -> list[Figure]:
    """The sequences generated from each starting symbol by the first and by the last test.

    A cell is a symbol: given (grey), reached by an allowed transition (white) or by a forbidden one (filled).

    Raises RunFileError when the tests generated nothing.
    """
    generation = access.group(run, "generation")
    if generation is None or not generation.sizes.get("test"):
        if access.describe(run, "protocol").get("stimulus", {}).get("source", "toy-language") != "toy-language":
            raise RunFileError(f"{access.source(run)} holds no generated sequences: only a toy language is tested so")
        raise access.lacking(
            run, "generated sequences", "protocol.test.measure=correct-letter-ratio --set protocol.test.generate=10"
        )
    tests = [0, -1] if generation.sizes["test"] > 1 else [0]
    sequences = access.variable(generation, "sequence").isel(test=tests).values
    rows, positions = min(sequences.shape[1], ROWS), min(sequences.shape[2], POSITIONS)
    width = style.DOUBLE if len(tests) > 1 else style.SINGLE
    figure = style.new_figure(width, (22 + 3.9 * rows) * style.MILLIMETRE)
    panels = figure.subplots(1, len(tests), squeeze=False)[0]
    for index, (axes, test) in enumerate(zip(panels, tests)):
        kinds = kinds_of(sequences[index], generation)
        cells(axes, sequences[index], kinds, _symbols(generation), rows, positions)
        when = access.snapshot_name(run, access.variable(generation, "test").values, test)
        style.heading(axes, _heading(when, kinds, "transitions" in generation.attrs))
        if len(tests) > 1:
            style.letter(axes, index)
    panels[0].set_ylabel("generated sequence")
    legend(figure, "transitions" in generation.attrs)
    return [figure]


def _symbols(generation: xr.DataTree) -> list[str]:
    names = attribute(generation, "symbols", "")
    if names:
        return names.split("\n")
    return [str(k) for k in range(int(access.variable(generation, "sequence").max()) + 1)]


def kinds_of(sequences: np.ndarray, generation: xr.DataTree) -> np.ndarray:
    """GIVEN, ALLOWED or FORBIDDEN for every symbol; without transitions nothing is forbidden."""
    kinds = np.full(sequences.shape, ALLOWED)
    kinds[:, 0] = GIVEN
    if "transitions" in generation.attrs:
        ring = len(_symbols(generation))
        steps = np.diff(sequences, axis=1) % ring
        allowed = np.atleast_1d(attribute(generation, "transitions")) % ring
        kinds[:, 1:] = np.where(np.isin(steps, allowed), ALLOWED, FORBIDDEN)
    return kinds


def cells(axes: Axes, sequences, kinds, symbols: list[str], rows: int, positions: int) -> None:
    """Draws the first symbols of the first sequences (trial, position), each on the fill of its kind."""
    visible = kinds[:rows, :positions]
    axes.pcolormesh(FILLS[visible], edgecolors="#D5D8DB", linewidth=0.4)
    for row, position in np.ndindex(visible.shape):
        symbol, colour = lettering.symbol(symbols[sequences[row, position]], WIDEST), LETTERS[visible[row, position]]
        axes.text(position + 0.5, row + 0.5, symbol, color=colour, ha="center", va="center_baseline")
    axes.set(xlim=(0, positions), ylim=(rows, 0), yticks=[], xlabel="position")
    axes.set_xticks(np.arange(positions) + 0.5, np.arange(positions))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _heading(when: str, kinds: np.ndarray, judged: bool) -> str:
    if not judged:
        return when
    return f"{when}: correct letter ratio {np.mean(kinds[:, 1:] == ALLOWED):.2f}"


def legend(figure: Figure, judged: bool) -> None:
    """What the fills mean, below the figure."""
    names = ["given", "allowed transition", "forbidden transition"] if judged else ["given", "generated"]
    handles = [
        Patch(facecolor=fill, edgecolor=style.FAINT, linewidth=0.4, label=name) for fill, name in zip(FILLS, names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=1.2)
