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

from neuro_mpc.descriptions.circuit import Circuit, circuit_of_run
from neuro_mpc.descriptions.circuit_checks import bounds_text
from neuro_mpc.descriptions.circuit_tables import Parameter
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.errors import DescriptionError, RunFileError, did_you_mean
from neuro_mpc.runfile import access
from neuro_mpc.runfile.reading import open_run, reading
from neuro_mpc.simulation import initial
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
        Projection → parameter → values, float64 (n_post, n_pre).
    changed : str, optional
        What was changed since, as `with_parameters` was told; "": nothing.

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

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the circuit's description and of all parameters, in the order of their names."""
        found = hashlib.sha256(self.circuit.to_toml().encode())
        for projection, values in sorted(self.parameters.items()):
            for name, each in sorted(values.items()):
                found.update(f"{projection}.{name} {each.shape}".encode() + each.astype("<f8").tobytes())
        return found.hexdigest()

    def attributes(self) -> dict[str, str]:
        """The attributes by which a run file says what its run started from.

        Returns
        -------
        dict of str to str
            Name → value.
        """
        found = {
            "start_run": self.name,
            "start_presentation": str(self.presentation),
            "start_sha256": self.sha256,
        }
        return {**found, "start_changed": self.changed} if self.changed else found

    def with_parameters(self, parameters: Mapping[str, Mapping[str, ArrayLike]], changed: str) -> Trained:
        """The same circuit with parameters of one's own, which runs that start from it tell of.

        Parameters
        ----------
        parameters : mapping of str to mapping of str to array_like
            Projection → parameter → values (n_post, n_pre), or one number for all. What is not named stays.
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
            raise DescriptionError("what was changed is not told", key="changed", expected="a few words")
        mine = {projection: dict(values) for projection, values in self.parameters.items()}
        for projection, values in parameters.items():
            _require(projection, mine, "projection", "parameters")
            for name, each in values.items():
                _require(name, mine[projection], "parameter", f"parameters.{projection}")
                mine[projection][name] = self._own(projection, name, each)
        initial.refuse_impossible(self.circuit, mine)
        told = f"{self.changed}; {changed}" if self.changed else changed
        return replace(self, parameters=mine, changed=told)

    def _own(self, projection: str, name: str, values: ArrayLike) -> np.ndarray:
        where = {"key": f"parameters.{projection}.{name}"}
        given, shape = np.asarray(values, dtype=float), self.circuit.shape(projection)
        if given.ndim and given.shape != shape:
            raise DescriptionError(
                "has another shape than its synapses", found=given.shape, expected=f"{shape}, or a number", **where
            )
        described = self.circuit.synapse[self.circuit.projection[projection].synapse].parameter[name]
        return _bounded(np.broadcast_to(given, shape).copy(), described, where)

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
        for name in (self.circuit.stimulus, self.circuit.target):
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
            wanted = set(circuit.synapse[circuit.projection[name].synapse].parameter)
            there = self.parameters.get(name, {})
            if set(there) != wanted:
                raise RunFileError(
                    f"{self.name} holds {_named(there)} of the projection {name!r}, "
                    f"the circuit {circuit.name!r} needs {_named(wanted)}",
                    hint="the circuit of the run",
                )
            self._refuse_shape(circuit, name)
        return {name: self.parameters[name] for name in circuit.projection}

    def _refuse_shape(self, circuit: Circuit, projection: str) -> None:
        shape, there = circuit.shape(projection), next(iter(self.parameters[projection].values())).shape
        if shape != there:
            found, needed = (" × ".join(map(str, each)) for each in (there, shape))
            raise RunFileError(
                f"{self.name} holds {found} synapses of the projection {projection!r}, here {needed} are needed",
                hint="a task as wide as that of the run, and populations of the size that they have there",
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


def _read(run: xr.DataTree, source: Source, name: str, presentation: int | None) -> Trained:
    circuit = circuit_of_run(str(run.attrs["circuit"]), f"the circuit of {name}")
    protocol = Protocol.from_toml(str(run.attrs["protocol"]), f"the protocol of {name}")
    found = access.group(run, "synapses")
    if found is None or set(found.children) != set(circuit.projection):
        raise access.lacking(run, "snapshot of all synapses", "protocol.recording.synapses_every=100")
    there = _snapshots(run)
    learned = _chosen(run, there, presentation)
    parameters = {each: _parameters(run, circuit, each, learned, name) for each in circuit.projection}
    initial.refuse_impossible(circuit, parameters)
    return Trained(source, name, circuit, protocol, access.number(run, "seed"), learned, there, parameters)


def _snapshots(run: xr.DataTree) -> tuple[int, ...]:
    """The numbers of the snapshots that all projections have."""
    kept = [set(map(int, node["presentation"].values)) for node in run["synapses"].children.values()]
    return tuple(sorted(set.intersection(*kept)))


def _chosen(run: xr.DataTree, there: tuple[int, ...], presentation: int | None) -> int:
    if presentation is None and there:
        return int(next(iter(run["synapses"].children.values()))["presentation"].values[-1])  # what learning ended with
    if presentation not in there:
        shown = ", ".join(map(str, there[:8])) + (f" … {there[-1]}" if len(there) > 8 else "")
        when = "" if presentation is None else f" after {presentation} presentations (there are: {shown})"
        setting = f"protocol.recording.synapses_every={presentation or 100}"
        raise access.lacking(run, f"snapshot of the synapses{when}", setting)
    return presentation


def _parameters(run: xr.DataTree, circuit: Circuit, projection: str, learned: int, name: str) -> dict[str, np.ndarray]:
    node = run[f"synapses/{projection}"]
    row = int(np.flatnonzero(node["presentation"].values == learned)[-1])
    found = {}
    for parameter, described in circuit.synapse[circuit.projection[projection].synapse].parameter.items():
        where = {"source": name, "key": f"synapses/{projection}/{parameter}"}
        if parameter not in node.data_vars:
            raise DescriptionError("is missing", **where)
        values = node[parameter][row].values.astype(float)
        if values.shape != circuit.shape(projection):
            raise DescriptionError(
                "has another shape than the circuit says",
                found=values.shape,
                expected=str(circuit.shape(projection)),
                **where,
            )
        found[parameter] = _bounded(values, described, where)
    return found


def _bounded(values: np.ndarray, described: Parameter, where: dict[str, str]) -> np.ndarray:
    if not np.isfinite(values).all():
        raise DescriptionError("has values that are not finite", **where)
    low = -np.inf if described.low is None else described.low
    high = np.inf if described.high is None else described.high
    slack = ROUNDING * np.maximum(1, np.abs(values))
    if (outside := (values < low - slack) | (values > high + slack)).any():
        raise DescriptionError(
            "is out of bounds", found=float(values[outside][0]), expected=bounds_text(described), **where
        )
    return values


def _require(name: str, known: Iterable[str], kind: str, key: str) -> None:
    if name not in known:
        raise DescriptionError(
            f"unknown {kind}", key=key, found=name, expected=", ".join(known), hint=did_you_mean(name, known)
        )


def _named(parameters: Iterable[str]) -> str:
    return ", ".join(sorted(parameters)) or "nothing"
