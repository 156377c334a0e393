"""The folder of what is compiled or derived once, also where there is no home folder, or none that can be written."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

FALLBACK = "compiled programs are kept in {folder}, as {usual} cannot be written; NEURO_MPC_CACHE names another folder"


def cache_directory() -> Path:
    """$NEURO_MPC_CACHE, or the user's cache folder, or one for temporary files where that cannot be written."""
    if chosen := os.environ.get("NEURO_MPC_CACHE"):
        return Path(chosen).absolute()
    usual = _usual()
    return usual if usual is not None and _can_be_written(usual) else _temporary()


def fallback() -> str:
    """What to tell of a cache that is not where it usually is; "" where it is."""
    folder, usual = cache_directory(), _usual()
    if os.environ.get("NEURO_MPC_CACHE") or folder == usual:
        return ""
    return FALLBACK.format(folder=folder, usual=usual or "a home folder")


def _usual() -> Path | None:
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # a user without a home folder
        return None
    return (Path(base) / "neuro_mpc").absolute()


def _can_be_written(folder: Path) -> bool:
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _temporary() -> Path:
    """A folder that outlives this process, if it is ours alone: programs of others must not be run."""
    shared = Path(tempfile.gettempdir()) / f"neuro_mpc-{os.getuid()}"
    try:
        shared.mkdir(mode=0o700, exist_ok=True)
        found = shared.lstat()
    except OSError:
        return _of_this_process()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return shared if ours else _of_this_process()


@cache
def _of_this_process() -> Path:
    folder = tempfile.mkdtemp(prefix="neuro_mpc-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
