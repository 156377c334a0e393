"""Where the files of a run lie, and whether they can lie there."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from neuro_mpc import files
from neuro_mpc.errors import RunError

# What is kept free to close a run file in order.
RESERVE_BYTES = 2**20


def partial_path(path: Path) -> Path:
    """The name that a run file has until its run is complete."""
    return path.with_name(f"{path.name}.partial")


def saved_path(path: Path) -> Path:
    """The name of the checkpoint of a run file; it opens as a run file, too."""
    return path.with_name(f"{path.name}.checkpoint")


def lock_path(path: Path) -> Path:
    """The name of the file that is locked while a run writes to `path`."""
    return path.with_name(f"{path.name}.lock")


def refuse_links(path: Path) -> None:
    """Raises RunError where what a run of `path` writes to on its way would change a file elsewhere."""
    for each in (partial_path(path), saved_path(path), lock_path(path)):
        if files.is_link(each):
            raise RunError(f"{each} is a link to another file, which the run would change", hint="remove the link")


def check_folder(path: Path) -> None:
    """Raises RunError where no run file can be written to `path`."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise RunError(f"{path}: the folder {folder} is not there", hint=f"mkdir -p {folder}")
    if path.is_dir():
        raise RunError(f"{path} is a folder", hint=f"a file name, such as {path / 'run.nc'}")
    if not os.access(folder, os.W_OK):
        raise RunError(f"{path}: the folder {folder} is not writable", hint="another path")
    try:
        require_room(path, 0)
    except OSError as problem:
        raise RunError(
            f"{path} cannot be written: {problem.strerror}", hint="free space on the disk, or a path on another one"
        ) from None


def require_room(path: Path, size: int) -> None:
    """Raises OSError where so many more bytes would leave too little room to close the file in order."""
    free = free_disk(path)
    if free < size + RESERVE_BYTES:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}, {free / 2**20:.1f} MiB are left")


def free_disk(path: Path) -> int:
    """Bytes that may still be written beside `path`."""
    return shutil.disk_usage(path.absolute().parent).free


def refuse_existing(path: Path, *unfinished: Path) -> None:
    """Raises RunError where a run file is, or what is left of an unfinished one."""
    if path.exists():
        raise RunError(f"{path} is already there", hint="another path, or --overwrite to replace it")
    for left in filter(Path.exists, unfinished):
        hint = "--resume to go on with it, --overwrite to replace it, or another path"
        raise RunError(f"{left} is left from an unfinished run", hint=hint)
