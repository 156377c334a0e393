"""Arrays of Python as what populations are given: checked and in the shape of a presentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neuro_mpc.errors import RunError, did_you_mean
from neuro_mpc.networks.plan import Plan
from neuro_mpc.stimuli.interface import one_hot

Shown = ArrayLike | Mapping[str, ArrayLike]


def numbers_of_trials(shown: Any) -> list[int] | None:
    """Numbers of trials; None for what is a stimulus itself, as every array is."""
    if isinstance(shown, (int, np.integer)) and not isinstance(shown, bool):
        return [int(shown)]
    if isinstance(shown, (range, list, tuple)) and all(isinstance(each, (int, np.integer)) for each in shown):
        return [int(each) for each in shown]
    return None


def by_population(plan: Plan, given: Shown, populations: Sequence[str]) -> dict[str, np.ndarray]:
    """Population → values (step, trial, unit), or numbers of symbols (step, trial); RunError for other arrays."""
    if not populations and not isinstance(given, Mapping):
        raise RunError(f"{plan.circuit.name} has no population that could be shown an array", hint="{}")
    named = given if isinstance(given, Mapping) else {populations[0]: given}
    unknown = next((str(name) for name in named if name not in populations), "")
    if unknown or len(named) != len(populations):
        hint = did_you_mean(unknown, populations) if unknown else ""
        raise RunError(f"arrays for {', '.join(named)}", hint=hint or f"one for each of {', '.join(populations)}")
    return {name: _in_shape(plan, np.asarray(values), name) for name, values in named.items()}


def _in_shape(plan: Plan, values: np.ndarray, population: str) -> np.ndarray:
    steps, trials, units = plan.rows[population].steps, plan.trials, plan.circuit.size_of(population)
    if values.dtype.kind in "iu" and values.shape in ((steps,), (steps, trials)):
        numbers = values.reshape(steps, trials).astype(np.int64)
        if numbers.min() < -1 or numbers.max() >= units:
            raise RunError(f"numbers of classes for {population} are out of range", hint=f"-1 (none), 0 … {units - 1}")
        is_numbered = plan.looked_up(population) or population in plan.labelled
        return numbers if is_numbered else one_hot(numbers, units)
    of_one_trial = trials == 1 and values.shape == (steps, units)
    if values.dtype.kind in "iufb" and (of_one_trial or values.shape == (steps, trials, units)):
        return values.reshape(steps, trials, units).astype(plan.precision)
    problem = f"an array of shape {values.shape} and type {values.dtype} for {population}"
    raise RunError(problem, hint=_shape_hint(values, steps, trials, units))


def _shape_hint(values: np.ndarray, steps: int, trials: int, units: int) -> str:
    """What would fit; of an array that nearly does, how it is made to."""
    by_axis = f"step, trial, unit: ({steps}, {trials}, {units})"
    wanted = f"{by_axis}, or ({steps}, {units}) of a single trial" if trials == 1 else by_axis
    if values.shape == (trials, steps, units):
        return f"{wanted}; this one has trials first: values.swapaxes(0, 1)"
    if values.ndim == 3 and values.shape[::2] == (steps, units):
        return f"{wanted}; or a network that shows as many trials: nm.network(…, trials={values.shape[1]})"
    if values.ndim == 3 and values.shape[1:] == (steps, units):
        return f"values.swapaxes(0, 1), and a network that shows as many: nm.network(…, trials={values.shape[0]})"
    return f"{wanted}; or numbers of classes, whole: ({steps}, {trials})"
