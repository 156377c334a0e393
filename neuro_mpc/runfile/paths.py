"""The paths of the files of a run, and whether they can be written."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from neuro_mpc.errors import RunError
from neuro_mpc.system import files

# Free space that closing a run file takes.
RESERVE_BYTES = 2**20
OTHER_ENDINGS = frozenset(
    {
        *(".toml", ".yaml", ".yml", ".json", ".ini", ".cfg", ".xml"),
        *(".txt", ".csv", ".tsv", ".md", ".rst", ".tex", ".html", ".htm", ".log"),
        *(".py", ".ipynb", ".sh", ".m", ".r", ".c", ".cpp", ".h"),
        *(".png", ".pdf", ".svg", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".eps"),
        *(".npz", ".npy", ".pkl", ".mat", ".zarr", ".nwb", ".parquet", ".xlsx", ".pt", ".onnx"),
        *(".zip", ".gz", ".tar", ".tgz", ".bz2", ".xz", ".7z"),
        *(".partial", ".checkpoint", ".lock"),
    }
)
"""Those of files that no run file is: most likely something else was meant to stand there."""


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
    """Raises RunError where a file that a run of `path` writes to is a link to a file elsewhere."""
    for name in (partial_path(path), saved_path(path), lock_path(path)):
        if files.is_link(name):
            raise RunError(f"{name} is a link to another file, which the run would change", hint="remove the link")


def refuse_other_endings(path: Path) -> None:
    """Raises RunError for a name that says that a file is no run file."""
    if path.suffix.lower() in OTHER_ENDINGS:
        hint = path.with_name(f"{path.stem.removesuffix('.nc')}.nc")
        raise RunError(f"{path}: a run file is netCDF, not {path.suffix}", hint=str(hint))


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
    """Raises OSError where `size` more bytes would leave too little room to close the file cleanly."""
    free = free_disk(path)
    if free < size + RESERVE_BYTES:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}, {free / 2**20:.1f} MiB are left")


def free_disk(path: Path) -> int:
    """Bytes that may still be written beside `path`."""
    return shutil.disk_usage(path.absolute().parent).free


def refuse_existing(path: Path, *unfinished: Path) -> None:
    """Raises RunError where a run file exists, or the files of an unfinished run do."""
    if path.exists():
        raise RunError(f"{path} exists already", hint="another path, or --overwrite to replace it")
    for file in filter(Path.exists, unfinished):
        hint = "--resume to continue it, --overwrite to replace it, or another path"
        raise RunError(f"{file} is left from an unfinished run", hint=hint)
