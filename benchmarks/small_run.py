"""A small run in children of this process, to be disturbed; networks are made once, and each child has them as new."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from in_process import InProcess
from interrupted import REFUSED, _imported_and_tried

import neuro_mpc as nm
from neuro_mpc.networks import launch
from neuro_mpc.runfile.record import RunFile

SETTINGS = {
    "stimulus.letters": 5,
    "stimulus.length": 3,
    "stimulus.load": 1.0,
    "learning.batch": 2,
    "learning.presentations": 2,
    "inference.iterations": 2,
    "test.every": 0,
    "test.generate": 1,
    "recording.synapses_every": 0,
    "recording.samples": [1],
}
SECONDS = 600


@dataclass
class Ended:
    """The end of a child: its status, 0, REFUSED, 1 for another exception, or minus the signal; and what it said."""

    status: int
    said: str


class SmallRun:
    """2 presentations of a circuit of 3 units, saved before each and at the end."""

    def __init__(self, workspace: Path, in_process: bool = True, backend: str = "numpy"):
        self.workspace, self.in_process, self.backend = workspace, in_process, backend
        self._made: list[InProcess] = []

    @property
    def circuit(self) -> nm.Circuit:
        return nm.load_circuit("mpl", {"population.hidden.size": 3})

    @property
    def protocol(self) -> nm.Protocol:
        return nm.load_protocol("toy-language", SETTINGS)

    def prepare(self, runs: int = 1) -> None:
        """Makes the networks of the runs of a child, and imports whatever a run imports."""
        _imported_and_tried()
        made: list[InProcess] = []

        def started(plan, *_) -> InProcess:
            made.append(InProcess(plan))
            return made[-1]

        stopped = patch.object(RunFile, "__init__", side_effect=KeyboardInterrupt)
        for _ in range(runs if self.in_process else 0):
            with patch.object(launch, "start", started), stopped, suppress(KeyboardInterrupt):
                self._simulate(self.workspace / "made.nc")
        self._made = made

    def simulate(self, out: Path, **options) -> None:
        with self.network():
            self._simulate(out, **options)

    def _simulate(self, out: Path, **options) -> None:
        options = {"seed": 1, "backend": self.backend, "checkpoint_every": 0, **options}
        nm.simulate(self.circuit, self.protocol, out=out, **options).close()

    @contextmanager
    def network(self) -> Iterator[None]:
        """Within, each run has one of the networks that were made here, unless it has a process of its own."""
        if not self.in_process:
            yield
            return
        with patch.object(launch, "start", lambda plan, *_: self._made.pop() if self._made else InProcess(plan)):
            yield

    def child(
        self,
        work: Callable[[], object],
        before: Callable[[], object] = lambda: None,
        temporary: Path | None = None,
    ) -> Ended:
        """Calls `before` and `work` in a process of its own, with a folder for temporary files."""
        told = self.workspace / "told"
        process = os.fork()
        if process == 0:
            signal.alarm(SECONDS)
            stream = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for number in (1, 2):
                os.dup2(stream, number)
            tempfile.tempdir = str(temporary or self.workspace)
            before()
            os._exit(_status(work))
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        return Ended(status, told.read_text(errors="replace"))

    def require(self, *work, **options) -> None:
        """As `child`, of which nothing but success is expected."""
        ended = self.child(*work, **options)
        if ended.status:
            raise SystemExit(f"undisturbed work ended with {ended.status}: {ended.said or 'nothing was said'}")


def _status(work: Callable[[], object]) -> int:
    try:
        work()
        return 0
    except nm.NeuroMPCError as error:
        os.write(2, str(error).encode())
        return REFUSED
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        return 1
