"""The temporary folder of a program that simulates: what it is given, its log, and what libraries leave behind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from neuro_mpc.errors import RunError


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for the time of the block, open to this user alone; RunError where there can be none.

    That it cannot be removed costs no run.
    """
    with writing_temporary_files():
        folder = tempfile.mkdtemp(prefix="neuro_mpc-")
    try:
        yield Path(folder)
    finally:
        with suppress(OSError):  # of a disk that fails
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def writing_temporary_files() -> Iterator[None]:
    """Within, what the system answers becomes a RunError that says what to try."""
    try:
        yield
    except OSError as problem:
        raise RunError(
            f"temporary files cannot be written: {problem.strerror or problem}",
            hint="free space on the disk of temporary files, or TMPDIR = a folder that can be written",
        ) from problem
