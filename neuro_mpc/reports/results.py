"""The numbers of a run: its results, and the statistics of its synapses."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_mpc.analysis import projections, summary
from neuro_mpc.analysis.weights import varies
from neuro_mpc.errors import NeuroMPCError
from neuro_mpc.runfile import access
from neuro_mpc.runfile.labels import MEASURES, measured

ENERGIES = {
    "free_energy": "free energy",
    "free_energy_hidden": "errors of free populations",
    "loss": "loss of the output",
}
MEASURED = {
    "variability": "variability v/(μ² + v)",
    "deterministic": "fraction deterministic",
    "coefficient_of_variation": "median of √v/|μ|",
    "entropy": "entropy of w/w̄ (nats)",
}
ENDINGS = {
    "_mean_weights": "mean weights",
    "_network": "single networks",
    "_ensemble": "ensemble",
    "_of_mean": "the mean, in place of the circuit",
    "_of_frequent": "the most frequent class, in place of the circuit",
    "_of_frequencies": "the frequencies of the classes, in place of the circuit",
    "_of_last": "the value one step earlier, in place of the circuit",
    "_of_regression": "linear regression, in place of the circuit",
}
PART = 0.1


def results(run: xr.DataTree) -> list[tuple[str, str]]:
    """(what, value) of the evaluation after learning and of the energies."""
    rows = []
    evaluation, learning = access.group(run, "evaluation"), access.group(run, "learning")
    for name, values in evaluation.data_vars.items() if evaluation is not None else ():
        rows.append((f"{_words(str(name))}, after learning", _value(values.values)))
    if learning is None or not learning.sizes.get("presentation"):
        return rows
    tested = learning.dataset
    tests = [name for name in MEASURES if name in tested and tested[name].size]
    rows += [(f"{name.replace('_', ' ')}, first and last test", _ends(tested[name].values, 1)) for name in tests]
    part = max(1, round(PART * learning.sizes["presentation"]))
    rows += [
        (f"{label} (nats per trial), first and last tenth", _ends(tested[name].values, part))
        for name, label in ENERGIES.items()
        if name in tested
    ]
    return [*rows, ("presentations learned", f"{learning.sizes['presentation']:,}")]


def variability(run: xr.DataTree) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table, a projection each, of the last snapshot; both empty where there is none, and where
    every weight is a point."""
    try:
        if not any(varies(run, name) for name in projections(run)):
            return [], []
        last = summary(run).isel(snapshot=-1)
    except (NeuroMPCError, KeyError, TypeError, ValueError):
        return [], []
    rows = [
        [str(name), *(_number(float(last[measure].sel(projection=name))) for measure in MEASURED)]
        for name in last["projection"].values
    ]
    return ["projection", *MEASURED.values()], rows


def _words(name: str) -> str:
    """Such as `accuracy (mean weights)`."""
    what = measured(name)
    return f"{what.words} ({ENDINGS[what.of]})" if what.of else what.words


def _ends(values: np.ndarray, part: int) -> str:
    return f"{_number(float(np.nanmean(values[:part])))} → {_number(float(np.nanmean(values[-part:])))}"


def _value(values: np.ndarray) -> str:
    if values.ndim == 0:
        return _number(float(values))
    return (
        f"{_number(float(values.mean()))} ± {_number(float(values.std(ddof=1)))} (n = {values.size})"
        if values.size > 1
        else _number(float(values.mean()))
    )


def _number(value: float) -> str:
    return f"{value:.4g}"
