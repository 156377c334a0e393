"""One thread of a process uses the netCDF library at a time: neither it nor HDF5 takes two, even on separate files."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Protocol, Self


class Lock(Protocol):
    def acquire(self, blocking: bool = True, /) -> bool: ...

    def release(self) -> None: ...


class LibraryLock:
    """Held by the thread that uses the library, which may ask for it again.

    Whoever holds it holds the lock by which xarray reads, too, so that files that were opened with xarray alone can be
    read meanwhile in other threads. Code that holds it must not read from such a file: that lock is not given twice.
    """

    def __init__(self) -> None:
        self._ours, self._depth = threading.RLock(), 0

    @cached_property
    def _of_xarray(self) -> Lock:
        from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK  # xarray takes a second to import

        return NETCDF4_PYTHON_LOCK

    def do_without_xarray(self) -> None:
        """In a process that opens no file with xarray alone, which need not be imported then."""
        self._of_xarray = threading.Lock()

    def acquire(self, blocking: bool = True) -> bool:
        """Whether the lock is held now; waits for it if `blocking`."""
        if not self._ours.acquire(blocking):
            return False
        held = self._depth > 0
        try:
            held = held or self._of_xarray.acquire(blocking)
        finally:
            if held:
                self._depth += 1
            else:
                self._ours.release()
        return held

    def release(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._of_xarray.release()
        self._ours.release()

    def locked(self) -> bool:
        return self._depth > 0

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __reduce__(self) -> str:
        return "NETCDF"  # in another process, the lock of that process


NETCDF = LibraryLock()
