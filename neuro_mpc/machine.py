"""The resources of this machine: memory that a process may still take, and the speed of matrix products."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# Where groups are mounted; their limits; what they use, of which the named part of memory.stat can be given back.
VERSION_2 = ("sys/fs/cgroup", ("memory.max", "memory.high"), "memory.current", "inactive_file")
HYBRID = ("sys/fs/cgroup/unified", *VERSION_2[1:])
VERSION_1 = ("sys/fs/cgroup/memory", ("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file")
LEAST_REPEATED = 20


def free_memory() -> int | None:
    """Bytes that a process may still take: what is left in the machine, in its control group and of its own limit;
    None where the system does not say."""
    return min(_limits(), default=None)


def _limits() -> Iterator[int]:
    try:
        entries = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        yield int(entries["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield from left_in_groups()
    try:
        import resource
    except ImportError:
        return
    if (limit := resource.getrlimit(resource.RLIMIT_AS)[0]) != resource.RLIM_INFINITY:
        yield limit


def left_in_groups(root: Path = Path("/")) -> Iterator[int]:
    """Bytes that the control groups of this process may still take, each: its own and all around it.

    Slurm, systemd and containers nest them, and any of them may have the smallest limit.
    """
    for path, versions in _groups(root):
        for mount, limits, used, reclaimable in versions:
            for folder in (path, *path.parents):
                group = root / mount / folder
                numbers = [number for name in limits if (number := _number(group / name)) is not None]
                if numbers:
                    taken = (_number(group / used) or 0) - _statistic(group / "memory.stat", reclaimable)
                    yield max(0, min(numbers) - max(0, taken))


def _groups(root: Path) -> Iterator[tuple[Path, tuple]]:
    """The paths of this process's groups that may limit its memory, and the versions of control groups they are of."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = ["0::/", "1:memory:/"]
    for number, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        # A path with ".." is that of a group outside of what the container sees.
        inside = Path(*(part for part in Path(path).parts if part not in ("/", "..")))
        if number == "0":
            yield inside, (VERSION_2, HYBRID)
        elif "memory" in controllers.split(","):
            yield inside, (VERSION_1,)


def _number(path: Path) -> int | None:
    """The number in a file; None where there is none, or it says "max"."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _statistic(path: Path, name: str) -> int:
    try:
        table = dict(line.split() for line in path.read_text().splitlines())
        return int(table.get(name, 0))
    except (OSError, ValueError):
        return 0


def products_per_second(dtype: str) -> float:
    """Multiplications per second of one core in matrix products; the fastest of several."""
    # Larger matrices would be shared among threads, which wait for each other on a busy machine.
    size = 60
    left, right = np.ones((size, size), dtype), np.ones((size, size), dtype)
    spent = []
    while len(spent) < LEAST_REPEATED or sum(spent) < 0.01:
        start = time.perf_counter()
        np.matmul(left, right)
        spent.append(time.perf_counter() - start)
    return size**3 / min(spent)
