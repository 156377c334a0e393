"""This framework: a whole run, as a user starts it."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

from cases import Training

import neuro_mpc as nm


class WholeRun:
    """`simulate` with a run file, its program compiled before."""

    WARM_UP = 0

    def __init__(self, case: Training, threads: int):
        self.case, self.threads = case, threads
        short = nm.load_protocol("mnist-rows", {**case.settings, "learning.epochs": 1, "stimulus.subset": 6000})
        nm.simulate(case.circuit, short, seed=0, threads=threads)

    def run(self, count: int) -> None:
        for _ in range(count):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "run.nc"
                nm.simulate(self.case.circuit, self.case.protocol, seed=0, threads=self.threads, out=path)

    def measured(self, count: int) -> dict[str, float]:
        """Seconds of a run: of this process and of those that work for it."""
        wall, used = time.perf_counter(), _used()
        self.run(count)
        return {"wall": (time.perf_counter() - wall) / count, "processor": (_used() - used) / count}


def _used() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)
