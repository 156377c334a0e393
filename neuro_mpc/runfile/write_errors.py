"""Failures to write a run file, as errors that say what to try."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from neuro_mpc.errors import RunError, without_memory
from neuro_mpc.examination.netcdf_lock import NETCDF
from neuro_mpc.examination.opening import reason
from neuro_mpc.system import processes

CANNOT_WRITE = (
    "free space on the disk, or another folder that can be written; "
    "--resume continues from the last checkpoint, if there is one"
)

LESS_MEMORY = (
    "a smaller learning.batch, smaller populations, fewer recording.samples, or more free memory; "
    "--resume continues from the last checkpoint, if there is one"
)

TOO_MANY_FILES = "a higher limit of open files (ulimit -n), then --resume"


class HasPartial(Protocol):
    """A writer of a file that is `partial` until it is complete."""

    partial: Path


Writer = TypeVar("Writer", bound=HasPartial)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def writes(
    method: Callable[Concatenate[Writer, Arguments], Result],
) -> Callable[Concatenate[Writer, Arguments], Result]:
    """A method of a writer, with the library locked: failures of netCDF and of the system become a RunError."""

    @functools.wraps(method)
    def locked(self: Writer, *args: Arguments.args, **options: Arguments.kwargs) -> Result:
        try:
            with NETCDF:
                return method(self, *args, **options)
        except FileNotFoundError as problem:
            raise RunError(
                f"{self.partial} does not exist any more: it was removed during the run",
                hint="--resume continues from the last checkpoint, if that still exists",
            ) from problem
        except (OSError, RuntimeError) as problem:
            raise unwritten(self.partial, problem) from problem

    return locked


@contextmanager
def failures_reported(path: Path) -> Iterator[None]:
    """Within, what the system answers about the files of a run, or those in a folder of runs, becomes a RunError.

    So does that it starts no process, or gives no more memory.
    """
    try:
        yield
    except MemoryError as problem:
        raise RunError(without_memory(problem), hint=LESS_MEMORY) from problem
    except processes.StartError as problem:
        raise RunError(str(problem.strerror), hint=problem.hint) from problem
    except OSError as problem:
        if not isinstance(problem.filename, str) or not _belongs(Path(problem.filename), path.absolute()):
            raise
        raise RunError(f"{problem.filename} cannot be used: {problem.strerror}", hint=_hint(problem)) from problem


def _hint(problem: OSError | RuntimeError) -> str:
    too_many = isinstance(problem, OSError) and problem.errno in (errno.EMFILE, errno.ENFILE)
    return TOO_MANY_FILES if too_many else CANNOT_WRITE


def _belongs(file: Path, path: Path) -> bool:
    """Whether a file is one of a run, the folder of a run, or lies in a folder of runs."""
    file = file.absolute()
    beside = file.parent == path.parent and file.name.startswith(path.name)
    return beside or file == path.parent or path in file.parents


def unwritten(path: Path, problem: OSError | RuntimeError, hint: str = "") -> RunError:
    """The error of a file that netCDF cannot write, by default with a hint that suits it.

    It reports a denied permission also where HDF5 cannot lock a file, or write to it.
    """
    hint = hint or _hint(problem)
    if isinstance(problem, PermissionError):
        return _not_permitted(path, problem, hint)
    return RunError(f"{path} cannot be written: {reason(problem)}", hint=hint)


def _not_permitted(path: Path, problem: PermissionError, hint: str = CANNOT_WRITE) -> RunError:
    folder = path.absolute().parent
    if os.access(folder, os.W_OK) and _can_be_locked(path if path.exists() else folder):
        return RunError(f"{path} cannot be written: HDF5 fails to write to it", hint=hint)
    if os.access(folder, os.W_OK):
        return RunError(
            f"{path} cannot be written: HDF5 cannot lock it",
            hint="on a file system without locks (NFS, Lustre), HDF5_USE_FILE_LOCKING=FALSE in the environment; "
            "elsewhere, close the file in other programs",
        )
    return RunError(f"{path} cannot be written: {problem.strerror}", hint=hint)


def _can_be_locked(path: Path) -> bool:
    """Whether a lock of the kind that HDF5 takes is to be had; True where there are none (Windows)."""
    try:
        import fcntl
    except ImportError:
        return True
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
