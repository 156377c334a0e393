"""Locks by which processes wait for each other: files that the system frees when the process that holds one ends."""

from __future__ import annotations

import errno
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from neuro_mpc.system import files

if TYPE_CHECKING:
    from filelock import FileLock

# What file systems answer that have no locks: NFS without its lock daemon, Lustre mounted without flock.
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, 524)


class HeldError(Exception):
    """Another process, or another thread of this one, holds the lock; `holder` says which."""

    def __init__(self, holder: str):
        super().__init__(holder)
        self.holder = holder


@contextmanager
def held(path: Path, wait: Callable[[], None] | None = None) -> Iterator[bool]:
    """Within, the lock at `path` is held. False where the file system has no locks: then nothing is.

    wait   called where another process holds it, before waiting for that; None: do not wait

    Raises HeldError where it is held and `wait` is None; OSError where the file cannot be written, or is a link.
    """
    if files.is_link(path):  # of either kind: the note would take the place of what another file holds
        raise OSError(errno.EMLINK, "it is a link to another file", str(path))
    from filelock import FileLock  # asks the machine for much that a command without locks need not wait for

    lock = FileLock(path, thread_local=False, fallback_to_soft=False)
    try:
        _acquire(lock, path, wait)
    except (OSError, NotImplementedError) as problem:
        if isinstance(problem, OSError) and problem.errno not in WITHOUT_LOCKS:
            raise
        with suppress(OSError):
            path.unlink()
        yield False
        return
    try:
        _sign(path)
        yield True
    finally:
        with suppress(OSError):  # while it is held: nobody else can have it
            path.unlink()
        with suppress(OSError):  # the system frees it when the process ends
            lock.release()


def _acquire(lock: FileLock, path: Path, wait: Callable[[], None] | None) -> None:
    from filelock import Timeout

    try:
        lock.acquire(timeout=0)
    except Timeout:
        if wait is None:
            raise HeldError(_holder(path)) from None
        wait()
        lock.acquire()


def _sign(path: Path) -> None:
    """Leaves a note for people; a full disk shows where it matters."""
    with suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(file, "w") as note:
            note.write(f"process {os.getpid()} on {platform.node()}\n")


def _holder(path: Path) -> str:
    with suppress(OSError, IndexError):
        return path.read_text(errors="replace").splitlines()[0].strip()[:100] or "another process"
    return "another process"
