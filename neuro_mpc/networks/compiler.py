"""The C++ compiler: which one, what it can do, and what its failures mean."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

from neuro_mpc.errors import RunError
from neuro_mpc.system import processes

SILENT = "-w"
FLAGS = [
    SILENT,
    "-O3",
    "-fvect-cost-model=dynamic",
    "-ffast-math",
    "-fno-reciprocal-math",
    "-mno-recip",
    "-march=native",
    "-mprefer-vector-width=512",
    "-std=c++17",
]
"""Fast, but without approximate reciprocal square roots, which make NaN of a denormal variance; loops are vectorised as
with -O3 also where they are compiled with -O2."""
SINGLE_PRECISION = "-fsingle-precision-constant"
STANDARD = "-std=c++17"
ELSEWISE = "another compiler in the environment variable CXX, or a run without one: --backend numpy"
LINES_SHOWN, LONGEST_LINE = 5, 300
# Brian2 ends a failing build with advice to report it as an error of its own.
OF_BRIAN2 = ("Brian 2 encountered", "Project compilation failed", "error_message")


def compiler() -> tuple[str, ...]:
    """The words of the command that compiles C++, such as `$CXX` has: ``ccache g++``; RunError where there is none."""
    wanted = os.environ.get("CXX", "").strip() or "g++"
    words = _found(wanted) or _found("c++")
    if not words or not shutil.which("make", path=processes.program_path()):
        missing = "make" if words else f"a C++ compiler ({wanted})"
        raise RunError(
            f"the backends cpp and cython need {missing}, and none was found",
            hint="install g++ and make (Debian, Ubuntu: apt install g++ make; macOS: xcode-select --install; "
            "conda: conda install cxx-compiler make), or run without a compiler: --backend numpy",
        )
    return words


def _found(command: str) -> tuple[str, ...]:
    """The words of a command with the path of its program; none where there is no such program."""
    try:
        program, *more = shlex.split(command)
    except ValueError:  # a quote that is not closed, or nothing
        return ()
    path = shutil.which(program, path=processes.program_path())
    return (os.path.abspath(path), *more) if path else ()


def compiler_version() -> str:
    """The compiler's own first line about itself."""
    return _version(compiler())


@cache
def _version(command: tuple[str, ...]) -> str:
    said = _run([*command, "--version"]).stdout
    return next(iter(said.splitlines()), shlex.join(command))


def accepted_flags(precision: str, *more: str) -> list[str]:
    """Those of our flags that the compiler knows. Raises RunError for one that does not compile anything."""
    command = compiler()
    wanted = [*FLAGS, *more, *([SINGLE_PRECISION] if precision == "float32" else [])]
    if not _tried(command, "-Werror", *(flag for flag in wanted if flag != SILENT)).returncode:
        return wanted
    refuse_broken(command)
    return [flag for flag in wanted if not _tried(command, "-Werror", flag).returncode]


def refuse_broken(command: tuple[str, ...]) -> None:
    """Raises RunError for a compiler that does not take the shortest of programs."""
    tried = _tried(command, STANDARD)
    if tried.returncode:
        raise RunError(
            f"the C++ compiler {shlex.join(command)} cannot compile an empty program (C++17); it ended with "
            f"exit code {tried.returncode}" + _shown(tried.stderr.splitlines()),
            hint=ELSEWISE,
        )


def _tried(command: tuple[str, ...], *flags: str) -> subprocess.CompletedProcess:
    return _run([*command, *flags, "-x", "c++", "-fsyntax-only", "-"], "int main() { return 0; }")


def _run(command: list[str], text: str = "") -> subprocess.CompletedProcess:
    try:
        ended = processes.run(
            command,
            environment=processes.environment(),
            text=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            errors="replace",
        )
    except processes.StartError as error:  # which says nothing of the compiler
        raise RunError(str(error.strerror), hint=error.hint) from error
    except OSError as error:  # no program for this system
        return subprocess.CompletedProcess(command, 126, "", str(error))
    if ended.returncode < 0:  # nor does this: taken for an answer, it would be that of another compiler
        raise RunError(
            f"the C++ compiler {shlex.join(compiler())} was killed by signal {-ended.returncode} while it was asked "
            "for its version or its flags",
            hint=f"the same again; {ELSEWISE}",
        )
    return ended


def build_failed(log: Path, kept: Path) -> RunError:
    """What to tell of a build that failed, with the telling lines of its `log`, which is `kept` elsewhere."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    own = [line for line in lines if not any(phrase in line for phrase in OF_BRIAN2)]
    # The compiler's own errors come first, make's after them.
    telling = [line for line in own if "error:" in line.lower()] or [line for line in own if "error" in line.lower()]
    return RunError(
        f"building the C++ program with {shlex.join(compiler())} failed" + _shown(telling or lines[-5:]),
        hint=f"read {kept}; {ELSEWISE}",
    )


def _shown(lines: list[str]) -> str:
    return "".join(f"\n    {line[:LONGEST_LINE]}" for line in list(dict.fromkeys(lines))[:LINES_SHOWN])
