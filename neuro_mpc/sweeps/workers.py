"""Where the members of a sweep run: here, one after another or several at a time, or on a cluster of dask."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from neuro_mpc import machine
from neuro_mpc.errors import RunError
from neuro_mpc.networks import cluster
from neuro_mpc.runs.estimate import Estimate
from neuro_mpc.runs.quantities import in_bytes
from neuro_mpc.sweeps.local import run_locally
from neuro_mpc.sweeps.members import Job, Outcome, Tell, learn

TOPIC = "neuro-mpc sweep"


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
    with cluster.client(scheduler) as client:
        if not client.nthreads():
            say(f"the scheduler at {scheduler} has no workers yet: waiting for some (dask worker {scheduler})")
        client.subscribe_topic(TOPIC, lambda event: tell(*event[1]))
        yield from _run_on(client, jobs, data)


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
