"""Any number of random circuits on a backend, each compared with the energy written in NumPy (tests/reference.py).

    python benchmarks/random_circuits.py --backend numpy|cython|cpp [--examples 100] [--seed 0]

Prediction, energies, inference, learning and drawn weights of circuits of one to four populations, delays of 0 to 3
steps, every synapse type, read-out and scheme, some with tied projections. The first circuit that deviates is made as
small as it can be and printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from hypothesis import HealthCheck, given, seed, settings
from in_process import PHASES, InProcess
from random_circuits import Case, assert_agrees, cases, plan

from neuro_mpc.networks import launch
from neuro_mpc.networks.program import Program


class Stepped:
    """A running program whose phases are named at each step, as in `InProcess`."""

    def __init__(self, program: Program):
        self._program, self.plan = program, None
        self.set, self.get = program.set, program.get
        self.set_rows, self.get_rows = program.set_rows, program.get_rows

    def step(self, *phases: str) -> None:
        self._program.set(**{phase: int(phase in phases) for phase in PHASES})
        self._program.step()


@contextmanager
def network(case: Case, backend: str) -> Iterator[InProcess | Stepped]:
    """The network of a case on a backend; NumPy's in this process."""
    if backend == "numpy":
        yield InProcess(plan(case))
        return
    with tempfile.TemporaryDirectory() as folder, launch.start(plan(case), backend, Path(folder)) as program:
        stepped = Stepped(program)
        stepped.plan = plan(case)
        yield stepped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=["numpy", "cython", "cpp"], default="numpy")
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    shown = []

    @seed(asked.seed)
    @settings(max_examples=asked.examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(cases())
    def compare(case: Case) -> None:
        with network(case, asked.backend) as net:
            assert_agrees(case, net)
        shown.append(case)
        print(f"{len(shown)} circuits agree on {asked.backend}, the last by {case.scheme}", flush=True)

    compare()


if __name__ == "__main__":
    main()
