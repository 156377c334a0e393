"""The runs of a folder: what each was, and how far it came, read by another process, which a damaged file may end.

python -m neuro_mpc.runfile.catalogue     takes paths as lines of JSON, and prints an entry for each
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import netCDF4
import numpy as np

from neuro_mpc import machine
from neuro_mpc.errors import NeuroMPCError, RunFileError
from neuro_mpc.examination import isolation
from neuro_mpc.examination.netcdf_lock import NETCDF
from neuro_mpc.runfile.attributes import attribute_of
from neuro_mpc.runfile.finished import measure_of
from neuro_mpc.runfile.labels import LOWER_IS_BETTER
from neuro_mpc.runfile.reading import SWEEP, opened_run
from neuro_mpc.runfile.write_errors import failures_reported
from neuro_mpc.system import processes

FILES_OF_A_PROCESS, MOST_PROCESSES = 20, 4  # starting one takes as long as reading so many; each may take a GiB
PATTERNS = ("*.nc", "*.nc.partial")
UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, MemoryError)


@dataclass(frozen=True)
class Entry:
    """A run of a folder; `trouble` says why a file cannot be read, and is "" where it can.

    measure     that of the task; `last` is its value after learning, or of the last test, `best` that of the best test
    experiment  the kind of an experiment on a trained circuit, "" for a training
    """

    file: str
    circuit: str = ""
    protocol: str = ""
    seed: int | None = None
    backend: str = ""
    presentations: int | None = None
    measure: str = ""
    last: float | None = None
    best: float | None = None
    experiment: str = ""
    complete: bool = False
    trouble: str = ""


def catalogue(folder: Path) -> list[Entry]:
    """An entry for each run file in a folder and those inside it, by path; RunFileError where there is no folder."""
    if not folder.is_dir():
        hint = f"the folder that it lies in: {folder.parent}" if folder.is_file() else ""
        raise RunFileError(f"{folder} is not a folder", hint=hint)
    with failures_reported(folder):
        return read(folder, run_files(folder))


def run_files(folder: Path) -> list[str]:
    """The paths of the run files below a folder, relative to it; those of runs that are under way, too."""
    found = {path.relative_to(folder).as_posix() for pattern in PATTERNS for path in folder.rglob(pattern)}
    return sorted(path for path in found if Path(path).name != SWEEP and os.path.isfile(folder / path))


def read(folder: Path, files: Sequence[str]) -> list[Entry]:
    """An entry for each file, in their order, read by as many processes as are worth their start."""
    number = max(1, min(machine.cores(), MOST_PROCESSES, len(files) // FILES_OF_A_PROCESS))
    ended: SimpleQueue[tuple[int, list[Entry] | Exception]] = SimpleQueue()

    def share(place: int) -> None:
        try:
            ended.put((place, _read(folder, files[place::number])))
        except Exception as problem:  # raised where it was asked for
            ended.put((place, problem))

    for place in range(1, number):
        threading.Thread(target=share, args=(place,), daemon=True).start()  # Ctrl-C need not wait for them
    share(0)
    entries: list[Entry | None] = [None] * len(files)
    for place, found in (ended.get() for _ in range(number)):
        if isinstance(found, Exception):
            raise found
        entries[place::number] = found
    return [entry for entry in entries if entry]


def _read(folder: Path, files: Sequence[str]) -> list[Entry]:
    """An entry for each file; one that ends the process that reads it is told as damaged, and the next one reads on."""
    entries: list[Entry] = []
    while len(entries) < len(files):
        waiting = list(files[len(entries) :])
        done = processes.run(
            processes.python("neuro_mpc.runfile.catalogue", str(folder.absolute())),
            environment={**processes.environment(), "OPENBLAS_NUM_THREADS": "1"},
            text="".join(f"{json.dumps(file)}\n" for file in waiting),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            universal_newlines=True,
        )
        entries += [Entry(**json.loads(line)) for line in done.stdout.splitlines() if line.endswith("}")]
        if len(entries) < len(files):
            entries.append(Entry(files[len(entries)], trouble=isolation.why_ended(done.returncode)))
    return entries


def entry_of(folder: Path, file: str) -> Entry:
    """What a run file says of itself."""
    try:
        with opened_run(folder / file) as run:
            return _described(file, run)
    except NeuroMPCError as error:
        return Entry(file, trouble=str(error).splitlines()[0].removeprefix(str(folder / file)).lstrip(": "))
    except UNREADABLE as problem:
        return Entry(file, trouble=f"{isolation.DAMAGED}: {problem}")


def _described(file: str, run: netCDF4.Dataset) -> Entry:
    learning, evaluation, experiment = (run.groups.get(name) for name in ("learning", "evaluation", "experiment"))
    circuit, protocol = (tomllib.loads(_attribute(run, kind)) for kind in ("circuit", "protocol"))
    tests, evaluated = ({} if group is None else group.variables for group in (learning, evaluation))
    measure, last = next(iter(measure_of(protocol, tests, evaluated).items()), ("", None))
    return Entry(
        file,
        circuit=str(circuit.get("name", "")),
        protocol=str(protocol.get("name", "")),
        seed=_attribute(run, "seed", None),
        backend=str(run.getncattr("backend")) if "backend" in run.ncattrs() else "",
        presentations=None if learning is None else _length(learning, "presentation"),
        measure=measure,
        last=_number(last),
        best=_number(_best(tests[measure], measure)) if measure else None,
        experiment="" if experiment is None else _attribute(experiment, "kind", ""),
        complete=bool(_attribute(run, "complete")),
    )


def _attribute(group: netCDF4.Dataset | netCDF4.Group, name: str, *default: Any) -> Any:
    """An attribute of the kind that runs write, or `default` where there is none; RunFileError for any other."""
    try:
        return attribute_of({each: group.getncattr(each) for each in group.ncattrs()}, name, *default)
    except ValueError as problem:
        of = f" of {group.path.strip('/')}" if group.path != "/" else ""
        raise RunFileError(f"the attribute {name}{of} is {problem}") from None


def _length(group: netCDF4.Group, dimension: str) -> int:
    return len(group.dimensions[dimension]) if dimension in group.dimensions else 0


def _best(tests: netCDF4.Variable, measure: str) -> float:
    values = np.asarray(tests[...], float)
    if np.isnan(values).all():
        return float("nan")
    return float((np.nanmin if measure in LOWER_IS_BETTER else np.nanmax)(values))


def _number(value: float | None) -> float | None:
    """As JSON has it: one that is not finite is none."""
    return value if value is not None and np.isfinite(value) else None


if __name__ == "__main__":
    NETCDF.do_without_xarray()
    below, allowed = Path(sys.argv[1]), isolation.time_allowed()
    isolation.limit_memory()
    for name in map(json.loads, sys.stdin):
        isolation.limit_time(below / name, allowed)
        print(json.dumps(dataclasses.asdict(entry_of(below, name))), flush=True)
