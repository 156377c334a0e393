"""Units against steps: heat maps, the ends of their scales, and lines of single units."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from neuro_mpc.plots import style

DENSE = 40  # steps beyond which markers would touch


def heat_map(axes: Axes, values: xr.DataArray, colours: str, low: float, high: float) -> AxesImage:
    """Unit against step, on the numbers of the steps."""
    first, last = values["step"].values[[0, -1]]
    extent = (first - 0.5, last + 0.5, -0.5, values.sizes["unit"] - 0.5)
    array = values.transpose("unit", "step").values
    image = axes.imshow(
        array, cmap=colours, vmin=low, vmax=high, aspect="auto", origin="lower", extent=extent, interpolation="nearest"
    )
    style.steps_axis(axes)
    style.ticks(axes.yaxis, 5, integer=True)
    return image


def signed_map(axes: Axes, values: xr.DataArray, heading: str, limit: float | None = None, bar: bool = True) -> None:
    """Unit against step on a scale around zero, by default that of the values, which a bar tells."""
    limit = around_zero(values) if limit is None else limit
    image = heat_map(axes, values, style.SIGNED, -limit, limit)
    if bar:
        axes.figure.colorbar(image, ax=axes, aspect=18, pad=0.03).outline.set_linewidth(0.6)
    style.heading(axes, heading)


def around_zero(*traces: xr.DataArray) -> float:
    """The end of a scale around zero that leaves out the most extreme half per cent."""
    values = np.abs(np.concatenate([trace.values.ravel() for trace in traces]))
    values = values[np.isfinite(values)]
    return float(np.percentile(values, 99.5)) if values.any() else 1.0


def thinned(look: dict, steps: np.ndarray) -> dict:
    """How a line looks over so many steps: without markers where they would touch."""
    return {**look, "marker": None} if len(steps) > DENSE else look
