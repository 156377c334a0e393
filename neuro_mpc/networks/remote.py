"""Programs on the workers of a dask cluster, each told and asked like one on this machine.

What a program is told is kept here until it is flushed or an answer is waited for; then it goes to the worker in one
call, which returns the answers.
"""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from typing import Any, NoReturn

import numpy as np

from neuro_mpc.errors import RunError
from neuro_mpc.networks import cluster, program_cache
from neuro_mpc.networks.compiler import compiler_version
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.program import CONTINUES, Answer, Manifest, Program
from neuro_mpc.networks.schemes.interface import tiling_of
from neuro_mpc.networks.workspace import workspace
from neuro_mpc.system import sources

SECONDS_TO_ASK = 5  # after which the scheduler is asked whether a worker that has not answered is still there
SECONDS_TO_CLOSE = 10
SECONDS_FOR_WORKERS = 20  # until as many are there as are asked for

Start = Callable[..., Program]


class Host:
    """On a worker: starts a program, and hands on what it is told.

    A worker that is started again has no program of the run, and refuses.
    """

    def __init__(self, start: Start, plan: str, backend: str):
        self._stack = ExitStack()
        folder = self._stack.enter_context(workspace())
        self._program = self._stack.enter_context(start(Plan.from_json(plan), backend, folder))
        self.mark = os.urandom(8).hex()

    def about(self, backend: str) -> tuple[str, dict[str, tuple[str, int]], dict[str, str]]:
        """What tells this host from others, the variables of its program, and what it computes with."""
        return self.mark, self._program.manifest.variables, computed_with(backend)

    def relay(self, mark: str, messages: bytes, expected: int) -> bytes:
        """`Program.relay`."""
        if mark != self.mark:
            raise RunError("its process was started again, without the state of the run", hint=CONTINUES)
        return self._program.relay(messages, expected)

    def close(self) -> None:
        """End the program."""
        self._stack.close()


def computed_with(backend: str) -> dict[str, str]:
    """What the last bits of an update depend on: it is made on every worker, and they must not drift apart."""
    found = {
        "neuro_mpc": "\n".join(sources.digests(program_cache.PACKAGE)),
        **{package: version(package) for package in ("brian2", "numpy", "scipy-openblas32")},
        "processor": f"{platform.machine()} {program_cache.processor()}",
    }
    return found if backend == "numpy" else {**found, "compiler": compiler_version()}


@contextmanager
def started(start: Start, plan: Plan, number: int, backend: str, scheduler: str) -> Iterator[Sequence[Program]]:
    """So many programs of a plan on as many workers of a cluster, which end with the block.

    Raises RunError where there are not as many workers, or where they compute with something else than this machine.
    """
    with ExitStack() as stack:
        client = stack.enter_context(cluster.client(scheduler, direct_to_workers=True))
        with suppress(TimeoutError):
            client.wait_for_workers(number, timeout=SECONDS_FOR_WORKERS)
        addresses = sorted(client.nthreads())
        if len(addresses) < number:
            raise RunError(
                f"the scheduler at {scheduler} has {len(addresses)} workers and not {number}",
                hint=f"--workers {len(addresses)}, or more workers: dask worker {scheduler}"
                if len(addresses) > 1
                else f"more workers: dask worker {scheduler}",
            )
        futures = [
            client.submit(
                *(Host, start, plan.to_json(), backend),
                key=f"neuro-mpc-{os.urandom(8).hex()}",
                workers=[address],
                actor=True,
                pure=False,
            )
            for address in addresses[:number]
        ]
        yield [
            stack.enter_context(RemoteProgram(client, future, address, plan, backend))
            for future, address in zip(futures, addresses, strict=False)
        ]


class RemoteProgram(Program):
    """A program on the worker at an address."""

    tells_together = False  # it shares its trials

    def __init__(self, client: Any, future: Any, address: str, plan: Plan, backend: str):
        self.tiling, self.rows = tiling_of(plan), plan.layout
        self._client, self._address = client, address
        self.called = f"the program on the worker {address}"
        self._asked: deque[Answer] = deque()
        self._told: list[bytes] = []
        self._expected, self._call, self._answered = 0, None, bytearray()
        with client.as_current():  # what dask makes of a host asks for the client of this moment
            self._actor: Any = self._result(future)
            self._mark, variables, theirs = self._result(self._actor.about(backend))
        self._know(Manifest(variables))
        ours = computed_with(backend)
        if differing := [name for name in ours if ours[name] != theirs.get(name)]:
            self.close()
            raise RunError(
                f"the worker {address} and this machine compute with other versions of {', '.join(differing)}: every "
                "worker makes the same updates, which would drift apart",
                hint="workers of one kind, with one installation, and the run started on a machine of that kind",
            )

    def ask(self, *names: str) -> Answer:
        sizes = (np.dtype(dtype).itemsize * size for dtype, size in (self.manifest.variables[name] for name in names))
        self._expected += sum(sizes)
        return super().ask(*names)

    def _write(self, parts: Iterable[bytes | memoryview]) -> None:
        self._told += map(bytes, parts)  # what they are made of may change before it is sent

    def flush(self) -> None:
        if self._told:
            self._receive()
            messages, self._told = b"".join(self._told), []
            self._call = self._actor.relay(self._mark, messages, self._expected)
            self._expected = 0

    def _read(self, size: int) -> np.ndarray:
        while len(self._answered) < size:
            self.flush()
            self._receive()
        data, self._answered = self._answered[:size], self._answered[size:]
        return np.frombuffer(data, np.uint8)

    def _receive(self) -> None:
        """The answers to the last call, if it was not waited for."""
        if self._call is not None:
            self._answered += self._result(self._call)
            self._call = None

    def _result(self, call: Any) -> Any:
        """What a call returns; RunError for whatever it ends with, or where its worker is gone."""
        while True:
            try:
                return call.result(timeout=SECONDS_TO_ASK)
            except TimeoutError:
                if self._is_gone():
                    self._lost("its worker is gone")
            except RunError as problem:
                raise RunError(f"{self.called}: {problem.problem}", hint=problem.hint) from problem
            except Exception as problem:  # of dask, whose kinds differ from version to version
                self._lost(f"{type(problem).__name__}: {problem}", problem)

    def _is_gone(self) -> bool:
        try:
            return self._address not in self._client.nthreads()
        except Exception:
            return True

    def _lost(self, reason: str, problem: Exception | None = None) -> NoReturn:
        raise RunError(f"{self.called} cannot be reached: {reason}", hint=CONTINUES) from problem

    def close(self) -> None:
        with suppress(Exception):
            self._actor.close().result(timeout=SECONDS_TO_CLOSE)
