"""Time and memory of a presentation by the number of sequence steps: MNIST, 4, 2 or 1 pixels at a step.

    python benchmarks/sequence_length.py [--trials 1024] [--batch 128] [--backend cpp]

Prints a table: steps, processor time of a presentation (mean of an epoch) and peak memory of the program that
simulates, as Linux tells them. Most of the time goes into the evaluation on all test images.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import neuro_mpc as nm
from neuro_mpc.runs.progress import SilentProgress

PIXELS = 784
TICKS = os.sysconf("SC_CLK_TCK")


class Meter(SilentProgress):
    """Notes what the processes that this one has started used, presentation by presentation."""

    def __init__(self) -> None:
        self.used: list[float] = []
        self.peak = 0

    def update(self, presentation: int, free_energy: float) -> None:
        self.used.append(sum(map(_seconds, _children())))
        self.peak = max(self.peak, *map(_peak, _children()))

    @property
    def seconds(self) -> float:
        """Processor time of a presentation; the first one, which follows a test, does not count."""
        return (self.used[-1] - self.used[0]) / (len(self.used) - 1)


def _children() -> list[int]:
    return [int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _seconds(process: int) -> float:
    """Processor time of a process, user and system: fields 14 and 15 of its status."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _peak(process: int) -> int:
    """Bytes that a process held at most."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def measured(pixels_per_step: int, trials: int, batch: int, backend: str) -> Meter:
    """One epoch of `trials` trials."""
    settings = {
        "stimulus.pixels_per_step": pixels_per_step,
        "stimulus.subset": trials,
        "learning.batch": batch,
        "learning.epochs": 1,
        "recording": {},
        "test": {"split": "validation"},
    }
    meter, protocol = Meter(), nm.load_protocol("mnist-pixels", settings)
    nm.simulate(nm.load_circuit("mpl"), protocol, backend=backend, progress=meter)
    return meter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1024, help="trials of the epoch")
    parser.add_argument("--batch", type=int, default=128, help="trials of a presentation")
    parser.add_argument("--backend", choices=("cpp", "cython", "numpy"), default="cpp")
    asked = parser.parse_args()
    print("| steps | s per presentation | ms per step | peak memory, MB |\n| --- | --- | --- | --- |")
    for pixels in (4, 2, 1):
        steps = PIXELS // pixels
        meter = measured(pixels, asked.trials, asked.batch, asked.backend)
        row = f"{steps} | {meter.seconds:.2f} | {1000 * meter.seconds / steps:.2f} | {meter.peak / 1e6:.0f}"
        print(f"| {row} |", flush=True)


if __name__ == "__main__":
    main()
