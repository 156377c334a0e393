"""The calls by which this process and its children reach the files of one folder: counted, noted and refused.

A preloaded library, `system_calls.c`, does it; what it is to do is written to memory that all processes share.
"""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STATE, LOG, FOLDER = "NEURO_MPC_CALLS_STATE", "NEURO_MPC_CALLS_LOG", "NEURO_MPC_CALLS_FOLDER"
FIELDS = struct.Struct("6q16s")  # count, first, last, error, notes, locked, kind
NOTE = struct.Struct("16s5q6i")
FOR_EVER = 2**62


@dataclass(frozen=True)
class Call:
    """A call that was made: `number` counts from 1; `created` where there was no such file before; `failed` where no
    name was changed, though that was asked for.

    file    device and inode
    length  of the file afterwards, or of what was written at `offset`
    """

    name: str
    number: int
    file: tuple[int, int]
    offset: int
    length: int
    path: str
    other: str
    data: bytes
    created: bool
    failed: bool = False


@contextmanager
def watching() -> Iterator[tuple[Calls, Path]]:
    """The library's orders, and a workspace with the folder that it watches, until the block ends.

    Starts this program again with the library, and ends here when that one has ended.
    """
    if STATE not in os.environ:
        with tempfile.TemporaryDirectory(prefix="neuro_mpc-calls-") as workspace:
            sys.exit(_preloaded(Path(workspace).resolve()))
    subprocess._USE_VFORK = False  # a library can stand in front of fork only
    calls = Calls()
    try:
        yield calls, calls.folder.parent
    finally:
        calls.pass_on()


def _preloaded(workspace: Path) -> int:
    library, source = workspace / "system_calls.so", Path(__file__).with_suffix(".c")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    state, log, folder = (workspace / name for name in ("state", "log", "folder"))
    state.write_bytes(bytes(FIELDS.size))
    log.write_bytes(b"")
    folder.mkdir()
    names = {"LD_PRELOAD": library, STATE: state, LOG: log, FOLDER: folder}
    environment = {**os.environ, **{name: str(value) for name, value in names.items()}}
    return subprocess.run([sys.executable, *sys.argv], env=environment).returncode


class Calls:
    """What the library is told to do, and what it has seen."""

    def __init__(self) -> None:
        self.folder, self._log = Path(os.environ[FOLDER]), Path(os.environ[LOG])
        with open(os.environ[STATE], "r+b") as file:
            self._state = mmap.mmap(file.fileno(), FIELDS.size)

    def pass_on(self) -> None:
        """Every call is made; none is noted."""
        self._set()

    def refuse(self, kind: str, turn: int, error: int, for_ever: bool = False) -> None:
        """The call of a kind whose turn it is fails with an error, alone or with all that come after it.

        Calls of one kind are counted: in what order several processes make calls of different kinds, nothing says.
        """
        self._set(first=turn, last=FOR_EVER if for_ever else turn, error=error, kind=kind)

    def note(self, data: bool = False) -> None:
        """Calls are noted, if asked with what they write."""
        os.truncate(self._log, 0)
        self._set(notes=2 if data else 1)

    def _set(self, first: int = 0, last: int = 0, error: int = 0, notes: int = 0, kind: str = "") -> None:
        self._state[:] = FIELDS.pack(0, first, last, error, notes, 0, kind.encode())

    def noted(self) -> Iterator[Call]:
        """The calls in their order."""
        content, place = self._log.read_bytes(), 0
        while place < len(content):
            name, number, device, inode, offset, length, *sizes, created, failed, _ = NOTE.unpack_from(content, place)
            place += NOTE.size
            parts = []
            for size in sizes:
                parts.append(content[place : place + size])
                place += size
            path, other = map(os.fsdecode, parts[:2])
            word = name.rstrip(b"\0").decode()
            flags = bool(created), bool(failed)
            yield Call(word, number, (device, inode), offset, length, path, other, parts[2], *flags)


def turns(calls: Iterable[Call]) -> Iterator[tuple[Call, int]]:
    """Every call, and how many of its kind there are up to it."""
    made = Counter[str]()
    for call in calls:
        made[call.name] += 1
        yield call, made[call.name]
