"""What processes that share a batch gain: the time of a presentation by its parts, for 1, 2 and 4 of them.

    python benchmarks/shared_batches.py [--workers 1 2 4] [--repeats 20] [--only rows words] [--dask]

Processor time, so that a machine with fewer cores, or one that others use, can tell: a presentation takes as long as
the process that works longest, and the run itself, which makes messages and adds sums while the others wait. Text and
pixels are made up, which costs the same. With --dask, what an exchange by the messages of dask takes in place of pipes,
between processes of this machine: wall time, the shortest of the repeats, and processor time of the run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import neuro_mpc as nm
from neuro_mpc.networks import launch
from neuro_mpc.networks.phases import sums
from neuro_mpc.networks.program import Program
from neuro_mpc.networks.shared import SharedProgram
from neuro_mpc.networks.workspace import workspace
from neuro_mpc.runs.preparation import Preparation, prepare
from neuro_mpc.simulation.presentation import Presenter

WORDS, STREAMS, STEPS = 1000, 32, 35


def rows(folder: Path) -> Preparation:
    """`mpl` on images of 28 rows of 28 pixels, N = 100, B = 128."""
    rng = np.random.default_rng(0)
    data = {"input": rng.random((256, 28, 28), np.float32), "output": rng.integers(10, size=256)}
    protocol = nm.Protocol(
        name="rows",
        stimulus={"source": "arrays"},
        target={"read": "last"},
        learning={"rate": 1e-4, "batch": 128, "presentations": 100, "clip": 0.1},
    )
    return prepare(nm.load_circuit("mpl"), protocol, data=data, backend="cpp", threads=1)


def words(folder: Path) -> Preparation:
    """The gated circuit of Penn Treebank, N = 400, 32 streams of 35 words, of a vocabulary of 1,000."""
    drawn = np.random.default_rng(0).integers(WORDS, size=(2000, 20))
    text = folder / "text.txt"
    text.write_text("\n".join(" ".join(f"w{word}" for word in line) for line in drawn))
    settings = {"train": str(text), "validation": "", "test": "", "checksums": {}}
    protocol = nm.load_protocol(
        "ptb-gated", {**{f"stimulus.{name}": value for name, value in settings.items()}, "learning.presentations": 100}
    )
    return prepare(nm.load_circuit("mpl-lstm-language"), protocol, backend="cpp", threads=1)


CASES = {"rows": rows, "words": words}


class Clock:
    """Seconds of processor time, of this process and of the programs that it has started."""

    def __init__(self, programs: Sequence[Program]):
        self._files = [Path(f"/proc/{program._process.pid}/schedstat") for program in programs]

    def _now(self) -> np.ndarray:
        return np.array([time.process_time(), *(int(file.read_text().split()[0]) * 1e-9 for file in self._files)])

    def of(self, work: Callable[[int], object], repeats: int) -> tuple[float, float]:
        """What one of `repeats` calls takes of this process, and of the program that works longest."""
        work(0)
        before = self._now()
        for number in range(1, repeats + 1):
            work(number)
        own, *others = (self._now() - before) / repeats
        return own, max(others)


def measured(run: Preparation, workers: int, repeats: int) -> dict[str, float]:
    """Milliseconds of processor time of a presentation and its parts, and what goes through pipes, in MB."""
    shown = run.data.presented("train", run.course.batch_of(0))
    names = sums(run.plan)
    with workspace() as folder, launch.start_shared(run.plan, workers, "cpp", folder) as program:
        presenter = Presenter(program, run.plan, run.protocol, 0, carries=run.data.carries)
        presenter.load(run.parameters)
        clock = Clock(program.programs if isinstance(program, SharedProgram) else [program])
        told = [program.manifest.variables[name] for name in names]
        bytes_of_sums = sum(np.dtype(dtype).itemsize * size for dtype, size in told)

        def updated(_: int) -> None:
            presenter._step(adapting=True)
            program.get("rate")

        def exchanged(_: int) -> None:
            program.add_up(names)
            program.get("rate")

        own, longest = clock.of(lambda number: presenter.learn(number, *shown, 1e-6), repeats)
        update, exchange = clock.of(updated, repeats), clock.of(exchanged, repeats)
    return {
        "presentation": 1e3 * (own + longest),
        "run": 1e3 * own,
        "update": 1e3 * update[1],
        "exchange": 1e3 * sum(exchange) if workers > 1 else 0.0,
        "MB": 2 * workers * bytes_of_sums / 1e6 if workers > 1 else 0.0,
    }


def by_dask(run: Preparation, workers: int, repeats: int) -> tuple[float, float, float]:
    """Milliseconds of wall time and of processor time of an exchange, and of wall time of a question that is small."""
    from distributed import LocalCluster

    names, walls, questions = sums(run.plan), [], []
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        workspace() as folder,
        launch.start_shared(run.plan, workers, "cpp", folder, scheduler=cluster.scheduler_address) as program,
    ):
        program.add_up(names)
        before = time.process_time()
        for _ in range(repeats):
            start = time.perf_counter()
            program.add_up(names)
            program.get("loss")  # of all of them
            walls.append(time.perf_counter() - start)
        own = (time.process_time() - before) / repeats
        for _ in range(repeats):
            start = time.perf_counter()
            program.get("loss")
            questions.append(time.perf_counter() - start)
    return 1e3 * min(walls), 1e3 * own, 1e3 * min(questions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--dask", action="store_true")
    options = parser.parse_args()
    if options.dask:
        for name in options.only:
            with workspace() as folder:
                run = CASES[name](folder)
                for workers in (number for number in options.workers if number > 1):
                    wall, own, question = by_dask(run, workers, options.repeats)
                    print(f"{name}, {workers}: exchange {wall:.1f} ms (run: {own:.1f}), a question {question:.1f} ms")
        return
    head = ["case", "workers", "presentation", "of it update", "exchange", "in the run", "through pipes", "efficiency"]
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for name in options.only:
        with workspace() as folder:
            run = CASES[name](folder)
            alone = 0.0
            for workers in options.workers:
                found = measured(run, workers, options.repeats)
                alone = alone or workers * found["presentation"]
                parts = [f"{found[part]:.1f} ms" for part in ("presentation", "update", "exchange", "run")]
                cells = [
                    name,
                    f"{workers}",
                    *parts,
                    f"{found['MB']:.1f} MB",
                    f"{alone / workers / found['presentation']:.2f}",
                ]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
