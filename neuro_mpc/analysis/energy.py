"""The energy that inference descends, by population, step and iteration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import xarray as xr

from neuro_mpc.analysis.precision import precision
from neuro_mpc.analysis.traces import targets, traces, trajectory_setting
from neuro_mpc.runfile import access


def inference_energy(run: xr.DataTree, sample: int = -1) -> xr.DataArray:
    """Energy along inference, by population, iteration and step.

    Parameters
    ----------
    run : xarray.DataTree
        A run with the trajectory of inference.
    sample : int, optional
        Index of the recorded presentation, in the order of recording.

    Returns
    -------
    xarray.DataArray
        (population, iteration, step), mean over the recorded trials, in nats. Iteration 0 is the state before
        inference. Steps that are not read out are missing in the target population. The attribute `unrecorded` names
        the populations that were not recorded.

    Raises
    ------
    RunFileError
        The trajectory of inference was not recorded.

    Notes
    -----
    e = Π (r − h) is the recorded error, u the prediction of a target population, and Π the precision::

        free populations    ½ Σ_units e²/Π
        target, softmax     −Π Σ_units target · ln softmax(u)
        target, Gaussian    ½ Π Σ_units (target − output)²

    Where Π is learned, −½ Σ_units ln Π is added, with the Π of the last snapshot before the presentation.

    The sum over populations and steps is the free energy of the model, which falls along inference, where all
    populations were recorded.

    References
    ----------
    Li, Qiu & Huang 2024, Phys. Rev. E 109, 044309, Eq. 11.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> energy = nm.analysis.inference_energy(nm.open_run("run.nc"))
    >>> energy["population"].values.tolist(), energy.sizes["iteration"]
    (['hidden', 'output'], 6)
    """
    neural = access.group(run, "neural")
    names = [] if neural is None else [n for n, node in neural.children.items() if "iteration" in node.sizes]
    if not names:
        raise access.lacking(
            run, "trajectory of inference", f"protocol.recording.samples=[-1] --set {trajectory_setting(run)}"
        )
    roles = {name: access.population(run, name).get("role") for name in names}
    energies = [_target(run, name, sample) if roles[name] == "target" else _free(run, name, sample) for name in names]
    energy = xr.concat(energies, dim="population", join="outer").assign_coords(population=names)
    label = "energy, mean per trial"
    energy = energy.rename("energy").transpose("population", "iteration", "step")
    with_errors = [
        name for name, table in access.describe(run, "circuit")["population"].items() if table.get("role") != "stimulus"
    ]
    unrecorded = ", ".join(name for name in with_errors if name not in names)
    return energy.assign_attrs(long_name=label, units="nat", unrecorded=unrecorded)


def target_loss(run: xr.DataTree, traces: xr.Dataset, sample: int = -1) -> xr.DataArray:
    """The loss of the target population's traces (…, step, trial, unit): (…, step, trial), in nats.

    −ln of the probability of the target for a softmax read-out; ½ Σ (target − output)² for a Gaussian one.
    """
    return _loss(run, access.target_population(run), traces, sample).sum("unit")


def _loss(run: xr.DataTree, name: str, traces: xr.Dataset, sample: int) -> xr.DataArray:
    """The loss of each unit of a target population; nothing where there is no target."""
    # Labels of steps align the two: of a target that is read out once there is the last step only.
    target = targets(run, sample, name).astype(float)
    if access.population(run, name).get("readout", "softmax") == "gaussian":
        return 0.5 * (target - traces["output"].astype(float)) ** 2
    return -(target * _log_probability(traces))


def _log_probability(traces: xr.Dataset) -> xr.DataArray:
    """ln softmax(u) from the prediction u, because the output may have become zero by rounding."""
    if "prediction" not in traces:
        return cast(xr.DataArray, np.log(np.maximum(traces["output"].astype(float), np.finfo(float).tiny)))
    predicted = traces["prediction"].astype(float)
    above = predicted - predicted.max("unit")
    return above - np.log(cast(xr.DataArray, np.exp(above)).sum("unit"))


def _free(run: xr.DataTree, name: str, sample: int) -> xr.DataArray:
    found = traces(run, name, sample)
    error, weight = found["error"].astype(float), _precision(run, name, found)
    return _with_precision(run, name, 0.5 * error**2 / weight, weight)


def _target(run: xr.DataTree, name: str, sample: int) -> xr.DataArray:
    found = traces(run, name, sample)
    weight = _precision(run, name, found)
    return _with_precision(run, name, weight * _loss(run, name, found, sample), weight)


def _with_precision(run: xr.DataTree, name: str, energy: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    """The energy of all units, mean over trials; where a precision is learned, −½ ln Π of each error is part of it."""
    cost = 0.5 * np.log(weight) if isinstance(access.population(run, name).get("precision"), Mapping) else 0.0
    return (energy - cost).sum("unit").mean("trial")


def _precision(run: xr.DataTree, name: str, traces: xr.Dataset) -> xr.DataArray:
    """Π of a population in the presentation of its traces, one for all units or (unit,)."""
    stated = access.population(run, name).get("precision", 1.0)
    if not isinstance(stated, Mapping):
        return xr.DataArray(float(stated))
    found = access.while_learning(precision(run, name)["precision"])
    before = np.flatnonzero(found["presentation"].values <= int(traces["presentation"]))
    weight = found.isel(snapshot=before[-1] if len(before) else 0).drop_vars("presentation")
    return weight if weight.sizes["unit"] > 1 else weight.isel(unit=0)
