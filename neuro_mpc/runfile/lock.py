"""One run at a time writes to a run file."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Self

from neuro_mpc.errors import RunError

try:
    import fcntl
except ImportError:  # not on Windows, where an open file cannot be replaced anyway
    fcntl = None


def refuse_locked(path: Path) -> None:
    """Raises RunError while a run writes to `path`."""
    with suppress(OSError), path.with_name(f"{path.name}.lock").open() as file:
        if not _locked(file):
            raise _being_written(path, _holder(file))


def _locked(file) -> bool:
    """Locks a file until it is closed; False where another process has done so."""
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # a file system without locks
    return True


def _holder(file) -> str:
    file.seek(0)
    return file.readline().strip() or "another process"


def _being_written(path: Path, holder: str) -> RunError:
    return RunError(f"{path} is being written by {holder}", hint="another path for this run, or wait for that one")


class Lock:
    """Held while a run writes to `path`; the system frees it when the process ends, in whatever way.

    Raises RunError when another run holds it, or when its folder cannot be written.
    """

    def __init__(self, path: Path):
        self.path, self._for = path.with_name(f"{path.name}.lock"), path
        self._file = None

    def __enter__(self) -> Self:
        while self._file is None:
            file = self._opened()
            self._claim(file)
            # Whoever held it may have removed the file just before we got it: then it locks nothing.
            if self._is_there(file):
                self._file = file
            else:
                file.close()
        with suppress(OSError):  # the note is for people; a full disk shows where it matters
            self._file.truncate(0)
            self._file.write(f"process {os.getpid()} on {platform.node()}\n")
            self._file.flush()
        return self

    def __exit__(self, *_) -> None:
        with suppress(OSError):
            self.path.unlink()
        with suppress(OSError):
            self._file.close()
        self._file = None

    def _opened(self):
        try:
            return self.path.open("a+")
        except OSError as problem:
            raise RunError(
                f"{self.path} cannot be written: {problem.strerror or problem}",
                hint="a folder that is there and can be written",
            ) from problem

    def _claim(self, file) -> None:
        if not _locked(file):
            holder = _holder(file)
            file.close()
            raise _being_written(self._for, holder)

    def _is_there(self, file) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        except FileNotFoundError:
            return False
