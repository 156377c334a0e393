"""What three small runs come to with each Python, its packages, each compiler, set of instructions and precision.

    python benchmarks/platforms.py [PYTHON …] [--compilers g++ clang++] [--backends numpy cpp] [--all] [--keep FOLDER]

Each PYTHON, by default this one alone, is that of an environment in which the package is installed: of another
version, or with the lowest or newest packages (`.ci/lowest` makes such).  It makes a run of words by spike-and-slab
synapses, one of gated units that are inferred causally, and one in which masks say which units are connected, on NumPy
and as programs of the first compiler.  The first Python, with --all each of them, takes the other compilers, too, and
leaves out some instructions of the processor.

The runs of all are read here, and compared with those of this Python on NumPy in double precision: the largest
deviation of a variable, relative to its largest value, of all parameters in all snapshots, of all energies and losses,
and of the noise.  The table is printed in Markdown; what exceeds a tolerance, or does not run, ends the command with 1.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from kinds_of_run import KINDS

import connected  # isort: skip

import neuro_mpc as nm

PRECISIONS = ("float64", "float32")
MOST_ROUNDINGS = 1e5  # one presentation of the gated circuit makes thousands of one
INSTRUCTIONS = {
    "": "",
    "without AVX-512": "-mno-avx512f",
    "without AVX2": "-mno-avx512f -mno-avx2",
}
MEASURED = {"parameters": ("synapses", "precision"), "energies": ("learning",), "noise": ("neural",)}
SHORT = {
    "learning.epochs": 2,
    "recording.samples": [0],
}  # before rounding grows: where a variance comes near 0, a hundredfold in a presentation
CAUSAL = {"inference.scheme": "relaxation", "inference.window": 0}
SECONDS = 1800  # for the runs of one precision


def samples(folder: Path) -> Iterator[tuple[str, nm.Circuit, nm.Protocol]]:
    """Names, circuits and protocols of the runs; files of stimuli are written to the folder."""
    text, gated = (KINDS[name](folder) for name in ("text", "gated"))
    masks = connected.circuit(connected.MASK, {"random": 0.5})
    yield "text", text["circuit"], nm.changed(text["protocol"], SHORT)
    yield "gated-causal", gated["circuit"], nm.changed(gated["protocol"], SHORT | CAUSAL)
    yield "masks", masks, nm.changed(gated["protocol"], SHORT | {"stimulus.load": 2.0})


def simulate(folder: Path, backend: str, precision: str) -> None:
    """What each Python does."""
    for name, circuit, protocol in samples(folder):
        protocol = nm.changed(protocol, {"precision": precision})
        nm.simulate(circuit, protocol, seed=1, backend=backend, threads=1, out=folder / f"{name}.nc").close()


@dataclass(frozen=True)
class Combination:
    """A Python, a backend, and what compiles its program; `missing` says why it cannot be tried."""

    python: str
    backend: str
    command: str = ""
    instructions: str = ""
    missing: str = ""

    def run(self, folder: Path, precision: str) -> None:
        """Makes the runs; RunError with what was said where they fail."""
        folder.mkdir(parents=True)
        environment = dict(os.environ) | ({"CXX": self.command} if self.command else {})
        words = [self.python, __file__, "--simulate", str(folder), "--backends", self.backend, "--precision", precision]
        ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=SECONDS)
        if ended.returncode:
            raise nm.RunError(f"{shlex.join(words)} ended with {ended.returncode}: {ended.stderr[-2000:]}")


def combinations(pythons: list[str], backends: list[str], compilers: list[str], every: bool) -> Iterator[Combination]:
    for python in pythons:
        for backend in backends:
            if backend == "numpy":
                yield Combination(python, backend)
                continue
            first = every or python == pythons[0]
            for compiler in compilers if first else compilers[:1]:
                chosen = INSTRUCTIONS if first else [""]
                yield from (_compiled(python, backend, compiler, instructions) for instructions in chosen)


def _compiled(python: str, backend: str, compiler: str, instructions: str) -> Combination:
    command = f"{compiler} {INSTRUCTIONS[instructions]}".strip()
    known, left = _instructions(compiler), _instructions(command)
    if known is None:
        missing = "not here"
    elif left is None:
        missing = "no such instructions for this processor"
    elif instructions and left == _instructions(_one_more(compiler, instructions)):
        missing = "as above: the processor has none"
    else:
        missing = ""
    return Combination(python, backend, command, instructions, missing)


def _one_more(compiler: str, instructions: str) -> str:
    """The command that leaves out one set less."""
    names = list(INSTRUCTIONS)
    return f"{compiler} {INSTRUCTIONS[names[names.index(instructions) - 1]]}".strip()


def _instructions(command: str) -> str | None:
    """The instructions for which a command compiles on this machine; None where it does not."""
    words = shlex.split(command)
    if not shutil.which(words[0]):
        return None
    told = subprocess.run(
        [*words, "-march=native", "-dM", "-E", "-x", "c++", os.devnull], capture_output=True, text=True
    )
    return None if told.returncode else " ".join(sorted(re.findall(r"__(?:AVX|SSE|FMA|ARM)\w*__", told.stdout)))


def deviations(folder: Path, reference: Path) -> dict[str, float]:
    """The largest deviations of what is measured, of all runs."""
    found = {}
    for path in sorted(reference.glob("*.nc")):
        with nm.open_run(path) as expected, nm.open_run(folder / path.name) as run:
            for measure, groups in MEASURED.items():
                pairs = [(run[name], values) for name, values in variables(expected, groups) if measured(name, measure)]
                found[measure] = max([found.get(measure, 0.0), *(deviation(*pair) for pair in pairs)])
    return found


def variables(run: xr.DataTree, groups: tuple[str, ...]) -> Iterator[tuple[str, xr.DataArray]]:
    """Paths and values of all floating-point variables in groups of a run."""
    for group in groups:
        for node in run[group].subtree if group in run.children else ():
            for name, values in node.data_vars.items():
                if values.dtype.kind == "f":
                    yield f"{node.path}/{name}", values


def measured(path: str, measure: str) -> bool:
    """Whether a variable is among the noise, or no noise where that is not measured."""
    return path.rpartition("/")[2].startswith("noise") == (measure == "noise")


def deviation(found: xr.DataArray, expected: xr.DataArray) -> float:
    """The largest one, relative to the largest value; infinite where other values are missing."""
    if found.shape != expected.shape or not (np.isnan(found.values) == np.isnan(expected.values)).all():
        return np.inf
    largest = np.nanmax(np.abs(expected.values), initial=0.0)
    return float(np.nanmax(np.abs(found.values - expected.values), initial=0.0) / (largest or 1.0))


def versions(folder: Path) -> tuple[str, str]:
    """Packages, and the compiler, of the runs of a folder."""
    with nm.open_run(next(folder.glob("*.nc"))) as run:
        packages = f"Brian2 {run.attrs['brian2_version']}, NumPy {run.attrs['numpy_version']}"
        return packages, run.attrs["compiler"] if run.attrs["backend"] != "numpy" else ""


def version_of(python: str) -> str:
    """Of a Python."""
    told = subprocess.run([python, "-c", "import platform; print(platform.python_version())"], stdout=subprocess.PIPE)
    return told.stdout.decode().strip() or "none"


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("pythons", nargs="*", default=[sys.executable], help="of environments with the package")
    options.add_argument("--compilers", nargs="+", default=["g++", "clang++"])
    options.add_argument("--backends", nargs="+", default=["numpy", "cpp"], choices=("numpy", "cpp", "cython"))
    options.add_argument("--all", action="store_true", help="all compilers and instructions with every Python")
    options.add_argument("--keep", type=Path, help="a new folder for the runs")
    options.add_argument("--simulate", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--precision", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.simulate:
        simulate(asked.simulate, asked.backends[0], asked.precision)
        return
    with tempfile.TemporaryDirectory(prefix="neuro_mpc-platforms-") as place:
        report(asked, asked.keep or Path(place).resolve())


def report(asked: argparse.Namespace, folder: Path) -> None:
    start, faults, tried = time.perf_counter(), [], 0
    Combination(sys.executable, "numpy").run(reference := folder / "reference", "float64")
    print("| Python | packages | program | " + " | ".join(f"{m}, {p}" for p in PRECISIONS for m in MEASURED) + " |")
    print("|---" * (3 + len(PRECISIONS) * len(MEASURED)) + "|")
    for number, each in enumerate(combinations(asked.pythons, asked.backends, asked.compilers, asked.all)):
        packages, compiler, cells = "", each.command.partition(" ")[0], []
        for precision in PRECISIONS if not each.missing else ():
            place = folder / f"{number}-{precision}"
            try:
                each.run(place, precision)
                found = deviations(place, reference)
                packages, compiler = versions(place)
            except (nm.NeuroMPCError, OSError, subprocess.TimeoutExpired) as problem:
                faults.append(str(problem))
                found = dict.fromkeys(MEASURED, np.nan)
            tried += 1
            cells += [f"{value:.0e}" for value in found.values()]
            faults += [
                f"{each}, {precision}: {measure} deviate by {value:.1e}"
                for measure, value in found.items()
                if value > MOST_ROUNDINGS * np.finfo(precision).eps
            ]
        cells += [each.missing, *[""] * (len(PRECISIONS) * len(MEASURED) - 1)] if each.missing else []
        program = ", ".join(filter(None, (each.backend, compiler, each.instructions)))
        print(f"| {version_of(each.python)} | {packages} | {program} | " + " | ".join(cells) + " |", flush=True)
    print(f"\n{tried} combinations, three runs of each, {time.perf_counter() - start:.0f} s")
    print(
        *faults,
        f"{len(faults)} faults: runs that fail, or deviate by more than {MOST_ROUNDINGS:.0e} roundings",
        sep="\n",
    )
    if faults:
        sys.exit(1)


if __name__ == "__main__":
    main()
