"""The C++ compiler and the BLAS: whether a program with a matrix product can be compiled, linked and run."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from neuro_mpc.errors import RunError
from neuro_mpc.installation.finding import Finding
from neuro_mpc.networks import blas, compiler
from neuro_mpc.system import processes
from neuro_mpc.system.cache_folder import cache_directory

PROGRAM = """#include <cstdio>
#include "cblas.h"
int main() {
    double a = 6.0, b = 7.0, c = 0.0;
    scipy_cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 1, 1, 1, 1.0, &a, 1, &b, 1, 0.0, &c, 1);
    std::printf("%.0f", c);
}
"""
PRINTED = "42"
WITHOUT = "without one, runs use NumPy, which is slower"
HEADERS = "of Python, such as the package python3-dev (Debian, Ubuntu) has; the backend cpp needs none"


def examined() -> Iterator[Finding]:
    """The compiler, a program compiled with it, the headers that Cython needs, and the BLAS of either backend."""
    try:
        command = compiler.compiler()
    except RunError as error:
        yield Finding("compiler", "absent", f"{error.problem}; {WITHOUT}", error.hint)
    else:
        yield Finding("compiler", "ok", f"{shlex.join(command)}: {compiler.compiler_version()}")
        yield compiled_program(command)
        yield headers(Path(sysconfig.get_paths()["include"]))
    yield blas_of_numpy()


def compiled_program(command: tuple[str, ...]) -> Finding:
    """A program with a product of matrices, compiled where programs are kept, and run there."""
    try:
        folder = cache_directory()
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="building-doctor-", dir=folder))
    except OSError as problem:
        return Finding("compiled program", "failed", str(problem), "another folder: NEURO_MPC_CACHE")
    try:
        return _compiled(command, scratch)
    except RunError as error:
        return Finding("compiled program", "failed", error.problem, error.hint)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _compiled(command: tuple[str, ...], folder: Path) -> Finding:
    flags = compiler.accepted_flags("float32")
    (folder / "main.cpp").write_text(PROGRAM)
    built = _run([*command, *flags, "main.cpp", "-o", "main", *_link_options()], folder)
    if built.returncode:
        return Finding("compiled program", "failed", _last_lines(built), compiler.ELSEWISE)
    ran = _run([str(folder / "main")], folder)
    if ran.returncode or ran.stdout != PRINTED:
        said = f"exit code {ran.returncode}, {ran.stdout!r} in place of {PRINTED!r}\n{_last_lines(ran)}".strip()
        return Finding("compiled program", "failed", said, "a folder where programs may run: NEURO_MPC_CACHE")
    return Finding("compiled program", "ok", f"compiled, linked with the BLAS and run: {' '.join(flags)}")


def headers(folder: Path) -> Finding:
    """The headers of Python, without which Cython cannot be compiled."""
    if (folder / "Python.h").is_file():
        return Finding("backend cython", "ok", f"Python.h in {folder}")
    return Finding("backend cython", "absent", f"no Python.h in {folder}", f"the headers {HEADERS}")


def blas_of_numpy() -> Finding:
    """The BLAS of NumPy, for the backend numpy, and ours for compiled programs."""
    found = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})  # pyright: ignore
    ours = f"{blas.package()} for compiled programs"
    return Finding("BLAS", "ok", f"{found.get('name', 'unknown')} {found.get('version', '')} in NumPy, {ours}")


def _link_options() -> list[str]:
    options = blas.compiler_keywords()
    return [
        *(f"-I{folder}" for folder in options["include_dirs"]),
        *(f"-L{folder}" for folder in options["library_dirs"]),
        *(f"-Wl,-rpath,{folder}" for folder in options["runtime_library_dirs"]),
        *(f"-l{library}" for library in options["libraries"]),
    ]


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return processes.run(
            command,
            folder=folder,
            environment={**processes.environment(), "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            errors="replace",
        )
    except OSError as error:  # a folder from which nothing can be executed
        return subprocess.CompletedProcess(command, 126, "", str(error))


def _last_lines(done: subprocess.CompletedProcess[str]) -> str:
    return "\n".join(done.stderr.strip().splitlines()[-3:])
