"""Whether programs could be started: whether a Python of its own can import what simulates.

To find out takes as long as importing it. What was found to work is remembered in the cache until something changes in
the folders from which Python imports; what was not is tried each time.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from neuro_mpc.errors import RunError
from neuro_mpc.networks.compiler import compiler, refuse_broken
from neuro_mpc.system import files, processes, sources
from neuro_mpc.system.cache_contents import mark_used
from neuro_mpc.system.cache_folder import cache_directory

PACKAGE = Path(__file__).parents[1]
SHOWN_LINES = 5
LOADED_FROM = ("PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LD_PRELOAD")
"""Variables that decide what a process imports."""


@cache
def require_usable(backend: str) -> None:
    """Raises RunError where a program of `backend` could not be started, as far as that can be found out quickly."""
    if backend != "numpy":
        refuse_broken(compiler())
    mark = cache_directory() / f"usable-{_installation()}"
    if mark.is_file():
        mark_used(mark)
        return
    try_to_import()
    with suppress(OSError):  # nothing is remembered, then
        mark.parent.mkdir(parents=True, exist_ok=True)
        files.write(mark, b"")


def try_to_import() -> None:
    """Raises RunError where a Python of its own cannot import what simulates."""
    try:
        trial = processes.run(
            _command(),
            environment=processes.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            errors="replace",
        )
    except processes.StartError as error:
        raise RunError(str(error.strerror), hint=error.hint) from error
    if trial.returncode:
        said = "".join(f"\n    {line}" for line in trial.stderr.strip().splitlines()[-SHOWN_LINES:])
        raise RunError(
            f"a Python of its own, {sys.executable}, cannot import what simulates{said}",
            hint="install neuro_mpc and Brian2 for this Python; of PYTHONPATH, the current folder is left out",
        )


def _command() -> list[str]:
    return processes.python("neuro_mpc.networks.quick_import")


def _installation() -> str:
    """A digest of what decides whether the import succeeds."""
    environment = processes.environment()
    folders = [*environment.get("PYTHONPATH", "").split(os.pathsep), *sys.path]
    loaded_from = [f"{name}={environment.get(name, '')}" for name in LOADED_FROM]
    parts = [*_command(), sys.version, *loaded_from, *sorted({*_with_times(folders)}), *sources.digests(PACKAGE)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _with_times(folders: Iterable[str]) -> Iterator[str]:
    """Folders that there are, and when something was last installed or removed in each."""
    for folder in filter(None, folders):
        with suppress(OSError):
            yield f"{folder} {Path(folder).stat().st_mtime_ns}"
