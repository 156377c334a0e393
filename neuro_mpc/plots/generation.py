"""Strings generated before and after learning, and the transitions that they are made of."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis.experiments import experiment
from neuro_mpc.plots import style
from neuro_mpc.plots.figures import figure
from neuro_mpc.plots.sequences import ALLOWED, FORBIDDEN, GIVEN, cells, legend
from neuro_mpc.runfile.attributes import attribute

ROWS, POSITIONS = 26, 18  # of a panel; longer output is cut
COLOURS = (style.BEFORE, style.AFTER)


@figure("generation", place=160)
def plot_generation(run: xr.DataTree) -> list[Figure]:
    """The first strings generated at the first and at the last of the moments (a, b), and how often each step
    on the ring of letters was taken at both (c); allowed steps are marked below the axis.

    Raises RunFileError where nothing was generated.
    """
    results = experiment(run, "generation")
    moments = [0, -1] if results.sizes["presentation"] > 1 else [0]
    rows = min(results.sizes["trial"], ROWS)
    figure = style.new_figure(style.DOUBLE, (66 + 3.6 * rows) * style.MILLIMETRE)
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(14 + 3.6 * rows, 48))[:, 0]
    panels = upper.subplots(1, len(moments), squeeze=False)[0]
    for axes, moment in zip(panels, moments):
        _strings(axes, results.isel(presentation=moment), rows)
    panels[0].set_ylabel("generated string")
    steps = lower.subplots()
    _steps(steps, results, moments)
    for index, axes in enumerate((*panels, steps)):
        style.letter(axes, index)
    legend(upper, True)
    return [figure]


def _strings(axes: Axes, results: xr.Dataset, rows: int) -> None:
    sequences, allowed = (results[name].isel(repeat=0).values for name in ("sequence", "allowed"))
    kinds = np.where(allowed, ALLOWED, FORBIDDEN)
    kinds[:, 0] = GIVEN
    cells(axes, sequences, kinds, attribute(results, "symbols").split("\n"), rows, min(sequences.shape[1], POSITIONS))
    ratio = float(results["correct_letter_ratio"].mean())
    style.heading(axes, f"{_when(results)}: correct letter ratio {ratio:.2f}")


def _when(results: xr.Dataset) -> str:
    learned = int(results["presentation"])
    return f"after {learned:,} presentations" if learned else "before learning"


def _steps(axes: Axes, results: xr.Dataset, moments: list[int]) -> None:
    letters = len(attribute(results, "symbols").split("\n"))
    width = 0.8 / len(moments)
    for index, moment in enumerate(moments):
        state = results.isel(presentation=moment)
        counts = np.bincount(np.diff(state["sequence"].values, axis=-1).ravel() % letters, minlength=letters)
        axes.bar(
            np.arange(letters) + (index - (len(moments) - 1) / 2) * width,
            counts / counts.sum(),
            width,
            color=COLOURS[index if len(moments) > 1 else -1],
            label=_when(state),
        )
    allowed = np.atleast_1d(attribute(results, "transitions")) % letters
    axes.plot(
        allowed,
        np.full(len(allowed), -0.03),
        "^",
        color=style.INK,
        clip_on=False,
        markersize=4,
        label="allowed",
        transform=axes.get_xaxis_transform(),
    )
    axes.set(xlabel="step to the next letter (letters on the ring)", ylabel="fraction of transitions")
    axes.set_xlim(-0.6, letters - 0.4)
    style.ticks(axes.xaxis, 13, integer=True)
    style.ticks(axes.yaxis, 4)
    axes.legend(loc="upper right")
