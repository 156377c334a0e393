"""Runs with synapses and traces of our choice, held in memory: what a measure says of them is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from neuro_mpc.descriptions.shipped import synapse_type
from neuro_mpc.descriptions.toml_text import to_toml

SEQUENCE, CORPUS = "spike-and-slab", "spike-and-slab-corpus"


def circuit(projections: Mapping[str, tuple[str, str, str]], readout: str = "softmax", **synapses) -> dict:
    """The tables of a circuit: projection → (from, to, synapse type); `synapses` are types of one's own."""
    populations = {
        "input": {"role": "stimulus"},
        "hidden": {"role": "free"},
        "output": {"role": "target", "readout": readout},
    }
    names = {synapse for _, _, synapse in projections.values()}
    tables = {name: {"from": a, "to": b, "synapse": synapse} for name, (a, b, synapse) in projections.items()}
    types = {name: synapses.get(name) or synapse_type(name) for name in names}
    return {"name": "example", "population": populations, "projection": tables, "synapse": types}


def synapses_run(arrays: Mapping[str, Mapping[str, np.ndarray]], synapse: str = SEQUENCE, **synapses) -> xr.DataTree:
    """A run with these parameters: projection → parameter → (snapshot, post, pre)."""
    tables = circuit(dict.fromkeys(arrays, ("hidden", "hidden", synapse)), **synapses)
    groups = {f"/synapses/{name}": _snapshots(each) for name, each in arrays.items()}
    return _tree(tables, groups)


def neural_run(
    populations: Mapping[str, Mapping[str, np.ndarray]],
    target: np.ndarray,
    stimulus: np.ndarray | None = None,
    *,
    readout: str = "softmax",
    scheme: str = "fixed-prediction",
) -> xr.DataTree:
    """A run with one sample: population → trace → ([iteration], step, trial, unit), one-hot target."""
    steps = max(each.shape[-3] for traces in populations.values() for each in traces.values())
    groups = {f"/neural/{name}": _sampled(traces, steps) for name, traces in populations.items()}
    shown = np.zeros((steps, target.shape[1], 1)) if stimulus is None else stimulus
    dimensions = ("sample", "target_step", "trial", "target_unit")
    groups["/stimulus"] = xr.Dataset(
        {
            "stimulus": (("sample", "step", "trial", "unit"), shown[None]),
            "target": (dimensions, target[None]),
        },
        coords={
            "step": np.arange(steps),
            "target_step": np.arange(steps - len(target), steps),
            "presentation": ("sample", [0]),
        },
    )
    tables = circuit({"output": ("hidden", "output", SEQUENCE)}, readout)
    return _tree(tables, groups, {"inference": {"scheme": scheme}})


def _tree(tables: dict, groups: Mapping[str, xr.Dataset], protocol: dict | None = None) -> xr.DataTree:
    attributes = {"circuit": to_toml(tables), "protocol": to_toml(protocol or {}), "complete": 1}
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **groups})


def _snapshots(arrays: Mapping[str, np.ndarray]) -> xr.Dataset:
    dimensions = ("snapshot", "post", "pre")
    count = len(next(iter(arrays.values())))
    variables = {name: (dimensions, np.asarray(each, np.float32)) for name, each in arrays.items()}
    return xr.Dataset(variables, coords={"presentation": ("snapshot", 10 * np.arange(count))})


def _sampled(arrays: Mapping[str, np.ndarray], steps: int) -> xr.Dataset:
    dimensions = ("sample", "iteration", "step", "trial", "unit")
    variables = {
        name: (dimensions if each.ndim == 4 else (dimensions[0], *dimensions[2:]), each[None])
        for name, each in arrays.items()
    }
    own = next(iter(arrays.values())).shape[-3]
    coordinates = {"step": np.arange(steps - own, steps), "presentation": ("sample", [0])}
    return xr.Dataset(variables, coords=coordinates)
