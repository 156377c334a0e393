"""Opening recordings: what a stranger's file holds is read, what it refers to is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from neuro_mpc.errors import RunFileError
from neuro_mpc.examination.netcdf_lock import NETCDF

if TYPE_CHECKING:
    from neuro_mpc.examination.inside import Inside

SUFFIX = ".nwb"


def is_recording(path: str | os.PathLike[str]) -> bool:
    """Whether this is the path of a recording; other paths are those of runs."""
    return SUFFIX in Path(path).suffixes  # that of a folder is .nwb.zarr


@contextmanager
def opened(path: Path) -> Iterator[Inside]:
    """A recording; RunFileError, with its path, where it is none, or something in it is not as it should be."""
    from neuro_mpc.examination import inside  # h5py takes a tenth of a second to import

    _refuse_missing(path)
    try:
        with NETCDF, inside.opened(path) as file:
            if file.attribute("", "nwb_version") is None:
                raise ValueError("it has no attribute nwb_version")
            yield file
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, MemoryError) as problem:
        what = problem.args[0] if isinstance(problem, KeyError) and problem.args else problem
        raise RunFileError(f"{path} cannot be read as a recording: {what}") from problem
    except RunFileError as problem:
        raise RunFileError(f"{path}: {problem.problem}", hint=problem.hint) from problem


def _refuse_missing(path: Path) -> None:
    if path.is_dir():
        hint = f"a file {SUFFIX}; from a Zarr store hdmf_zarr exports one"
        raise RunFileError(f"{path} is a folder; recordings are read from files of HDF5", hint=hint)
    if not path.is_file():
        raise RunFileError(f"{path} is not there")
