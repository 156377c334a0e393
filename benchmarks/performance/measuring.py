"""Implementations side by side: started, measured in turn, compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

import results

Times = dict[str, dict[str, float]]


@dataclass
class Peer:
    """An implementation in a process of its own, pinned to some cores."""

    name: str
    case: object
    threads: int = 1
    cores: tuple[int, ...] = (0,)
    python: str = sys.executable
    found: list[dict[str, float]] = field(default_factory=list)

    def start(self) -> None:
        case = json.dumps([type(self.case).__name__, asdict(self.case)])
        count = str(self.threads)
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": count, "OMP_NUM_THREADS": count, "JAX_PLATFORMS": "cpu"}
        self._process = subprocess.Popen(
            [self.python, str(Path(__file__).with_name("worker.py")), self.name, case, count],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            preexec_fn=None if self.compiles else lambda: os.sched_setaffinity(0, self.cores),
        )

    @property
    def compiles(self) -> bool:
        """Whether it is to have all cores until it is ready; the others are to know from the beginning how many
        cores they will have, for their threads."""
        return self.name.startswith(("framework", "brian2"))

    def pin(self, processes: list[int]) -> None:
        if self.compiles:
            for process in processes:
                pin(process, self.cores)

    def answer(self) -> dict:
        line = self._process.stdout.readline()
        return json.loads(line) if line else {"missing": "its process ended"}

    def measure(self, count: int) -> None:
        print(count, file=self._process.stdin, flush=True)
        self.found.append(self.answer())

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def pin(process: int, cores: Iterable[int]) -> None:
    """Pin a process, all of its threads, to cores."""
    for thread in os.listdir(f"/proc/{process}/task"):
        os.sched_setaffinity(int(thread), cores)


def compare(peers: dict[str, Peer], count: int, repeats: int) -> Times:
    """Median seconds of one of `count` runs, "wall" and "processor", of the implementations that are installed.

    They start one after the other, as their compilers would disturb each other, and are then measured in turn.
    """
    with ExitStack() as stack:
        ready, sizes = {}, {}
        for name, peer in peers.items():
            print(f"starting {name}", file=sys.stderr)
            peer.start()
            stack.callback(peer.stop)
            answer = peer.answer()
            if "missing" in answer:
                print(f"skipped: {name} ({answer['missing']})")
                continue
            peer.pin(answer["processes"])
            ready[name] = peer
            sizes |= {name: answer["size"]} if answer["size"] else {}
        assert_agreement(sizes)
        for _ in range(repeats):
            for peer in ready.values():
                peer.measure(count)
    return {
        name: {clock: median(each[clock] for each in peer.found) for clock in ("wall", "processor")}
        for name, peer in ready.items()
    }


def assert_agreement(sizes: dict[str, float]) -> None:
    """After the same iterations of the same circuit all have the same beliefs, of a presentation the same gradients."""
    if sizes and max(sizes.values()) - min(sizes.values()) > 1e-3 * max(sizes.values()):
        raise AssertionError(f"the implementations do not do the same: {sizes}")


def table(times: Times, unit: str, reference: str, operations: int = 0, peak: float = 1.0) -> None:
    """Milliseconds of each implementation, processor time relative to one of them, and the share of the peak that its
    floating-point operations reach, where they are counted."""
    results.RESULTS.add_times(times)
    print(f"milliseconds a {unit}; processor time relative to {reference}{' and to the peak' if operations else ''}")
    print(f"{'':34}{'processor':>12}{'wall':>12}")
    for name, each in times.items():
        relative = f"{each['processor'] / times[reference]['processor']:9.2f}" if reference in times else ""
        of_peak = f"{operations / each['processor'] / peak:8.0%}" if operations else ""
        print(f"{name:34}{each['processor'] * 1e3:12.3f}{each['wall'] * 1e3:12.3f}   {relative}{of_peak}")


def ratio(
    part: str, what: str, by: str, value: float, at_most: float | None = None, at_least: float | None = None
) -> None:
    """The line of a ratio."""
    target, verdict = "-", "-"
    if at_most is not None:
        target, verdict = f"<={at_most:g}", "met" if value <= at_most else "missed"
    if at_least is not None:
        target, verdict = f">={at_least:g}", "met" if value >= at_least else "missed"
    results.RESULTS.add_ratio(part, f"{what}/{by}", value, target)
    print(f"RATIO {part} {what}/{by} {value:.3f} target {target} {verdict}", flush=True)


def ratios(part: str, times: Times, *wanted: tuple, clock: str = "processor") -> None:
    """Ratios of two implementations each, (what, by what, {at_most or at_least: target}), where both are there."""
    for what, by, target in wanted:
        if what in times and by in times:
            ratio(part, what, by, times[what][clock] / times[by][clock], **target)
