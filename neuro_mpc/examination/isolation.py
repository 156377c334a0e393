"""Reading all of a file in a process of its own, with limits of memory and time: a damaged one can crash netCDF."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
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
    except processes.StartError as problem:
        return f"{problem.strerror} in which to read it first"
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


def why_ended(status: int) -> str:
    """The reason why a process that read files ended before it had read them, by its exit status."""
    return TOO_SLOW if hasattr(signal, "SIGXCPU") and status == -signal.SIGXCPU else DAMAGED


def _reason(trial: subprocess.CompletedProcess[str]) -> str:
    ended = why_ended(trial.returncode)
    return ended if ended == TOO_SLOW else trial.stdout.strip() or ended


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


def limit_memory(sizes: Path = Path("/proc/self/statm")) -> None:
    """From now on, this process may take little more memory than it has; there is no limit where the system does not
    say how much that is, as macOS does not."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        occupied = int(sizes.read_text().split()[0]) * resource.getpagesize()
        _set(resource, resource.RLIMIT_AS, min(occupied + MEMORY_BYTES, _soft(resource, resource.RLIMIT_AS)))


def time_allowed() -> float:
    """Seconds that this process may compute in its whole life."""
    try:
        import resource
    except ImportError:  # not on Windows
        return math.inf
    return _soft(resource, resource.RLIMIT_CPU)


def limit_time(path: Path, most: float) -> None:
    """From now on, this process may compute for as long as reading a file of this size takes, and for `most` seconds of
    its whole life; OSError where there is no file."""
    seconds = math.ceil(time.process_time() + _seconds(path))
    with suppress(ImportError):
        import resource

        _set(resource, resource.RLIMIT_CPU, min(seconds, most))


def _soft(resource, kind: int) -> float:
    limit = resource.getrlimit(kind)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit


def _set(resource, kind: int, limit: float) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (int(limit if hard == resource.RLIM_INFINITY else min(limit, hard)), hard))


def _seconds(path: Path) -> float:
    """Seconds of computing after which reading a file of this size is abandoned."""
    return SECONDS + path.stat().st_size / BYTES_PER_SECOND


if __name__ == "__main__":
    NETCDF.do_without_xarray()
    examined = Path(sys.argv[1])
    limit_memory()
    limit_time(examined, time_allowed())
    print(problem := trouble(examined, data=sys.argv[2:] == ["data"]), flush=True)
    sys.exit(bool(problem))
