"""A run: a protocol on a circuit, from the description to the finished run file."""

from __future__ import annotations

import math
import os
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.errors import path_argument
from neuro_mpc.experiments import experiment_of
from neuro_mpc.networks import launch
from neuro_mpc.networks.workspace import workspace
from neuro_mpc.runfile.finished import Finished
from neuro_mpc.runfile.lock import writing
from neuro_mpc.runfile.record import open_run
from neuro_mpc.runfile.write_errors import failures_reported
from neuro_mpc.runs.destination import Destination
from neuro_mpc.runs.estimate import warn_of_little_room
from neuro_mpc.runs.preparation import NameOrPath, Preparation, prepare
from neuro_mpc.runs.progress import SilentProgress
from neuro_mpc.runs.reporting import progress_of
from neuro_mpc.runs.training import Training
from neuro_mpc.simulation.presentation import Presenter

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.simulation.trained import Source


def simulate(
    circuit: Circuit | NameOrPath | None,
    protocol: Protocol | ExperimentProtocol | NameOrPath,
    *,
    start: Source | None = None,
    data: Any = None,
    seed: int | None = None,
    backend: str = "cpp",
    threads: int = 1,
    workers: int = 1,
    scheduler: str | None = None,
    out: str | os.PathLike | None = None,
    overwrite: bool = False,
    resume: bool = False,
    accept_changes: bool = False,
    checkpoint_every: float = 10.0,
    progress: SilentProgress | bool | None = None,
) -> xr.DataTree:
    """Run a protocol on a circuit.

    Parameters
    ----------
    circuit : Circuit, str or path, or None
        A circuit, its name, or the path of its TOML file; None: that of `start`.
    protocol : Protocol, ExperimentProtocol, str or path
        A protocol, its name, or the path of its TOML file.
    start : str, path, xarray.DataTree or Trained, optional
        The run to start from: its learned parameters, with a fresh optimiser, in place of initial ones. Without
        presentations to learn they are evaluated only. Order of trials and noise begin anew: with the same seed they
        are those that the other run began with.
    data : xarray.Dataset, xarray.DataArray or dict of str to array, optional
        Data of the source "arrays", in place of its file: channel → labelled array, or NumPy array with the axes
        trial, step, unit …; step, unit … where the protocol cuts windows of a recording. Whole numbers are classes
        (-1: none), floats values (NaN: nothing there).
    seed : int, optional
        Seed of every random number: the same seed, backend, threads and workers give the same content of the file.
        None: that of `start`, which chose the trials it learned, else 0.
    backend : {"cpp", "cython", "numpy"}, optional
        C++ standalone, compiled once per circuit and kept, or Brian2's runtime code; without a C++ compiler "cpp"
        becomes "numpy", which `progress` reports.
    threads : int, optional
        Processor cores to use ("cpp" only).
    workers : int, optional
        Processes that share the trials of each batch equally, each with that many threads: equal to one process up to
        the order of sums.
    scheduler : str, optional
        Address of a dask scheduler, such as "tcp://10.0.0.1:8786", on whose workers these processes run.
    out : str or path, optional
        The run file, written during the run; None: the run is returned in memory.
    overwrite : bool, optional
        Replace an existing file.
    resume : bool, optional
        Resume an interrupted run of `out`: its file becomes the one of a run that was not interrupted. Without
        a checkpoint the run starts from the beginning; a complete one is only returned.
    accept_changes : bool, optional
        Resume although circuit, protocol, seed, versions or machine are not those of the interrupted run.
    checkpoint_every : float, optional
        Seconds between the checkpoints from which a run can be resumed; infinity: none.
    progress : bool or SilentProgress, optional
        True: shown, as on the command line, or as a bar in a notebook; or an object that is given stages, energies and
        tests, see `neuro_mpc.runs.progress`.

    Returns
    -------
    xarray.DataTree
        The run; docs/run-file.md describes its groups.

    Raises
    ------
    DescriptionError
        Circuit and protocol do not fit; raised before anything is compiled.
    RunError
        The run cannot start, or diverges: its file then stays readable as ``<out>.partial``.
    KeyboardInterrupt
        Ctrl-C or SIGTERM stopped the run; it left a checkpoint.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> circuit = nm.load_circuit("mpl", {"population.hidden.size": 10})
    >>> protocol = nm.load_protocol("toy-language", {"stimulus.load": 2, "learning.batch": 10, "learning.epochs": 1})
    >>> run = nm.simulate(circuit, protocol, backend="numpy")
    >>> run["learning/free_energy"].sizes["presentation"]
    2
    """
    options = {"start": start, "data": data, "seed": seed, "backend": backend, "threads": threads}
    options |= {"workers": workers, "scheduler": scheduler}
    with ExitStack() as stack:
        path = stack.enter_context(workspace()) / "run.nc" if out is None else path_argument("out", out)
        stack.enter_context(failures_reported(path))
        manner = {} if out is None else {"overwrite": overwrite, "resume": resume, "accept_changes": accept_changes}
        every = math.inf if out is None else checkpoint_every
        write_run(circuit, protocol, out=path, checkpoint_every=every, progress=progress, **manner, **options)
        if out is not None:
            return _warned(open_run(path), progress)
        with open_run(path) as run:
            return _warned(_in_memory(run), progress)


def write_run(
    circuit: Circuit | NameOrPath | None,
    protocol: Protocol | ExperimentProtocol | NameOrPath,
    *,
    out: Path,
    overwrite: bool = False,
    resume: bool = False,
    accept_changes: bool = False,
    checkpoint_every: float = math.inf,
    progress: SilentProgress | bool | None = None,
    **options: Any,
) -> Finished:
    """Write a run without reading it again, and say what it came to; the arguments are those of `simulate`."""
    with failures_reported(out):
        destination = Destination(out, overwrite, resume, accept_changes, checkpoint_every)
        with progress_of(progress) as reporter:
            return _write(prepare(circuit, protocol, **options, say=reporter.stage), destination, reporter)


def _warned(run: xr.DataTree, progress: SilentProgress | bool | None) -> xr.DataTree:
    """The run, after Python's warnings of what its file warns of, unless a caller's progress reports them."""
    if not isinstance(progress, SilentProgress):
        for text in str(run.attrs.get("warning", "")).splitlines():
            warnings.warn(text, stacklevel=3)
    return run


def _in_memory(run: xr.DataTree) -> xr.DataTree:
    """A copy that needs no file, and names none; `DataTree.load` leaves inherited coordinates lazy."""
    import xarray as xr  # takes a second to import, which a run that is only written does without

    datasets = {node.path: node.to_dataset(inherit=False).load().drop_encoding() for node in run.subtree}
    return xr.DataTree.from_dict(datasets)


def _write(run: Preparation, destination: Destination, progress: SilentProgress) -> Finished:
    """Writes the run file of a run that can start, or the rest of it."""
    warn_of_little_room(run.estimate, destination.path, progress.stage)
    with writing(destination.path, progress.stage):
        if destination.is_complete(run.provenance, progress.stage):
            return Finished.read(destination.path)
        for text in run.cautions:
            progress.warning(text)
        saved = destination.latest(run.provenance, progress.stage)
        with ExitStack() as stack:
            folder = stack.enter_context(workspace())
            # Only now may an earlier file be replaced: a program that cannot be compiled costs nothing.
            program = stack.enter_context(
                launch.start_shared(run.plan, run.workers, run.backend, folder, progress.stage, run.scheduler)
            )
            record = stack.enter_context(destination.record(run, saved))
            presenter = Presenter(program, run.plan, run.protocol, run.seed, carries=run.data.carries)
            training = Training(presenter, run, record, progress, destination.checkpoints(run.provenance))
            training.run(run.parameters) if saved is None else training.resume(saved)
            if (experiment := run.protocol.experiment) is not None and run.trained is not None:
                progress.stage(experiment.kind)
                results = experiment_of(experiment).results(presenter, run.data, run.trained)
                record.experiment(results.assign_attrs(kind=experiment.kind, **results.attrs))
        destination.discard()
        assert record.finished is not None  # a run that is not raises an error
        return record.finished
