"""Whole runs: how soon they start, what grows with T, B and N, what recording costs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import xarray as xr
from cases import Sequences
from measuring import pin, ratio
from with_framework import Iterations

import neuro_mpc as nm
from neuro_mpc import stimuli

SMALL = ["learning.epochs=1", "test.every=0", "test.ensemble=0", "recording.samples=[]", "recording.synapses_every=0"]

EPOCHS = 31
FIRST = """
import sys
import neuro_mpc as nm
from neuro_mpc.descriptions.loading import parse_settings
from neuro_mpc.runs.progress import SilentProgress
class First(SilentProgress):
    def update(self, *_):
        print("learned", flush=True)
_, settings = parse_settings(["protocol." + each for each in sys.argv[1:]])
nm.simulate(nm.load_circuit("mpl"), nm.load_protocol("digits-rows", settings), progress=First())
"""
"""Does what the command does; a bar that is no terminal's would tell of presentations every few seconds only."""


def startup(options) -> None:
    """seconds from the command to the first presentation learned, and to import the package (wall time)"""
    first = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NEURO_MPC_CACHE": folder}
        first.extend(_until_learning(environment) for _ in range(1 + options.repeats))
    imports = median(_seconds([sys.executable, "-c", "import neuro_mpc"]) for _ in range(options.repeats))
    cached = median(first[1:])
    print(f"first use {first[0]:.2f} s, build cached {cached:.2f} s, import {imports:.2f} s")
    ratio("startup", "cached", "second", cached, at_most=2)
    ratio("startup", "import", "second", imports, at_most=1.5)


def _seconds(command: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - begin


def _until_learning(environment: dict[str, str]) -> float:
    """Until the first presentation is learned; the run is then interrupted."""
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", FIRST, *SMALL], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        if process.stdout.readline() != b"learned\n":
            raise AssertionError("the run learned no presentation")
        seconds = time.perf_counter() - begin
        process.kill()
        return seconds


def scaling(options) -> None:
    """time of an iteration and memory of the program against T, B and N: linear in T and B?"""
    base = {"steps": 28, "trials": 128, "units": 100}
    found = {}
    for name, values in {"steps": (14, 28, 56), "trials": (64, 128, 256), "units": (50, 100, 200)}.items():
        for value in values:
            sizes = tuple({**base, name: value}.values())
            if sizes not in found:
                found[sizes] = _cost(Sequences(**{**base, name: value}), options.repeats)
            seconds, memory = found[sizes]
            print(f"T, B, N = {sizes}: {seconds * 1e3:8.3f} ms processor time, {memory / 1e6:6.0f} MB at most")
    for name, double in [("T", (56, 128, 100)), ("B", (28, 256, 100))]:
        ratio(
            "scaling", f"time at 2 {name}", "twice the time", found[double][0] / 2 / found[28, 128, 100][0], at_most=1.2
        )


def _cost(case: Sequences, repeats: int) -> tuple[float, float]:
    """Processor seconds of an iteration, peak bytes of the program."""
    shown = Iterations(case, 1, "cpp")
    pin(shown.process.pid, sorted(os.sched_getaffinity(0))[-1:])
    try:
        clock, used = (~shown.process.pid << 3) | 2, []
        for _ in range(repeats):
            begin = time.clock_gettime(clock)
            shown.run(10)
            used.append((time.clock_gettime(clock) - begin) / 10)
        status = Path(f"/proc/{shown.process.pid}/status").read_text().splitlines()
        peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
        return median(used), peak
    finally:
        shown.program.close()


def recording(options) -> None:
    """what recording costs: mpl on digits-rows, 5 epochs, with and without snapshots and samples"""
    full = ["recording.synapses_every=10", "recording.samples=[0, 50, 100, -1]", "recording.trials=0"]
    bare, kept, sizes = [], [], {}
    for _ in range(max(3, options.repeats // 2)):
        for name, settings, times in [("bare", SMALL, bare), ("kept", [*SMALL[:3], *full], kept)]:
            seconds, sizes[name] = _run_time([*settings, "learning.epochs=5"])
            times.append(seconds)
    share = 1 - np.median(bare) / np.median(kept)
    print(
        f"without {np.median(bare):.2f} s and {sizes['bare'] / 1e6:.2f} MB, with 14 snapshots and 4 samples of all "
        f"trials {np.median(kept):.2f} s and {sizes['kept'] / 1e6:.2f} MB of file"
    )
    ratio("recording", "recording", "run", share)


def arrays(options) -> None:
    """what arrays of a netCDF file cost: mpl on the trials of digits-rows, from the file or the built-in source"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.nc"
        _trials_as_arrays().to_netcdf(path)
        sources = {"built-in": [], "arrays": [f'stimulus={{source="arrays", file="{path}"}}', 'target.read="last"']}
        found = {(name, epochs): [] for name in sources for epochs in (1, EPOCHS)}
        for _ in range(max(3, options.repeats // 2)):
            for name, epochs in found:
                found[name, epochs].append(_run_time([*SMALL[1:], *sources[name], f"learning.epochs={epochs}"])[0])
    seconds = {case: float(np.median(times)) for case, times in found.items()}
    for name in sources:
        print(f"{name:9} {seconds[name, 1]:6.2f} s with 1 epoch, {seconds[name, EPOCHS]:6.2f} s with {EPOCHS}")
    of_arrays, built_in = (seconds[name, EPOCHS] - seconds[name, 1] for name in ("arrays", "built-in"))
    ratio("arrays", "learning from arrays", "from the built-in source", of_arrays / built_in, at_most=1.05)
    ratio("arrays", "start and end", "built-in", seconds["arrays", 1] / seconds["built-in", 1])


def _trials_as_arrays() -> xr.Dataset:
    """The trials of digits-rows, labelled."""
    circuit, protocol = nm.load_circuit("mpl"), nm.load_protocol("digits-rows")
    task, images, digits, split = stimuli.load_task(protocol, circuit, 0), [], [], []
    for name in stimuli.SPLITS:
        trials = np.arange(task.size(name))
        images.append(task.stimulus(name, trials).swapaxes(0, 1))
        digits.append(task.labels(name, trials)[-1].astype(np.int32))
        split += [name] * len(trials)
    return xr.Dataset(
        {
            "image": (("trial", "step", "pixel"), np.concatenate(images)),
            "digit": ("trial", np.concatenate(digits)),
            "split": ("trial", np.array(split, object)),
        }
    )


def _run_time(settings: list[str]) -> tuple[float, int]:
    """Processor seconds of a run, its children included; bytes of its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.nc"
        words = [word for each in settings for word in ("--set", f"protocol.{each}")]
        before = os.times()
        subprocess.run(
            [sys.executable, "-m", "neuro_mpc", "run", "mpl", "digits-rows", "--out", str(path), *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        return used, path.stat().st_size


PARTS = {each.__name__: each for each in (startup, scaling, recording, arrays)}
