"""The neural traces of a run on one axis of time: trial after trial, recorded presentation after presentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from neuro_mpc.analysis.experiments import experiment
from neuro_mpc.analysis.traces import last_iteration
from neuro_mpc.errors import RunFileError
from neuro_mpc.runfile import access
from neuro_mpc.runfile.attributes import attribute

SAMPLES = "protocol.recording.samples=[-1]"
DIMENSIONS = {"sample", "iteration", "step", "trial", "unit"}
PARTS = {"positive_error": 1, "negative_error": -1}
"""Part of an error → its sign."""
ITERATIONS = "_iterations"


@dataclass(frozen=True)
class Axis:
    """Step s of trial k of sample n is row (n · trials + k) · steps + s.

    step_ms   duration of a step (ms)
    """

    samples: int
    trials: int
    steps: int
    step_ms: float

    @property
    def rows(self) -> int:
        return self.samples * self.trials * self.steps

    def seconds(self, trial: np.ndarray, step: np.ndarray | int) -> np.ndarray:
        """When a step of a trial begins; trials of all samples are numbered together."""
        return (np.asarray(trial) * self.steps + step) * self.step_ms / 1000


@dataclass(frozen=True)
class Trace:
    """One variable of a population.

    values  ([sample,] [iteration,] step, trial, unit), read when they are asked for
    sign    1 or -1: the part of this sign, as a size; 0: as it is
    """

    population: str
    name: str
    label: str
    values: xr.DataArray
    axis: Axis
    sign: int = 0

    @property
    def units(self) -> int:
        return self.values.sizes["unit"]

    @property
    def start(self) -> float:
        """When the first row was taken (s)."""
        return 0.0

    def rows(self, start: int, stop: int) -> np.ndarray:
        """(stop − start, unit) of the axis; NaN at steps that were not recorded."""
        parts = []
        while start < stop:
            trial, step = divmod(start, self.axis.steps)
            sample, trial = divmod(trial, self.axis.trials)
            whole = min((stop - start) // self.axis.steps, self.axis.trials - trial)
            until = self.axis.steps if whole and not step else min(self.axis.steps, step + stop - start)
            trials = slice(trial, trial + (whole if whole and not step else 1))
            parts.append(self._block(sample, trials, slice(step, until)))
            start += len(parts[-1])
        values = np.concatenate(parts)
        return np.maximum(self.sign * values, 0) if self.sign else values

    def _block(self, sample: int, trials: slice, steps: slice) -> np.ndarray:
        """All of these trials at these steps, one after the other."""
        first = self.axis.steps - self.values.sizes["step"]
        recorded = slice(max(steps.start - first, 0), max(steps.stop - first, 0))
        chosen = self.values.isel(sample=sample) if "sample" in self.values.dims else self.values
        settled = last_iteration(chosen.isel(step=recorded, trial=trials).load())
        read = settled.transpose("trial", "step", "unit").values
        block = np.full((trials.stop - trials.start, steps.stop - steps.start, self.units), np.nan, read.dtype)
        block[:, block.shape[1] - read.shape[1] :] = read
        return block.reshape(-1, self.units)


@dataclass(frozen=True)
class Trajectory(Trace):
    """All iterations of a variable, as they come one after the other within each step; its axis counts them as steps.

    iterations  of a step, without the state that it begins with
    """

    iterations: int = 1

    @property
    def start(self) -> float:
        """The end of the first iteration."""
        return self.axis.step_ms / 1000

    def _block(self, sample: int, trials: slice, steps: slice) -> np.ndarray:
        """All of these trials at these iterations, one after the other."""
        first = self.axis.steps // self.iterations - self.values.sizes["step"]
        begin, end = steps.start // self.iterations, -(-steps.stop // self.iterations)
        recorded = slice(max(begin - first, 0), max(end - first, 0))
        chosen = self.values.isel(sample=sample) if "sample" in self.values.dims else self.values
        read = chosen.isel(step=recorded, trial=trials, iteration=slice(1, None))
        shown = read.transpose("trial", "step", "iteration", "unit").values
        block = np.full((trials.stop - trials.start, end - begin, *shown.shape[2:]), np.nan, shown.dtype)
        block[:, block.shape[1] - shown.shape[1] :] = shown
        offset = begin * self.iterations
        rows = block.reshape(len(block), -1, self.units)[:, steps.start - offset : steps.stop - offset]
        return rows.reshape(-1, self.units)


def traces(run: xr.DataTree, step_ms: float | None = None) -> list[Trace]:
    """The traces of the experiment of a run or, where it has none, of its recorded samples.

    step_ms   duration of a step, for runs whose protocol does not tell it

    Raises RunFileError where there are none, or nothing tells how long a step lasts.
    """
    found = list(_of_experiment(run)) or list(_of_samples(run))
    if not found:
        raise access.lacking(run, "neural traces", SAMPLES)
    first = found[0][2]
    steps = max(int(values["step"].max()) + 1 if "step" in values.coords else values.sizes["step"]
                for *_, values in found)  # fmt: skip
    axis = Axis(first.sizes.get("sample", 1), first.sizes["trial"], steps, step_ms or _step_ms(run))
    whole = [
        Trace(population, name, str(values.attrs.get("long_name", name)), values, axis)
        for population, name, values in found
    ]
    return [*whole, *_parts(whole), *_trajectories(run, whole)]


def _parts(whole: list[Trace]) -> Iterator[Trace]:
    """Positive and negative part of every error whose circuit has no populations for them."""
    recorded = {(trace.population, trace.name) for trace in whole}
    for trace in whole:
        for name, sign in PARTS.items() if trace.name == "error" else ():
            if (trace.population, name) not in recorded:
                label = f"{name.partition('_')[0]} part of: {trace.label}"
                yield Trace(trace.population, name, label, trace.values, trace.axis, sign)


def _trajectories(run: xr.DataTree, whole: list[Trace]) -> Iterator[Trajectory]:
    """The iterations of every variable of which they were recorded, where those of a step come one after the other
    within it: in a window that ends with it. In others the last steps of a trial settle at the same time."""
    if access.describe(run, "protocol").get("inference", {}).get("window") != 0:
        return
    for trace in whole:
        number = trace.values.sizes.get("iteration", 1) - 1
        if number > 0:
            axis = replace(trace.axis, steps=trace.axis.steps * number, step_ms=trace.axis.step_ms / number)
            name, label = trace.name + ITERATIONS, f"{trace.label}, after each iteration"
            yield Trajectory(trace.population, name, label, trace.values, axis, iterations=number)


def _of_experiment(run: xr.DataTree) -> Iterator[tuple[str, str, xr.DataArray]]:
    """Population, variable, values: those that an experiment recorded unit by unit at every step of its trials."""
    if access.group(run, "experiment") is None:
        return
    results = experiment(run)
    for key, values in results.data_vars.items():
        own = [str(name) for name in values.dims if str(name).endswith("_unit")]
        if {"step", "trial", *own} == set(values.dims) and own:
            population = own[0].removesuffix("_unit")
            variable = str(key).removeprefix(f"{population}_")
            yield population, "input" if variable == population else variable, values.rename({own[0]: "unit"})


def _of_samples(run: xr.DataTree) -> Iterator[tuple[str, str, xr.DataArray]]:
    neural = access.group(run, "neural")
    for population, group in neural.children.items() if neural is not None else ():
        for key, values in group.data_vars.items():
            if {"step", "trial", "unit"} <= set(values.dims) <= DIMENSIONS:
                yield population, str(key), values


def _step_ms(run: xr.DataTree) -> float:
    """How long a step lasts: what the experiment, the protocol's inference or its stimulus say."""
    group = access.group(run, "experiment")
    if group is not None and "step_ms" in group.attrs:
        return float(attribute(group, "step_ms"))
    protocol = access.describe(run, "protocol")
    told = (protocol.get("inference", {}).get("step_duration"), protocol.get("stimulus", {}).get("step_ms"))
    duration = next((value for value in told if isinstance(value, int | float) and value > 0), None)
    if duration is None:
        raise RunFileError(
            f"{access.source(run)} does not say how long a step lasts",
            hint="--step-duration 100 (ms), or run again with --set protocol.inference.step_duration=100",
        )
    return float(duration)
