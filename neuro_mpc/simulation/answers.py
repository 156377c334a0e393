"""What a trained circuit answers to every test trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.simulation.measures import predictions
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.stimuli import Split, Task

if TYPE_CHECKING:
    import xarray as xr

Arrays = dict[str, tuple[tuple[str, ...], np.ndarray, str]]


def answers(presenter: Presenter, task: Task, split: Split, presentation: int) -> xr.Dataset:
    """Answers to the trials of a split with noise, as the circuit learned, after a number of presentations.

    Of classes, `answer` and `target` (step, trial), −1 for no target, and `probability` of the answer; of values
    `answer` and `target` (step, trial, unit), NaN for none; those of further target populations have its name after
    theirs. Of what is read at the last step,
    that is the only one. `trial_number` (trial) counts in the split.
    """
    import xarray as xr  # takes a second to import, which most runs do without

    found: dict[str, list[Arrays]] = {name: [] for name in task.circuit.targets}
    with presenter.aside():
        for trials, _, outputs in predictions(presenter, task, split, presentation):
            for name in found:
                output = outputs.output(name)[:, : len(trials)]
                wanted = task.wanted(split, trials, name)
                found[name].append(
                    _of_classes(output, wanted) if task.has_classes(name) else _of_values(output, wanted)
                )
    first, *_ = found
    data = {}
    for name, batches in found.items():
        suffix = "" if name == first else f"_{name}"
        for variable, (dims, _, label) in batches[0].items():
            values = np.concatenate([batch[variable][1] for batch in batches], axis=1)
            of_target = (f"step{suffix}", "trial", *(f"{each}{suffix}" for each in dims[2:]))
            data[f"{variable}{suffix}"] = (of_target, values, _attributes(label, name, suffix))
    number = np.arange(task.size(split)), {"long_name": f"number of the trial in the split {split}"}
    return xr.Dataset({**data, "trial_number": (("trial",), *number)})


def _of_classes(output: np.ndarray, wanted: np.ndarray) -> Arrays:
    dims, answer = ("step", "trial"), output.argmax(axis=2)
    probability = np.take_along_axis(output, answer[..., None], axis=2)[..., 0]
    return {
        "answer": (dims, answer, "most probable class"),
        "probability": (dims, probability, "probability of the most probable class"),
        "target": (dims, np.asarray(wanted, int), "class of the target, -1 for none"),
    }


def _of_values(output: np.ndarray, wanted: np.ndarray) -> Arrays:
    dims = ("step", "trial", "unit")
    return {"answer": (dims, output, "output"), "target": (dims, wanted, "value of the target")}


def _attributes(label: str, target: str, suffix: str) -> Mapping[str, str]:
    return {"long_name": f"{label} of {target}" if suffix else label}
