"""Opening run files, also those that a crash left, and those of strangers."""

from __future__ import annotations

import os
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import netCDF4

from neuro_mpc.descriptions import shipped
from neuro_mpc.errors import RunFileError, file_beside
from neuro_mpc.examination import isolation, opening
from neuro_mpc.examination.netcdf_lock import NETCDF
from neuro_mpc.examination.opening import refuse_strange
from neuro_mpc.runfile import file_format
from neuro_mpc.runfile.paths import partial_path, saved_path

if TYPE_CHECKING:
    import xarray as xr

Opened = TypeVar("Opened")
DAMAGED = "a copy of the file; an unfinished run can be continued: --resume"
SWEEP = "sweep.nc"
OF_SWEEPS = (b"seed", b"complete", b"error", b"file")  # variables at the root of its combined file
FILES_IN_HINT = 3
NO_RUN = "a file that neuro-mpc run or nm.simulate has written"


def open_run(path: str | os.PathLike[str], *, careful: bool = False) -> xr.DataTree:
    """Open a run file lazily.

    Close the run with its method `close`, or use it in a ``with`` statement. A ``<path>.partial`` that a kill left half
    written is read from its checkpoint, with a warning. A file to which a later version added what this one does not
    know is read with a warning, too.

    Parameters
    ----------
    path : str or path
        The run file.
    careful : bool, optional
        Read all of the file in a separate process first: a damaged one can crash the netCDF library.

    Returns
    -------
    xarray.DataTree
        The run.

    Raises
    ------
    RunFileError
        The file is missing, cannot be read, is no run file, or is of a format that only later versions read.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> with nm.open_run("run.nc") as run:
    ...     print(sorted(run["synapses"].children))
    ['input', 'output', 'recurrent']
    """
    if not isinstance(path, (str, os.PathLike)):
        raise RunFileError(f"{type(path).__name__} is not the path of a run file", hint="a path, such as 'run.nc'")
    path, run = _opened_by(_opened, Path(path), careful)
    try:
        _refuse_others(path, run.attrs)
        newer = file_format.unread(path, run.attrs, run.children)
    except RunFileError:
        run.close()
        raise
    if newer:
        warnings.warn(newer, stacklevel=2)
    return run


@contextmanager
def opened_run(path: Path) -> Iterator[netCDF4.Dataset]:
    """As `open_run`, for what is read of the file within, and without xarray: that makes a tree of all of it."""
    with NETCDF:
        place, file = _opened_by(opening.opened_sound, path, careful=False)
        with file, reading(place):
            attributes = {name: file.getncattr(name) for name in file.ncattrs()}
            _refuse_others(place, attributes)
            if newer := file_format.unread(place, attributes, file.groups):
                warnings.warn(newer, stacklevel=3)
            file.set_auto_mask(False)
            yield file


def _opened_by(open_file: Callable[[Path], Opened], path: Path, careful: bool) -> tuple[Path, Opened]:
    """What a run file, or the checkpoint in its place, is opened as, and its path."""
    try:
        path = _readable(path, careful)
    except OSError as problem:
        raise _no_run(path, f"cannot be read: {problem.strerror or problem}") from problem
    try:
        return path, open_file(path)
    except Exception as problem:  # a damaged file makes netCDF and xarray stumble in many ways
        raise _no_run(path, f"cannot be read as a run file: {opening.reason(problem)}") from problem


@contextmanager
def as_run(run: xr.DataTree | str | os.PathLike[str]) -> Iterator[xr.DataTree]:
    """A run as it is, or that of a file, which is closed again."""
    import xarray as xr  # takes a second to import, and a run that is written is not read

    if isinstance(run, xr.DataTree):
        yield run
        return
    with open_run(run) as tree:
        yield tree


def _no_run(path: Path, problem: str, hint: str = "") -> RunFileError:
    """The error of a file that is no run file; that of a sweep is told as what it is."""
    if _sums_up_a_sweep(path):
        members = _run_files(path.parent, path.name)
        hint = f"one of its members: {members}; xarray.open_dataset({path.name!r}) reads all of them in one"
        return RunFileError(f"{path} sums up a sweep, it is no run file", hint=hint)
    return RunFileError(f"{path} {problem}", hint=hint)


def _sums_up_a_sweep(path: Path) -> bool:
    """Whether a file has the variables of a combined file, whatever its name; of one that cannot be opened, the name
    decides. Links are not followed."""
    from h5py import h5g  # takes a tenth of a second  # pyright: ignore[reportAttributeAccessIssue]

    from neuro_mpc.examination.open_file import open_file

    try:
        with open_file(path) as file:
            root = h5g.open(file, b"/")
            return all(root.links.exists(name) for name in OF_SWEEPS)
    except (OSError, RuntimeError, ValueError, KeyError):  # of damage, h5py raises what HDF5 calls it
        return path.name == SWEEP


def _run_files(folder: Path, but: str = SWEEP) -> str:
    """Some of the run files in a folder, for a hint."""
    names = sorted(file.name for file in folder.glob("*.nc") if file.name not in (SWEEP, but))
    return ", ".join(names[:FILES_IN_HINT]) + (
        f" and {len(names) - FILES_IN_HINT} more" if len(names) > FILES_IN_HINT else ""
    )


def _opened(path: Path) -> xr.DataTree:
    """The tree of a file whose structure is that of a run file."""
    from neuro_mpc.runfile.tree import open_tree  # xarray takes a second to import, and a run reads no tree

    with NETCDF:
        refuse_strange(path)
        return open_tree(path)


def _refuse_others(path: Path, attributes: Mapping[Any, Any]) -> None:
    """RunFileError for a file that is no run file, or one of a format that this version does not read, by the
    attributes of its root."""
    file_format.refuse_unknown(path, attributes)
    if missing := [name for name in ("circuit", "protocol", "complete") if not _has_attribute(attributes, name)]:
        raise _no_run(path, f"is not a run file: it has no attribute {', '.join(missing)} that can be read", NO_RUN)


def _has_attribute(attributes: Mapping[Any, Any], name: str) -> bool:
    """Whether a run has an attribute, and the description of a circuit or a protocol is TOML."""
    if name in attributes and name != "complete":
        try:
            tomllib.loads(attributes[name])
        except (TypeError, ValueError, RecursionError, AttributeError):
            return False
    return name in attributes


def attributes(path: Path) -> dict[str, str]:
    """The root attributes of a run file as text; RunFileError where it cannot be read."""
    try:
        with NETCDF, opening.opened(path) as file:
            found = {name: str(file.getncattr(name)) for name in file.ncattrs()}
    except (OSError, RuntimeError, ValueError) as problem:
        raise RunFileError(
            f"{path} cannot be read as a run file: {problem}",
            hint="remove it, or --overwrite, to run it again; or another path",
        ) from problem
    file_format.refuse_unknown(path, found)
    return found


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Within, what netCDF cannot read from an open file becomes a RunFileError."""
    try:
        yield
    except (OSError, RuntimeError, MemoryError) as problem:
        raise RunFileError(f"{path} is damaged: {problem}", hint=DAMAGED) from problem


def _in_its_place(path: Path) -> str:
    """What may be meant by the path of a run file that is not there."""
    for unfinished in (partial_path(path), saved_path(path)):
        if unfinished.is_file():
            return f"open {unfinished}, its unfinished run"
    for kind in ("circuit", "protocol"):
        if path.name in shipped.files(kind):
            return f"a run file: {path.name} is a {kind} that comes with the package"
    return file_beside(path, ".nc")


def _readable(path: Path, carefully: bool) -> Path:
    """The path, or that of the checkpoint in its place."""
    if path.is_dir():
        content = _run_files(path)
        raise RunFileError(f"{path} is a folder, not a run file", hint=f"in it are: {content}" if content else "")
    if not path.is_file():
        raise RunFileError(f"{path} is not there", hint=_in_its_place(path))
    saved = saved_path(path.with_suffix("")) if path.suffix == ".partial" else None
    replaceable = saved is not None and saved.is_file()
    # Where a power cut tears a file, HDF5 can search it without end.
    trouble = isolation.trouble_elsewhere(path) if carefully or replaceable else ""
    if not trouble:
        return path
    if saved is None or trouble == opening.UNLOCKED:
        raise _no_run(path, f"cannot be read as a run file: {trouble}", "" if trouble == opening.UNLOCKED else DAMAGED)
    warnings.warn(
        f"{path} was left half written, or is being written: this is its last checkpoint, {saved}", stacklevel=3
    )
    return saved
