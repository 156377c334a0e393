"""Opening run files, also those that a crash left, and those of strangers."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import xarray as xr

from neuro_mpc import netcdf
from neuro_mpc.errors import RunFileError
from neuro_mpc.paths import partial_path, saved_path

# No more than this is won by zlib; a file that promises more is not what it seems.
MOST_COMPRESSION, SMALL_BYTES = 1100, 10_000_000
DAMAGED = "a copy of the file; what is left of an unfinished run can be gone on with: --resume"
LOCKED = "a file that is still being written opens with HDF5_USE_FILE_LOCKING=FALSE in the environment"


def open_run(path: str | os.PathLike[str], *, careful: bool = False) -> xr.DataTree:
    """Opens a run file lazily as an `xarray.DataTree`; `.close()` it, or use it in a `with` statement.

    A `<path>.partial` that a kill left half written is read from its checkpoint, with a warning.

    careful   read all of the file in a process of its own first: a damaged one can crash the netCDF library

    Raises RunFileError when the file is missing, cannot be read, or is no run file.
    """
    path = _whole(Path(path), careful)
    try:
        _refuse_bombs(path)
        run = xr.open_datatree(path, engine="netcdf4", decode_timedelta=False)
    except RunFileError:
        raise
    except Exception as problem:  # a damaged file makes netCDF and xarray stumble in many ways
        raise RunFileError(f"{path} cannot be read as a run file: {problem}", hint=LOCKED) from problem
    missing = [name for name in ("circuit", "protocol", "complete") if name not in run.attrs]
    if missing:
        run.close()
        raise RunFileError(f"{path} is not a run file: it has no attribute {', '.join(missing)}")
    return run


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Within, what netCDF cannot read from an open file becomes a RunFileError."""
    try:
        yield
    except (OSError, RuntimeError, MemoryError) as problem:
        raise RunFileError(f"{path} is damaged: {problem}", hint=DAMAGED) from problem


def _whole(path: Path, careful: bool) -> Path:
    """The path, or that of the checkpoint in its place."""
    if not path.is_file():
        left = next((left for left in (partial_path(path), saved_path(path)) if left.is_file()), None)
        raise RunFileError(f"{path} is not there", hint=f"open {left}, its unfinished run" if left else "")
    saved = saved_path(path.with_suffix("")) if path.suffix == ".partial" else None
    replaceable = saved is not None and saved.is_file()
    if not (careful or replaceable) or (_reads_elsewhere(path) if careful else netcdf.reads(path)):
        return path
    if not replaceable:
        raise RunFileError(f"{path} cannot be read as a run file: it is damaged, or no netCDF file", hint=DAMAGED)
    warnings.warn(f"{path} was left half written, or is being written: this is its last checkpoint, {saved}",
                  stacklevel=3)
    return saved


def _reads_elsewhere(path: Path) -> bool:
    """Whether a process of its own can read all of a file."""
    package = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([package, os.environ.get("PYTHONPATH", "")])}
    trial = [sys.executable, "-m", "neuro_mpc.netcdf", str(path)]
    return subprocess.run(trial, capture_output=True, env=environment).returncode == 0


def _refuse_bombs(path: Path) -> None:
    declared = netcdf.declared_bytes(path)
    if declared > MOST_COMPRESSION * path.stat().st_size + SMALL_BYTES:
        raise RunFileError(f"{path} declares {declared:,} bytes of data, which a file of its size cannot hold")
