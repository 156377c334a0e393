"""Where the files of a run lie, and whether they can lie there."""

from __future__ import annotations

import os
from pathlib import Path

from neuro_mpc.errors import RunError


def partial_path(path: Path) -> Path:
    """The name that a run file has until its run is complete."""
    return path.with_name(f"{path.name}.partial")


def saved_path(path: Path) -> Path:
    """The name of the checkpoint of a run file; it opens as a run file, too."""
    return path.with_name(f"{path.name}.checkpoint")


def check_folder(path: Path) -> None:
    """Raises RunError where no run file can be written to `path`."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise RunError(f"{path}: the folder {folder} is not there", hint=f"mkdir -p {folder}")
    if path.is_dir():
        raise RunError(f"{path} is a folder", hint=f"a file name, such as {path / 'run.nc'}")
    if not os.access(folder, os.W_OK):
        raise RunError(f"{path}: the folder {folder} is not writable", hint="another path")


def refuse_existing(path: Path, *unfinished: Path) -> None:
    """Raises RunError where a run file is, or what is left of an unfinished one."""
    if path.exists():
        raise RunError(f"{path} is already there", hint="another path, or --overwrite to replace it")
    for left in filter(Path.exists, unfinished):
        hint = "--resume to go on with it, --overwrite to replace it, or another path"
        raise RunError(f"{left} is left from an unfinished run", hint=hint)
