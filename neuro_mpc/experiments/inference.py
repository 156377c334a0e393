"""Inference: what a trained circuit makes of trials, perhaps of other ones than those of its own task."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from neuro_mpc.descriptions.experiments import EXPERIMENTS, OnTrials
from neuro_mpc.experiments.interface import Experiment
from neuro_mpc.experiments.responses import PURPOSE, batches, padded
from neuro_mpc.stimuli import Task

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.simulation.presentation import Presenter
    from neuro_mpc.simulation.traces import Traces
    from neuro_mpc.simulation.trained import Trained

LABELS = {
    "belief": "belief after inference",
    "prediction": "prediction after inference",
    "error": "prediction error after inference, weighted by its precision",
    "output": "output after inference",
}


class Inference(OnTrials):
    """Beliefs, predictions and errors to which inference brings a circuit, unit by unit; nothing is learned."""

    kind: Literal["inference"] = "inference"


@EXPERIMENTS.register("inference")
class InferenceExperiment(Experiment):
    """What a circuit infers of each trial."""

    table = Inference
    settings: Inference
    suits_any_task: ClassVar[bool] = True

    def results(self, presenter: Presenter, data: Task, trained: Trained) -> xr.Dataset:
        """Of every free population P `P_belief`, `P_prediction`, `P_error`, of every target `P_output`, `P_error`, with
        the dimensions step, trial and P_unit. Targets are missing at the steps that are not read out."""
        import xarray as xr

        split = self.settings.split
        trials = self.settings.shown(data.size(split))
        parts = []
        for count, (batch, new) in enumerate(batches(len(trials), presenter.plan.trials)):
            shown, asked = data.presented(split, trials[batch])
            parts.append(_first(presenter.inferred(shown, asked, PURPOSE, count), data.steps, new))
        dimensions = ("step", "trial")
        values = {
            f"{name}_{variable}": ((*dimensions, f"{name}_unit"), np.concatenate(arrays, axis=1), _label(variable))
            for name, variable in parts[0]
            for arrays in [[part[name, variable] for part in parts]]
        }
        coordinates = {"trial": ("trial", trials, {"long_name": "number of the trial"})}
        return xr.Dataset(values, coordinates)


def _first(traces: Traces, steps: int, number: int) -> dict[tuple[str, str], np.ndarray]:
    """(population, variable) → the values of the first trials; missing where nothing is read out."""
    return {
        (name, variable): padded(values[:, :number], steps)
        for name, variables in traces.items()
        for variable, values in variables.items()
        if variable in LABELS and not (variable == "prediction" and "output" in variables)
    }


def _label(variable: str) -> dict[str, str]:
    return {"long_name": LABELS[variable]}
