"""Starts the program of a plan: compiled once and kept in a cache, or as a Python process for the runtime targets."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from neuro_mpc.errors import RunError, did_you_mean
from neuro_mpc.networks import remote
from neuro_mpc.networks.compiler import compiler
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.program import Manifest, Program
from neuro_mpc.networks.program_cache import built, cython_cache, cython_options, environment
from neuro_mpc.networks.schemes.interface import tiling_of
from neuro_mpc.networks.shared import SharedProgram
from neuro_mpc.networks.workspace import writing_temporary_files
from neuro_mpc.system import processes
from neuro_mpc.system.cache_folder import fallback

BACKENDS = ("cpp", "cython", "numpy")


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


def start(plan: Plan, backend: str, workspace: Path, stage: Callable[[str], None] = lambda text: None) -> Program:
    """Start the program of `plan`; its log and scratch files go to `workspace`.

    Raises RunError when there is no compiler, the build fails or the program does not start.
    """
    if backend != "numpy" and (told := fallback()):
        stage(told)
    if backend == "cpp":
        directory = built(plan, stage)
        return Program(
            [str(directory / "main")],
            Manifest.load(directory / "manifest.json"),
            tiling_of(plan),
            plan.layout,
            workspace / "program.log",
            environment(plan.threads, workspace),
        )
    stage("preparing the network")
    return _start_worker(plan, backend, workspace)


def start_shared(
    plan: Plan,
    shares: int,
    backend: str,
    workspace: Path,
    stage: Callable[[str], None] = lambda text: None,
    scheduler: str | None = None,
) -> Program:
    """Start so many programs among which the trials of `plan` are shared, as one; raises what `start` does.

    scheduler   address of one of dask, on whose workers they run; None: on this machine
    """
    if shares == 1:
        return start(plan, backend, workspace, stage)
    own = plan.shared(shares)
    if scheduler is not None:
        stage(f"preparing the network on {shares} workers of {scheduler}")
        with ExitStack() as started:
            programs = started.enter_context(remote.started(start, own, shares, backend, scheduler))
            return SharedProgram(programs, own, started.pop_all())
    folders = [workspace / f"{number}" for number in range(shares)]
    with writing_temporary_files():
        for folder in folders:
            folder.mkdir()
    with ExitStack() as started:
        programs = [started.enter_context(start(own, backend, folders[0], stage))]
        with ThreadPoolExecutor(shares - 1) as pool:  # what the first one needed lies in the cache
            others = [pool.submit(start, own, backend, folder) for folder in folders[1:]]
        programs += [started.enter_context(other.result()) for other in others]
        return SharedProgram(programs, own, started.pop_all())


def _start_worker(plan: Plan, backend: str, workspace: Path) -> Program:
    """Start the Python process that runs a plan's network on a runtime target, and wait until it is ready."""
    plan_path, manifest_path, log = (workspace / name for name in ("plan.json", "manifest.json", "program.log"))
    with writing_temporary_files():
        plan_path.write_text(plan.to_json())
    flags, compilers = cython_options(plan) if backend == "cython" else ([], {})
    variables = environment(plan.threads, workspace) | compilers
    command = processes.python(
        "neuro_mpc.networks.worker",
        str(plan_path),
        backend,
        str(manifest_path),
        str(cython_cache(flags)) if backend == "cython" else "",
        json.dumps(flags),
    )
    program = Program(command, Manifest({}), tiling_of(plan), plan.layout, log, variables)
    try:
        program.wait_until_ready(manifest_path)
    except RunError:
        program.close()
        _check_compilation(program.log_lines())
        raise
    return program


def _check_compilation(lines: list[str]) -> None:
    """RunError if a log tells of a compiler's errors."""
    errors = [line for line in lines if "error:" in line][:5]
    if errors:
        raise RunError(
            "compiling for the backend cython failed" + "".join(f"\n    {line[:300]}" for line in errors),
            hint="the headers of Python are needed (Debian, Ubuntu: apt install python3-dev); "
            "--backend numpy needs no compiler",
        ) from None
