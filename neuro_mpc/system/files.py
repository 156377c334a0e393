"""Files that are written whole: after a crash or a power cut there is the old one or the new one, never half of one.

A new file is written under a temporary name in the folder of the one that it replaces, flushed to the disk, renamed,
and the folder is flushed, too.  Links that lie at the temporary name are not followed.  The name tells which process
writes: what one left that was killed is removed by the next one that writes the file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

SUFFIX = ".new"
OF_THE_DISK = (errno.EIO, errno.ENOSPC, errno.EDQUOT)
# Never an existing file, never the target of a link.
CREATED = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def replacement(path: str | os.PathLike[str]) -> Iterator[Path]:
    """An empty file to write to, which becomes `path` when the block ends without an error; else it is removed.

    A link at `path` is replaced, not followed.  Raises OSError where the disk does not take the file, or a device or a
    folder lies at `path`.
    """
    path = Path(path)
    _refuse_special(path)
    _discard_abandoned(path)
    new = path.with_name(f"{path.name}.{_machine()}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}")
    os.close(os.open(new, CREATED, 0o666))
    try:
        yield new
        rename(new, path)
    except BaseException:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def write(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Replaces the file at `path` by `content`; a text is written in UTF-8."""
    with replacement(path) as new:
        new.write_bytes(content.encode() if isinstance(content, str) else content)


def rename(old: Path, new: Path) -> None:
    """Moves a whole file to another name of its folder, for good."""
    flush(old)
    os.replace(old, new)
    flush_folder(new.parent)


def flush(path: Path) -> None:
    """Flushes the content of a file to the disk."""
    _flush(path, 0)


def flush_folder(folder: Path) -> None:
    """Flushes the names in a folder to the disk; that a file system cannot is no failure."""
    try:
        _flush(folder, getattr(os, "O_DIRECTORY", 0))
    except OSError as problem:
        if problem.errno in OF_THE_DISK:
            raise


def flush_tree(folder: Path) -> None:
    """Flushes a folder and everything in it to the disk."""
    for inner, _, names in os.walk(folder):
        for name in names:
            flush(Path(inner, name))
        flush_folder(Path(inner))


def discard_leftovers(path: Path) -> None:
    """Removes temporary files of `path` that a killed process left; only where no other process writes to it."""
    for leftover in path.parent.glob(f"{_literal(path.name)}.*{SUFFIX}"):
        with suppress(OSError):
            leftover.unlink()


def _discard_abandoned(path: Path) -> None:
    """Removes temporary files of `path` whose process has ended, if that was one of this machine."""
    pattern = re.compile(rf"{re.escape(path.name)}\.{_machine()}-(\d+)-\w+{re.escape(SUFFIX)}")
    with suppress(OSError):  # a folder that cannot be listed can be written all the same
        for name in os.listdir(path.parent):
            if (found := pattern.fullmatch(name)) and not _is_running(int(found[1])):
                path.with_name(name).unlink()


@cache
def _machine() -> str:
    """A short name for this machine: processes of others, which write to the same folder, have the same numbers."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # of another user; the name is no process's
        pass
    return True


def is_link(path: Path) -> bool:
    """Whether a file has another name, or is only the name of another one: writing to it would change that one."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISLNK(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink > 1)


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_special(path: Path) -> None:
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is a folder or a device")


def _literal(name: str) -> str:
    """A name as a pattern that matches nothing else."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
