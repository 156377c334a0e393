"""The run file: one netCDF-4 file per run, written block by block during the run.

During a run, its file is `<path>.partial`; a complete run is moved to `<path>`. Files are read with `open_run`.
What was synced can be read after a kill, unless the kill came in the middle of a sync: then `open_run` reads the
checkpoint, which is a run file, too, and never half written. A disk that is nearly full ends the run while there is
room to close the file cleanly.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import netCDF4
import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.connections import CONNECTED
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.errors import RunError, RunFileError
from neuro_mpc.examination.opening import opened, variables
from neuro_mpc.rules.weighting import OWNER, is_precision
from neuro_mpc.runfile import closing, file_format, netcdf
from neuro_mpc.runfile.attributes import FOUND_RATE, attribute_of
from neuro_mpc.runfile.finished import Finished
from neuro_mpc.runfile.labels import LEARNING, evaluation_label, test_label
from neuro_mpc.runfile.paths import check_folder, partial_path, refuse_existing, require_room
from neuro_mpc.runfile.reading import open_run
from neuro_mpc.runfile.root_attributes import root_attributes
from neuro_mpc.runfile.samples import Samples, Traces
from neuro_mpc.runfile.write_errors import writes
from neuro_mpc.system import files

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["RunFile", "open_run"]

# Syncing costs more than a row: rows are written in blocks of this size, or after this time.
BLOCK_ROWS, BLOCK_SECONDS = 2048, 2.0

NUMBERS = ("seed", "threads", "workers")  # attributes of the root
TESTED = ("test", "test_presentation")  # the coordinates of a test


class RunFile:
    """Writes the run file of one run.

    Numbers of presentations count those *learned before*: presentation 0 is the first, the snapshot of the
    initial state has number 0, and the snapshots around presentation k have the numbers k and k + 1.

    Used as a context manager, an exception leaves the readable `<path>.partial` with `complete = 0`.

    Raises RunError, before anything is written, when the folder is missing or not writable, and when `<path>`
    or `<path>.partial` exists and `overwrite` is false; later, when the disk is full or the file was removed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        circuit: Circuit,
        protocol: Protocol,
        seed: int,
        backend: str,
        threads: int,
        workers: int = 1,
        overwrite: bool = False,
        extra_attributes: Mapping[str, str | int | float] | None = None,
    ) -> None:
        self.path = Path(path)
        self.partial = partial_path(self.path)
        check_folder(self.path)
        if not overwrite:
            refuse_existing(self.path, self.partial)
        self._prepare(protocol)
        settings = {"seed": seed, "backend": backend, "threads": threads, "workers": workers}
        self._create({**root_attributes(circuit, protocol), **settings, **(extra_attributes or {}), "complete": 0})

    @classmethod
    def reopened(cls, path: str | os.PathLike[str], *, protocol: Protocol) -> RunFile:
        """Continues the `<path>.partial` of a run of the same protocol. Raises RunError if it cannot be read."""
        self = cls.__new__(cls)
        self.path = Path(path)
        self.partial = partial_path(self.path)
        self._prepare(protocol)
        self._reopen()
        return self

    def _prepare(self, protocol: Protocol) -> None:
        self._float = {"float32": "f4", "float64": "f8"}[protocol.precision]
        self._step_duration = protocol.inference.step_duration
        self._rows: list[tuple] = []
        self._flushed = time.monotonic()
        self._is_open = True
        self.finished: Finished | None = None

    @writes
    def _create(self, attributes: Mapping[str, str | int | float]) -> None:
        require_room(self.path, 0)
        with files.replacement(self.partial) as new:  # it can be read from the start
            self._file = netCDF4.Dataset(new, "w", format="NETCDF4")
            try:
                self._file.setncatts(attributes)
                self._create_learning()
                self._file.sync()
            except (OSError, RuntimeError):
                closing.abandon(self._file)
                raise

    @writes
    def _reopen(self) -> None:
        self._file = opened(self.partial, "a")
        try:
            netcdf.require_columns(self._file, "learning", ("presentation", *LEARNING))
            attributes = {name: self._file.getncattr(name) for name in self._file.ncattrs()}
            file_format.refuse_newer(self.partial, attributes)
            for variable in variables(self._file):
                netcdf.hold_little(variable)
        except (OSError, RunFileError):
            self._file.close()
            raise
        if attributes.get(file_format.VERSION) != file_format.as_text():  # what follows is written as this one says
            self._file.setncattr(file_format.VERSION, file_format.as_text())

    def learning(
        self,
        presentation: int,
        free_energy: float,
        free_energy_hidden: float,
        loss: float,
        free_energy_start: float,
        iterations: float,
    ) -> None:
        """Records the energies of one presentation: means per trial, summed over steps and units."""
        row = (presentation, free_energy, free_energy_hidden, loss, free_energy_start, iterations)
        self._rows.append(row)
        if len(self._rows) >= BLOCK_ROWS or time.monotonic() - self._flushed >= BLOCK_SECONDS:
            self.flush()

    @writes
    def test(self, presentation: int, values: Mapping[str, float]) -> None:
        """Writes the measures after `presentation` presentations: `{"test_loss": …, "accuracy": …}`."""
        group = self._file["learning"]
        row = netcdf.next_row(group, "test", TESTED, presentation)
        for name, value in values.items():
            if name not in group.variables:
                netcdf.create_column(group, name, self._float, "test", test_label(name))
            group[name][row] = value
        self.flush()

    @writes
    def connected(self, projection: str, mask: np.ndarray) -> None:
        """Writes which pairs of units have a synapse, bool (n_post, n_pre), of a projection that connects some only."""
        group = self._file.createGroup(f"synapses/{projection}")
        netcdf.put_fixed(group, CONNECTED, mask.astype("u1"), ("post", "pre"), "1 where there is a synapse, else 0")
        self.flush()

    @writes
    def snapshot(self, presentation: int, parameters: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Writes the parameters of every synapse, NaN where there is none: `{projection: {parameter: array}}`.

        Arrays are (post, pre), or (post, 1) where each unit has a single synapse; of precisions that are learned, by
        `precision/NAME`, (unit, 1), or (1, 1) where all units share one.
        """
        require_room(self.path, _bytes(parameters))
        for owner, arrays in parameters.items():
            write = self._precisions if is_precision(owner) else self._synapses
            write(owner, presentation, arrays)
        self.flush()

    def _synapses(self, projection: str, presentation: int, arrays: Mapping[str, np.ndarray]) -> None:
        group = self._file.createGroup(f"synapses/{projection}")
        row = netcdf.next_row(group, "snapshot", ("presentation",), presentation)
        for name, array in arrays.items():
            label = f"{name} of the synapses of the projection {projection}"
            self._put(group, name, row, array, ("snapshot", "post", "pre"), label)

    def _precisions(self, owner: str, presentation: int, arrays: Mapping[str, np.ndarray]) -> None:
        group = self._file.createGroup(owner)
        row = netcdf.next_row(group, "snapshot", ("presentation",), presentation)
        for name, array in arrays.items():
            label = f"natural logarithm of the precision of the errors of {owner.removeprefix(OWNER)}"
            self._put(group, name, row, array[:, 0], ("snapshot", "unit"), label)

    @writes
    def sample(
        self,
        presentation: int,
        stimulus: np.ndarray | Mapping[str, np.ndarray],
        target: np.ndarray | Mapping[str, np.ndarray],
        neural: Traces,
        trials: np.ndarray,
    ) -> None:
        """Writes the neural traces of one presentation.

        stimulus: (step, trial, unit); target: (step or 1, trial, unit of the target), NaN for none; of several
        populations by their names, of which those after the first are part of the names of variables;
        trials: (trial,), their numbers in the data set; neural: `{population: {name: (step, trial, unit)}}`,
        with `iteration` first where the trajectory of inference is kept. A single step of a longer sequence
        is its last.
        """
        stimuli, targets = (each if isinstance(each, Mapping) else {"": each} for each in (stimulus, target))
        require_room(self.path, _bytes({"stimuli": stimuli, "targets": targets, **neural}))
        samples = Samples(self._file, self._float, self._step_duration)
        samples.write(presentation, stimuli, targets, neural, np.asarray(trials))
        self.flush()

    @writes
    def symbols(self, names: Sequence[str]) -> None:
        """Writes the names of the symbols of stimulus and target, as UTF-8 with a line for each."""
        group = self._file.createGroup("stimulus")
        if "symbols" not in group.variables:
            text = np.frombuffer("\n".join(names).encode(), np.uint8)
            netcdf.put_text(group, "symbols", text, "names of the symbols by number, a line each, in UTF-8")
        self.flush()

    @writes
    def generated(
        self,
        presentation: int,
        sequences: np.ndarray,
        *,
        symbols: Sequence[str] = (),
        transitions: Sequence[int] = (),
    ) -> None:
        """Writes the sequences that a test generated: int (trial, position), the first symbol being given.

        symbols: names of the target's units; transitions: steps from a symbol to the next that are allowed.
        """
        group = self._file.createGroup("generation")
        if symbols:
            group.symbols = "\n".join(symbols)
        if len(transitions):
            group.transitions = np.asarray(transitions, "i4")
        row = netcdf.next_row(group, "test", TESTED, presentation)
        dimensions = ("test", "trial", "position")
        netcdf.put(group, "sequence", row, np.asarray(sequences), dimensions, "i8", "generated symbol")
        self.flush()

    @writes
    def evaluation(self, values: Mapping[str, float | np.ndarray]) -> None:
        """Writes the measures of the trained circuit on the test trials: numbers, or arrays (network,)."""
        group = self._file.createGroup("evaluation")
        for name, value in values.items():
            netcdf.put_result(group, name, value, "network", self._float, evaluation_label(name))
        self.flush()

    @writes
    def answers(self, answers: xr.Dataset) -> None:
        """Writes the answers of the trained circuit to the test trials."""
        require_room(self.path, answers.nbytes)
        netcdf.put_dataset(self._file.createGroup("answers"), answers, self._float)
        self.flush()

    @writes
    def experiment(self, results: xr.Dataset) -> None:
        """Writes the results of an experiment."""
        require_room(self.path, results.nbytes)
        netcdf.put_dataset(self._file.createGroup("experiment"), results, self._float)
        self.flush()

    @writes
    def changed(self, presentation: int, changes: Sequence[str], attributes: Mapping[str, str] = {}) -> None:
        """Records what changes after `presentation` presentations; `attributes` replace earlier ones."""
        lines = [f"after {presentation} presentations: {change}" for change in changes]
        before = [self._file.changes] if "changes" in self._file.ncattrs() else []
        values = {name: int(text) if name in NUMBERS else text for name, text in attributes.items()}
        self._file.setncatts({**values, "changes": "\n".join([*before, *lines])})

    @writes
    def rate_found(self, rate: float) -> None:
        """Records the learning rate that a range test found."""
        self._file.setncattr(FOUND_RATE, rate)

    def found_rate(self) -> float | None:
        """The learning rate that was found when the run began, if any. Raises RunFileError where it is no rate."""
        attributes = {name: self._file.getncattr(name) for name in self._file.ncattrs() if name == FOUND_RATE}
        try:
            rate = attribute_of(attributes, FOUND_RATE, None)
            if rate is not None and not 0 < rate < np.inf:
                raise ValueError(f"{rate:g}, not a learning rate")
        except ValueError as problem:
            raise RunFileError(f"{self.partial}: the attribute {FOUND_RATE} is {problem}") from None
        return None if rate is None else float(rate)

    @writes
    def warned(self, warning: str) -> None:
        """Records a warning for readers of the run, a line each."""
        before = [self._file.warning] if "warning" in self._file.ncattrs() else []
        self._file.warning = "\n".join([*before, warning])

    @writes
    def energies(self, name: str = "free_energy") -> tuple[np.ndarray, np.ndarray]:
        """The free energy of every presentation so far before inference, and an energy after it."""
        self._sync()
        group = self._file["learning"]
        return np.asarray(group["free_energy_start"][:]), np.asarray(group[name][:])

    @writes
    def flush(self) -> None:
        """Writes pending rows and makes everything so far readable, even after a kill."""
        self._require_place()
        self._sync()

    def _require_place(self) -> None:
        self.partial.stat()  # a file that was removed would accept rows, and lose them in the end
        require_room(self.path, 0)

    def _sync(self) -> None:
        group = self._file["learning"]
        rows = slice(start := len(group.dimensions["presentation"]), start + len(self._rows))
        for name, column in zip(("presentation", *LEARNING), zip(*self._rows)):
            group[name][rows] = column
        self._rows.clear()
        self._file.sync()
        self._flushed = time.monotonic()

    @writes
    def close(self, complete: bool = True) -> None:
        """Ends the file: a complete run moves to its path, any other stays `<path>.partial`."""
        if not self._is_open:
            return
        try:
            if complete:
                self._require_place()
        except OSError:
            self._end(complete=False)
            raise
        self._end(complete)
        if complete:
            files.rename(self.partial, self.path)

    def _end(self, complete: bool) -> None:
        self._is_open = False
        with closing.closed_after(self._file, self.partial):
            self._sync()  # the reserve is for the last rows, too
            self._file.complete = int(complete)
            self.finished = Finished.of(self._file) if complete else None

    def __enter__(self) -> RunFile:
        return self

    def __exit__(self, exception_type, *_) -> None:
        if exception_type is None:
            self.close()
            return
        with suppress(RunError):  # the earlier exception is the one to report
            self.close(complete=False)

    def _create_learning(self) -> None:
        group = self._file.createGroup("learning")
        netcdf.create_rows(group, "presentation", ("presentation",))
        netcdf.create_rows(group, "test", TESTED)
        for name, label in LEARNING.items():
            kind = "i4" if name == "iterations" else self._float
            netcdf.create_column(group, name, kind, "presentation", label)

    def _put(self, group, name: str, row: int, array, dimensions: tuple[str, ...], label: str) -> None:
        netcdf.put(group, name, row, np.asarray(array), dimensions, self._float, label)


def _bytes(arrays: Mapping[str, Mapping[str, np.ndarray]]) -> int:
    return sum(array.nbytes for group in arrays.values() for array in group.values())
