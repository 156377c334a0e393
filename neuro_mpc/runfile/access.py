"""Access to a run for analysis and figures: its groups, its descriptions, and errors for what it lacks."""

from __future__ import annotations

import os
import tomllib
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from neuro_mpc.errors import RunFileError
from neuro_mpc.runfile.attributes import attribute
from neuro_mpc.runfile.finished import measure_of

Snapshots = TypeVar("Snapshots", xr.Dataset, xr.DataArray)


def group(run: xr.DataTree, path: str) -> xr.DataTree | None:
    """The group at `path`, or None where the run has none."""
    if not isinstance(run, xr.DataTree):
        found = repr(run) if isinstance(run, (str, os.PathLike)) else type(run).__name__
        raise RunFileError(f"{found} is no opened run", hint='nm.open_run("run.nc")')
    node: xr.DataTree | None = run
    for name in path.split("/"):  # a list of all groups would be made for each that is asked for
        node = node.children.get(name) if node is not None else None
    return node


def variable(node: xr.DataTree, name: str) -> xr.DataArray:
    """A variable or a coordinate of a group; KeyError where it has none of this name."""
    found = node[name]
    if not isinstance(found, xr.DataArray):
        raise KeyError(name)
    return found


def source(run: xr.DataTree) -> str:
    """The path that a run was read from."""
    return run.encoding.get("source", "this run")


def lacking(run: xr.DataTree, content: str, setting: str) -> RunFileError:
    """The error of a measure or a figure that needs `content`, which the run records with `--set setting`."""
    return RunFileError(f"{source(run)} holds no {content}", hint=f"run again with --set {setting}")


def describe(run: xr.DataTree, name: str) -> dict[str, Any]:
    """The circuit or the protocol of a run as nested tables, to be read only; RunFileError where it is no TOML."""
    text = attribute(run, name)
    try:
        return _tables(text)
    except (ValueError, RecursionError) as problem:
        raise RunFileError(f"the {name} in {source(run)} is no TOML: {problem}") from None


@lru_cache(maxsize=16)
def _tables(text: str) -> dict[str, Any]:
    """Those of a text, which is asked for again for each projection."""
    return tomllib.loads(text)


def population(run: xr.DataTree, name: str) -> dict[str, Any]:
    return describe(run, "circuit").get("population", {}).get(name, {})


def projection(run: xr.DataTree, name: str) -> dict[str, Any]:
    return describe(run, "circuit").get("projection", {}).get(name, {})


def target_population(run: xr.DataTree) -> str:
    """The name of the population that is clamped to the target, "" where the circuit does not say."""
    populations = describe(run, "circuit").get("population", {})
    return next((name for name, table in populations.items() if table.get("role") == "target"), "")


def symbol(run: xr.DataTree, projection: str, parameter: str) -> str:
    """The LaTeX symbol of a parameter of a projection's synapses, or its name."""
    circuit = describe(run, "circuit")
    synapse = circuit.get("projection", {}).get(projection, {}).get("synapse", "")
    table = circuit.get("synapse", {}).get(synapse, {}).get("parameter", {}).get(parameter, {})
    latex = table.get("symbol") or (parameter if len(parameter) == 1 else "")
    return f"${latex}$" if latex else parameter


def symbols(run: xr.DataTree) -> list[str]:
    """The names of the symbols of a run; RunFileError where it has none."""
    if (stimulus := group(run, "stimulus")) is not None and "symbols" in stimulus.data_vars:
        return stimulus.dataset["symbols"].values.tobytes().decode("utf-8", errors="replace").split("\n")
    generation = group(run, "generation")
    if generation is not None and (names := attribute(generation, "symbols", "")):
        return names.split("\n")
    start = attribute(run, "start_run", "")
    raise RunFileError(
        f"{source(run)} holds no names of symbols, such as words or letters",
        hint=f"the run it started from, {start}" if start else "a run of text, ptb or toy-language",
    )


def while_learning(snapshots: Snapshots) -> Snapshots:
    """The snapshots (…, snapshot) of consecutive presentations, without a last one of an earlier, selected state."""
    presentations = np.asarray(snapshots["presentation"])
    returns = len(presentations) > 1 and presentations[-1] < presentations[-2]
    return snapshots.isel(snapshot=slice(-1)) if returns else snapshots


def snapshot_name(run: xr.DataTree, presentations: np.ndarray, index: int = 0) -> str:
    """The name of the snapshot, or test, at `index` of those made after these numbers of presentations."""
    learned, index = int(presentations[index]), index % len(presentations)
    if index and learned < presentations[index - 1]:
        return f"selected state, after {learned:,} presentations"
    if not learned and "start_presentation" in run.attrs:
        return f"initial state, after {attribute(run, 'start_presentation'):,} presentations"
    return f"after {learned:,} presentations" if learned else "before training"


def final_measure(run: xr.DataTree) -> dict[str, float]:
    """The final measure of a run, by name: of the evaluation after learning, or the last test; empty without either."""
    learning, evaluation = group(run, "learning"), group(run, "evaluation")
    protocol = describe(run, "protocol") if "protocol" in run.attrs else {}
    tests, evaluated = (xr.Dataset() if node is None else node.dataset for node in (learning, evaluation))
    return measure_of(protocol, tests, evaluated)
