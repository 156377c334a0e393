"""Where the members of a sweep run: here, one after another or several at a time, or on a cluster of dask."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from neuro_mpc import machine
from neuro_mpc.errors import RunError
from neuro_mpc.runs.estimate import Estimate
from neuro_mpc.runs.quantities import in_bytes
from neuro_mpc.sweeps.local import run_locally
from neuro_mpc.sweeps.members import Job, Outcome, Tell, learn

TOPIC = "neuro-mpc sweep"
INSTALL = "pip install '.[sweep]' in a clone of neuro_mpc"
CONNECT_SECONDS = 20
HIGHEST_PORT = 65535
ADDRESS = "the address that dask scheduler prints, such as tcp://10.0.0.1:8786"


def number_of_workers(asked: int | None, threads: int, estimates: Sequence[Estimate]) -> int:
    """How many members to run at a time on this machine: as many as its cores and its memory allow.

    asked  the number that the user wants; None: choose. Raises RunError for more than the memory allows.
    """
    if not estimates:
        return 1
    largest = max(estimate.memory for estimate in estimates)
    free = machine.free_memory()
    fitting = max(1, int(free / largest)) if free is not None else len(estimates)
    if asked is None:
        return min(max(1, machine.cores() // threads), fitting, len(estimates))
    if free is not None and asked > fitting:
        raise RunError(
            f"{asked} members at a time need about {in_bytes(asked * largest)} of memory and {in_bytes(free)} are free",
            hint=f"--workers {fitting}",
        )
    return min(asked, len(estimates))


def has_dask() -> bool:
    return find_spec("distributed") is not None


def require_dask(need: str) -> None:
    """RunError where dask.distributed is not installed."""
    if not has_dask():
        raise RunError(
            f"{need} dask.distributed, which is not installed",
            hint=f"{INSTALL}, or leave the scheduler out to run the members on this machine",
        )


def run_all(
    jobs: Sequence[Job],
    workers: int,
    scheduler: str | None,
    tell: Tell,
    say: Callable[[str], None] = lambda text: None,
    data: Any = None,
) -> Iterator[Outcome]:
    """Runs the jobs and yields their outcomes in the order in which they end; `say` is called with what delays them.

    data  of Python that every member is given in place of those of a file
    """
    if scheduler is None:
        yield from run_locally(jobs, workers, tell, data) if workers > 1 else (learn(job, tell, data) for job in jobs)
        return
    with _client(scheduler) as client:
        if not client.nthreads():
            say(f"the scheduler at {scheduler} has no workers yet: waiting for some (dask worker {scheduler})")
        client.subscribe_topic(TOPIC, lambda event: tell(*event[1]))
        yield from _run_on(client, jobs, data)


@contextmanager
def _client(scheduler: str) -> Iterator:
    """A client of the scheduler at an address."""
    require_dask("a cluster needs")
    _refuse_unreachable(scheduler)
    from distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as problem:
        raise _no_scheduler(scheduler, problem) from problem
    with client:
        yield client


def _refuse_unreachable(scheduler: str) -> None:
    """Raises RunError for an invalid address, and where nothing listens: a client of dask would keep trying."""
    protocol, _, address = scheduler.rpartition("://")
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > HIGHEST_PORT:
        raise RunError(f"{scheduler!r} is not the address of a scheduler", hint=ADDRESS)
    if protocol in ("", "tcp", "tls"):
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except OSError as problem:
            raise _no_scheduler(scheduler, problem) from problem


def _no_scheduler(scheduler: str, problem: Exception) -> RunError:
    return RunError(f"no scheduler of dask answers at {scheduler}: {problem}", hint=ADDRESS)


def _run_on(client, jobs: Sequence[Job], data: Any) -> Iterator[Outcome]:
    """The outcomes of jobs, one per worker at a time: a worker that dies takes only its own with it."""
    from distributed import as_completed

    waiting, running = iter(jobs), {}
    shared = None if data is None else client.scatter([data], hash=False)[0]  # sent once, not with each member
    ended = as_completed(loop=client.loop)

    def feed() -> None:
        while len(running) < max(1, len(client.nthreads())) and (job := next(waiting, None)):
            future = client.submit(_learn_on_worker, job, shared, key=f"{job.name}-{os.urandom(4).hex()}", pure=False)
            running[future.key] = job
            ended.add(future)

    feed()
    while running:
        future = next(ended)
        yield _outcome(running.pop(future.key), future)
        future.release()
        feed()


def _outcome(job: Job, future) -> Outcome:
    if future.status == "finished":
        return future.result()
    problem = future.exception() if future.status == "error" else None
    if problem is None or type(problem).__name__ == "KilledWorker":
        return Outcome(
            job.name,
            "its process ended before the member was complete: it was killed, perhaps for "
            "lack of memory, or its worker was lost",
        )
    return Outcome(job.name, f"{type(problem).__name__}: {problem}")


def _learn_on_worker(job: Job, data: Any) -> Outcome:
    from distributed import get_worker

    worker = get_worker()
    return learn(job, lambda *report: worker.log_event(TOPIC, report), data)
