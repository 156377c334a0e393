"""The resources of this machine: memory that a process may still take, cores, and the speed of matrix products."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from neuro_mpc.system import control_groups

LEAST_REPEATED = 20
OF_LARGE_PRODUCTS = 0.75  # what small products reach of the speed of large ones, measured on one core


def free_memory() -> int | None:
    """Bytes that a process may still take: what is left in the machine, in its control groups and of its own limit;
    None where the system does not say."""
    return min(_limits(), default=None)


def _limits() -> Iterator[int]:
    try:
        entries = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        yield int(entries["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield from control_groups.free_memory()
    try:
        import resource
    except ImportError:
        return
    if (limit := resource.getrlimit(resource.RLIMIT_AS)[0]) != resource.RLIM_INFINITY:
        yield limit


def cores() -> int:
    """Cores that the system and the control groups of this process let it use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([usable, *control_groups.cores()]))


@cache
def products_per_second(dtype: str) -> float:
    """Multiplications per second of one core in large matrix products, from the fastest of several batches of small
    ones: large ones would be shared among threads, which wait for each other on a busy machine."""
    batch, rows, inner, columns = 8, 128, 40, 48
    left, right = np.ones((batch, rows, inner), dtype), np.ones((inner, columns), dtype)
    product = np.empty((batch, rows, columns), dtype)
    spent = []
    while len(spent) < LEAST_REPEATED or sum(spent) < 0.01:
        start = time.perf_counter()
        np.matmul(left, right, out=product)
        spent.append(time.perf_counter() - start)
    return batch * rows * inner * columns / min(spent) / OF_LARGE_PRODUCTS
