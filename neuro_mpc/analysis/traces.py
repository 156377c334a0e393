"""Neural traces of a run: belief, prediction, error and rate by step, unit, trial and iteration."""

from __future__ import annotations

import json
from typing import Literal

import numpy as np
import xarray as xr

from neuro_mpc.analysis.named import of_run
from neuro_mpc.errors import RunFileError, did_you_mean
from neuro_mpc.runfile import access

SAMPLES = "protocol.recording.samples=[-1]"
TRAJECTORY, SETTLES = "protocol.recording.trajectory=true", "protocol.inference.scheme=relaxation"
WITHOUT_TRACES = {"stimulus": 'run["stimulus"] is what recorded samples were shown', "constant": ""}
NO_TRAJECTORY_WITH = {"tolerance": "0", "energy_limit": "0", "redraw_noise": "false"}
Side = Literal["target", "stimulus"]


def trajectory_setting(run: xr.DataTree) -> str:
    """The settings with which a run like this one keeps the trajectory of inference."""
    inference = access.describe(run, "protocol").get("inference", {})
    settles = [] if inference.get("scheme") == "relaxation" else [SETTLES]
    off = [f"protocol.inference.{name}={value}" for name, value in NO_TRAJECTORY_WITH.items() if inference.get(name)]
    return " --set ".join([TRAJECTORY, *settles, *off])


def traces(run: xr.DataTree, population: str, sample: int = -1) -> xr.Dataset:
    """Everything recorded of a population in one presentation.

    Parameters
    ----------
    run : xarray.DataTree
        A run with recorded samples.
    population : str
        Name of the population.
    sample : int, optional
        Index of the recorded presentation, in the order of recording.

    Returns
    -------
    xarray.Dataset
        (step, trial, unit): `belief`, `prediction`, `error` and `rate` of a free population, `prediction`, `output` and
        `error` of the target; both have `noise` where their synapses have a variance. With the trajectory of inference
        `iteration` comes first, 0 being the state before inference. A protocol with `inference.step_duration` gives the
        coordinate `time` (ms): when a step begins or, of inference in a window, when each iteration ends, within the
        step at which all of the window is known.

    Raises
    ------
    RunFileError
        The population was not recorded.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.traces(nm.open_run("run.nc"), "hidden")["belief"].dims
    ('iteration', 'step', 'trial', 'unit')
    """
    recorded = recorded_populations(run)
    if population not in recorded:
        raise _not_recorded(run, population, recorded)
    dataset = _sample(run[f"neural/{population}"].to_dataset(), sample)
    if "iteration" in dataset.sizes:
        dataset = _reached(dataset)
    if "time" in dataset:
        dataset = _timed(run, dataset)
    return dataset.transpose("iteration", "step", "trial", "unit", missing_dims="ignore").assign_attrs(
        population=population
    )


def recorded_populations(run: xr.DataTree) -> list[str]:
    """The names of the populations whose traces were recorded; RunFileError where there are none."""
    neural = access.group(run, "neural")
    if neural is None or not neural.children:
        raise access.lacking(run, "neural traces", SAMPLES)
    return list(neural.children)


of_traces = of_run(recorded_populations, traces)  # what takes (run, "hidden") for the traces of a population


@of_traces
def settled(traces: xr.Dataset) -> xr.Dataset:
    """The traces as inference left them.

    Parameters
    ----------
    traces : xarray.Dataset
        As `neuro_mpc.analysis.traces` gives them. A run and the name of a population take its place.

    Returns
    -------
    xarray.Dataset
        (step, trial, unit): the last iteration of a trajectory.

    Raises
    ------
    RunFileError
        The population was not recorded.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.settled(nm.open_run("run.nc"), "hidden")["belief"].dims
    ('step', 'trial', 'unit')
    """
    return traces.isel(iteration=-1, drop=True) if "iteration" in traces.sizes else traces


of_rates = of_run(recorded_populations, lambda run, name: settled(traces(run, name))["rate"])  # or for its rates


@of_traces
def profile(
    traces: xr.Dataset, by: str | tuple[str, ...] = "step", statistic: Literal["rms", "mean"] = "rms"
) -> xr.Dataset:
    """Every trace by some of its dimensions, averaged over all others.

    Parameters
    ----------
    traces : xarray.Dataset
        As `neuro_mpc.analysis.traces` gives them. A run and the name of a population take its place.
    by : str or tuple of str, optional
        Any of iteration, step, trial, unit; traces without one of them are left out.
    statistic : {"rms", "mean"}, optional
        The root mean square √⟨x²⟩, or the mean ⟨x⟩.

    Returns
    -------
    xarray.Dataset
        Every trace (`by`).

    Raises
    ------
    RunFileError
        `by` is "iteration", and the trajectory was not recorded.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.profile(nm.open_run("run.nc"), "hidden", by="unit")["error"].dims
    ('unit',)
    """
    dimensions = {by} if isinstance(by, str) else set(by)
    if "iteration" in dimensions and "iteration" not in traces.sizes:
        raise RunFileError(
            "these traces hold no iterations of inference", hint=f"run again with --set {TRAJECTORY} --set {SETTLES}"
        )
    traces = traces[[name for name in traces.data_vars if dimensions <= set(traces[name].dims)]]
    others = [name for name in traces.dims if name not in dimensions]
    result = np.sqrt((traces**2).mean(others)) if statistic == "rms" else traces.mean(others)
    for name in result.data_vars:
        label = traces[name].attrs.get("long_name", str(name))
        result[name].attrs = {"long_name": f"{statistic} of {label}", "units": "1"}
    return result.assign_attrs(traces.attrs)


def labels(run: xr.DataTree, of: Side = "target", sample: int = -1) -> xr.DataArray:
    r"""The symbols of the stimulus or of the target, by their numbers; of several targets, of the first with classes.

    Parameters
    ----------
    run : xarray.DataTree
        A run with recorded samples.
    of : {"target", "stimulus"}, optional
        Whose symbols.
    sample : int, optional
        Index of the recorded presentation, in the order of recording.

    Returns
    -------
    xarray.DataArray
        (step, trial), integers from 0, and −1 where there is no target. A target of the last step only, as the class of
        an image, holds at every step.
        The attribute `symbols` has the names, a line each.

    Raises
    ------
    RunFileError
        No sample was recorded, the stimulus is not one unit at a time, or the target is values, not classes.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.labels(nm.open_run("run.nc"), of="stimulus").attrs["symbols"][:3]
    'a\nb'
    """
    presented = _presented(run, sample)
    if of == "stimulus":
        stimulus = presented["stimulus"]
        if not (((stimulus == 0) | (stimulus == 1)).all() and (stimulus.sum("unit") == 1).all()):
            raise RunFileError("the stimulus of this run has no symbols", hint='of="target"')
        return _with_names(run, stimulus.argmax("unit"), stimulus.sizes["unit"])
    populations = access.describe(run, "circuit").get("population", {})
    named = {name: table.get("readout") for name, table in populations.items() if table.get("role") == "target"}
    classes = next((name for name, readout in named.items() if readout != "gaussian"), None)
    if classes is None:
        raise RunFileError(f"the target of this run, {', '.join(named)}, has no symbols: its read-out is gaussian")
    target = targets(run, sample, classes)
    numbers = target.fillna(0).argmax("unit").where(asked(run, target, classes), -1)
    if numbers.sizes["step"] == 1:
        numbers = numbers.isel(step=0, drop=True).expand_dims(step=presented["step"])
    return _with_names(run, numbers, target.sizes["unit"])


def targets(run: xr.DataTree, sample: int = -1, population: str = "") -> xr.DataArray:
    """The targets of a sample at the steps that are read out, (step, trial, unit); by default of the first target."""
    given = clamped(run, "target", sample)
    return given[population] if population in given else next(iter(given.values()))


def asked(run: xr.DataTree, target: xr.DataArray, population: str) -> xr.DataArray:
    """Where a population is compared with its `targets`, bool (step, trial): with values that are not missing, or, as
    what is compared with classes, with a unit that is the target. Beyond the end of a short sequence no unit is."""
    gaussian = access.population(run, population).get("readout", "softmax") == "gaussian"
    return (target.notnull() if gaussian else target.fillna(0) != 0).any("unit")


def clamped(run: xr.DataTree, role: Side, sample: int = -1) -> dict[str, xr.DataArray]:
    """What populations were clamped to in a sample, (step, trial, unit), by name, in the order of the circuit."""
    presented = _presented(run, sample)
    populations = access.describe(run, "circuit").get("population", {})
    names = [name for name, table in populations.items() if table.get("role") == role] or [""]
    endings = {name: f"_{name}" if position else "" for position, name in enumerate(names)}
    recorded = {name: of for name, of in endings.items() if f"{role}{of}" in presented}
    return {name: _plain(presented[f"{role}{of}"], role, of) for name, of in recorded.items()}


def _plain(values: xr.DataArray, role: Side, ending: str) -> xr.DataArray:
    """Dimensions by their plain names, without those of the population and its role."""
    return values.rename({str(name): str(name).removesuffix(ending).removeprefix(f"{role}_") for name in values.dims})


def _presented(run: xr.DataTree, sample: int) -> xr.Dataset:
    group = access.group(run, "stimulus")
    if group is None or not group.sizes.get("sample"):
        raise access.lacking(run, "recorded stimulus", SAMPLES)
    return _sample(group.to_dataset(), sample)


def _sample(group: xr.Dataset, sample: int) -> xr.Dataset:
    """One sample; trials that it has not, because its batch was smaller, are left out."""
    count = group.sizes["sample"]
    if not -count <= sample < count:
        raise RunFileError(f"there is no sample {sample}, this run has {count}", hint=f"0 to {count - 1}")
    dataset = group.isel(sample=sample).load()
    recorded = [each for each in dataset.data_vars.values() if each.dtype.kind == "f" and "trial" in each.dims]
    # One by one: together they would be as large as the product of all their dimensions.
    present = [each.notnull().any([name for name in each.dims if name != "trial"]).values for each in recorded]
    return dataset.isel(trial=np.flatnonzero(np.any(present, axis=0))) if present else dataset


def _timed(run: xr.DataTree, dataset: xr.Dataset) -> xr.Dataset:
    """With the times of iterations, where inference is in a window: one after the other within the step at which the
    last one of the window is known, for the last steps that of the sequence."""
    inference = access.describe(run, "protocol")["inference"]
    window = inference.get("window", "sequence")
    if "iteration" not in dataset.sizes or window == "sequence":
        return dataset
    share = dataset["iteration"] / max(1, dataset.sizes["iteration"] - 1)
    known = np.minimum(dataset["step"] + int(window), dataset["step"].max())
    time = inference["step_duration"] * (known + share)
    return dataset.assign_coords(time=time.transpose("iteration", "step").assign_attrs(dataset["time"].attrs))


def _reached(trajectory: xr.Dataset) -> xr.Dataset:
    """The iterations that inference came to; another presentation of the file may have had more."""
    recorded = [name for name in trajectory.data_vars if "iteration" in trajectory[name].dims]
    reached = _iterations(trajectory[recorded].to_array())
    return trajectory.isel(iteration=slice(reached)).assign_coords(iteration=np.arange(reached))


def last_iteration(values: xr.DataArray) -> xr.DataArray:
    """What inference ended with, of values of one presentation with or without the trajectory."""
    return values.isel(iteration=max(_iterations(values) - 1, 0), drop=True) if "iteration" in values.dims else values


def _iterations(values: xr.DataArray) -> int:
    """How many iterations there are of values, which are missing after the last one."""
    return int(values.notnull().any([name for name in values.dims if name != "iteration"]).sum())


def _with_names(run: xr.DataTree, numbers: xr.DataArray, count: int) -> xr.DataArray:
    try:
        names = access.symbols(run)
    except RunFileError:  # such as classes of digits
        names = []
    names = names if len(names) == count else [str(number) for number in range(count)]
    attributes = {"long_name": "number of the symbol", "symbols": "\n".join(names)}
    return numbers.transpose("step", "trial").rename("symbol").assign_attrs(attributes)


def _not_recorded(run: xr.DataTree, population: str, recorded: list[str]) -> RunFileError:
    table = access.population(run, population)
    if (role := table.get("role")) in WITHOUT_TRACES:
        return RunFileError(
            f"the population {population!r} is a {role}, which has no traces", hint=WITHOUT_TRACES[role]
        )
    if table:
        setting = f"protocol.recording.populations='{json.dumps([*recorded, population])}'"
        return access.lacking(run, f"traces of the population {population!r}", setting)
    hint = did_you_mean(population, recorded) or f"one of {', '.join(recorded)}"
    return RunFileError(f"there is no population {population!r}", hint=hint)
