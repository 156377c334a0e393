"""What inference does to the energy of each population, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro_mpc.analysis import inference_energy
from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile import access

COLUMNS = 3  # panels beside each other
LINES = (":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
TARGET_LINES = (style.ENERGIES["loss"]["linestyle"], "-", "-.", ":")


@figure("inference", place=80, chapter="Neural traces", title="Energy along inference")
def plot_inference(run: xr.DataTree, sample: int = -1) -> list[Figure]:
    """The change in energy along inference: summed over steps, then of each population by step. The
    total is drawn where every population was recorded.

    Raises RunFileError where the trajectory of inference was not recorded.
    """
    energy = inference_energy(run, sample)
    change = energy - energy.isel(iteration=0)
    names = list(energy["population"].values)
    rows = -(-(1 + len(names)) // COLUMNS)
    figure = style.new_figure(style.DOUBLE, (10 + 46 * rows) * style.MILLIMETRE)
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    targets = [name for name in names if access.population(run, name).get("role") == "target"]
    _totals(panels[0], change, targets, whole=not energy.attrs["unrecorded"])
    for axes, name in zip(panels[1:], names):
        _map(figure, axes, change.sel(population=name), name)
    for index, axes in enumerate(panels):
        if index > len(names):
            axes.set_axis_off()
        else:
            style.letter(axes, index)
    return [figure]


def _totals(axes: Axes, change: xr.DataArray, targets: list[str], whole: bool) -> None:
    iteration, summed = change["iteration"], change.sum("step")
    if whole:
        axes.plot(iteration, summed.sum("population"), label="total", **style.ENERGIES["free_energy"])
    names = change["population"].values.tolist()
    for name in names:
        alike = [each for each in names if (each in targets) == (name in targets)]
        color, lines = (style.OUTPUT, TARGET_LINES) if name in targets else (style.ERROR, LINES)
        look: dict[str, Any] = {"color": color, "linestyle": lines[alike.index(name) % len(lines)]}
        axes.plot(iteration, summed.sel(population=name), label=lettering.shorten(str(name), 12), **look)
    axes.axhline(0, color=style.FAINT, linewidth=0.5, zorder=0)
    axes.set_ylabel("change in energy since\nthe start (nats per trial)")
    axes.set_xlabel("iteration of inference")
    style.ticks(axes.xaxis, 4, integer=True)
    legend = axes.legend(loc="best", handlelength=2.2)
    legend.set_in_layout(False)


def _map(figure: Figure, axes: Axes, change: xr.DataArray, name: str) -> None:
    change = change.dropna("step", how="all")
    limit = float(np.nanmax(np.abs(change.values), initial=0.0)) or 1.0
    first, last = change["step"].values[[0, -1]]
    extent = (-0.5, change.sizes["iteration"] - 0.5, first - 0.5, last + 0.5)
    image = axes.imshow(
        change.transpose("step", "iteration").values,
        cmap=style.SIGNED,
        vmin=-limit,
        vmax=limit,
        aspect="auto",
        origin="lower",
        extent=extent,
        interpolation="nearest",
    )
    bar = figure.colorbar(image, ax=axes, aspect=18, pad=0.03)
    bar.outline.set_linewidth(0.6)
    style.heading(axes, f"{lettering.shorten(name, 20)} (nats)")
    axes.set(xlabel="iteration of inference", ylabel="step")
    style.ticks(axes.xaxis, 4, integer=True)
    style.ticks(axes.yaxis, 5, integer=True)
