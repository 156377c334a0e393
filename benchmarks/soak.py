"""What runs, circuits, sweeps and data of the largest sizes take: time, memory over time, and what users wait for.

    python benchmarks/soak.py presentations populations steps sweep data stream [--scale 0.1] [--backend cpp]

presentations  10⁶ of a tiny circuit are learned and recorded; the run is opened, listed, drawn and resumed
populations    a chain of 500 populations, as many as a circuit may have, is checked, printed, drawn and learns
steps          a sequence of 10,000 steps is inferred and recorded
sweep          2,000 members, as many points of the grid, are checked, then found complete and combined, and listed
data           a netCDF file of 10 GB is checked, and read by a run in random order
stream         8,640,000 steps, which are 24 h at 10 ms, are read as one stream, beliefs carried on

A scale makes all of them as much smaller.  Of each stage the table has the wall time, the time of computing, and the
memory that this process holds then and held at most; of runs also how memory grew while they learned.  The command ends
with 1 where it grew by more than a tenth from the first tenth of a run on.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import netCDF4
import numpy as np
from many_runs import resident_bytes

import neuro_mpc as nm
from neuro_mpc.descriptions.loading import as_circuit
from neuro_mpc.reports.listing import as_text
from neuro_mpc.rules.show import as_latex
from neuro_mpc.runfile.catalogue import catalogue
from neuro_mpc.runs.progress import SilentProgress
from neuro_mpc.sweeps import members
from neuro_mpc.sweeps.grid import grid

MOST_GROWTH = 0.1
POINTS = 20  # at which memory is measured
QUIET = {
    "test.every": 0,
    "test.ensemble": 0,
    "recording.synapses_every": 0,
    "recording.samples": [],
}
TINY = {
    "stimulus.letters": 5,
    "stimulus.length": 3,
    "stimulus.load": 1.0,
    "learning.batch": 1,
    "test.generate": 1,
    **QUIET,
}
CHANNELS, WINDOW, BATCH = 16, 50, 16
GIGABYTES, MEMBERS, POPULATIONS, STEPS, PRESENTATIONS, STREAM = 10, 2_000, 500, 10_000, 1_000_000, 8_640_000
BLOCK = 1 << 16  # steps that are written at a time


class Soak:
    """The stages of what is soaked, in a folder, and what is wrong with them."""

    def __init__(self, folder: Path, scale: float, backend: str):
        self.folder, self.scale, self.backend = folder, scale, backend
        self.faults: list[str] = []

    def scaled(self, number: int) -> int:
        return max(2, round(number * self.scale))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        wall, computing = time.perf_counter(), _computing()
        yield
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(
            f"{name:52} {time.perf_counter() - wall:8.1f} s {_computing() - computing:8.1f} s "
            f"{resident_bytes() / 1e6:7.0f} MB {peak / 1e6:7.0f} MB",
            flush=True,
        )

    def learned(self, circuit: nm.Circuit, protocol: nm.Protocol, name: str, **options) -> Path:
        """The file of a run; memory is watched while it learns."""
        out, watch = self.folder / f"{name}.nc", Watch()
        with self.stage(f"learned, {self.backend}"):
            nm.simulate(circuit, protocol, seed=1, backend=self.backend, out=out, progress=watch, **options).close()
        growth = max(watch.held.values()) / watch.held[min(watch.held)] - 1
        print(
            f"  {watch.total:,} presentations, run file of {out.stat().st_size / 1e6:.1f} MB; with its program "
            f"{max(watch.held.values()) / 1e6:.0f} MB, {growth:.1%} more than after the first tenth"
        )
        if growth > MOST_GROWTH:
            self.faults.append(f"{name}: memory grew by {growth:.1%}")
        return out

    def seen(self, out: Path, *figures: str) -> None:
        """What users do with a run."""
        with self.stage("opened, energies read"), nm.open_run(out) as run:
            assert np.isfinite(run["learning/free_energy"].values).all()
        for name in figures:
            with self.stage(f"drawn: {name}"), nm.open_run(out) as run:
                nm.plot_run(run, name, out=self.folder)
        with self.stage("summed up"), nm.open_run(out) as run:
            nm.summary(run)


class Watch(SilentProgress):
    """Notes what this process and the programs that it has started hold, from the first tenth of a run on."""

    def __init__(self) -> None:
        self.total, self.held = 0, dict[int, int]()

    def start(self, total: int) -> None:
        self.total = total

    def update(self, presentation: int, free_energy: float) -> None:
        point = presentation * POINTS // self.total
        if point not in self.held and (10 * presentation >= self.total):
            self.held[point] = resident_bytes() + sum(map(_held, _children()))


def _children() -> list[int]:
    return [int(child) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _held(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _computing() -> float:
    """Seconds of this process, and of those that it has started and that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def presentations(soak: Soak) -> None:
    protocol = nm.load_protocol("toy-language", TINY | {"learning.presentations": soak.scaled(PRESENTATIONS)})
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 3})
    out = soak.learned(circuit, protocol, "presentations")
    soak.seen(out, "learning")
    with soak.stage("listed"):
        as_text(catalogue(soak.folder))
    with soak.stage("--resume says that it is complete"):
        nm.simulate(circuit, protocol, seed=1, backend=soak.backend, out=out, resume=True).close()


def populations(soak: Soak) -> None:
    free = [f"p{number}" for number in range(soak.scaled(POPULATIONS) - 2)]
    chain = ["input", *free, "output"]
    tables = {
        "name": "chain",
        "population": {
            "input": {"role": "stimulus"},
            **{name: {"size": 3, "activation": "tanh(r)"} for name in free},
            "output": {"role": "target"},
        },
        "projection": {
            f"to-{after}": {"from": before, "to": after, "synapse": "spike-and-slab"}
            for before, after in pairwise(chain)
        },
    }
    with soak.stage(f"{len(chain)} populations described"):
        circuit = nm.Circuit.from_tables(tables)
    strings = {"stimulus.load": 10 / (3 * len(free)), "learning.presentations": 2}
    protocol = nm.load_protocol("toy-language", TINY | strings)
    with soak.stage("checked"):
        nm.check(circuit, protocol, backend=soak.backend)
    with soak.stage("equations printed"):
        as_latex(circuit)
    with soak.stage("drawn, or refused as too large"), suppress(nm.DescriptionError):
        circuit.draw().figure.savefig(soak.folder / "circuit.png")
    with soak.stage("saved and loaded"):
        nm.save_circuit(circuit, soak.folder / "chain.toml")
        as_circuit(soak.folder / "chain.toml")
    soak.seen(soak.learned(circuit, protocol, "populations"), "learning")


def waves(steps: int, channels: int) -> np.ndarray:
    """A recording, float32 (steps, channels)."""
    phases = np.arange(steps, dtype=np.float32)[:, None] / np.arange(3, 3 + channels, dtype=np.float32)
    return np.sin(phases)


def own(channels: int, **tables) -> tuple[nm.Circuit, nm.Protocol]:
    """A circuit and a protocol that predicts the next step of a recording."""
    sizes = {"population.hidden.size": 4, "population.output.readout": "gaussian"}
    sizes["population.hidden.activation"] = "tanh(r)"  # bounded, however long the sequence
    named = {"population.input.channel": "x", "population.output.channel": "x"}
    described = {
        "name": "own",
        "target": {"kind": "next", "read": "every"},
        "test": {"every": 0},
        "recording": {"synapses_every": 0, "samples": []},
        **tables,
    }
    return nm.load_circuit("mpl", sizes | named), nm.Protocol.from_tables(described)


def steps(soak: Soak) -> None:
    length = soak.scaled(STEPS)
    circuit, protocol = own(
        1,
        stimulus={"source": "arrays", "window": length, "stride": length},
        learning={"rate": 0.01, "batch": 1, "presentations": 10},
        recording={"synapses_every": 0, "samples": [0, -1]},
        precision="float32",
    )
    data = {"x": waves(20 * length, 1)}
    soak.seen(soak.learned(circuit, protocol, "steps", data=data), "learning", "traces")


def sweep(soak: Soak) -> None:
    protocol = nm.load_protocol("toy-language", TINY | {"learning.presentations": 10})
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 3})
    rates = {"protocol.learning.rate": [round(0.1 + number * 1e-4, 4) for number in range(soak.scaled(MEMBERS))]}
    options = {"out": soak.folder / "members", "backend": "numpy"}
    with soak.stage(f"dry run of {len(rates['protocol.learning.rate']):,} members"):
        nm.sweep(circuit, protocol, rates, **options, dry_run=True)
    with soak.stage("their files made, from that of one run"):
        _make_members(soak, circuit, protocol, rates, options["out"])
    with soak.stage("found complete, combined"):
        found = nm.sweep(circuit, protocol, rates, **options)
    if not found["complete"].values.all():
        soak.faults.append("sweep: members are not complete")
    with soak.stage("listed"):
        as_text(catalogue(options["out"]))


def _make_members(soak: Soak, circuit: nm.Circuit, protocol: nm.Protocol, rates: dict, folder: Path) -> None:
    whole = soak.folder / "whole.nc"
    nm.simulate(circuit, protocol, backend="numpy", out=whole).close()
    folder.mkdir()
    settings = {"backend": "numpy", "threads": 1, "overwrite": False, "accept_changes": False}
    for job, _ in members.checked(grid(rates, (0,)), circuit, protocol, folder, **settings):
        shutil.copy(whole, job.path)
        with netCDF4.Dataset(job.path, "a") as file:
            file.setncattr("protocol", job.protocol)


def data(soak: Soak) -> None:
    length = int(soak.scale * GIGABYTES * 1e9 / (4 * CHANNELS))
    with soak.stage("written"):
        _write(soak.folder / "recording.nc", length)
    print(f"  {(soak.folder / 'recording.nc').stat().st_size / 1e9:.1f} GB")
    circuit, protocol = own(
        CHANNELS,
        data_dir=str(soak.folder),
        stimulus={
            "source": "arrays",
            "file": "recording.nc",
            "window": WINDOW,
            "stride": WINDOW,
            "validation": 0.0,
            "test": 0.001,  # testing takes as long for each trial as learning does
        },
        learning={"rate": 0.01, "batch": BATCH, "presentations": 1000},
    )
    with soak.stage("checked"):
        nm.check(circuit, protocol, backend=soak.backend)
    soak.seen(soak.learned(circuit, protocol, "data"))
    (soak.folder / "recording.nc").unlink()


def _write(path: Path, length: int) -> None:
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", length)
        file.createDimension("channel", CHANNELS)
        variable = file.createVariable("x", "f4", ("time", "channel"), fill_value=False)
        block = waves(BLOCK, CHANNELS)
        for first in range(0, length, BLOCK):
            variable[first : first + BLOCK] = block[: length - first]


def stream(soak: Soak) -> None:
    length = soak.scaled(STREAM)
    circuit, protocol = own(
        1,
        stimulus={"source": "arrays", "window": WINDOW, "streams": True},
        learning={"rate": 0.01, "batch": 1, "epochs": 1},
        inference={"step_duration": 10.0},
    )
    soak.seen(soak.learned(circuit, protocol, "stream", data={"x": waves(length, 1)}), "learning")


PARTS: dict[str, Callable[[Soak], None]] = {
    each.__name__: each for each in (presentations, populations, steps, sweep, data, stream)
}


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("parts", nargs="+", choices=PARTS)
    options.add_argument("--scale", type=float, default=1.0, help="of all sizes")
    options.add_argument("--backend", default="cpp", choices=("cpp", "numpy"))
    options.add_argument("--folder", type=Path, help="where the files are made, in a folder that is removed")
    asked = options.parse_args()
    faults = []
    for part in asked.parts:
        print(f"{part}, scale {asked.scale:g}\n{'':52} {'wall':>10} {'computing':>10} {'memory':>10} {'at most':>10}")
        with tempfile.TemporaryDirectory(prefix="neuro_mpc-soak-", dir=asked.folder) as place:
            soak = Soak(Path(place).resolve(), asked.scale, asked.backend)
            PARTS[part](soak)
            faults += soak.faults
    print(*faults, f"{len(faults)} faults", sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
