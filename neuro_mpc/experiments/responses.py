"""How a circuit responds to a stimulus under several conditions, trial by trial with the same noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.stimuli import Task

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.simulation.presentation import Presenter

PURPOSE = "experiment"
Shown = tuple[np.ndarray, np.ndarray]
LABELS = {
    "error": "prediction errors of the population after inference, root mean square over its units",
    "surprise": "-ln of the probability that the prediction gives to the target",
    "right": "whether the most probable class of the prediction is the target",
}


def responses(presenter: Presenter, data: Task, conditions: Mapping[str, Shown], trials: np.ndarray) -> xr.Dataset:
    """error (condition, population, step, trial), surprise and right (condition, step, trial).

    conditions  name → stimulus (step, trial, unit) and target (step or 1, trial, class) of the same trials
    trials      (trial,) their numbers in the data set

    Missing are the errors of the target population, surprise and right at steps without a target, where the target is
    NaN or the population is not read out, and the surprise where the read-out gives no probabilities. A target of zeros
    is that no class is right: the error is the negative of the output, and nothing else is judged.
    """
    import xarray as xr

    circuit = presenter.plan.circuit
    results = [_condition(presenter, data, *condition) for condition in conditions.values()]
    populations = [*circuit.free, circuit.target]
    error, surprise, right = (np.stack(arrays) for arrays in zip(*results, strict=True))
    if circuit.population[circuit.target].readout != "softmax":
        surprise[:] = np.nan
    dimensions = ("condition", "step", "trial")
    values = {
        "error": (("condition", "population", "step", "trial"), error),
        "surprise": (dimensions, surprise),
        "right": (dimensions, right),
    }
    coordinates = {
        "condition": list(conditions),
        "population": populations,
        "step": np.arange(data.steps),
        "trial": ("trial", trials, {"long_name": "number of the trial"}),
    }
    return xr.Dataset({name: (*entry, {"long_name": LABELS[name]}) for name, entry in values.items()}, coordinates)


def _condition(presenter: Presenter, data: Task, stimulus: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, ...]:
    """Errors (population, step, trial), surprise and right (step, trial) of all trials, batch by batch."""
    parts = []
    for count, (trials, new) in enumerate(batches(stimulus.shape[1], presenter.plan.trials)):
        wanted = target[:, trials]
        output, log_output, traces = presenter.respond(stimulus[:, trials], wanted, PURPOSE, count)
        sizes = {name: _size(values["error"]) for name, values in traces.items()}
        compared = presenter.plan.circuit.target
        sizes[compared] = np.where(np.isnan(wanted).all(axis=-1), np.nan, sizes[compared])
        errors = np.stack([padded(size, data.steps) for size in sizes.values()])
        surprise, right = (padded(values, data.steps) for values in _judged(output, log_output, wanted))
        parts.append([each[..., :new] for each in (errors, surprise, right)])
    return tuple(np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True))


def batches(number: int, batch: int) -> Iterator[tuple[np.ndarray, int]]:
    """The trials of each batch, (batch,), and how many of them are new: the last batch is filled up."""
    for start in range(0, number, batch):
        yield np.arange(start, start + batch) % number, min(batch, number - start)


def _size(error: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(np.square(error, dtype=float), axis=-1))


def _judged(output: np.ndarray, log_output: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Surprise and right, float (step, trial); missing where there is no target."""
    has_target = target.sum(axis=-1) > 0
    surprise = -(log_output * target).sum(axis=-1)
    right = output.argmax(axis=-1) == target.argmax(axis=-1)
    return np.where(has_target, surprise, np.nan), np.where(has_target, right, np.nan)


def padded(values: np.ndarray, steps: int) -> np.ndarray:
    """(steps, trial, …) with nothing at the steps that are not read out."""
    missing = np.full((steps - len(values), *values.shape[1:]), np.nan, values.dtype)
    return np.concatenate([missing, values])
