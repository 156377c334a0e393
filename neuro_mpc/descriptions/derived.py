"""What SymPy derived of texts, kept as plain data, so that what was derived once needs no SymPy again.

One file in the folder of compiled programs, for the versions of all that takes part; a line holds what a text was
derived to, under a digest of it and with one of itself. Lines are appended whole. A line that was torn or changed is
derived again, and its data are read as strictly as if a stranger had written them; none of it is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from neuro_mpc.system import sources
from neuro_mpc.system.cache_contents import mark_used
from neuro_mpc.system.cache_folder import cache_directory

PACKAGE = Path(__file__).parents[1]
ROOMS = ("descriptions", "rules")
VERSIONS = {"sympy": "release.py", "mpmath": "__init__.py"}
"""The file in which a package that takes part says which version it is; to be imported would take it long."""
LARGEST = 2 * 2**20  # bytes of a file, some thousand texts; read in a few milliseconds
Result = TypeVar("Result")


def derived(kind: str, arguments: tuple, derive: Callable[[], Any], read: Callable[[Any], Result]) -> Result:
    """What `read` makes of the data that `derive` derives from the arguments, now or earlier.

    kind   the derivation, by name; with `arguments`, plain data, it decides the result
    read   raises ValueError, TypeError or LookupError for data that it could not have been given
    """
    file, name = _file(cache_directory()), _digest(json.dumps([kind, *arguments]))
    with suppress(LookupError, ValueError, TypeError, RecursionError):
        return read(file.find(name))
    data = derive()
    result = read(data)
    file.append(name, data)
    return result


class _File:
    """The lines of a file: digest of what was derived, digest of all else in the line, data."""

    def __init__(self, path: Path):
        self._path = path
        self._lines: dict[str, str] = {}
        with suppress(OSError), path.open("rb") as file:
            for line in file.read(LARGEST).decode(errors="replace").split("\n"):
                name, _, rest = line.partition(" ")
                self._lines[name] = rest

    def find(self, name: str) -> Any:
        """The data under a name; LookupError or ValueError where there are none, or not as they were written."""
        check, _, text = self._lines[name].partition(" ")
        if check != _digest(f"{name} {text}"):
            raise ValueError("the line is damaged")
        return json.loads(text)

    def append(self, name: str, data: Any) -> None:
        """Keeps data for later; where nothing can be written, nothing is kept."""
        text = json.dumps(data)
        self._lines[name] = rest = f"{_digest(f'{name} {text}')} {text}"
        line = f"\n{name} {rest}".encode()  # also after one that was torn
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            descriptor = os.open(self._path, flags, 0o666)
            try:
                if os.fstat(descriptor).st_size + len(line) > LARGEST:
                    os.ftruncate(descriptor, 0)
                os.write(descriptor, line)
            finally:
                os.close(descriptor)


@cache
def _file(folder: Path) -> _File:
    path = folder / f"derived-{_versions()}"
    mark_used(path)
    return _File(path)


@cache
def _versions() -> str:
    """A digest of all that derives: our own sources, SymPy and what it computes with."""
    said = [_said(package, name) for package, name in VERSIONS.items()]
    return _digest("\n".join([*sources.digests(PACKAGE, ROOMS), *said, np.__version__]))


def _said(package: str, name: str) -> str:
    """What the file says in which a package tells its version."""
    spec = find_spec(package)
    folders = (spec and spec.submodule_search_locations) or ()
    return "".join(path.read_text() for folder in folders if (path := Path(folder, name)).is_file())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
