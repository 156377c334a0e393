"""Reading all of a file in a process of its own, with limits of memory and time: a damaged one can crash netCDF."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import netCDF4

from neuro_mpc.examination.netcdf_lock import NETCDF
from neuro_mpc.examination.opening import NO_LOCK, UNLOCKED, chunking, opened, refuse_strange
from neuro_mpc.system import processes

DAMAGED = "it is damaged, or no netCDF file"
TOO_LARGE, TOO_SLOW = "reading it takes too much memory", "reading it takes too long"
# Beyond what Python and netCDF take; read are blocks of 4 million numbers.
MEMORY_BYTES, BLOCK_NUMBERS = 2**30, 2**22
SECONDS, BYTES_PER_SECOND = 15, 20e6
PATIENCE = 10  # times as long, as others may use the processor and the disk


def trouble_elsewhere(path: Path, data: bool = False) -> str:
    """As `trouble`, in a process of its own."""
    try:
        trial = processes.run(
            processes.python("neuro_mpc.examination.isolation", str(path.absolute()), *(["data"] if data else [])),
            environment={**processes.environment(), "OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            errors="replace",
            timeout=PATIENCE * _seconds(path),
        )
    except subprocess.TimeoutExpired:
        return TOO_SLOW
    return _reason(trial) if trial.returncode else ""


def trouble(path: Path, data: bool = False) -> str:
    """The reason why a file cannot be read in full; "" where it can. `data`: it is a data set, not a run."""
    try:
        refuse_strange(path, data)
        with NETCDF, opened(path, data=data) as file:
            _read_through(file)
        return ""
    except ValueError as problem:
        return str(problem)
    except MemoryError:
        return TOO_LARGE
    except OSError as problem:
        return UNLOCKED if problem.errno in NO_LOCK else DAMAGED
    except Exception:  # a damaged file makes netCDF stumble in many ways
        return DAMAGED


def _reason(trial: subprocess.CompletedProcess[str]) -> str:
    if hasattr(signal, "SIGXCPU") and trial.returncode == -signal.SIGXCPU:
        return TOO_SLOW
    return trial.stdout.strip() or DAMAGED


def _read_through(group: netCDF4.Dataset) -> None:
    for owner in (group, *group.variables.values()):
        vars(owner)  # reads the attributes
    for variable in group.variables.values():
        variable.set_auto_maskandscale(False)
        for block in blocks(variable.shape, chunking(variable) or [1] * variable.ndim, BLOCK_NUMBERS):
            variable[block]
    for inner in group.groups.values():
        _read_through(inner)


def blocks(shape: Sequence[int], chunk: Sequence[int], most: int) -> Iterator[tuple[slice, ...]]:
    """Parts of an array, of whole chunks, that hold `most` numbers or as few more as a chunk takes."""
    if not shape:
        yield ()
        return
    inner = max(1, math.prod(shape[1:]))
    whole = chunk[0] * inner <= most
    rows = max(1, most // (chunk[0] * inner)) * chunk[0] if whole else chunk[0]
    for start in range(0, shape[0], rows):
        part = slice(start, start + rows)
        if whole:
            yield (part, *(slice(size) for size in shape[1:]))
        else:
            yield from ((part, *rest) for rest in blocks(shape[1:], chunk[1:], max(1, most // rows)))


def _limit(path: Path) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    occupied = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _lower(resource, resource.RLIMIT_AS, occupied + MEMORY_BYTES)
    _lower(resource, resource.RLIMIT_CPU, math.ceil(_seconds(path)))


def _lower(resource, kind: int, limit: int) -> None:
    soft, hard = resource.getrlimit(kind)
    bounds = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(kind, (min([limit, *bounds]), hard))


def _seconds(path: Path) -> float:
    """Seconds of computing after which reading a file of this size is abandoned."""
    return SECONDS + path.stat().st_size / BYTES_PER_SECOND


if __name__ == "__main__":
    NETCDF.do_without_xarray()
    examined = Path(sys.argv[1])
    _limit(examined)
    print(problem := trouble(examined, data=sys.argv[2:] == ["data"]), flush=True)
    sys.exit(bool(problem))
