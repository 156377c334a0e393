"""A run: a protocol on a circuit, from the description to the finished run file."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import warnings
from contextlib import ExitStack
from pathlib import Path

import xarray as xr

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.experiments import experiment_of
from neuro_mpc.network import launch
from neuro_mpc.runfile.lock import writing
from neuro_mpc.runfile.record import open_run
from neuro_mpc.runs import task
from neuro_mpc.runs.destination import Destination
from neuro_mpc.runs.estimate import Estimate, warn_of_little_room
from neuro_mpc.runs.preparation import NameOrPath, Preparation, prepare
from neuro_mpc.runs.progress import SilentProgress, progress_of
from neuro_mpc.runs.training import Training
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.simulation.trained import Source


def simulate(
    circuit: Circuit | NameOrPath | None,
    protocol: Protocol | ExperimentProtocol | NameOrPath,
    *,
    start: Source | None = None,
    seed: int | None = None,
    backend: str = "cpp",
    threads: int = 1,
    out: str | os.PathLike | None = None,
    overwrite: bool = False,
    resume: bool = False,
    accept_changes: bool = False,
    checkpoint_every: float = 10.0,
    progress: SilentProgress | bool | None = None,
) -> xr.DataTree:
    """Run `protocol` on `circuit` and return the run, an `xarray.DataTree` (see the README for its groups).

    circuit, protocol    descriptions, or their names or the paths of their TOML files
    start       the run to start from, as `load_trained` takes or returns it: its learned parameters, with a fresh
                optimiser, in place of initial ones. Without presentations to learn they are only evaluated
    circuit     None: that of `start`
    seed        feeds every random number: same seed, backend and threads, same content of the file;
                None: that of `start`, which chose the trials it learned, else 0
    backend     "cpp" (C++ standalone, compiled once per circuit and kept), "cython" or "numpy"; without a C++
                compiler "cpp" becomes "numpy", which `progress` reports
    threads     processor cores to use ("cpp" only)
    out         path of the run file, written during the run; None: the run is returned in memory
    overwrite   replace an existing file
    resume      continue an interrupted run of `out`: its file becomes that of an uninterrupted run. Without a
                checkpoint the run starts from the beginning; a complete one is only returned
    accept_changes    resume though circuit, protocol, seed, versions or machine are not those of the interrupted run
    checkpoint_every  seconds between the checkpoints from which a run can be resumed; infinity: none
    progress    True: shown, as on the command line; or an object that is given stages, energies and tests, see
                `neuro_mpc.runs.progress`

    Raises DescriptionError for a circuit and a protocol that do not fit, before anything is compiled; RunError when
    the run cannot start or diverges: its file then stays readable as ``<out>.partial``.
    Ctrl-C and SIGTERM leave a checkpoint and raise KeyboardInterrupt.
    """
    options = {"start": start, "seed": seed, "backend": backend, "threads": threads}
    with ExitStack() as stack:
        if out is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="neuro_mpc-"))
            destination = Destination(Path(folder) / "run.nc")
        else:
            destination = Destination(Path(out), overwrite, resume, accept_changes, checkpoint_every)
        with progress_of(progress) as reported:
            _write(prepare(circuit, protocol, **options, say=reported.stage), destination, reported)
        if out is not None:
            return _warned(open_run(out), progress)
        with open_run(destination.path) as run:
            return _warned(_in_memory(run), progress)


def _warned(run: xr.DataTree, progress: SilentProgress | bool | None) -> xr.DataTree:
    """The run, after Python's warnings of what its file warns of, unless a caller's progress reports them."""
    if not isinstance(progress, SilentProgress):
        for text in str(run.attrs.get("warning", "")).splitlines():
            warnings.warn(text, stacklevel=3)
    return run


def check(
    circuit: Circuit | NameOrPath | None,
    protocol: Protocol | ExperimentProtocol | NameOrPath,
    *,
    start: Source | None = None,
    seed: int | None = None,
    backend: str = "cpp",
    threads: int = 1,
) -> Estimate:
    """All that `simulate` checks before it compiles, the task, and an estimate of memory, disk space and time.

    Raises the same errors.
    """
    run = prepare(circuit, protocol, start=start, seed=seed, backend=backend, threads=threads)
    launch.require_usable(run.backend)
    return dataclasses.replace(run.estimate, task=task.as_text(run.data))


def _in_memory(run: xr.DataTree) -> xr.DataTree:
    """A copy that needs no file, and names none; `DataTree.load` leaves inherited coordinates lazy."""
    datasets = {node.path: node.to_dataset(inherit=False).load().drop_encoding() for node in run.subtree}
    return xr.DataTree.from_dict(datasets)


def _write(run: Preparation, destination: Destination, progress: SilentProgress) -> None:
    """Writes the run file of a run that can start, or the rest of it."""
    warn_of_little_room(run.estimate, destination.path, progress.stage)
    with writing(destination.path, progress.stage):
        if destination.is_complete(run.provenance, progress.stage):
            return
        for text in run.estimate.warnings:
            progress.warning(text)
        saved = destination.latest(run.provenance, progress.stage)
        with ExitStack() as stack:
            workspace = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neuro_mpc-")))
            # Only now may an earlier file be replaced: a program that cannot be compiled costs nothing.
            program = stack.enter_context(launch.start(run.plan, run.backend, workspace, progress.stage))
            record = stack.enter_context(destination.record(run, saved))
            presenter = Presenter(program, run.plan, run.protocol, run.seed, carries=run.data.carries)
            training = Training(presenter, run, record, progress, destination.checkpoints(run.provenance))
            training.run(run.parameters) if saved is None else training.resume(saved)
            if (experiment := run.protocol.experiment) is not None and run.trained is not None:
                progress.stage(experiment.kind)
                results = experiment_of(experiment).results(presenter, run.data, run.trained)
                record.experiment(results.assign_attrs(kind=experiment.kind, **results.attrs))
        destination.discard()
