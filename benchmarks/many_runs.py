"""Many runs in one process: what it holds after each ten of them, and what it leaves behind.

python benchmarks/many_runs.py [--runs 200] [--backend cpp]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import neuro_mpc as nm
from neuro_mpc.networks import launch

SETTINGS = {
    "stimulus.letters": 8,
    "stimulus.length": 6,
    "stimulus.load": 5.0,
    "learning.batch": 10,
    "learning.epochs": 2,
    "recording.samples": [0, -1],
}
MOST_GROWTH = 0.05


def resident_bytes() -> int:
    """Memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=200)
    options.add_argument("--backend", default="cpp", choices=launch.BACKENDS)
    asked = options.parse_args()
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 12})
    protocol = nm.load_protocol("toy-language", SETTINGS)
    held, start = {}, time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="neuro_mpc-many-") as folder:
        tempfile.tempdir = folder
        for run in range(1, asked.runs + 1):
            out = Path(folder) / "run.nc" if run % 2 else None  # in a file, in memory, in a file …
            nm.simulate(circuit, protocol, seed=run, backend=asked.backend, out=out, overwrite=True).close()
            if run % 10 == 0:
                held[run] = resident_bytes()
                print(f"{run:5} runs  {held[run] / 1e6:7.1f} MB  {len(os.listdir('/proc/self/fd')):3} open files")
        left = sorted(path.name for path in Path(folder).iterdir() if path.name != "run.nc")
    growth = held[max(held)] / held[10] - 1
    print(
        f"memory grew by {growth:.1%} after the first ten of {asked.runs} runs ({asked.backend}, "
        f"{time.perf_counter() - start:.0f} s); left behind: {', '.join(left) or 'nothing'}"
    )
    sys.exit(growth > MOST_GROWTH or bool(left))


if __name__ == "__main__":
    main()
