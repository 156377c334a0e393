"""Closing files that netCDF writes: it ends the whole process where the disk fails while it closes a file.

All is therefore brought to the disk first, where a failure is an error, and a file that the disk does not take stays
open until the process ends.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import netCDF4

from neuro_mpc.system import files


@contextmanager
def closed_after(file: netCDF4.Dataset, path: Path) -> Iterator[None]:
    """Closes a file after a block that writes to it. After OSError or RuntimeError it is abandoned."""
    try:
        yield
        file.sync()
        with suppress(FileNotFoundError):  # it was removed meanwhile
            files.flush(path)
    except (OSError, RuntimeError):
        abandon(file)
        raise
    except BaseException:
        file.close()
        raise
    file.close()


def abandon(file: netCDF4.Dataset) -> None:
    """Leaves a file open: not even the end of Python closes it."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(file))
