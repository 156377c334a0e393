"""What analysis and figures ask of a run: its groups, its descriptions, and how to record what it lacks."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import numpy as np
import xarray as xr

from neuro_mpc.errors import RunFileError

WHOLE = re.compile(r"[+-]?\d{1,20}")
MEASURES = ("correct_letter_ratio", "accuracy", "perplexity", "test_loss")  # the first one found is told


def group(run: xr.DataTree, path: str) -> xr.DataTree | None:
    """The group at `path`, or None where the run has none."""
    return run[path] if f"/{path}" in run.groups else None


def source(run: xr.DataTree) -> str:
    """Where a run was read from."""
    return run.encoding.get("source", "this run")


def lacking(run: xr.DataTree, what: str, setting: str) -> RunFileError:
    """The error of a measure or a figure that needs `what`, which the run records with `--set setting`."""
    return RunFileError(f"{source(run)} holds no {what}", hint=f"run again with --set {setting}")


def describe(run: xr.DataTree, name: str) -> dict[str, Any]:
    """The circuit or the protocol of a run as nested tables."""
    return tomllib.loads(run.attrs[name])


def number(run: xr.DataTree, name: str, default: int = 0) -> int:
    """A root attribute that is a whole number, or the text of one; RunFileError where it is anything else."""
    found = run.attrs.get(name, default)
    if isinstance(found, (int, np.integer)) or (isinstance(found, str) and WHOLE.fullmatch(found)):
        return int(found)
    raise RunFileError(f"{source(run)}: the attribute {name} is {str(found)[:80]!r}, not a whole number")


def population(run: xr.DataTree, name: str) -> dict[str, Any]:
    return describe(run, "circuit").get("population", {}).get(name, {})


def target_population(run: xr.DataTree) -> str:
    """The name of the population that is clamped to the target, "" where the circuit does not say."""
    populations = describe(run, "circuit").get("population", {})
    return next((name for name, table in populations.items() if table.get("role") == "target"), "")


def symbol(run: xr.DataTree, projection: str, parameter: str) -> str:
    """How a parameter of a projection's synapses is written: its LaTeX symbol, or its name."""
    circuit = describe(run, "circuit")
    synapse = circuit.get("projection", {}).get(projection, {}).get("synapse", "")
    table = circuit.get("synapse", {}).get(synapse, {}).get("parameter", {}).get(parameter, {})
    written = table.get("symbol") or (parameter if len(parameter) == 1 else "")
    return f"${written}$" if written else parameter


def symbols(run: xr.DataTree) -> list[str]:
    """The names of the symbols of a run; RunFileError where it has none."""
    if (stimulus := group(run, "stimulus")) is not None and "symbols" in stimulus.data_vars:
        return stimulus["symbols"].values.tobytes().decode("utf-8", errors="replace").split("\n")
    named = (run[path].attrs.get("symbols", "") for path in ("generation",) if group(run, path) is not None)
    if found := next(filter(None, named), ""):
        return found.split("\n")
    start = run.attrs.get("start_run")
    raise RunFileError(
        f"{source(run)} holds no names of symbols, such as words or letters",
        hint=f"the run it began with, {start}" if start else "a run of text, ptb or toy-language",
    )


def while_learning(found: xr.Dataset | xr.DataArray) -> xr.Dataset | xr.DataArray:
    """The snapshots (…, snapshot) taken one after the other, without a last one that goes back to what was kept."""
    presentations = found["presentation"].values
    back = len(presentations) > 1 and presentations[-1] < presentations[-2]
    return found.isel(snapshot=slice(-1)) if back else found


def snapshot_name(run: xr.DataTree, presentations: np.ndarray, index: int = 0) -> str:
    """What a snapshot, or a test, is called, of all those made after so many presentations."""
    number, index = int(presentations[index]), index % len(presentations)
    if index and number < presentations[index - 1]:
        return f"kept, of {number:,} presentations"
    if not number and "start_presentation" in run.attrs:
        return f"as begun with, after {number(run, 'start_presentation'):,} presentations"
    return f"after {number:,} presentations" if number else "before training"


def final_measure(run: xr.DataTree) -> dict[str, float]:
    """What a run reached, by name: in the evaluation after learning, or in the last test; empty without either."""
    learning, evaluation = run["learning"], group(run, "evaluation")
    test = describe(run, "protocol").get("test", {}) if "protocol" in run.attrs else {}
    asked = test.get("measure", "").replace("-", "_")
    name = next((name for name in (asked, *MEASURES) if name in learning), None)
    if name is None or learning[name].size == 0:
        return {}
    there = evaluation is not None and name in evaluation
    return {name: float(evaluation[name] if there else learning[name][-1])}
