"""Trajectories of inference: every iteration of windows, and of all windows in one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neuro_mpc.simulation.traces import Traces


def of_iterations(observed: Sequence[Traces]) -> Traces:
    """A window as it was after each iteration: population → variable → (iteration, step, trial, unit)."""
    return {
        population: {name: np.stack([traces[population][name] for traces in observed]) for name in values}
        for population, values in observed[0].items()
    }


def of_windows(windows: Sequence[Traces]) -> Traces:
    """The trajectories of all windows in one."""
    return {
        population: {name: _in_time([window[population][name] for window in windows]) for name in values}
        for population, values in windows[0].items()
    }


def _in_time(windows: Sequence[np.ndarray]) -> np.ndarray:
    """Each step as it was in the window at whose end its beliefs stay, from (iteration, step, trial, unit) of each; of
    what is compared at the last step alone, that of the last window."""
    last = windows[-1]
    settled = [window[:, first : first + 1] for first, window in enumerate(windows[:-1])] if last.shape[1] > 1 else []
    return np.concatenate([*settled, last[:, len(settled) :]], axis=1)
