"""The numbers of an experiment on a trained run."""

from __future__ import annotations

from math import isnan

import xarray as xr

from neuro_mpc.analysis import by_window, ensembles, experiment, lesion_curves, psychometric_fit
from neuro_mpc.analysis.intervals import described
from neuro_mpc.errors import NeuroMPCError
from neuro_mpc.runfile import access
from neuro_mpc.runfile.attributes import attribute

Table = tuple[str, list[str], list[list[str]]]
ENSEMBLE = {
    "single": "single networks, mean",
    "spread": "single networks, standard deviation",
    "worst": "worst network",
    "best": "best network",
    "vote": "vote of all",
    "mean_output": "mean output of all",
    "agreement": "agreement of two networks",
    "noise": "the circuit with noise",
    "mean_weights": "every weight at its mean",
}


def is_experiment(run: xr.DataTree) -> bool:
    """Whether the run made an experiment, so that it learned nothing itself."""
    return access.group(run, "experiment") is not None


def tables(run: xr.DataTree) -> list[Table]:
    """(caption, head, rows) of the experiment of a run; empty where it made none, or its kind has no numbers."""
    if not is_experiment(run):
        return []
    try:
        kind = attribute(experiment(run), "kind")
        return TABLES[kind](run) if kind in TABLES else []
    except (NeuroMPCError, KeyError, TypeError, ValueError, IndexError):  # a file that no run has written
        return []


def _responses(run: xr.DataTree) -> list[Table]:
    differences = by_window(run)
    interval = described(differences.attrs["number"], differences.attrs["over"])
    windows = [str(window) for window in differences["window"].values]
    rows = []
    for condition in differences["condition"].values:
        for population in differences["population"].values:
            by_step = differences.sel(condition=condition, population=population)
            intervals = [_interval(by_step.sel(window=window)) for window in windows]
            rows.append([f"{condition}, {population}", *intervals])
    return [(f"Size of the error minus that of the standard, by steps ({interval})", ["", *windows], rows)]


def _lesions(run: xr.DataTree) -> list[Table]:
    counted = attribute(experiment(run), "counted", "performance")
    return [_by_fraction(f"{counted.capitalize()} while a fraction is silenced", lesion_curves(run)["mean"])]


def _psychometric(run: xr.DataTree) -> list[Table]:
    fit, results = psychometric_fit(run)["mean"], experiment(run)
    choice = f"{attribute(results, 'counted')}, by {attribute(results, 'against')}, while a fraction is silenced"
    captions = {
        "sensitivity": f"Sensitivity (nats per unit) of choosing {choice}",
        "bias": f"Bias (nats) to choosing {choice}",
    }
    return [_by_fraction(caption, fit.sel(parameter=parameter)) for parameter, caption in captions.items()]


def _by_fraction(caption: str, means: xr.DataArray) -> Table:
    """A row for each order, a column for each fraction that is silenced."""
    fractions = means["fraction"].values
    rows = [
        [str(order), *(f"{float(means.sel(order=order, fraction=fraction)):.3f}" for fraction in fractions)]
        for order in means["order"].values
    ]
    return caption, ["order", *(f"{fraction:g}" for fraction in fractions)], rows


def _ensemble(run: xr.DataTree) -> list[Table]:
    summary, results = ensembles(run).isel(run=0), experiment(run)
    rows = [[words, f"{value:.4f}"] for name, words in ENSEMBLE.items() if not isnan(value := float(summary[name]))]
    caption = f"{results.sizes['network']} networks drawn from the learned distributions"
    return [(caption, ["", attribute(results, "counted", "performance")], rows)]


TABLES = {
    "oddball": _responses,
    "omission": _responses,
    "lesion": _lesions,
    "psychometric": _psychometric,
    "ensemble": _ensemble,
}


def _interval(values: xr.Dataset) -> str:
    mean, low, high = (float(values[name]) for name in ("mean", "low", "high"))
    if isnan(mean):
        return "—"
    return f"{mean:+.3f}" if isnan(low) else f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"
