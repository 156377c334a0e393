"""Starts the program of a plan: compiled once and kept in a cache, or as a Python process for the runtime targets."""

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
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from neuro_mpc import files, locks, processes
from neuro_mpc.errors import RunError, did_you_mean
from neuro_mpc.network import blas, sources
from neuro_mpc.network.cache_folder import cache_directory, fallback
from neuro_mpc.network.compiler import accepted_flags, build_failed, compiler, compiler_version, refuse_broken
from neuro_mpc.network.layout import groups
from neuro_mpc.network.phases import all_phases
from neuro_mpc.network.plan import Plan
from neuro_mpc.network.program import Manifest, Program

PACKAGE = Path(__file__).parents[1]
BACKENDS = ("cpp", "cython", "numpy")
CHECKED = "sha256"
SHOWN_LINES = 5
BUILD_BYTES = 50 * 2**20  # more than the files of a build take
IN_CYTHON = ["-fno-guess-branch-probability", "--param=vect-max-version-for-alias-checks=1000"]
"""GCC would not vectorise the loops of a long Cython function: it guesses that they are hardly ever reached, and
has to check before each that no two of its arrays overlap."""


def available(backend: str, stage: Callable[[str], None] = lambda text: None) -> str:
    """The backend to use: `backend`, or "numpy" where "cpp" finds no compiler, which is told through `stage`.

    Raises RunError for an unknown backend, and for "cython" without a compiler.
    """
    if backend not in BACKENDS:
        raise RunError(f"there is no backend {backend!r}", hint=did_you_mean(backend, BACKENDS) or ", ".join(BACKENDS))
    if backend == "numpy":
        return backend
    try:
        compiler()
    except RunError as error:
        if backend == "cython":
            raise
        stage(f"no C++ compiler: running with NumPy, which is slower. {error}")
        return "numpy"
    return backend


@cache
def require_usable(backend: str) -> None:
    """Raises RunError where a program of `backend` could not be started: finds out what `start` would, in seconds."""
    if backend != "numpy":
        refuse_broken(compiler())
    trial = processes.run(
        processes.python("neuro_mpc.network.model"),
        environment=processes.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        universal_newlines=True,
        errors="replace",
    )
    if trial.returncode:
        said = "".join(f"\n    {line}" for line in trial.stderr.strip().splitlines()[-SHOWN_LINES:])
        raise RunError(
            f"a Python of its own, {sys.executable}, cannot import what simulates{said}",
            hint="install neuro_mpc and Brian2 for this Python; of PYTHONPATH, the current folder is left out",
        )


def start(plan: Plan, backend: str, workspace: Path, stage: Callable[[str], None] = lambda text: None) -> Program:
    """Start the program of `plan`; its log and scratch files go to `workspace`.

    Raises RunError when there is no compiler, the build fails or the program does not start.
    """
    if backend != "numpy" and (told := fallback()):
        stage(told)
    if backend == "cpp":
        directory = _built(plan, stage)
        return Program(
            [str(directory / "main")],
            Manifest.load(directory / "manifest.json"),
            plan.tiling,
            plan.layout,
            workspace / "program.log",
            _environment(plan.threads, workspace),
        )
    stage("preparing the network")
    return _start_worker(plan, backend, workspace)


def _start_worker(plan: Plan, backend: str, workspace: Path) -> Program:
    """Start the Python process that runs a plan's network on a runtime target, and wait until it is ready."""
    plan_path, manifest_path, log = (workspace / name for name in ("plan.json", "manifest.json", "program.log"))
    plan_path.write_text(plan.to_json())
    flags, compilers = cython_options(plan) if backend == "cython" else ([], {})
    environment = _environment(plan.threads, workspace) | compilers
    command = processes.python(
        "neuro_mpc.network.worker",
        str(plan_path),
        backend,
        str(manifest_path),
        str(cython_cache(flags)),
        json.dumps(flags),
    )
    program = Program(command, Manifest({}), plan.tiling, plan.layout, log, environment)
    try:
        program.wait_until_ready(manifest_path)
    except RunError:
        program.close()
        _check_compilation(log)
        raise
    return program


def _check_compilation(log: Path) -> None:
    """RunError if a log tells of a compiler's errors."""
    errors = [line for line in log.read_text(errors="replace").splitlines() if "error:" in line][:5]
    if errors:
        raise RunError(
            "compiling for the backend cython failed" + "".join(f"\n    {line[:300]}" for line in errors),
            hint="the headers of Python are needed (Debian, Ubuntu: apt install python3-dev); "
            "--backend numpy needs no compiler",
        ) from None


def _environment(threads: int, scratch: Path) -> dict[str, str]:
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


def _built(plan: Plan, stage: Callable[[str], None]) -> Path:
    """The folder of the compiled program, built if it is not in the cache, or not as it was built."""
    program = cache_directory() / _key(plan)
    if _is_whole(program):
        return program
    try:
        program.parent.mkdir(parents=True, exist_ok=True)
        # Without locks both build, and the first one to finish is used.
        with locks.held(
            program.with_name(f"{program.name}.lock"),
            wait=lambda: stage("waiting for another run to compile the same program"),
        ):
            if not _is_whole(program):
                stage("compiling")
                _build(plan, program)
    except OSError as error:
        raise RunError(
            f"cannot write to the cache of compiled programs: {error}",
            hint="free space on its disk, or set NEURO_MPC_CACHE to another folder; a run without a "
            "compiler needs no cache: --backend numpy",
        ) from None
    return program


def _is_whole(program: Path) -> bool:
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


def _build(plan: Plan, program: Path) -> None:
    for abandoned in program.parent.glob(f"building-{program.name}-*"):  # by a run that was killed
        shutil.rmtree(abandoned, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"building-{program.name}-", dir=program.parent))
    try:
        _compile(plan, scratch)
        _install(scratch, program)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _compile(plan: Plan, directory: Path) -> None:
    (directory / "plan.json").write_text(plan.to_json())
    log = directory / "build.log"
    command = processes.python(
        "neuro_mpc.network.build",
        str(directory / "plan.json"),
        str(directory),
        json.dumps(accepted_flags(plan.precision)),
    )
    with log.open("wb") as output:
        build = processes.run(
            command,
            folder=directory,
            environment={**_environment(1, directory), "CXX": shlex.join(compiler())},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if build.returncode or not (directory / "main").is_file():
        _require_room(directory)
        kept = cache_directory() / "last-failed-build.log"
        files.write(kept, log.read_bytes())
        raise build_failed(log, kept)


def _require_room(directory: Path) -> None:
    """Tells a build that failed for want of room from others: there may have been none for its log either."""
    free = shutil.disk_usage(directory).free
    if free < BUILD_BYTES:
        raise OSError(
            errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}, {free / 2**20:.1f} MiB are left", str(directory.parent)
        )


def _install(scratch: Path, program: Path) -> None:
    """Move a finished build into place; another process may have been faster."""
    for needless in ("code_objects", "brianlib", "results", "static_arrays"):
        shutil.rmtree(scratch / needless, ignore_errors=True)
    for path in scratch.glob("*.o"):
        path.unlink()
    (scratch / CHECKED).write_text(_check_sums(scratch))
    files.flush_tree(scratch)
    try:
        os.rename(scratch, program)
    except OSError:
        if not _is_whole(program):  # damaged: the build takes its place
            program.unlink() if program.is_file() else shutil.rmtree(program, ignore_errors=True)
            os.rename(scratch, program)
    files.flush_folder(program.parent)


def _key(plan: Plan) -> str:
    """What the program depends on: the plan, our own source, versions, compiler and processor."""
    parts = [
        plan.to_json(),
        *sources.digests(PACKAGE),
        *_brought(plan),
        version("brian2"),
        version("numpy"),
        version("scipy-openblas32"),
        json.dumps(blas.compiler_keywords()),
        *compiler(),
        compiler_version(),
        platform.machine(),
        processor(),
    ]
    return _digest(parts)


def _brought(plan: Plan) -> list[str]:
    """What is generated, where another package has a part in it: no one knows on which files that depends."""
    if not plan.origins:
        return []
    return [*(phase.as_text() for phase in all_phases(plan)), *(f"{group}" for group in groups(plan))]


def cython_options(plan: Plan) -> tuple[list[str], dict[str, str]]:
    """Flags of the compiler for Cython, and the variables of the environment that name it."""
    return accepted_flags(plan.precision, *IN_CYTHON), dict.fromkeys(("CC", "CXX"), shlex.join(compiler()))


def cython_cache(flags: list[str]) -> Path:
    """Where Brian2 keeps compiled Cython; it tells generated code and libraries apart, but not what is named here."""
    parts = [*sources.digests(PACKAGE), *flags, platform.machine(), processor()]
    return cache_directory() / f"cython-{_digest(parts)}"


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def processor() -> str:
    """The instructions that the processor offers; a program built for one may not run on another."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        return platform.processor()
