"""The members of a sweep as runs: checked before anything is computed, compared with existing files, run."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import xarray as xr

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.loading import changed
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.descriptions.recorded import without_masks
from neuro_mpc.errors import DescriptionError, NeuroMPCError, RunError, RunFileError
from neuro_mpc.runfile.access import final_measure
from neuro_mpc.runfile.differences import as_lines, differences
from neuro_mpc.runfile.paths import partial_path, saved_path
from neuro_mpc.runfile.reading import attributes
from neuro_mpc.runs.estimate import Estimate
from neuro_mpc.runs.preparation import Preparation, prepare
from neuro_mpc.runs.progress import SilentProgress
from neuro_mpc.runs.run import simulate
from neuro_mpc.spelling import command_line, on_command_line
from neuro_mpc.sweeps.grid import Grid, Member, settings_of

Tell = Callable[[str, float], None]
REPORT_INTERVAL = 1.0  # seconds
PROBLEMS_IN_FULL = 3
# The estimated memory is that of one member, however many threads a worker has.
ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Job:
    """Everything that running a member takes, wherever it runs: descriptions as TOML, its file, backend and threads.

    command_line   its errors name options, not arguments
    data_sha256    what its file says of the data if it is complete; "" where that was not compared
    """

    name: str
    path: str
    circuit: str
    protocol: str
    seed: int
    backend: str
    threads: int
    overwrite: bool
    accept_changes: bool
    command_line: bool = False
    data_sha256: str = ""

    @property
    def state(self) -> str:
        """`complete`, `unfinished` (it can be resumed) or `missing`."""
        path = Path(self.path)
        unfinished = partial_path(path).exists() or saved_path(path).exists()
        return "unfinished" if unfinished else "complete" if path.exists() else "missing"


@dataclass(frozen=True)
class Outcome:
    """The end of a member; `error` is "" for one that is complete."""

    name: str
    error: str = ""
    seconds: float = 0.0
    measures: dict[str, float] = field(default_factory=dict)


def checked(
    grid: Grid,
    circuit: Circuit,
    protocol: Protocol | ExperimentProtocol,
    folder: Path,
    *,
    data: Any = None,
    backend: str,
    threads: int,
    overwrite: bool,
    accept_changes: bool,
) -> Iterator[tuple[Job, Estimate]]:
    """The job and the estimate of every member; DescriptionError that lists all that cannot be run.

    Seeds change no description, so that each point of the grid is checked with the first of them.
    """
    points: dict[tuple[int, ...], tuple[Job, Estimate]] = {}
    problems: dict[str, NeuroMPCError] = {}
    for member in grid.members():
        if member.seed != grid.seeds[0]:
            continue
        try:
            run = _prepared(member, circuit, protocol, backend, threads, data)
            job = Job(
                name=member.name,
                path=_path(folder, member),
                circuit=run.circuit.to_toml(),
                protocol=run.protocol.to_toml(),
                seed=member.seed,
                backend=backend,
                threads=threads,
                overwrite=overwrite,
                accept_changes=accept_changes,
                command_line=on_command_line(),
            )
            points[member.index[:-1]] = _with_digest(job, run), run.estimate
        except NeuroMPCError as error:
            problems[member.name.rpartition(",seed=")[0] or member.name] = error
    if problems:
        raise _cannot_run(problems, len(grid) // len(grid.seeds))
    for member in grid.members():
        job, estimate = points[member.index[:-1]]
        if member.seed != job.seed:
            job = replace(job, name=member.name, path=_path(folder, member), seed=member.seed, data_sha256="")
        yield job, estimate


def _path(folder: Path, member: Member) -> str:
    return str(folder / f"{member.name}.nc")


def _prepared(
    member: Member,
    circuit: Circuit,
    protocol: Protocol | ExperimentProtocol,
    backend: str,
    threads: int,
    data: Any,
) -> Preparation:
    for_circuit, for_protocol = settings_of(member)
    try:
        circuit, protocol = changed(circuit, for_circuit), changed(protocol, for_protocol)
    except DescriptionError as error:
        if error.source == "--set":
            error.source = "--over"
        raise
    return prepare(circuit, protocol, seed=member.seed, backend=backend, threads=threads, data=data)


def _with_digest(job: Job, run: Preparation) -> Job:
    """The job with the digest of its data, which takes a while, where there is a complete file to compare."""
    return replace(job, data_sha256=run.provenance["data_sha256"]) if job.state == "complete" else job


def _cannot_run(problems: dict[str, NeuroMPCError], points: int) -> NeuroMPCError:
    """One error for all points; where all have the same one, it itself."""
    if len(problems) == points and len(set(map(str, problems.values()))) == 1:
        return next(iter(problems.values()))
    lines = [f"{len(problems)} of {points} points of the sweep cannot be run"]
    for name, error in list(problems.items())[:PROBLEMS_IN_FULL]:
        lines += [f"{name}: {error}".replace("\n", "\n  ")]
    if len(problems) > PROBLEMS_IN_FULL:
        lines.append(f"and {len(problems) - PROBLEMS_IN_FULL} more")
    return DescriptionError("\n  ".join(lines))


def unreadable(jobs: list[Job]) -> dict[str, str]:
    """name → why the file of a member cannot be read; RunError where the file of a member is of another run."""
    damaged = {}
    for job in filter(lambda member: member.state == "complete", jobs):
        try:
            _refuse_other(job, attributes(Path(job.path)))
        except RunFileError as problem:
            damaged[job.name] = str(problem)
    return damaged


def _refuse_other(job: Job, before: dict[str, str]) -> None:
    if before.get("complete") != "1":
        raise RunFileError(f"{job.path} is not the file of a complete run", hint="remove it to run this member again")
    circuit = without_masks(Circuit.from_toml(job.circuit)).to_toml()  # as the file describes it
    now = {"circuit": circuit, "protocol": job.protocol, "seed": str(job.seed)}
    if job.data_sha256 and "data_sha256" in before:  # of 0.1 there is none
        now["data_sha256"] = job.data_sha256
    if changes := differences({name: before.get(name, "") for name in now}, now):
        raise RunError(
            f"{job.path} is of another run{as_lines(changes)}",
            hint="another folder for this sweep, or --overwrite to run all of it again",
        )


def learn(job: Job, tell: Tell = lambda name, fraction: None, data: Any = None) -> Outcome:
    """Runs a member, or the rest of it. Its errors are part of the outcome: the other members run all the same.

    data  of Python, in place of those of a file
    """
    start = time.perf_counter()
    with command_line(job.command_line):
        measures, error = _measures_or_error(job, tell, data)
    return Outcome(job.name, error, time.perf_counter() - start, measures)


def _measures_or_error(job: Job, tell: Tell, data: Any) -> tuple[dict[str, float], str]:
    try:
        with ONE_AT_A_TIME, _simulated(job, tell, data) as run:
            return final_measure(run), ""
    except NeuroMPCError as problem:
        return {}, str(problem)
    except Exception as problem:  # a member must not take the sweep with it
        return {}, "".join(traceback.format_exception(problem, limit=-1)).strip()


def _simulated(job: Job, tell: Tell, data: Any) -> xr.DataTree:
    circuit, protocol = Circuit.from_toml(job.circuit), Protocol.from_toml(job.protocol)
    return simulate(
        circuit,
        protocol,
        data=data,
        seed=job.seed,
        backend=job.backend,
        threads=job.threads,
        out=job.path,
        overwrite=job.overwrite,
        resume=not job.overwrite,
        accept_changes=job.accept_changes,
        progress=_MemberProgress(job.name, tell),
    )


class _MemberProgress(SilentProgress):
    """Reports from time to time the fraction of its presentations that a member has learned."""

    def __init__(self, name: str, tell: Tell):
        self._name, self._tell, self._total, self._last = name, tell, 0, 0.0

    def start(self, total: int) -> None:
        self._total = total

    def update(self, presentation: int, free_energy: float) -> None:
        if time.monotonic() - self._last >= REPORT_INTERVAL:
            self._last = time.monotonic()
            self._tell(self._name, presentation / max(1, self._total))
