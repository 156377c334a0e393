"""The parameters of a circuit as a run file holds them: at a snapshot, where there are synapses, in bounds."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_checks import bounds_text
from neuro_mpc.descriptions.circuit_tables import Parameter
from neuro_mpc.descriptions.connections import CONNECTED, Connect
from neuro_mpc.descriptions.masks import rows_of
from neuro_mpc.errors import DescriptionError, RunFileError
from neuro_mpc.rules.weighting import LOG_PRECISION
from neuro_mpc.runfile import access
from neuro_mpc.simulation.connections import connects_some, only
from neuro_mpc.simulation.precisions import owners, parameter_of, shape_of

# A bound such as 0.99 is a little above itself in single precision.
ROUNDING = 1e-6


def with_masks(run: xr.DataTree, circuit: Circuit) -> Circuit:
    """The circuit with the masks of which its text has the checksum only."""
    tables = circuit.tables()
    for name, projection in circuit.projection.items():
        if isinstance(projection.connect, Connect) and projection.connect.share is not None:
            tables["projection"][name]["connect"] = {"mask": rows_of(_mask(run, circuit, name))}
    return Circuit.from_tables(tables, circuit.name)


def _mask(run: xr.DataTree, circuit: Circuit, projection: str) -> np.ndarray:
    """Which pairs of a projection that connects some only have a synapse."""
    node, place = run[f"synapses/{projection}"].dataset, {"key": f"synapses/{projection}/{CONNECTED}"}
    if CONNECTED not in node.data_vars:
        raise DescriptionError("is missing", **place)
    mask = node[CONNECTED].values == 1
    if mask.shape != circuit.shape(projection) or not mask.any():
        raise DescriptionError(
            "is no mask of these synapses", found=mask.shape, expected=str(circuit.shape(projection)), **place
        )
    return mask


def snapshots_of(run: xr.DataTree) -> tuple[int, ...]:
    """The numbers of the snapshots that all projections have."""
    numbers = [set(_presentations(run, node).tolist()) for node in run["synapses"].children.values()]
    return tuple(sorted(set.intersection(*numbers)))


def _presentations(run: xr.DataTree, projection: xr.DataTree) -> np.ndarray:
    """The numbers of presentations after which a projection's snapshots were taken."""
    found = projection.dataset.get("presentation", xr.DataArray(np.nan)).values
    whole = np.nan_to_num(np.round(found), posinf=0, neginf=0).astype(np.int64)
    if found.ndim != 1 or not np.array_equal(found, whole):
        place = projection.path.strip("/")
        raise RunFileError(f"{access.source(run)}: {place}/presentation is not a whole number for each snapshot")
    return whole


def snapshot_of(run: xr.DataTree, snapshots: tuple[int, ...], presentation: int | None) -> int:
    if presentation is None and snapshots:
        return int(_presentations(run, next(iter(run["synapses"].children.values())))[-1])  # what learning ended with
    if presentation not in snapshots:
        listing = ", ".join(map(str, snapshots[:8])) + (f" … {snapshots[-1]}" if len(snapshots) > 8 else "")
        when = "" if presentation is None else f" after {presentation} presentations (there are: {listing})"
        setting = f"protocol.recording.synapses_every={presentation or 100}"
        raise access.lacking(run, f"snapshot of the synapses{when}", setting)
    return presentation


def parameters_at(
    run: xr.DataTree, circuit: Circuit, projection: str, snapshot: int, name: str
) -> dict[str, np.ndarray]:
    """Parameter → values (n_post, n_pre) of a projection at a snapshot."""
    node = run[f"synapses/{projection}"].dataset
    row = int(np.flatnonzero(node["presentation"].values == snapshot)[-1])
    parameters = {}
    mask = _mask(run, circuit, projection) if connects_some(circuit, projection) else None
    for parameter, table in circuit.synapse[circuit.projection[projection].synapse].parameter.items():
        place = {"source": name, "key": f"synapses/{projection}/{parameter}"}
        if parameter not in node.data_vars:
            raise DescriptionError("is missing", **place)
        values = node[parameter].values.astype(float)
        values = values[row] if values.ndim == 3 and row < len(values) else values
        if values.shape != circuit.shape(projection):
            raise DescriptionError(
                "has another shape than the circuit says",
                found=values.shape,
                expected=str(circuit.shape(projection)),
                **place,
            )
        parameters[parameter] = bounded(only(mask, values), table, place, mask)
    return parameters


def precisions_at(run: xr.DataTree, circuit: Circuit, snapshot: int, name: str) -> dict[str, dict[str, np.ndarray]]:
    """`precision/NAME` → log Π (number, 1) of every precision that is learned, at a snapshot."""
    return {owner: {LOG_PRECISION: _log_precisions(run, circuit, owner, snapshot, name)} for owner in owners(circuit)}


def _log_precisions(run: xr.DataTree, circuit: Circuit, owner: str, snapshot: int, name: str) -> np.ndarray:
    place, shape = {"source": name, "key": f"{owner}/{LOG_PRECISION}"}, shape_of(circuit, owner)
    group = access.group(run, owner)
    if group is None or LOG_PRECISION not in (node := group.dataset).data_vars:
        raise DescriptionError("is missing", **place)
    if snapshot not in (numbers := _presentations(run, group)):
        raise DescriptionError(f"has no snapshot after {snapshot} presentations", **place)
    values = node[LOG_PRECISION].values.astype(float)
    row = int(np.flatnonzero(numbers == snapshot)[-1])
    values = values[row, :, None] if values.ndim == 2 and row < len(values) else values
    if values.shape != shape:
        raise DescriptionError(
            "has another shape than the circuit says", found=values.shape, expected=str(shape), **place
        )
    return bounded(values, parameter_of(circuit, owner, LOG_PRECISION), place)


def bounded(
    values: np.ndarray, parameter: Parameter, place: dict[str, str], mask: np.ndarray | None = None
) -> np.ndarray:
    """The values of a parameter; DescriptionError where one is not finite or out of bounds."""
    if not np.isfinite(values if mask is None else values[mask]).all():
        raise DescriptionError("has values that are not finite", **place)
    low = -np.inf if parameter.low is None else parameter.low
    high = np.inf if parameter.high is None else parameter.high
    slack = ROUNDING * np.maximum(1, np.abs(values))
    if (outside := (values < low - slack) | (values > high + slack)).any():
        raise DescriptionError(
            "is out of bounds",
            found=float(values[outside][0]),
            expected=bounds_text(parameter.low, parameter.high),
            **place,
        )
    return values
