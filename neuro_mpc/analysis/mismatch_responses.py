"""Responses to the events of a mismatch experiment, unit by unit, and their means by block and stimulus."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import xarray as xr

from neuro_mpc.analysis import intervals
from neuro_mpc.analysis.bootstrap import DRAWS, LEVEL, SEED
from neuro_mpc.analysis.experiments import experiment
from neuro_mpc.analysis.recorded import recorded
from neuro_mpc.errors import RunFileError
from neuro_mpc.recordings.nwb_file import is_recording
from neuro_mpc.runfile.attributes import attribute
from neuro_mpc.runfile.reading import as_run

One = xr.DataTree | xr.DataArray | str | os.PathLike[str]
Source = One | Sequence[One]
Cells = dict[tuple[str, str], np.ndarray]
"""Block and stimulus → responses (trial, unit)."""

ADAPTATION = "adaptation"
SIZES = ("error", "surprise")
PARTS = {"positive": 1, "negative": -1}
"""Part of an error → its sign, where the circuit has no populations for both."""


def mismatch_responses(
    run: xr.DataTree, population: str = "", quantity: str = "error", window: Sequence[float] = (0, 300)
) -> xr.DataArray:
    """Mean response of single units to each event of a mismatch experiment.

    Parameters
    ----------
    run : xarray.DataTree
        A run of the experiment "mismatch".
    population : str, optional
        By default the first target.
    quantity : str, optional
        "error", the size of the error; "positive" or "negative", the part of it of this sign, or the rate of the
        population that codes for it; "surprise", the size of the target's error before inference; "belief"; "output";
        "adaptation", what fatigue leaves of the visual input.
    window : sequence of float, optional
        Beginning and end of the window after the onset (ms), rounded to steps.

    Returns
    -------
    xarray.DataArray
        (trial, unit), means over the window, with the coordinates `block`, `stimulus` and `trial_type` (trial,).

    Raises
    ------
    RunFileError
        The run holds no such experiment, or recorded no such quantity.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.mismatch_responses(nm.open_run("mismatch.nc"), "hidden", "belief").dims
    ('trial', 'unit')
    """
    course = mismatch_course(run, population, quantity, window)
    return course.mean("lag", keep_attrs=True)


def mismatch_course(
    run: xr.DataTree, population: str = "", quantity: str = "error", window: Sequence[float] = (-600, 600)
) -> xr.DataArray:
    """Time course of single units around each event of a mismatch experiment.

    Parameters
    ----------
    run : xarray.DataTree
        A run of the experiment "mismatch".
    population : str, optional
        As for `mismatch_responses`.
    quantity : str, optional
        As for `mismatch_responses`.
    window : sequence of float, optional
        Beginning and end around the onset (ms), rounded to steps.

    Returns
    -------
    xarray.DataArray
        (lag, trial, unit); `lag` is the time from the onset to the beginning of a step (ms).

    Raises
    ------
    RunFileError
        The run holds no such experiment, recorded no such quantity, or has no such steps.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.mismatch_course(nm.open_run("mismatch.nc"), window=(-150, 300))["lag"].values.tolist()
    [-150.0, 0.0, 150.0]
    """
    results = experiment(run, "mismatch")
    values, sign = _recorded(results, population, quantity)
    step_ms = float(attribute(results, "step_ms"))
    lags = np.arange(*(round(end / step_ms) for end in window))
    steps = results["onset"].values + lags[:, None]
    if not len(lags) or steps.min() < 0 or steps.max() >= results.sizes["step"]:
        first, last = -int(results["onset"].min()), results.sizes["step"] - int(results["onset"].max())
        raise RunFileError(
            f"not every event was shown with all of the window from {window[0]:g} to {window[1]:g} ms",
            hint=f"{first * step_ms:g} to {last * step_ms:g} ms around the onset, or more of experiment.after",
        )
    chosen = np.take_along_axis(values.values, steps[..., None], axis=0)
    shaped = np.abs(chosen) if sign is None else np.maximum(sign * chosen, 0) if sign else chosen
    names = {name: ("trial", results[name].values) for name in ("block", "stimulus", "trial_type")}
    attributes = {"quantity": quantity, "population": population}
    return xr.DataArray(shaped, {"lag": lags * step_ms, **names}, ("lag", "trial", "unit"), attrs=attributes)


def _recorded(results: xr.Dataset, population: str, quantity: str) -> tuple[xr.DataArray, int | None]:
    """The values of a quantity (step, trial, unit), and the sign of the part that is meant: None for the size, 0 for
    all of it."""
    if quantity == ADAPTATION:
        return results[ADAPTATION], 0
    targets = [str(name).removesuffix("_output") for name in results.data_vars if str(name).endswith("_output")]
    name = population or (targets[0] if targets else "")
    for variable, sign in _variables(name, quantity):
        if variable in results:
            return results[variable], sign
    recorded = [str(each) for each, values in results.data_vars.items() if "step" in values.dims]
    raise RunFileError(f"this experiment recorded no {quantity} of {name!r}", hint=f"there is {', '.join(recorded)}")


def _variables(population: str, quantity: str) -> list[tuple[str, int | None]]:
    """Where a quantity may be found, first choice first."""
    if quantity in PARTS:
        return [(f"{population}_{quantity}_error", 0), (f"{population}_error", PARTS[quantity])]
    return [(f"{population}_{quantity}", None if quantity in SIZES else 0)]


def cells_of(responses: xr.DataArray) -> Cells:
    """Responses (trial, unit) by block and stimulus."""
    block, stimulus = (responses[name].values.astype(str) for name in ("block", "stimulus"))
    values = responses.transpose("trial", ...).values.astype(float)
    return {
        (one, other): values[(block == one) & (stimulus == other)]
        for one, other in dict.fromkeys(zip(block.tolist(), stimulus.tolist(), strict=True))
    }


def all_cells(source: Source, population: str, quantity: str, window: Sequence[float]) -> list[Cells]:
    """The cells of each run, or recording; those that all of them have."""
    several = [source] if isinstance(source, xr.DataTree | xr.DataArray | str | os.PathLike) else list(source)
    found = [cells_of(_responses_of(each, population, quantity, window)) for each in several]
    shared = [cell for cell in found[0] if all(cell in each for each in found)]
    return [{cell: each[cell] for cell in shared} for each in found]


def _responses_of(source: One, population: str, quantity: str, window: Sequence[float]) -> xr.DataArray:
    """Responses (trial, unit): as they are, of a recording, or of a run."""
    if isinstance(source, xr.DataArray):
        return source
    if not isinstance(source, xr.DataTree) and is_recording(source):
        return recorded(source, population, quantity, window)
    with as_run(source) as run:
        return mismatch_responses(run, population, quantity or "error", window)


def mismatch_means(
    source: Source,
    population: str = "",
    quantity: str = "",
    window: Sequence[float] = (0, 300),
    draws: int = DRAWS,
    seed: int = SEED,
) -> xr.Dataset:
    """Mean response of a population to every stimulus in every block, with 95 % intervals.

    Parameters
    ----------
    source : xarray.DataTree, xarray.DataArray, str or path, or sequence of these
        Runs of the experiment "mismatch", or recordings: a run or its file; the file of a recording, with the suffix
        ``.nwb``; or responses (trial, unit) with the coordinates `block` and `stimulus`, such as those of `recorded`.
        Of one the intervals are over its trials, of several over the runs or recordings.
    population : str, optional
        As for `mismatch_responses`, or `recorded`.
    quantity : str, optional
        As for `mismatch_responses`, or `recorded`; by default "error" of runs, "spikes" or "dff" of recordings.
    window : sequence of float, optional
        As for `mismatch_responses`.
    draws : int, optional
        Bootstrap samples.
    seed : int, optional
        Seed of the bootstrap.

    Returns
    -------
    xarray.Dataset
        `mean`, `low`, `high` and `trials`, of one run the number of trials, of several the smallest (cell,), with the
        coordinates `block` and `stimulus`.

    Raises
    ------
    RunFileError
        A run holds no such experiment, or recorded no such quantity.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.analysis.mismatch_means(nm.open_run("mismatch.nc"))["mean"].dims
    ('cell',)
    """
    every = all_cells(source, population, quantity, window)
    rows = []
    for cell, values in every[0].items():
        each = values.mean(axis=1) if len(every) == 1 else np.array([cells[cell].mean() for cells in every])
        rows.append((each.mean(), *intervals.interval(each, draws, LEVEL, seed)))
    mean, low, high = np.array(rows).T
    trials = [min(len(cells[cell]) for cells in every) for cell in every[0]]
    variables = {"mean": mean, "low": low, "high": high, "trials": np.array(trials)}
    names = np.array(list(every[0])).T
    number, over = (min(trials), "trial") if len(every) == 1 else (len(every), "run")
    return xr.Dataset(
        {name: ("cell", values) for name, values in variables.items()},
        {"block": ("cell", names[0]), "stimulus": ("cell", names[1])},
        {"over": over, "number": number, "level": LEVEL},
    )
