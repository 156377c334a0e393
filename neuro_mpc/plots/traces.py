"""One trial: stimulus, output, and the belief, prediction and error of populations."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from neuro_mpc.plots import lettering, style
from neuro_mpc.plots.figures import figure
from neuro_mpc.runfile import access

ROWS = 4  # rows of panels on a page
DENSE = 40  # steps beyond which markers would touch
RECORDED = ("belief", "prediction", "error")


@figure("traces", place=30, chapter="Neural traces", title="Traces of a trial")
def plot_traces(run: xr.DataTree, sample: int = -1, trial: int = 0) -> list[Figure]:
    """Stimulus and output of one trial, then a row of panels for each population that was recorded.

    Heat maps are unit against step; lines are those of the unit whose belief varies most.

    Raises RunFileError when no sample was recorded.
    """
    neural, stimulus = access.group(run, "neural"), access.group(run, "stimulus")
    if neural is None or stimulus is None or not stimulus.sizes.get("sample"):
        raise access.lacking(run, "neural traces", "protocol.recording.samples=[-1]")
    presented = stimulus.to_dataset().isel(sample=sample, trial=trial).load()
    free = [name for name, node in neural.children.items() if set(RECORDED) <= set(node.data_vars)]
    return [_page(run, neural, presented, names, sample, trial) for names in style.pages([None, *free], ROWS)]


def _page(run, neural, presented: xr.Dataset, names: list[str | None], sample: int, trial: int) -> Figure:
    """Draws a row for each population in `names`, None standing for what is clamped: stimulus and output."""
    figure = style.new_figure(style.DOUBLE, (6 + 43 * len(names)) * style.MILLIMETRE)
    grid = figure.subplots(len(names), 4, squeeze=False, width_ratios=(1, 1, 1, 1.3))
    for index, (row, name) in enumerate(zip(grid, names)):
        traces = _values(neural, access.target_population(run) if name is None else name, sample, trial)
        if name is None:
            _clamped(run, row, presented, traces)
        elif traces is not None:
            _population(figure, row, name, traces)
        style.letter(row[0], index)
    duration = access.describe(run, "protocol").get("inference", {}).get("step_duration")
    for axes in grid.flat if duration else ():
        if axes.get_xlabel() == "step":
            style.steps_axis(axes, duration)
    number = int(presented["trial_number"]) if "trial_number" in presented else trial
    figure.suptitle(f"presentation {int(presented['presentation']):,}, trial {number:,}", x=0.995, ha="right")
    return figure


def _values(neural: xr.DataTree, name: str, sample: int, trial: int) -> xr.Dataset | None:
    """The traces of a population in one trial, (step, unit), as inference left them."""
    if name not in neural.children:
        return None
    traces = neural[name].to_dataset().isel(sample=sample, trial=trial).load()
    return traces.map(_settled)


def _settled(trace: xr.DataArray) -> xr.DataArray:
    """The last iteration of a trajectory; shorter ones are filled up with missing values."""
    if "iteration" not in trace.dims:
        return trace
    done = int(trace.notnull().any([name for name in trace.dims if name != "iteration"]).sum())
    return trace.isel(iteration=max(done - 1, 0))


def _population(figure: Figure, row: np.ndarray, name: str, traces: xr.Dataset) -> None:
    """Heat maps of belief and prediction on one scale, of the error on its own, and the lines of one unit."""
    largest = _limit(traces["belief"], traces["prediction"])
    for axes, quantity in zip(row, RECORDED):
        limit = _limit(traces["error"]) if quantity == "error" else largest
        image = _map(axes, traces[quantity], style.SIGNED, -limit, limit)
        if quantity != "belief":
            bar = figure.colorbar(image, ax=axes, aspect=18, pad=0.03)
            bar.outline.set_linewidth(0.6)
        style.heading(axes, f"{quantity} (a.u.)")
    row[0].set_ylabel(f"{lettering.shorten(name, 16)} unit")
    _lines(row[3], traces)


def _lines(axes: Axes, traces: xr.Dataset) -> None:
    unit = int(traces["belief"].std("step").fillna(0).argmax("unit"))
    for quantity in RECORDED:
        look = style.QUANTITIES[quantity]
        steps = traces["step"].values
        axes.plot(steps, traces[quantity].isel(unit=unit).values, label=quantity, **_thinned(look, steps))
    axes.axhline(0, color=style.FAINT, linewidth=0.5, zorder=0)
    axes.set_ylabel(f"unit {unit} (a.u.)")
    style.steps_axis(axes)
    style.legend_above(axes, 3, "right")


def _clamped(run: xr.DataTree, row: np.ndarray, presented: xr.Dataset, traces: xr.Dataset | None) -> None:
    _stimulus(row[0], presented["stimulus"])
    if traces is None or "output" not in traces:
        for axes in row[1:]:
            axes.set_axis_off()
        return
    softmax = access.population(run, access.target_population(run)).get("readout", "softmax") == "softmax"
    quantity = "output probability" if softmax else "output (a.u.)"
    if presented.sizes["target_step"] == 1:
        _last_output(row, presented["target"], traces, quantity)
    else:
        _every_output(row, presented["target"], traces, quantity, softmax)


def _stimulus(axes: Axes, stimulus: xr.DataArray) -> None:
    if stimulus.sizes["unit"] == 1:
        steps, values = stimulus["step"].values, stimulus.isel(unit=0).values
        axes.plot(steps, values, color=style.INK, drawstyle="steps-mid", linewidth=0.6)
        axes.set_ylabel("stimulus (a.u.)")
        style.steps_axis(axes)
    else:
        low, high = min(float(stimulus.min()), 0), float(stimulus.max())
        _map(axes, stimulus, style.POSITIVE, low, high)
        axes.set_ylabel("stimulus unit")
    style.heading(axes, "stimulus")


def _every_output(row: np.ndarray, target: xr.DataArray, traces: xr.Dataset, quantity: str, softmax: bool) -> None:
    """Output and error at every step, the target ringed, and the output of the target's unit."""
    output, error = traces["output"], traces.get("error")
    _map(row[1], output, style.POSITIVE, min(float(output.min()), 0), float(output.max()))
    style.heading(row[1], quantity)
    wanted = target.argmax("target_unit").values
    steps = target["target_step"].values
    if softmax and len(steps) <= DENSE:
        row[1].plot(steps, wanted, "o", mfc="none", mec=style.OUTPUT, mew=0.8, markersize=4)
    _output_error(row[2], error)
    _output_line(row[3], output, target, wanted, softmax)


def _output_error(axes: Axes, error: xr.DataArray | None) -> None:
    if error is None:
        axes.set_axis_off()
        return
    limit = _limit(error)
    image = _map(axes, error, style.SIGNED, -limit, limit)
    bar = axes.figure.colorbar(image, ax=axes, aspect=18, pad=0.03)
    bar.outline.set_linewidth(0.6)
    style.heading(axes, "output error")


def _output_line(axes: Axes, output: xr.DataArray, target: xr.DataArray, wanted: np.ndarray, softmax: bool) -> None:
    steps = output["step"].values
    look = _thinned({"color": style.OUTPUT, "marker": "o"}, steps)
    if softmax:
        values = output.values[np.arange(len(wanted)), wanted]
        axes.plot(steps, values, label="of the target", **look)
        axes.axhline(1 / output.sizes["unit"], color=style.FAINT, linestyle=(0, (1, 2)), label="chance")
        axes.set_ylim(0, 1)
        axes.set_ylabel("output probability")
    else:
        unit = int(target.std("target_step").argmax("target_unit"))
        axes.plot(steps, output.isel(unit=unit).values, label="output", **look)
        target_values = target.isel(target_unit=unit).values
        axes.plot(steps, target_values, color=style.INK, linestyle="--", label="target")
        axes.set_ylabel(f"unit {unit} (a.u.)")
    style.steps_axis(axes)
    style.legend_above(axes, 2, "right")


def _last_output(row: np.ndarray, target: xr.DataArray, traces: xr.Dataset, quantity: str) -> None:
    """Bars of the output and of its error at the one step that is read, the target's in a darker colour."""
    wanted = target.isel(target_step=0).values
    panels = {"output": (row[1], quantity), "error": (row[2], "output error")}
    for name, (axes, label) in panels.items():
        if name not in traces:
            axes.set_axis_off()
            continue
        values = traces[name].isel(step=-1).values
        colours = np.where(wanted == wanted.max(), style.OUTPUT, style.BEFORE)
        axes.bar(np.arange(len(values)), values, color=colours, width=0.8)
        axes.axhline(0, color=style.INK, linewidth=0.5)
        axes.set_xlabel("output unit")
        axes.set_ylabel(label)
        style.ticks(axes.xaxis, 5, integer=True)
    row[3].set_axis_off()
    row[3].legend(
        handles=[Patch(color=style.OUTPUT, label="unit of the target"), Patch(color=style.BEFORE, label="other units")],
        loc="upper left",
    )


def _map(axes: Axes, values: xr.DataArray, colours: str, low: float, high: float) -> AxesImage:
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


def _limit(*traces: xr.DataArray) -> float:
    """The end of a scale around zero that leaves out the most extreme half per cent."""
    values = np.abs(np.concatenate([trace.values.ravel() for trace in traces]))
    values = values[np.isfinite(values)]
    return float(np.percentile(values, 99.5)) if values.any() else 1.0


def _thinned(look: dict, steps: np.ndarray) -> dict:
    return {**look, "marker": None} if len(steps) > DENSE else look
