"""What a power cut may leave of a folder: a model of a disk that is told of calls, as ext4 and XFS may treat them.

Of a file's content lasts what was flushed (fsync); of what was written since, any part may: none, all, the first
writes, some of them, some sectors of some of them, or the new length with zeros.  Names last once their folder was
flushed; of what was created, renamed and removed since, none, all or the first operations may last, as a journal keeps
their order.  The model also forgets any of them: that is more than these file systems do.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from system_calls import Call

SECTOR = 512
NAMES = ("flushed", "all", "first", "some")
CONTENTS = ("flushed", "all", "first", "some", "zeros")


@dataclass
class File:
    """A file: what was flushed, and the changes since, as (offset, data), or (length, None) where it was cut."""

    flushed: bytes = b""
    changes: list[tuple[int, bytes | None]] = field(default_factory=list)

    def left(self, kind: str, chance: random.Random) -> bytes:
        """What may be left of it."""
        changes = self.changes
        if kind == "flushed":
            changes = []
        elif kind == "first":
            changes = changes[: chance.randint(0, len(changes))]
        elif kind == "some":
            changes = [part for change in changes if chance.random() < 0.5 for part in _torn(change, chance)]
        elif kind == "zeros":
            changes = [(place, None if data is None else bytes(len(data))) for place, data in changes]
        return _changed(self.flushed, changes)

    def flush(self) -> None:
        self.flushed, self.changes = _changed(self.flushed, self.changes), []


def _torn(change: tuple[int, bytes | None], chance: random.Random) -> list[tuple[int, bytes | None]]:
    """A change, or some of its sectors."""
    place, data = change
    if data is None or chance.random() < 0.5:
        return [change]
    return [
        (place + start, data[start : start + SECTOR]) for start in range(0, len(data), SECTOR) if chance.random() < 0.5
    ]


def _changed(content: bytes, changes: list[tuple[int, bytes | None]]) -> bytes:
    new = bytearray(content)
    for place, data in changes:
        if data is None:
            del new[place:]
            new.extend(bytes(place - len(new)))
            continue
        new.extend(bytes(max(0, place - len(new))))
        new[place : place + len(data)] = data
    return bytes(new)


Names = dict[str, File | None]  # None: a folder


@dataclass(frozen=True)
class Operation:
    """A change of names: `file` gets the name `path`, or `path` becomes `new`, or nothing has the name any more."""

    path: str
    file: File | None = None
    new: str = ""
    removes: bool = False

    def apply(self, names: Names) -> None:
        if self.removes:
            names.pop(self.path, None)
        elif not self.new:
            names[self.path] = self.file
        else:
            moved = {name: file for name, file in names.items() if _is_below(name, self.path)}
            for name in [each for each in names if _is_below(each, self.path) or _is_below(each, self.new)]:
                del names[name]
            names |= {self.new + name.removeprefix(self.path): file for name, file in moved.items()}
            names.setdefault(self.new, self.file)


def _is_below(name: str, folder: str) -> bool:
    return name == folder or name.startswith(f"{folder}/")


class Disk:
    """A folder on a disk, as calls leave it."""

    def __init__(self, folder: Path):
        self.folder = str(folder)
        self.names: Names = {}
        self._inodes: dict[tuple[int, int], File] = {}
        for path in sorted(folder.rglob("*")):
            status, file = path.stat(), None if path.is_dir() else File(path.read_bytes())
            self.names[str(path)] = file
            if file is not None:
                self._inodes[status.st_dev, status.st_ino] = file
        self.flushed, self._operations = dict(self.names), list[Operation]()

    def note(self, call: Call) -> bool:
        """Follows a call that was made; whether it changed anything."""
        if call.failed:
            return False
        if call.created:
            self._inodes[call.file] = File()
            self._do(Operation(call.path, self._inodes[call.file]))
        file = self._inodes.get(call.file)
        if call.name == "write" and call.data:
            self._inodes[call.file].changes.append((call.offset, call.data))
        elif call.name == "truncate" and not call.created and file is not None:
            file.changes.append((0, None))
        elif call.name == "ftruncate" and file is not None:
            file.changes.append((call.length, None))
        elif call.name == "fsync":
            file.flush() if file is not None else self._flush_names(call.path)
        elif call.name == "rename":
            self._do(Operation(call.path, self.names[call.path], new=call.other))
        elif call.name == "unlink":
            self._do(Operation(call.path, removes=True))
        elif call.name == "mkdir":
            self._do(Operation(call.path))
        else:
            return call.created
        return True

    def left(self, names: str, content: str, chance: random.Random) -> dict[str, bytes | None]:
        """What a power cut may leave now: name → content, None for a folder."""
        found = dict(self.flushed)
        operations = self._operations
        if names == "flushed":
            operations = []
        elif names == "first":
            operations = operations[: chance.randint(0, len(operations))]
        elif names == "some":
            operations = [each for each in operations if chance.random() < 0.5]
        for operation in operations:
            operation.apply(found)
        return {
            name.removeprefix(self.folder): None if file is None else file.left(content, chance)
            for name, file in sorted(found.items())
        }

    def _do(self, operation: Operation) -> None:
        operation.apply(self.names)
        self._operations.append(operation)

    def _flush_names(self, folder: str) -> None:
        """What happened in a folder lasts: a name, and what it was renamed to, are in one folder."""
        kept = []
        for operation in self._operations:
            if os.path.dirname(operation.path) == folder:
                operation.apply(self.flushed)
                gone = operation.path if operation.removes else operation.new
                kept = [
                    each for each in kept if not (gone and _is_below(each.path, gone))
                ]  # of a folder that is no more
            else:
                kept.append(operation)
        self._operations = kept


def written(state: Mapping[str, bytes | None], folder: Path) -> None:
    """Writes what is left to an empty folder."""
    for name, content in state.items():
        path = Path(f"{folder}{name}")
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)


def digest(state: Mapping[str, bytes | None]) -> bytes:
    found = hashlib.sha256()
    for name, content in state.items():
        found.update(f"{name} {content is None} {len(content or b'')} ".encode())
        found.update(content or b"")
    return found.digest()
