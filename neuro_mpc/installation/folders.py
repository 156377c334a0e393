"""The folders of compiled programs, of data and of temporary files, and what this machine has left."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from neuro_mpc import machine
from neuro_mpc.installation.finding import Finding
from neuro_mpc.runs.quantities import in_bytes
from neuro_mpc.stimuli.files import downloads
from neuro_mpc.system import cache_folder

LITTLE_ROOM = 500e6


def examined() -> Iterator[Finding]:
    """The cache, data of the user, downloads, temporary files, memory and cores."""
    yield cache()
    yield data_folder(os.environ.get("NEURO_MPC_DATA"))
    yield writable("downloads", downloads(""), "another folder: XDG_CACHE_HOME")
    yield writable("temporary files", Path(tempfile.gettempdir()), "another folder: TMPDIR")
    yield resources()


def cache() -> Finding:
    """The folder of compiled programs."""
    folder = cache_folder.cache_directory()
    hint = "another folder: NEURO_MPC_CACHE"
    found = writable("cache", folder, hint)
    if found.state == "failed":
        return found
    if told := cache_folder.fallback():
        return Finding("cache", "absent", told, hint)
    if not folder.is_dir():
        return found
    programs = [path.parent for path in folder.glob("*/manifest.json")]
    size = in_bytes(sum(_size(path) for program in programs for path in program.rglob("*")))
    return Finding("cache", "ok", f"{found.found}, {_counted(len(programs), 'compiled program')} of {size}")


def data_folder(named: str | None) -> Finding:
    """The folder where data files are looked for before all others."""
    if named is None:
        return Finding("data folder", "absent", "NEURO_MPC_DATA names none; protocols may, as data_dir")
    folder = Path(named).expanduser()
    if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):
        return Finding("data folder", "ok", f"{folder} (NEURO_MPC_DATA), {len(list(folder.iterdir())):,} entries")
    return Finding("data folder", "failed", f"{folder} is no folder that can be read", f"mkdir -p {folder}")


def writable(name: str, folder: Path, hint: str) -> Finding:
    """A folder that can be written to, and has room; one that is not there can be made."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(name, "failed", f"{there} cannot be written", hint)
    free = shutil.disk_usage(there).free
    held = f"{folder}, {in_bytes(free)} free" if folder.is_dir() else f"{folder}, not yet there"
    if free < LITTLE_ROOM:
        return Finding(name, "failed", held, f"free space on its disk, or {hint}")
    return Finding(name, "ok", held)


def resources() -> Finding:
    """Cores and memory that a run may take."""
    free = machine.free_memory()
    memory = f", {in_bytes(free)} of memory free" if free is not None else ""
    return Finding("machine", "ok", f"{_counted(machine.cores(), 'core')}{memory}")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # another process has just removed it
        return 0
