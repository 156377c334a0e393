"""What it takes to read batches of data that are larger than memory may hold, by kind of file.

    python benchmarks/feeding.py [--trials 100000] [--batches 50] [--folder FOLDER] [--by-library]

Writes images of 28 × 28 pixels in single precision (314 MB by default) as netCDF in one piece, as netCDF in packed
chunks of 64, and as NPZ, and times batches of 128 of them in random order, as rows, with their labels: processor time
and wall time a batch. In memory is what data below 256 MiB take. --by-library reads netCDF by netCDF alone, trial by
trial.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.stimuli import labelled, netcdf_file, series

BATCH, ROWS, PIXELS, CHUNK = 128, 28, 28, 64
WARM = 3  # batches that are not counted


def write(folder: Path, trials: int) -> None:
    rng = np.random.default_rng(0)
    images = rng.random((trials, ROWS, PIXELS), dtype=np.float32)
    images[images < 0.8] = 0  # most of an image is dark
    labels = np.arange(trials) % 10
    dataset = xr.Dataset({"image": (("trial", "step", "pixel"), images), "label": ("trial", labels)})
    dataset.to_netcdf(folder / "in one piece.nc")
    packed = {"zlib": True, "complevel": 1, "chunksizes": (CHUNK, ROWS, PIXELS)}
    dataset.to_netcdf(folder / "in packed chunks.nc", encoding={"image": packed})
    np.savez(folder / "in one piece.npz", image=images, label=labels)


def source(folder: Path, name: str) -> stimuli.Stimuli:
    protocol = nm.Protocol(
        name="feeding",
        data_dir=str(folder),
        stimulus={"source": "arrays", "file": name},
        target={"read": "last"},
        learning={"rate": 0.1, "batch": BATCH, "epochs": 1},
    )
    return stimuli.load(protocol, nm.load_circuit("mpl"), 0)


def milliseconds(shown: stimuli.Stimuli, batches: int) -> tuple[float, float]:
    """Processor time and wall time of a batch."""
    order = np.random.default_rng(0).permutation(shown.size("train"))
    for number in range(WARM + batches):
        if number == WARM:
            processor, wall = time.process_time(), time.perf_counter()
        trials = order[np.arange(BATCH * number, BATCH * (number + 1)) % len(order)]
        for channel in ("image", "label"):
            shown.given("train", trials, channel)
    return (time.process_time() - processor) / batches * 1e3, (time.perf_counter() - wall) / batches * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--folder", type=Path, help="where the files are written (default: a temporary folder)")
    parser.add_argument("--by-library", action="store_true")
    asked = parser.parse_args()
    if asked.by_library:
        netcdf_file._in_one_piece = lambda *_: None
        series.copy_for = lambda *_: None
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        write(Path(folder), asked.trials)
        limit = labelled.HELD_BYTES
        for name in ("in one piece.nc", "in packed chunks.nc", "in one piece.npz", "in memory"):
            labelled.HELD_BYTES = 2**62 if name == "in memory" else limit
            begin = time.perf_counter()
            shown = source(Path(folder), "in one piece.nc" if name == "in memory" else name)
            opening = time.perf_counter() - begin
            processor, wall = milliseconds(shown, asked.batches)
            print(f"{name:20} {processor:8.2f} ms of the processor, {wall:8.2f} ms a batch; opened in {opening:.1f} s")


if __name__ == "__main__":
    main()
