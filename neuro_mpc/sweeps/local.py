"""Several members of a sweep at a time on this machine: each in a process, driven by a thread through pipes."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from neuro_mpc.errors import NeuroMPCError
from neuro_mpc.runfile.write_errors import failures_reported
from neuro_mpc.sweeps.handed_data import handed_over
from neuro_mpc.sweeps.members import Job, Outcome, Tell
from neuro_mpc.system import processes

COMMAND = processes.python("neuro_mpc.sweeps.worker")
SECONDS_TO_SAVE = 10  # for a checkpoint, when the sweep is interrupted
KILLED = "its process ended before the member was complete: it was killed, perhaps for lack of memory"


def run_locally(jobs: Sequence[Job], at_once: int, tell: Tell, data: Any = None) -> Iterator[Outcome]:
    """Runs the jobs, `at_once` at a time, and yields their outcomes in the order in which they end.

    A process that dies takes only its own member with it. Interrupted, members leave checkpoints.
    """
    with handed_over(data) as files:
        yield from _run_in_processes(jobs, at_once, tell, [*COMMAND, *files])


def _run_in_processes(jobs: Sequence[Job], at_once: int, tell: Tell, command: list[str]) -> Iterator[Outcome]:
    waiting, ended = SimpleQueue(), SimpleQueue()
    for job in jobs:
        waiting.put(job)
    workers = [_Worker(waiting, ended, tell, command) for _ in range(min(at_once, len(jobs)))]
    try:
        for worker in workers:
            worker.start()
        for _ in jobs:
            yield ended.get()
    finally:
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.end()


class _Worker(threading.Thread):
    """Hands waiting jobs to a process, one after another, and to a new process if that one dies."""

    def __init__(self, waiting: SimpleQueue, ended: SimpleQueue, tell: Tell, command: list[str]):
        super().__init__(daemon=True)
        self._waiting, self._ended, self._tell, self._command = waiting, ended, tell, command
        self._stopped = threading.Event()
        self._process: processes.Child | None = None

    def run(self) -> None:
        with suppress(Empty):
            while not self._stopped.is_set():
                job = self._waiting.get_nowait()
                self._ended.put(self._outcome(job))
        self._end()

    def stop(self) -> None:
        """Ends the process at the next moment when its run can be saved."""
        self._stopped.set()
        if (process := self._process) is not None:
            process.terminate()

    def end(self) -> None:
        """Waits until the process has ended, for at most SECONDS_TO_SAVE; then kills it."""
        self.join(SECONDS_TO_SAVE)
        if (process := self._process) is not None:
            process.kill()
        self.join()

    def _outcome(self, job: Job) -> Outcome:
        try:
            with failures_reported(Path(job.path)):
                process = self._process = self._process or _new_process(self._command)
                if self._stopped.is_set():  # in the meantime
                    process.terminate()
                return self._converse(process, job)
        except NeuroMPCError as problem:
            return Outcome(job.name, str(problem))
        except OSError as problem:
            self._end()  # nobody knows what it has heard
            return Outcome(job.name, f"its process cannot be reached: {problem.strerror or problem}")
        except Exception as problem:  # a member must not take the sweep with it
            return Outcome(job.name, f"{type(problem).__name__}: {problem}")

    def _converse(self, process: processes.Child, job: Job) -> Outcome:
        with suppress(BrokenPipeError):
            print(json.dumps(asdict(job)), file=process.stdin, flush=True)
            for line in process.stdout or ():
                message = json.loads(line)
                if "outcome" in message:
                    return Outcome(**message["outcome"])
                self._tell(message["name"], message["fraction"])
        self._end()
        return Outcome(job.name, KILLED)

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_SAVE)
        process.end()
        if process.stdout is not None:
            process.stdout.close()
        self._process = None


def _new_process(command: list[str]) -> processes.Child:
    """A process for members, whose descriptions may name data by paths from the current folder."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return processes.Child(command, folder=Path.cwd(), environment=processes.environment(), text=True, **pipes)
