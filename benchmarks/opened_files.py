"""The files that this process opens, those opened by libraries in C included: a preloaded library notes them."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import matplotlib as mpl

NOTES = "OPENED_FILES"
SYSTEM = ("/usr", "/lib", "/lib64", "/proc", "/sys", "/dev", "/etc/fonts", "/etc/localtime", "/var/cache/fontconfig")


def audited(folder: Path) -> None:
    """Starts this program again, with the library that notes each opening; returns in the process started so."""
    if NOTES in os.environ:
        return
    library = folder / "opened_files.so"
    source = Path(__file__).with_suffix(".c")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(library), NOTES: str(folder / "opened_files")}
    sys.exit(subprocess.run([sys.executable, *sys.argv], env=environment).returncode)


class Openings:
    """What was opened since the last look."""

    def __init__(self) -> None:
        self._path = Path(os.environ[NOTES])
        self._place = 0
        self.elsewhere([])
        if not self._place:
            raise SystemExit("the preloaded library notes nothing: LD_PRELOAD is not heeded here")

    def elsewhere(self, rooms: list[Path]) -> list[str]:
        """Files opened that are neither of Python, its packages, the system nor, the only ones to write to, `rooms`."""
        with self._path.open("rb") as notes:
            notes.seek(self._place)
            lines = os.fsdecode(notes.read()).splitlines()
            self._place = notes.tell()
        own = [str(each) for each in (*rooms, self._path, *CACHES)]
        return [line for line in lines if not _below(line[2:], own if line[0] == "w" else [*own, *READ])]


def _below(path: str, folders: list[str]) -> bool:
    normal = os.path.normpath(path)
    return any(normal == each or normal.startswith(f"{each}/") for each in (*folders, "/dev/null"))


CACHES = (mpl.get_cachedir(), mpl.get_configdir())
PYTHON = (sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *(each for each in sys.path if each))
READ = (*SYSTEM, *PYTHON, str(Path(__file__).parents[1]))
