"""A trained circuit as its run file holds it: what any protocol can start from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_checks import bounds_text
from neuro_mpc.descriptions.circuit_tables import Parameter
from neuro_mpc.descriptions.connections import CONNECTED, Connect, fixed_mask, grid_of
from neuro_mpc.descriptions.masks import rows_of
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.descriptions.recorded import circuit_of_run
from neuro_mpc.errors import DescriptionError, RunFileError, did_you_mean
from neuro_mpc.runfile import access
from neuro_mpc.runfile.attributes import attribute
from neuro_mpc.runfile.reading import open_run, reading
from neuro_mpc.simulation import initial
from neuro_mpc.simulation.connections import connects_some, existing, only
from neuro_mpc.simulation.initial import Parameters

# A bound such as 0.99 is a little above itself in single precision.
ROUNDING = 1e-6
Source: TypeAlias = "str | os.PathLike[str] | xr.DataTree | Trained"


@dataclass(frozen=True)
class Trained:
    """The circuit of a run and its parameters at one of its snapshots, as `load_trained` reads them.

    Parameters
    ----------
    source : str, path or xarray.DataTree
        The run file, or the opened run.
    name : str
        Name of the run file.
    circuit : Circuit
        The circuit, with all its sizes.
    protocol : Protocol
        The protocol of the run.
    seed : int
        Seed of the run: it chose the trials that were learned.
    presentation : int
        Presentations learned before the snapshot.
    presentations : tuple of int
        The same of all snapshots of the run.
    parameters : dict of str to dict of str to numpy.ndarray
        Projection → parameter → values, float64 (n_post, n_pre), (n_post, 1) one-to-one; NaN where there is no synapse.
    changed : str, optional
        What was changed since, as `with_parameters` was told; "": nothing.
    data_sha256 : str, optional
        SHA-256 of the data of the run; "": a run of 0.1, which has none.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> trained = nm.load_trained("run.nc")
    >>> trained.parameters["recurrent"]["m"].shape == trained.circuit.shape("recurrent")
    True
    """

    source: str | os.PathLike[str] | xr.DataTree
    name: str
    circuit: Circuit
    protocol: Protocol
    seed: int
    presentation: int
    presentations: tuple[int, ...]
    parameters: Parameters
    changed: str = ""
    data_sha256: str = ""

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the circuit's description and of all parameters, in the order of their names."""
        digest = hashlib.sha256(self.circuit.to_toml().encode())
        for projection, values in sorted(self.parameters.items()):
            for name, array in sorted(values.items()):
                digest.update(f"{projection}.{name} {array.shape}".encode() + array.astype("<f8").tobytes())
        return digest.hexdigest()

    def attributes(self) -> dict[str, str]:
        """The attributes by which a run file says what its run started from.

        Returns
        -------
        dict of str to str
            Name → value.
        """
        attributes = {
            "start_run": self.name,
            "start_presentation": str(self.presentation),
            "start_sha256": self.sha256,
        }
        return {**attributes, "start_changed": self.changed} if self.changed else attributes

    def with_parameters(self, parameters: Mapping[str, Mapping[str, ArrayLike]], changed: str) -> Trained:
        """The same circuit with parameters of one's own, which runs that start from it tell of.

        Parameters
        ----------
        parameters : mapping of str to mapping of str to array_like
            Projection → parameter → values of the circuit's `shape`, or one number for all. What is not named stays; so
            does which synapses there are, whatever the values where there is none.
        changed : str
            What was changed, in a few words: the attribute ``start_changed`` of run files.

        Returns
        -------
        Trained
            A copy; the run file is left as it is.

        Raises
        ------
        DescriptionError
            A projection or parameter is unknown, has another shape or is out of bounds, or `changed` is empty.

        Examples
        --------
        >>> import neuro_mpc as nm
        >>> trained = nm.load_trained("run.nc")
        >>> trained.with_parameters({"recurrent": {"Xi": 0}}, "recurrent weights without variance").changed
        'recurrent weights without variance'
        """
        if not changed.strip():
            raise DescriptionError("does not say what was changed", key="changed", expected="a few words")
        merged = {projection: dict(values) for projection, values in self.parameters.items()}
        for projection, values in parameters.items():
            _require(projection, merged, "projection", "parameters")
            for name, value in values.items():
                _require(name, merged[projection], "parameter", f"parameters.{projection}")
                merged[projection][name] = self._checked(projection, name, value)
        initial.refuse_impossible(self.circuit, merged)
        changes = f"{self.changed}; {changed}" if self.changed else changed
        return replace(self, parameters=merged, changed=changes)

    def _checked(self, projection: str, name: str, values: ArrayLike) -> np.ndarray:
        place = {"key": f"parameters.{projection}.{name}"}
        array, shape = np.asarray(values, dtype=float), self.circuit.shape(projection)
        if array.ndim and array.shape != shape:
            raise DescriptionError(
                "has another shape than its synapses", found=array.shape, expected=f"{shape}, or a number", **place
            )
        parameter = self.circuit.synapse[self.circuit.projection[projection].synapse].parameter[name]
        mask = existing(self.parameters[projection]) if connects_some(self.circuit, projection) else None
        return _bounded(only(mask, np.broadcast_to(array, shape).copy()), parameter, place, mask)

    def at(self, presentation: int) -> Trained:
        """The same circuit at another snapshot.

        Parameters
        ----------
        presentation : int
            Presentations learned before the snapshot, one of `presentations`.

        Returns
        -------
        Trained
            Read from the same run.

        Raises
        ------
        RunFileError
            The run has no such snapshot, or parameters were changed.
        """
        if presentation == self.presentation:
            return self
        if self.changed:
            raise RunFileError(
                f"{self.name}: its parameters were changed ({self.changed}), those of other snapshots were not",
                hint="neuro_mpc.load_trained(RUN, presentation).with_parameters(…)",
            )
        return load_trained(self.source, presentation)

    def unsized(self) -> Circuit:
        """The circuit for another task, from which the sizes of its clamped populations come.

        Returns
        -------
        Circuit
            A copy without these sizes.
        """
        tables = self.circuit.tables()
        for name in (*self.circuit.stimuli, *self.circuit.targets):
            tables["population"][name].pop("size", None)
        return Circuit.from_tables(tables, self.name)

    def parameters_for(self, circuit: Circuit) -> Parameters:
        """The parameters for the synapses of another circuit.

        Parameters
        ----------
        circuit : Circuit
            A sized circuit.

        Returns
        -------
        dict of str to dict of str to numpy.ndarray
            Projection → parameter → values (n_post, n_pre).

        Raises
        ------
        RunFileError
            The circuit has other projections, parameters or sizes.
        """
        for name in circuit.projection:
            needed = set(circuit.synapse[circuit.projection[name].synapse].parameter)
            available = self.parameters.get(name, {})
            if set(available) != needed:
                raise RunFileError(
                    f"{self.name} holds {_listed(available)} of the projection {name!r}, "
                    f"the circuit {circuit.name!r} needs {_listed(needed)}",
                    hint="the circuit of the run",
                )
            self._refuse_shape(circuit, name)
            self._refuse_other_synapses(circuit, name)
        return {name: self.parameters[name] for name in circuit.projection}

    def _refuse_shape(self, circuit: Circuit, projection: str) -> None:
        shape, own_shape = circuit.shape(projection), next(iter(self.parameters[projection].values())).shape
        if shape != own_shape:
            actual, needed = (" × ".join(map(str, sizes)) for sizes in (own_shape, shape))
            raise RunFileError(
                f"{self.name} holds {actual} synapses of the projection {projection!r}, {needed} are needed here",
                hint="a task as wide as that of the run, and populations of the size that they have there",
            )

    def _refuse_other_synapses(self, circuit: Circuit, projection: str) -> None:
        """A circuit that says which pairs are connected has to say what the run has."""
        there, connect = existing(self.parameters[projection]), circuit.projection[projection].connect
        if there is None or connect == self.circuit.projection[projection].connect:
            return
        ends = circuit.projection[projection].target, circuit.projection[projection].source
        if isinstance(connect, Connect):
            grids = [grid_of(circuit.population[end]) for end in ends]
            agrees = connect.is_fixed and np.array_equal(there, fixed_mask(connect, *grids))
        else:
            agrees = bool(there.all())
        if not agrees:
            raise RunFileError(
                f"{self.name} connects other pairs of units by the projection {projection!r} than the circuit "
                f"{circuit.name!r}",
                hint="the circuit of the run",
            )


def load_trained(run: Source, presentation: int | None = None) -> Trained:
    """The circuit and the parameters of a run.

    Parameters
    ----------
    run : str, path, xarray.DataTree or Trained
        A run file, or an opened run.
    presentation : int, optional
        Presentations learned before the snapshot; None: the last snapshot.

    Returns
    -------
    Trained
        What any protocol can start from; a `Trained` is returned as it is.

    Raises
    ------
    RunFileError
        The file cannot be read or holds no such snapshot.
    DescriptionError
        Circuit, protocol or parameters in it are not valid.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.load_trained("run.nc", 0).presentation
    0
    """
    if isinstance(run, Trained):
        return run
    if isinstance(run, xr.DataTree):
        return _read(run, run, Path(run.encoding.get("source", "a run in memory")).name, presentation)
    with open_run(run, careful=True) as opened, reading(Path(run)):
        return _read(opened, run, Path(run).name, presentation)


def on_task_of(protocol: Protocol | ExperimentProtocol, trained: Trained) -> Protocol:
    """The whole protocol: that of an experiment takes its task from the trained run."""
    return protocol.on(trained.protocol) if isinstance(protocol, ExperimentProtocol) else protocol


def _read(
    run: xr.DataTree, source: str | os.PathLike[str] | xr.DataTree, name: str, presentation: int | None
) -> Trained:
    circuit = circuit_of_run(attribute(run, "circuit"), f"the circuit of {name}")
    protocol = Protocol.from_toml(attribute(run, "protocol"), f"the protocol of {name}")
    synapses = access.group(run, "synapses")
    if synapses is None or set(synapses.children) != set(circuit.projection):
        raise access.lacking(run, "snapshot of all synapses", "protocol.recording.synapses_every=100")
    snapshots = _snapshots(run)
    snapshot = _snapshot(run, snapshots, presentation)
    circuit = _with_masks(run, circuit)
    parameters = {
        projection: _parameters(run, circuit, projection, snapshot, name) for projection in circuit.projection
    }
    initial.refuse_impossible(circuit, parameters)
    return Trained(
        source=source,
        name=name,
        circuit=circuit,
        protocol=protocol,
        seed=attribute(run, "seed", 0),
        presentation=snapshot,
        presentations=snapshots,
        parameters=parameters,
        data_sha256=attribute(run, "data_sha256", ""),
    )


def _with_masks(run: xr.DataTree, circuit: Circuit) -> Circuit:
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


def _snapshots(run: xr.DataTree) -> tuple[int, ...]:
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


def _snapshot(run: xr.DataTree, snapshots: tuple[int, ...], presentation: int | None) -> int:
    if presentation is None and snapshots:
        return int(_presentations(run, next(iter(run["synapses"].children.values())))[-1])  # what learning ended with
    if presentation not in snapshots:
        listing = ", ".join(map(str, snapshots[:8])) + (f" … {snapshots[-1]}" if len(snapshots) > 8 else "")
        when = "" if presentation is None else f" after {presentation} presentations (there are: {listing})"
        setting = f"protocol.recording.synapses_every={presentation or 100}"
        raise access.lacking(run, f"snapshot of the synapses{when}", setting)
    return presentation


def _parameters(run: xr.DataTree, circuit: Circuit, projection: str, snapshot: int, name: str) -> dict[str, np.ndarray]:
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
        parameters[parameter] = _bounded(only(mask, values), table, place, mask)
    return parameters


def _bounded(
    values: np.ndarray, parameter: Parameter, place: dict[str, str], mask: np.ndarray | None = None
) -> np.ndarray:
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


def _require(name: str, known: Iterable[str], kind: str, key: str) -> None:
    if name not in known:
        raise DescriptionError(
            f"unknown {kind}", key=key, found=name, expected=", ".join(known), hint=did_you_mean(name, known)
        )


def _listed(parameters: Iterable[str]) -> str:
    return ", ".join(sorted(parameters)) or "nothing"
