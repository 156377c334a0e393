"""Control groups of Linux, which limit what a process may take: its own group and all that it is nested in.

Slurm, systemd and containers nest them, and any of them may have the smallest limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SYSTEM = Path("/")


class Mount(NamedTuple):
    """Where groups of a version are seen: that with the path `root`, and those in it, in the folder `point`."""

    version: int
    controllers: tuple[str, ...]
    root: Path
    point: Path


# Where the hierarchies lie if the system does not say: of version 2, of both versions, of version 1.
USUAL = (
    Mount(2, (), Path("/"), Path("/sys/fs/cgroup")),
    Mount(2, (), Path("/"), Path("/sys/fs/cgroup/unified")),
    Mount(1, ("memory",), Path("/"), Path("/sys/fs/cgroup/memory")),
    Mount(1, ("cpu",), Path("/"), Path("/sys/fs/cgroup/cpu")),
)


class MemoryFiles(NamedTuple):
    """Files of a group: its limits; what it uses, of which the named part of memory.stat can be given back."""

    limits: tuple[str, ...]
    used: str
    reclaimable: str


MEMORY = {
    2: MemoryFiles(("memory.max", "memory.high"), "memory.current", "inactive_file"),
    1: MemoryFiles(("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file"),
}

CPU = {2: ("cpu.max",), 1: ("cpu.cfs_quota_us", "cpu.cfs_period_us")}  # time granted, and in how much, in µs


def free_memory(system: Path = SYSTEM) -> Iterator[int]:
    """Bytes that each group with a limit still leaves."""
    for version, group in _groups("memory", system):
        files = MEMORY[version]
        numbers = [number for name in files.limits if (number := _number(group / name)) is not None]
        if numbers:
            taken = (_number(group / files.used) or 0) - _statistic(group / "memory.stat", files.reclaimable)
            yield max(0, min(numbers) - max(0, taken))


def cores(system: Path = SYSTEM) -> Iterator[int]:
    """Cores whose time each group with a limit grants, rounded up."""
    for version, group in _groups("cpu", system):
        files = [group / name for name in CPU[version]]
        # "max", or −1, is no limit.
        match [int(word) for file in files for word in _words(file) if word.isdigit()]:
            case [quota, period] if period:
                yield max(1, math.ceil(quota / period))


def _groups(controller: str, system: Path) -> Iterator[tuple[int, Path]]:
    """Versions and folders of the groups that may limit what `controller` controls."""
    paths = _paths(system)
    for mount in _mounts(system):
        if mount.version == 1 and controller not in mount.controllers:
            continue
        path = paths.get("" if mount.version == 2 else controller)
        if path is not None:
            inner = _inside(path, mount.root)
            for folder in (inner, *inner.parents):
                yield mount.version, system / mount.point.relative_to("/") / folder


def _paths(system: Path) -> dict[str, Path]:
    """The paths of this process's groups, by controller; that of version 2 by ""."""
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = ["0::/", "1:memory:/", "2:cpu:/"]
    fields = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    return {controller: Path(path) for _, names, path in fields for controller in names.split(",")}


def _mounts(system: Path) -> list[Mount]:
    try:
        lines = (system / "proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return list(USUAL)
    return [mount for line in lines if (mount := _mount(line))]


def _mount(line: str) -> Mount | None:
    """A line of mountinfo: number, parent, device, root, point, options … - kind, source, controllers; see proc(5)."""
    before, _, after = line.partition(" - ")
    place, kind = before.split(), after.split()
    if len(place) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
        return None
    root, point = (Path(name.replace("\\040", " ")) for name in place[3:5])
    return Mount(2 if kind[0] == "cgroup2" else 1, tuple(kind[2].split(",")), root, point)


def _inside(path: Path, root: Path) -> Path:
    """The folder of a group below the mounted one.

    A container may see the paths of the system around it, and none of their folders; ".." leads out of what it sees.
    """
    below = path.relative_to(root) if path.is_relative_to(root) else path
    return Path(*(part for part in below.parts if part not in ("/", "..")))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    """The number in a file; None where there is none, or it says "max"."""
    words = _words(path)
    return int(words[0]) if words and words[0].isdigit() else None


def _statistic(path: Path, name: str) -> int:
    """A number of a table of names and numbers; 0 where it is not there."""
    words = _words(path)
    table = dict(zip(words[::2], words[1::2], strict=False))
    return int(table[name]) if table.get(name, "").isdigit() else 0
