"""Where the members of a sweep run: one after another here, or several at a time through dask.distributed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from neuro_mpc import machine
from neuro_mpc.errors import RunError
from neuro_mpc.runs.estimate import Estimate, in_bytes
from neuro_mpc.sweeps.members import Job, Outcome, Tell, learn

TOPIC = "neuro-mpc sweep"
INSTALL = "pip install '.[sweep]' in a clone of neuro_mpc"
CONNECT_SECONDS = 20


def number_of_workers(asked: int | None, threads: int, estimates: Sequence[Estimate]) -> int:
    """How many members to run at a time on this machine: as many as its cores and its memory take.

    asked  by the user; None: choose. Raises RunError for more than dask's absence or the memory allows.
    """
    if not estimates:
        return 1
    largest = max(each.memory for each in estimates)
    free = machine.free_memory()
    fitting = max(1, int(free / largest)) if free is not None else len(estimates)
    if asked is None:
        cores = max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
        return min(max(1, cores // threads), fitting, len(estimates)) if has_dask() else 1
    if asked > 1:
        require_dask("several members at a time need")
    if asked > fitting:
        raise RunError(
            f"{asked} members at a time need about {in_bytes(asked * largest)} of memory and {in_bytes(free)} are free",
            hint=f"--workers {fitting}",
        )
    return min(asked, len(estimates))


def has_dask() -> bool:
    return find_spec("distributed") is not None


def require_dask(what: str) -> None:
    """RunError where dask.distributed is not installed."""
    if not has_dask():
        raise RunError(
            f"{what} dask.distributed, which is not installed",
            hint=f"{INSTALL}, or --workers 1 to run one member after another",
        )


def run_all(jobs: Sequence[Job], workers: int, scheduler: str | None, tell: Tell) -> Iterator[Outcome]:
    """Runs the jobs and yields how each ended, in the order in which they end."""
    if scheduler is None and workers == 1:
        for job in jobs:
            yield learn(job, tell)
        return
    with _client(workers, scheduler) as client:
        client.subscribe_topic(TOPIC, lambda event: tell(*event[1]))
        yield from _fed(client, jobs)


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator:
    """A client of the scheduler at an address, or of processes of this machine that end with it."""
    require_dask("a cluster needs" if scheduler else "several members at a time need")
    import dask
    from distributed import Client, LocalCluster

    if scheduler:
        try:
            client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as problem:
            raise RunError(
                f"no scheduler of dask answers at {scheduler}: {problem}",
                hint="its address, such as tcp://10.0.0.1:8786",
            ) from problem
        with client:
            yield client
        return
    # A member whose process was killed is told, not tried again and again.
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(
            workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,
            dashboard_address=None,
            silence_logs="CRITICAL",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _fed(client, jobs: Sequence[Job]) -> Iterator[Outcome]:
    """As many jobs at a time as there are workers: a worker that dies takes only its own with it."""
    from distributed import as_completed

    waiting, running = iter(jobs), {}
    ended = as_completed(loop=client.loop)

    def feed() -> None:
        while len(running) < max(1, len(client.nthreads())) and (job := next(waiting, None)):
            future = client.submit(_learn_on_worker, job, key=f"{job.name}-{os.urandom(4).hex()}", pure=False)
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
            "want of memory, or its worker was lost",
        )
    return Outcome(job.name, f"{type(problem).__name__}: {problem}")


def _learn_on_worker(job: Job) -> Outcome:
    from distributed import get_worker

    worker = get_worker()
    return learn(job, lambda *told: worker.log_event(TOPIC, told))
