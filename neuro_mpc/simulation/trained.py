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
from neuro_mpc.descriptions.connections import Connect, fixed_mask, grid_of
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.descriptions.recorded import circuit_of_run
from neuro_mpc.errors import DescriptionError, RunFileError, did_you_mean
from neuro_mpc.rules.weighting import is_precision
from neuro_mpc.runfile import access
from neuro_mpc.runfile.attributes import attribute
from neuro_mpc.runfile.reading import open_run, reading
from neuro_mpc.simulation import initial
from neuro_mpc.simulation.connections import connects_some, existing, only
from neuro_mpc.simulation.initial import Parameters
from neuro_mpc.simulation.precisions import parameter_of, precisions_for, shape_of
from neuro_mpc.simulation.snapshots import (
    bounded,
    parameters_at,
    precisions_at,
    snapshot_of,
    snapshots_of,
    with_masks,
)

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
        Where the precision of a population NAME is learned, also ``precision/NAME`` → ``log_precision`` → log Π,
        (units, 1), or (1, 1) where all units share one.
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

    def __repr__(self) -> str:
        changed = f", changed: {self.changed}" if self.changed else ""
        return f"<{self.circuit.name} as {self.name} had learned it after {self.presentation} presentations{changed}>"

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
        try:
            array, shape = np.asarray(values, dtype=float), shape_of(self.circuit, projection)
        except (TypeError, ValueError):  # texts, rows of different lengths
            raise DescriptionError("is no array of numbers", found=values, **place) from None
        if array.ndim and array.shape != shape:
            raise DescriptionError(
                "has another shape than its synapses", found=array.shape, expected=f"{shape}, or a number", **place
            )
        parameter = parameter_of(self.circuit, projection, name)
        some = not is_precision(projection) and connects_some(self.circuit, projection)
        mask = existing(self.parameters[projection]) if some else None
        return bounded(only(mask, np.broadcast_to(array, shape).copy()), parameter, place, mask)

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
        for name in circuit.untied:
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
        return {
            **{name: self.parameters[name] for name in circuit.untied},
            **precisions_for(circuit, self.parameters),
        }

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
    if synapses is None or set(synapses.children) != set(circuit.untied):
        raise access.lacking(run, "snapshot of all synapses", "protocol.recording.synapses_every=100")
    snapshots = snapshots_of(run)
    snapshot = snapshot_of(run, snapshots, presentation)
    circuit = with_masks(run, circuit)
    parameters = {projection: parameters_at(run, circuit, projection, snapshot, name) for projection in circuit.untied}
    initial.refuse_impossible(circuit, parameters)
    return Trained(
        source=source,
        name=name,
        circuit=circuit,
        protocol=protocol,
        seed=attribute(run, "seed", 0),
        presentation=snapshot,
        presentations=snapshots,
        parameters={**parameters, **precisions_at(run, circuit, snapshot, name)},
        data_sha256=attribute(run, "data_sha256", ""),
    )


def _require(name: str, known: Iterable[str], kind: str, key: str) -> None:
    if name not in known:
        raise DescriptionError(
            f"unknown {kind}", key=key, found=name, expected=", ".join(known), hint=did_you_mean(name, known)
        )


def _listed(parameters: Iterable[str]) -> str:
    return ", ".join(sorted(parameters)) or "nothing"
