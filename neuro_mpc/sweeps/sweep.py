"""A sweep: checked, run, and put together in one file."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.loading import as_circuit, as_protocol
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.errors import RunError, path_argument
from neuro_mpc.networks import cluster, launch
from neuro_mpc.runfile.write_errors import failures_reported
from neuro_mpc.runs.estimate import Estimate
from neuro_mpc.runs.preparation import NameOrPath
from neuro_mpc.runs.progress import measured
from neuro_mpc.runs.quantities import duration, rough_duration
from neuro_mpc.simulation import arguments
from neuro_mpc.sweeps import combined, workers
from neuro_mpc.sweeps.grid import grid
from neuro_mpc.sweeps.members import Job, Outcome, checked, unreadable
from neuro_mpc.sweeps.progress import SilentSweep
from neuro_mpc.sweeps.reporting import sweep_progress_of

ERROR_CHARACTERS = 300


def sweep(
    circuit: Circuit | NameOrPath,
    protocol: Protocol | ExperimentProtocol | NameOrPath,
    over: Mapping[str, Iterable[object]],
    seeds: Iterable[int] = (0,),
    *,
    data: Any = None,
    out: str | os.PathLike,
    backend: str = "cpp",
    threads: int = 1,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    accept_changes: bool = False,
    dry_run: bool = False,
    progress: SilentSweep | bool | None = None,
) -> xr.Dataset:
    """Run a protocol on a circuit for all combinations of values and seeds.

    Parameters
    ----------
    circuit : Circuit, str or path
        As for `simulate`.
    protocol : Protocol, str or path
        As for `simulate`.
    over : mapping of str to iterable
        Dotted key → values, such as ``{"protocol.stimulus.load": [0.1, 0.5, 1, 2]}``.
    seeds : iterable of int, optional
        Seeds of the runs at each point.
    data : xarray.Dataset, xarray.DataArray or dict of str to array, optional
        As for `simulate`; every member is given these. Where members run in processes of their own, the data are copied
        to each of them.
    out : str or path
        Folder of the run files, one for each member, and of ``sweep.nc``, the returned dataset.
    backend : {"cpp", "cython", "numpy"}, optional
        As for `simulate`.
    threads : int, optional
        As for `simulate`.
    workers : int, optional
        Members at a time on this machine; None: as many as its cores and memory take. Several at a time are processes
        of their own, which know what installed packages register, not what the calling script does.
    scheduler : str, optional
        Address of a dask scheduler, such as "tcp://10.0.0.1:8786": its workers run the members, and reach `out` and the
        data under the same paths.
    overwrite : bool, optional
        Run all members again; otherwise complete ones stay, and unfinished ones are resumed.
    accept_changes : bool, optional
        As for `simulate`.
    dry_run : bool, optional
        Check and report, run nothing.
    progress : bool or SilentSweep, optional
        True: shown, on a terminal as on the command line, in a notebook as a bar; or an object that is told about
        members, see `neuro_mpc.sweeps.progress`.

    Returns
    -------
    xarray.Dataset
        What was measured, by the values of `over` and by seed. A member that fails leaves its place empty and its error
        in `error`, and the same call runs it again; so does one whose file cannot be read, which is left as it is.

    Raises
    ------
    DescriptionError
        A point cannot be run; raised before anything runs.
    RunError
        The folder holds files of other runs, memory does not suffice for the workers, dask is missing, or no scheduler
        answers.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> loads = {"protocol.stimulus.load": [1.0, 2.0]}
    >>> members = nm.sweep("mpl", "toy-language", loads, seeds=[0, 1], out="sweep", backend="numpy", dry_run=True)
    >>> dict(members.sizes)
    {'load': 2, 'seed': 2}
    """
    base_circuit, base_protocol = as_circuit(circuit), as_protocol(protocol)
    threads = arguments.threads(threads)
    workers = None if workers is None else arguments.workers(workers)
    points, folder = grid(over, seeds), path_argument("out", out).expanduser().absolute()
    if folder.is_file() or (folder.suffix == ".nc" and not folder.is_dir()):
        kind = "a file" if folder.is_file() else "the name of a file"
        raise RunError(f"{out} is {kind}, not a folder", hint=f"a folder for the run files, such as {folder.stem}")
    with failures_reported(folder), sweep_progress_of(progress) as reporter:
        reporter.say(str(points))
        backend = launch.available(backend, reporter.say)
        pairs = list(
            checked(
                points,
                base_circuit,
                base_protocol,
                folder,
                data=data,
                backend=backend,
                threads=threads,
                overwrite=overwrite,
                accept_changes=accept_changes,
            )
        )
        jobs = [job for job, _ in pairs]
        errors = {} if overwrite else unreadable(jobs)
        waiting = [pair for pair in pairs if overwrite or pair[0].state != "complete"]
        estimates = [estimate for _, estimate in waiting]
        at_once = _at_once(workers, scheduler, threads, estimates)
        summary = ", ".join(_counts(jobs, waiting, len(errors), overwrite))
        reporter.say(f"{summary}; {_expectation(estimates, at_once, scheduler)}" if waiting else summary)
        for text in dict.fromkeys(text for _, estimate in pairs for text in estimate.warnings):
            reporter.warning(text)
        outdated = {job.name for job, _ in waiting} if overwrite else set()  # until they are run again
        attributes = {"circuit": base_circuit.to_toml(), "protocol": base_protocol.to_toml()}
        if dry_run:
            return combined.combine(points, jobs, errors, attributes)
        _create(folder)
        try:
            for outcome in _run([job for job, _ in waiting], at_once, scheduler, data, reporter):
                outdated.discard(outcome.name)
                if outcome.error:
                    errors[outcome.name] = outcome.error
        finally:  # complete members are combined, whatever happens
            dataset = combined.combine(points, jobs, errors, attributes, outdated)
            combined.write(dataset, folder / combined.FILE)
    if errors and not isinstance(progress, SilentSweep):
        warnings.warn(failures(dataset), stacklevel=2)
    return dataset


def failures(dataset: xr.Dataset) -> str:
    """The members of a sweep that did not complete, a line each; "" where all did."""
    incomplete = dataset["complete"].values.ravel() == 0
    files, errors = (dataset[name].values.ravel()[incomplete] for name in ("file", "error"))
    if not len(files):
        return ""
    lines = [f"  {file}: {_first_lines(error) or 'was not run'}" for file, error in zip(files, errors)]
    return "\n".join([f"{len(files)} of {incomplete.size} members are not complete:", *lines])


def _create(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise RunError(f"{folder} cannot be a folder for the sweep: {problem.strerror}", hint="another path") from None
    if not os.access(folder, os.W_OK):
        raise RunError(f"the folder {folder} is not writable", hint="another path")


def _at_once(workers_asked: int | None, scheduler: str | None, threads: int, estimates: Sequence[Estimate]) -> int:
    if scheduler is not None:
        cluster.require_dask("a cluster needs")
        return 0
    return workers.number_of_workers(workers_asked, threads, estimates)


def _counts(jobs: Sequence[Job], waiting: Sequence[tuple[Job, Estimate]], damaged: int, overwrite: bool) -> list[str]:
    """The numbers of members by their state."""
    unfinished = 0 if overwrite else sum(job.state == "unfinished" for job, _ in waiting)
    complete = len(jobs) - len(waiting) - damaged
    counts = {"complete": complete, "that cannot be read": damaged, "to resume": unfinished}
    parts = [f"{count} {state}" for state, count in counts.items() if count > 0]
    return [*parts, f"{len(waiting) - unfinished} to run"]


def _expectation(estimates: Sequence[Estimate], at_once: int, scheduler: str | None) -> str:
    """Where the members run, and for how long."""
    if scheduler:
        return f"on the workers of {scheduler}"
    seconds = sum(estimate.seconds for estimate in estimates) / max(1, at_once)
    compiling = ", and compiling" if any(estimate.compiles for estimate in estimates) else ""
    return f"{at_once} at a time, about {rough_duration(seconds)}{compiling}"


def _run(
    waiting: Sequence[Job], at_once: int, scheduler: str | None, data: Any, progress: SilentSweep
) -> Iterator[Outcome]:
    """Runs the jobs, and reports and yields their outcomes."""
    progress.start(len(waiting))
    if not waiting:
        return
    for outcome in workers.run_all(waiting, at_once, scheduler, progress.learned, progress.say, data):
        progress.ended(outcome, _line(outcome))
        yield outcome


def _line(outcome: Outcome) -> str:
    if outcome.error:
        return f"{outcome.name}: failed: {_first_lines(outcome.error)}"
    values = measured(outcome.measures)
    return f"{outcome.name}: {duration(outcome.seconds)}" + (f", {values}" if values else "")


def _first_lines(error: str) -> str:
    text = error.replace("\n", "\n    ")
    return text if len(text) <= ERROR_CHARACTERS else f"{text[:ERROR_CHARACTERS]}…"
