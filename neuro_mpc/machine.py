"""What this machine has to give: memory that a process may still take, and the speed of its matrix products."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

CGROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)
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
    for limit, used in CGROUPS:
        with suppress(OSError, ValueError):  # there is none, or it says "max"
            yield max(0, int(limit.read_text()) - int(used.read_text()))
    try:
        import resource
    except ImportError:
        return
    if (limit := resource.getrlimit(resource.RLIMIT_AS)[0]) != resource.RLIM_INFINITY:
        yield limit


def products_per_second(dtype: str) -> float:
    """Multiplications per second of one core in matrix products; the fastest of several."""
    # Larger matrices would be shared among threads, which wait for each other on a busy machine.
    size = 60
    left, right = np.ones((size, size), dtype), np.ones((size, size), dtype)
    spent = []
    while len(spent) < LEAST_REPEATED or sum(spent) < 0.01:
        start = time.perf_counter()
        left @ right
        spent.append(time.perf_counter() - start)
    return size**3 / min(spent)
