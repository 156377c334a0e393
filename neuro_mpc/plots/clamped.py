"""What is clamped in a trial: a stimulus, and what the circuit puts out beside its target."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from neuro_mpc.plots import lettering, style, unit_maps

LONGEST_NAME = 16
TARGET: dict[str, Any] = {"color": style.OUTPUT, "linestyle": "", "marker": "_", "markersize": 5}
"""Values of a target on the bars of an output."""


def plot_stimulus(axes: Axes, stimulus: xr.DataArray, name: str) -> None:
    """The values of a stimulus (step, unit): a line of one unit, a heat map of several."""
    if stimulus.sizes["unit"] == 1:
        steps, values = stimulus["step"].values, stimulus.isel(unit=0).values
        axes.plot(steps, values, color=style.INK, drawstyle="steps-mid", linewidth=0.6)
        axes.set_ylabel(f"{lettering.shorten(name, LONGEST_NAME)} (a.u.)")
        style.steps_axis(axes)
    else:
        low, high = min(float(stimulus.min()), 0), float(stimulus.max())
        unit_maps.heat_map(axes, stimulus, style.POSITIVE, low, high)
        axes.set_ylabel(f"{lettering.shorten(name, LONGEST_NAME)} unit")
    style.heading(axes, "stimulus")


def plot_target(row: np.ndarray, target: xr.DataArray, traces: xr.Dataset, name: str, softmax: bool) -> None:
    """Output, error and a line of one unit beside the target (step, unit), in three panels.

    name: of the population, "" where it is the only one; softmax: outputs are probabilities.
    """
    whose = lettering.shorten(name, LONGEST_NAME) or "output"
    if target.sizes["step"] == 1:
        _last_output(row, target, traces, whose, softmax)
    else:
        _every_output(row, target, traces, whose, softmax)


def _every_output(row: np.ndarray, target: xr.DataArray, traces: xr.Dataset, whose: str, softmax: bool) -> None:
    """Output and error at every step, the target ringed, and the output of the target's unit."""
    output, error = traces["output"], traces.get("error")
    unit_maps.heat_map(row[0], output, style.POSITIVE, min(float(output.min()), 0), float(output.max()))
    style.heading(row[0], _quantity(whose, softmax))
    told = (target.fillna(0) != 0).any("unit").values  # beyond the end of a short sequence, no unit is the target
    wanted = np.where(told, target.fillna(0).argmax("unit").values, 0)
    steps = target["step"].values
    if softmax and len(steps) <= unit_maps.DENSE:
        row[0].plot(steps[told], wanted[told], "o", mfc="none", mec=style.OUTPUT, mew=0.8, markersize=4)
    if error is None:
        row[1].set_axis_off()
    else:
        unit_maps.signed_map(row[1], error, f"{whose} error")
    _output_line(row[2], output, target, np.where(told, wanted, -1), whose, softmax)


def _output_line(
    axes: Axes, output: xr.DataArray, target: xr.DataArray, wanted: np.ndarray, whose: str, softmax: bool
) -> None:
    """The output of the target's unit; wanted: its number at each step, -1 where there is none."""
    steps = output["step"].values
    look = unit_maps.thinned({"color": style.OUTPUT, "marker": "o"}, steps)
    if softmax:
        values = np.where(wanted < 0, np.nan, output.values[np.arange(len(wanted)), wanted])
        axes.plot(steps, values, label="of the target", **look)
        axes.axhline(1 / output.sizes["unit"], color=style.FAINT, linestyle=(0, (1, 2)), label="chance")
        axes.set_ylim(0, 1)
        axes.set_ylabel(_quantity(whose, softmax))
    else:
        unit = int(target.std("step").fillna(0).argmax("unit"))
        axes.plot(steps, output.isel(unit=unit).values, label="output", **look)
        axes.plot(steps, target.isel(unit=unit).values, color=style.INK, linestyle="--", label="target")
        axes.set_ylabel(f"unit {unit} (a.u.)")
    style.steps_axis(axes)
    style.legend_above(axes, 2, "right")


def _last_output(row: np.ndarray, target: xr.DataArray, traces: xr.Dataset, whose: str, softmax: bool) -> None:
    """Bars of the output and of its error at the one step that is read: that of the target's class in a darker colour,
    or the values of the target beside them."""
    wanted = target.isel(step=0).values
    of_target = softmax & (np.nan_to_num(wanted) > 0)
    panels = {"output": (row[0], _quantity(whose, softmax)), "error": (row[1], f"{whose} error")}
    for name, (axes, label) in panels.items():
        if name not in traces:
            axes.set_axis_off()
            continue
        values = traces[name].isel(step=-1).values
        axes.bar(np.arange(len(values)), values, color=np.where(of_target, style.OUTPUT, style.BEFORE), width=0.8)
        if name == "output" and not softmax:
            axes.plot(np.arange(len(values)), wanted, **TARGET)
        axes.axhline(0, color=style.INK, linewidth=0.5)
        axes.set_xlabel(f"{whose} unit")
        axes.set_ylabel(label)
        style.ticks(axes.xaxis, 5, integer=True)
    row[2].set_axis_off()
    bars = (
        [(style.OUTPUT, "unit of the target"), (style.BEFORE, "other units")] if softmax else [(style.BEFORE, "output")]
    )
    handles: list[Artist] = [Patch(color=colour, label=label) for colour, label in bars]
    row[2].legend(
        handles=handles if softmax else [*handles, Line2D([], [], label="target", **TARGET)], loc="upper left"
    )


def _quantity(whose: str, softmax: bool) -> str:
    return f"{whose} probability" if softmax else f"{whose} (a.u.)"
