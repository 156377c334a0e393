"""The neural traces of a presentation, with what it showed, in a run file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import netCDF4
import numpy as np

from neuro_mpc.runfile import netcdf
from neuro_mpc.runfile.labels import neural_label

Traces = Mapping[str, Mapping[str, np.ndarray]]
"""population → name → (step, trial, unit), with `iteration` first where the trajectory of inference is kept."""


@dataclass(frozen=True)
class Samples:
    """Writes samples into an open file, numbers as `kind`.

    step_duration   of a sequence step in ms, where traces have an axis of time
    """

    file: netCDF4.Dataset
    kind: str
    step_duration: float | None

    def write(
        self,
        presentation: int,
        stimuli: Mapping[str, np.ndarray],
        targets: Mapping[str, np.ndarray],
        neural: Traces,
        trials: np.ndarray,
    ) -> None:
        """Adds one sample: what each population was shown and compared with, and its traces."""
        steps = max(len(values) for values in (*stimuli.values(), *targets.values()))
        group = self.file.createGroup("stimulus")
        netcdf.create_steps(group, "step", steps, steps)
        row = netcdf.next_row(group, "sample", ("presentation",), presentation)
        for suffix, values in _suffixed(stimuli):
            dimensions = ("sample", "step", "trial", f"unit{suffix}")
            label = f"stimulus {suffix[1:]}".strip()
            netcdf.put(group, f"stimulus{suffix}", row, values, dimensions, self.kind, label)
        for suffix, values in _suffixed(targets):
            netcdf.create_steps(group, f"target_step{suffix}", len(values), steps)
            dimensions = ("sample", f"target_step{suffix}", "trial", f"target_unit{suffix}")
            netcdf.put(group, f"target{suffix}", row, values, dimensions, self.kind, f"target {suffix[1:]}".strip())
        netcdf.put(group, "trial_number", row, trials, ("sample", "trial"), "i8", "number of the trial")
        for population, arrays in neural.items():
            self._write_population(population, presentation, arrays, steps)

    def _write_population(
        self, population: str, presentation: int, arrays: Mapping[str, np.ndarray], steps: int
    ) -> None:
        group = self.file.createGroup(f"neural/{population}")
        row = netcdf.next_row(group, "sample", ("presentation",), presentation)
        for name, array in arrays.items():
            netcdf.create_steps(group, "step", array.shape[-3], steps)
            if self.step_duration:
                netcdf.create_times(group, self.step_duration)
            trajectory = ("iteration",) if array.ndim == 4 else ()
            dimensions = ("sample", *trajectory, "step", "trial", "unit")
            netcdf.put(group, name, row, array, dimensions, self.kind, neural_label(name))
            if self.step_duration:
                group[name].coordinates = "time"


def _suffixed(given: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of populations with what the names of their variables end in: nothing for the first one."""
    for position, (name, values) in enumerate(given.items()):
        yield f"_{name}" if position else "", values
