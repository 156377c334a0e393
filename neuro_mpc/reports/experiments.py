"""The numbers of an experiment on a trained run."""

from __future__ import annotations

from math import isnan

import xarray as xr

from neuro_mpc.analysis import by_window, ensembles, experiment, lesion_curves
from neuro_mpc.analysis.intervals import described
from neuro_mpc.errors import NeuroMPCError
from neuro_mpc.runfile import access

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
    """(caption, head, rows) of the experiment of a run; none where it made none, or its kind has no numbers."""
    if not is_experiment(run):
        return []
    try:
        kind = experiment(run).attrs["kind"]
        return TABLES[kind](run) if kind in TABLES else []
    except (NeuroMPCError, KeyError, TypeError, ValueError, IndexError):  # a file that no run has written
        return []


def _responses(run: xr.DataTree) -> list[Table]:
    found = by_window(run)
    made = described(found.attrs["number"], found.attrs["over"])
    windows = [str(each) for each in found["window"].values]
    rows = [
        [
            f"{condition}, {population}",
            *(_interval(found.sel(condition=condition, population=population, window=each)) for each in windows),
        ]
        for condition in found["condition"].values
        for population in found["population"].values
    ]
    return [(f"Size of the error minus that of the standard, by steps ({made})", ["", *windows], rows)]


def _lesions(run: xr.DataTree) -> list[Table]:
    found, counted = lesion_curves(run), experiment(run).attrs.get("counted", "performance")
    fractions = found["fraction"].values
    rows = [
        [str(order), *(f"{float(found['mean'].sel(order=order, fraction=each)):.3f}" for each in fractions)]
        for order in found["order"].values
    ]
    return [
        (f"{counted.capitalize()} while a fraction is silenced", ["order", *(f"{each:g}" for each in fractions)], rows)
    ]


def _ensemble(run: xr.DataTree) -> list[Table]:
    found, results = ensembles(run).isel(run=0), experiment(run)
    rows = [[words, f"{value:.4f}"] for name, words in ENSEMBLE.items() if not isnan(value := float(found[name]))]
    caption = f"{results.sizes['network']} networks drawn from the learned distributions"
    return [(caption, ["", str(results.attrs.get("counted", "performance"))], rows)]


TABLES = {"oddball": _responses, "omission": _responses, "lesion": _lesions, "ensemble": _ensemble}


def _interval(values: xr.Dataset) -> str:
    mean, low, high = (float(values[name]) for name in ("mean", "low", "high"))
    if isnan(mean):
        return "—"
    return f"{mean:+.3f}" if isnan(low) else f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"
