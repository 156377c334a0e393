"""What programs of all circuits have in common, compiled once for an installation: headers and large kernels."""

from __future__ import annotations

import subprocess
from pathlib import Path

from neuro_mpc.system import files
from neuro_mpc.system.cache_contents import mark_used

SOURCES = Path(__file__).with_name("templates") / "cpp"
HEADERS, KERNELS = "headers.h.gch", "common.o"
REAL = {"float32": "float", "float64": "double"}


class Precompiled:
    """The compiled files in a folder, which are prepared while something else is done.

    Of several processes that prepare the same folder at once, each compiles what is not there, and leaves whole files.
    """

    def __init__(self, folder: Path, command: list[str], precision: str):
        self.folder, self._command = folder, command
        # Compiled file → its source, and how it is compiled. Headers are of use to what defines nothing else. Products
        # are no faster with -O3, and noise by 3 %, which takes a third longer to compile.
        self._kinds = {
            HEADERS: ("headers.h", ["-x", "c++-header"]),
            KERNELS: ("common.cpp", ["-c", "-O2", f"-DREAL={REAL[precision]}"]),
        }
        self._running: dict[str, tuple[Path, subprocess.Popen]] = {}

    def prepare(self, scratch: Path) -> None:
        """Begin to compile what is missing, into a folder on the same disk that is removed in the end."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mark_used(self.folder)
        for name in ("headers.h", "unoptimised.h"):
            if not (self.folder / name).is_file():
                files.write(self.folder / name, (SOURCES / name).read_bytes())
        for name, (source, options) in self._kinds.items():
            if not (self.folder / name).is_file():
                partial = scratch / name
                command = [*self._command, *options, str(SOURCES / source), "-o", str(partial)]
                self._running[name] = partial, subprocess.Popen(command)

    def wait_for(self, name: str) -> None:
        """Wait until a compiled file is there. Where its compilation fails, the build that needs it tells of that."""
        partial, process = self._running.pop(name, (None, None))
        if partial is not None and process is not None and process.wait() == 0:
            files.rename(partial, self.folder / name)
