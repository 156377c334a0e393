"""What the cache keeps goes when it has not been used for long: every version, compiler and processor has its own."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

UNUSED_DAYS = 90
KEPT = re.compile(r"((precompiled|cython|derived|usable)-)?[0-9a-f]{24}")  # the folder may hold other files, too
LEAVING = re.compile(rf"unused-{KEPT.pattern}")


def mark_used(path: Path) -> None:
    """Notes that something in the cache is used now. Nothing happens where it is not there, or cannot be changed."""
    with suppress(OSError):
        os.utime(path, follow_symlinks=False)


def remove_unused(made: Path) -> None:
    """Removes what the cache keeps beside what was `made` just now, and nobody has used in the 90 days before.

    Dates are compared with each other, as the disk has them, and with no clock of this machine.
    """
    with suppress(OSError):
        oldest = made.stat().st_mtime - UNUSED_DAYS * 24 * 3600
        for entry in os.scandir(made.parent):
            if LEAVING.fullmatch(entry.name):  # left by a process that was killed, or about to be gone
                _remove(Path(entry.path))
            elif KEPT.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_mtime < oldest:
                _remove_whole(Path(entry.path))


def _remove_whole(path: Path) -> None:
    """Out of the way first, so that nobody takes a half of it for the whole."""
    leaving = path.with_name(f"unused-{path.name}")
    with suppress(OSError):
        path.rename(leaving)
        _remove(leaving)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
