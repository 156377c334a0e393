"""The files of this package on which something depends that is kept, for the names of what was compiled or derived."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOMS = ("system", "examination", "descriptions", "rules", "networks")
"""What takes part in the generation of code, besides modules at the root of the package."""


def digests(package: Path, rooms: Sequence[str] = ROOMS) -> list[str]:
    """A line for each source file of the rooms of a package folder: where it lies, and its SHA-256."""
    return [
        f"{path.relative_to(package).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(files(package, rooms))
    ]


def files(package: Path, rooms: Sequence[str] = ROOMS) -> Iterator[Path]:
    """Files of the rooms, whatever their suffix, and the modules at the root but what starts the command line."""
    for path in (each for room in rooms for each in (package / room).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith("."):
            yield path
    yield from (path for path in package.glob("*.py") if path.name not in ("__init__.py", "__main__.py"))
