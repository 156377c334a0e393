"""Starts other programs: in an environment that is stated here, and without anything of the current folder.

A run file may lie in a folder from a stranger. Neither modules, settings nor programs that lie beside it take
part: a child gets the variables named here, search paths without the current folder, and a Python that looks for
modules where this one found the package and in the folders of PYTHONPATH. A child and all that it starts end with
the process that started it, in whatever way that one ends.

    python -E -P neuro_mpc/system/processes.py MODULE [ARGUMENT …]

runs a module of the package in this way.
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import IO, Self

SEARCHED = (
    *("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "COMPILER_PATH", "LIBRARY_PATH"),
    *("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH"),
)
"""Lists of folders. An empty entry stands for the current folder, to compilers and loaders, too."""
PASSED_ON = (
    *("HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_PRELOAD"),
    *("CC", "CXX", "CFLAGS", "CPPFLAGS", "CXXFLAGS", "LDFLAGS", "SDKROOT", "MACOSX_DEPLOYMENT_TARGET"),
    *("MPLCONFIGDIR", "COLUMNS"),
)
PASSED_ON_BEGINNING = (
    *("LC_", "XDG_", "CONDA_", "CCACHE_", "SCCACHE_", "NEURO_MPC_"),
    *("OMP_", "GOMP_", "KMP_", "OPENBLAS_", "MKL_", "BLIS_", "GOTO_"),
)
OF_PYTHON = {"SETUPTOOLS_USE_DISTUTILS": "stdlib"} if sys.version_info < (3, 12) else {}
OF_OURS = {
    "MPLBACKEND": "agg",
    "HDF5_USE_FILE_LOCKING": os.environ.get("HDF5_USE_FILE_LOCKING", "FALSE"),
    **OF_PYTHON,
}
"""Figures go into files, whatever a notebook says of its own; a lock of our own keeps two runs from one file, and that
of HDF5 fails on file systems without locks. Brian2 asks distutils for a name: where Python still has them, setuptools
take a quarter of a second to stand in for them."""
YOUNG_OBJECTS = 50_000
"""More than a command makes while it imports: the collector of garbage would look through all of that again and again,
an eighth of the time of `neuro-mpc check`."""
LIFELINE = "NEURO_MPC_LIFELINE"  # the pipe whose end tells a child that the process that started it is gone
ROOT = Path(os.sep)
FILES, ROOM = "a higher limit of open files (ulimit -n)", "fewer processes, or more free memory"
LACKING = {errno.EMFILE: FILES, errno.ENFILE: FILES, errno.EAGAIN: ROOM, errno.ENOMEM: ROOM}
OF_A_PROGRAM = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM),
    *(errno.ENOEXEC, errno.ETXTBSY, errno.E2BIG),
)
"""Why one cannot be executed; whatever else goes wrong says nothing of it: there may be no memory, or no pipe."""


def environment() -> dict[str, str]:
    """The part of our environment that a child gets, with settings of libraries."""
    home = {} if _has_home() else {"HOME": _private_home()}
    named = {name: value for name, value in os.environ.items() if _is_passed_on(name)}
    searched = {name: without_current_folder(os.environ[name]) for name in SEARCHED if name in os.environ}
    return {**named, **home, **{name: folders for name, folders in searched.items() if folders}, **OF_OURS}


def _is_passed_on(name: str) -> bool:
    return name in PASSED_ON or name.startswith(PASSED_ON_BEGINNING)


def without_current_folder(folders: str) -> str:
    """A list of folders, as in PATH, without those that depend on where we are."""
    return os.pathsep.join(folder for folder in folders.split(os.pathsep) if not _is_current(folder))


def _is_current(folder: str) -> bool:
    if not os.path.isabs(folder):
        return True
    try:
        return os.path.samefile(folder, os.curdir)
    except OSError:
        return False


def program_path() -> str:
    """Where programs are looked for."""
    return without_current_folder(os.environ.get("PATH") or os.defpath)


def be_a_command() -> None:
    """Settings of Python and of libraries for a process that is a command of the package: before they are imported."""
    gc.set_threshold(YOUNG_OBJECTS)
    os.environ.update(OF_OURS)
    if not _has_home():
        os.environ["HOME"] = _private_home()


def _has_home() -> bool:
    """Whether the user has one: in a container, a user without a name may have none, which libraries do not expect."""
    try:
        return bool(Path.home())
    except RuntimeError:
        return False


@cache
def _private_home() -> str:
    """An empty folder, until this process ends."""
    folder = tempfile.mkdtemp(prefix="neuro_mpc-home-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def heed_termination() -> None:
    """SIGTERM becomes what Ctrl-C is, so that a command ends what it has started and says how to resume."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of the package in a Python of its own."""
    options = [*(["-s"] * sys.flags.no_user_site), *(["-B"] * sys.dont_write_bytecode)]
    encoding = ["-X", "utf8"] if sys.flags.utf8_mode else []
    return [sys.executable, "-E", "-P", *options, *encoding, str(Path(__file__).absolute()), module, *arguments]


class StartError(OSError):
    """The system starts no further process; `hint` says what to try."""

    def __init__(self, number: int):
        super().__init__(number, f"no process can be started: {os.strerror(number)}")
        self.hint = LACKING.get(number, "once more; should it happen again, look at the system's messages (dmesg)")


@contextmanager
def _starting() -> Iterator[None]:
    """Within, what the system lacks is told apart from what is wrong with the program that is to be started."""
    try:
        yield
    except OSError as problem:
        if problem.errno is None or problem.errno in OF_A_PROGRAM:
            raise
        raise StartError(problem.errno) from problem


class Child(subprocess.Popen):
    """A process in a session of its own; leaving `with` ends it, and all that it started.

    In another session Ctrl-C does not reach it: the process that started it decides what becomes of it.

    Raises StartError where the system starts none, OSError where this one cannot be executed.
    """

    def __init__(self, command: list[str], *, folder: Path = ROOT, environment: Mapping[str, str], **options):
        with _starting():
            watched, self._lifeline = os.pipe()
        try:
            with _starting():
                super().__init__(
                    command,
                    cwd=folder,
                    env={**environment, LIFELINE: str(watched)},
                    pass_fds=(watched,),
                    start_new_session=True,
                    **options,
                )
        except BaseException:
            _close(self._lifeline)
            raise
        finally:
            _close(watched)
        for pipe in filter(None, (self.stdin, self.stdout, self.stderr)):
            _close_in_any_case(pipe)

    def end(self) -> None:
        """End the process, and all that it started."""
        if self.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self.wait()
        if self._lifeline is not None:
            _close(self._lifeline)
            self._lifeline = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised) -> None:
        self.end()
        with suppress(OSError):  # nothing more is said through its pipes
            super().__exit__(*raised)


def _close(descriptor: int) -> None:
    """Close an end of a pipe: it is closed even where the system calls that an error."""
    with suppress(OSError):
        os.close(descriptor)


def _close_in_any_case(pipe: IO) -> None:
    """From now on, closing a pipe is an error only where what was written does not arrive."""
    close = pipe.close

    def closing() -> None:
        if not pipe.closed and pipe.writable():
            pipe.flush()
        with suppress(OSError):
            close()

    pipe.close = closing


def run(
    command: list[str],
    *,
    environment: Mapping[str, str],
    folder: Path = ROOT,
    text: str | None = None,
    timeout: float | None = None,
    **options,
) -> subprocess.CompletedProcess:
    """As `subprocess.run`, with `text` for standard input; the process ends with this call, however that ends."""
    standard_input = subprocess.DEVNULL if text is None else subprocess.PIPE
    with Child(command, folder=folder, environment=environment, stdin=standard_input, **options) as child:
        output, errors = child.communicate(text, timeout)
        return subprocess.CompletedProcess(command, child.returncode, output, errors)


def _end_with_parent() -> None:
    """Ends this process and all that it started as soon as nobody holds the other end of the lifeline."""
    import threading

    lifeline = os.environ.pop(LIFELINE, "")

    def watch() -> None:
        os.read(int(lifeline), 1)
        os.killpg(0, signal.SIGKILL)

    if lifeline:
        os.set_inheritable(int(lifeline), False)
        threading.Thread(target=watch, daemon=True).start()


def _add_package(name: str, initial: Path) -> None:
    """Imports the package from its file: what else lies in its folder is not looked at."""
    spec = spec_from_file_location(name, initial, submodule_search_locations=[str(initial.parent)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{initial} is no module", name=name, path=str(initial))
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


def _main(module: str, *arguments: str) -> None:
    import runpy

    _end_with_parent()
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    _add_package("neuro_mpc", Path(__file__).parents[1] / "__init__.py")
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
