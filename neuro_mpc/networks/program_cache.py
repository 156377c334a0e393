"""Compiled programs and what they are compiled with: built once, told apart by all that they depend on, and kept."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from neuro_mpc.errors import RunError
from neuro_mpc.networks import blas
from neuro_mpc.networks.compiler import accepted_flags, build_failed, compiler, compiler_version
from neuro_mpc.networks.layout import groups
from neuro_mpc.networks.phases import all_phases
from neuro_mpc.networks.plan import Plan
from neuro_mpc.system import files, locks, processes, sources
from neuro_mpc.system.cache_contents import mark_used, remove_unused
from neuro_mpc.system.cache_folder import cache_directory

PACKAGE = Path(__file__).parents[1]
CHECKED = "sha256"
BUILD_BYTES = 120 * 2**20  # more than the files of a build take
IN_CYTHON = ["-fno-guess-branch-probability", "--param=vect-max-version-for-alias-checks=1000", "-g0"]
"""GCC would not vectorise the loops of a long Cython function: it guesses that they are hardly ever reached, and
has to check before each that no two of its arrays overlap. Python asks for what a debugger reads, which is a third of
the time."""


def environment(threads: int, scratch: Path) -> dict[str, str]:
    """One thread for each matrix product of a compiled sweep: its own threads work on different tiles.

    What Brian2 and compilers leave in the folder of temporary files goes with the `scratch` folder.
    """
    count = str(threads)
    return {
        **processes.environment(),
        "TMPDIR": str(scratch),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": count,
    }


def built(plan: Plan, stage: Callable[[str], None]) -> Path:
    """The folder of the compiled program, built if it is not in the cache, or not as it was built."""
    program = cache_directory() / key_of(plan)
    mark_used(program)
    if is_whole(program):
        return program
    try:
        program.parent.mkdir(parents=True, exist_ok=True)
        # Without locks both build, and the first one to finish is used.
        with locks.held(
            program.with_name(f"{program.name}.lock"),
            wait=lambda: stage("waiting for another run to compile the same program"),
        ) as alone:
            if not is_whole(program):
                stage("compiling")
                if alone:
                    _remove_abandoned(program)
                _build(plan, program)
                remove_unused(program)
    except processes.StartError as error:
        raise RunError(f"the program cannot be compiled: {error.strerror}", hint=error.hint) from error
    except OSError as error:
        raise RunError(
            f"cannot write to the cache of compiled programs: {error}",
            hint="free space on its disk, or set NEURO_MPC_CACHE to another folder; a run without a "
            "compiler needs no cache: --backend numpy",
        ) from None
    return program


def is_whole(program: Path) -> bool:
    """Whether a folder of the cache holds what was built, to the byte, and as a program."""
    try:
        executable = (program / "main").stat().st_mode & stat.S_IXUSR
        return bool(executable) and (program / CHECKED).read_text() == _check_sums(program)
    except OSError:
        return False


def _check_sums(program: Path) -> str:
    return "".join(
        f"{hashlib.sha256((program / name).read_bytes()).hexdigest()}  {name}\n" for name in ("main", "manifest.json")
    )


def _remove_abandoned(program: Path) -> None:
    """Removes what a run that was killed left of a build."""
    for abandoned in program.parent.glob(f"building-{program.name}-*"):
        shutil.rmtree(abandoned, ignore_errors=True)


def _build(plan: Plan, program: Path) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=f"building-{program.name}-", dir=program.parent))
    try:
        compile_into(plan, scratch)
        install(scratch, program)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def compile_into(plan: Plan, directory: Path) -> None:
    flags = accepted_flags(plan.precision)
    (directory / "plan.json").write_text(plan.to_json())
    log = directory / "build.log"
    command = processes.python(
        "neuro_mpc.networks.build",
        str(directory / "plan.json"),
        str(directory),
        json.dumps(flags),
        str(precompiled_cache(plan, flags)),
    )
    with log.open("wb") as output:
        build = processes.run(
            command,
            folder=directory,
            environment={**environment(1, directory), "CXX": shlex.join(compiler())},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if build.returncode or not (directory / "main").is_file():
        require_room(directory)
        kept = cache_directory() / "last-failed-build.log"
        files.write(kept, log.read_bytes())
        raise build_failed(log, kept)


def require_room(directory: Path) -> None:
    """Tells a build that failed for want of room from others: there may have been none for its log either."""
    free = shutil.disk_usage(directory).free
    if free < BUILD_BYTES:
        raise OSError(
            errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}, {free / 2**20:.1f} MiB are left", str(directory.parent)
        )


def install(scratch: Path, program: Path) -> None:
    """Move a finished build into place; another process may have been faster."""
    for needless in ("code_objects", "brianlib", "results", "static_arrays"):
        shutil.rmtree(scratch / needless, ignore_errors=True)
    for path in (*scratch.glob("*.o"), scratch / "precompiled"):
        path.unlink(missing_ok=True)
    (scratch / CHECKED).write_text(_check_sums(scratch))
    files.flush_tree(scratch)
    try:
        os.rename(scratch, program)
    except OSError:
        if not is_whole(program):  # damaged: the build takes its place
            program.unlink() if program.is_file() else shutil.rmtree(program, ignore_errors=True)
            os.rename(scratch, program)
    files.flush_folder(program.parent)


def key_of(plan: Plan) -> str:
    """What the program depends on: the plan, our own source, versions, compiler and processor."""
    parts = [
        plan.to_json(),
        *sources.digests(PACKAGE),
        *brought(plan),
        version("brian2"),
        version("numpy"),
        version("scipy-openblas32"),
        json.dumps(blas.compiler_keywords()),
        *_toolchain(),
    ]
    return _digest(parts)


def brought(plan: Plan) -> list[str]:
    """What is generated, where another package has a part in it: no one knows on which files that depends."""
    if not plan.origins:
        return []
    return [*(phase.as_text() for phase in all_phases(plan)), *(f"{group}" for group in groups(plan))]


def precompiled_cache(plan: Plan, flags: list[str]) -> Path:
    """Where the parts are that all programs with the same flags, precision and threads or none have in common."""
    parts = [
        *sources.digests(PACKAGE),
        *flags,
        plan.precision,
        f"{plan.threads > 1}",
        *_toolchain(),
    ]
    return cache_directory() / f"precompiled-{_digest(parts)}"


def cython_options(plan: Plan) -> tuple[list[str], dict[str, str]]:
    """Flags of the compiler for Cython, and the variables of the environment that name it."""
    return accepted_flags(plan.precision, *IN_CYTHON), dict.fromkeys(("CC", "CXX"), shlex.join(compiler()))


def cython_cache(flags: list[str]) -> Path:
    """Where Brian2 keeps compiled Cython, from now on; it tells generated code and libraries apart, not what is named
    here."""
    parts = [*sources.digests(PACKAGE), *flags, platform.machine(), processor()]
    folder = cache_directory() / f"cython-{_digest(parts)}"
    mark_used(folder)
    return folder


def _toolchain() -> list[str]:
    """What compiles, and for which processor."""
    return [*compiler(), compiler_version(), platform.machine(), processor()]


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def processor() -> str:
    """The instructions that the processor offers; a program built for one may not run on another.

    And the one that OpenBLAS is told to take it for, whose products differ in their last bits.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        offered = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        offered = platform.processor()
    return offered + os.environ.get("OPENBLAS_CORETYPE", "")
