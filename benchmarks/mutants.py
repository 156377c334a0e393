"""Whether tests notice mistakes: makes one at a time in the sources of a package, runs its tests, lists what survives.

    python benchmarks/mutants.py [--of rules lowering …] [--mutants 40] [--seed 0] [--seconds N] [--without resume …]

Needs the package coverage.  A copy of this checkout is mutated; `mutation.py` says how.  The tests of each package are
those of `PACKAGES`, on NumPy and without a compiler.  They are run once to learn which of them reach which line.  Then
a sample of all mutants is drawn; for each of them the tests run that reach its line, themselves or by a fixture, until
one fails, in a fork of this process, which has imported the libraries.  Where none fails, the other tests of the
package run: what a function remembers was reached by the first that asked for it alone.  A mutant that compiles to the
same program is left out.

A survivor is a mistake that these tests do not notice: there is a test to write, or a reason to give.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import math
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from types import CodeType
from typing import Any

from mutation import Mutant, Place, mutant, places

CHECKOUT = Path(__file__).resolve().parents[1]
LIBRARIES = "brian2 coverage h5py hypothesis netCDF4 numpy pydantic pytest scipy.sparse sklearn.datasets sympy xarray"
NOT_FOUND = (4, 5)  # what pytest answers where there are no such tests
FAILED = 99  # an end that pytest does not know
MARGIN = 3  # times what all tests took together, that they may take where one is to fail
LEAST = 10  # seconds that the tests of a mutant may take, however short they are
WAITING = 20  # times the computing time that a child may take, where others compute, too
COPIED = "neuro_mpc tests models protocols benchmarks analysis docs pyproject.toml README.md CONTRIBUTING.md".split()


LOWERING = """groups statements signals rows operations phases phase phase_runner plasticity credit connectivity
    influences precision settling layout sections functions printers model kernels/* schemes/* optimizers/*"""


@dataclass(frozen=True)
class Package:
    """Sources of a folder, the test files that are to notice mistakes in them, and whether their texts are code."""

    sources: str
    tests: str
    folder: str = ""
    prints_code: bool = False

    @property
    def files(self) -> list[str]:
        root = CHECKOUT / "neuro_mpc" / self.folder
        found = {path for pattern in self.sources.split() for path in root.glob(f"{pattern}.py")}
        return sorted(str(path.relative_to(CHECKOUT)) for path in found)


PACKAGES = {
    "rules": Package(
        "*",
        "rules tidying split_errors compartments symbols show learned_precision formulas kept_equations",
        "rules",
    ),
    "lowering": Package(
        LOWERING,
        """rules kernels operations layout relaxation schemes network optimiser connections connected_networks
        split_errors credit sampling learned_precision symbols stepwise causal_inference tied numpy_kernels
        kept_code functions""",
        "networks",
        prints_code=True,
    ),
    "noise": Package(
        "networks/kernels/noise randomness simulation/initial simulation/schedule simulation/sampling",
        "noise kernels initial sampling schedule connections cautions",
    ),
    "checkpoint": Package(
        "runfile/checkpoint runfile/differences runs/destination runs/provenance runs/divergence",
        "checkpoint destination data_digest divergence resume failing_calls file_format",
    ),
    "runfile": Package(
        "*",
        """record run_file_parts reading access checkpoint data_digest file_format attributes lock runs_and_diff
        failing_calls hostile_files destination""",
        "runfile",
    ),
    "stimuli": Package(
        "*",
        """stimuli text text_file idx wrong_data own_data stored_data zarr_stores csv_and_images mismatch_stimuli
        windows task decision data_digest memory_tasks language image_patches source_limits kept_trials keys""",
        "stimuli",
    ),
}


@dataclass
class Reached:
    """Which tests reach which line, and how long they take."""

    lines: dict[str, dict[str, list[str]]]
    seconds: dict[str, float]

    def tests(self, file: str, found: Mutant) -> list[str]:
        """Those that reach a mutant, quick ones first; all, where the import does."""
        lines = self.lines.get(file, {})
        reaching = lines.get(str(found.line)) or lines.get(str(found.first_line)) or []
        named = [name for name in reaching if name]
        return sorted(named or (self.seconds if reaching else []), key=lambda name: self.seconds.get(name, 0.0))

    def files(self) -> list[str]:
        """The files of all tests."""
        return list(dict.fromkeys(name.partition("::")[0] for name in self.seconds))

    def took(self, tests: Iterable[str]) -> float:
        return sum(self.seconds.get(name, 0.0) for name in tests)


class Copy:
    """A copy of the checkout, in which tests run."""

    def __init__(self, folder: Path):
        self.folder, self.said = folder / "checkout", folder / "said"
        self.folder.mkdir()
        for name in COPIED:
            source = CHECKOUT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, self.folder / name)
        os.environ["NEURO_MPC_CACHE"] = str(folder / "cache")

    def reached(self, files: list[str], tests: list[str]) -> Reached:
        """Runs all tests, which have to pass."""
        found = self.said.with_name("reached.json")
        status = self._child(lambda: _reached(self.folder, files, tests, found), 3600)
        if status or not found.exists():
            raise SystemExit(f"the tests fail without a mistake:\n{self.said.read_text()[-3000:]}")
        return Reached(**json.loads(found.read_text()))

    def end(self, file: str, source: str, tests: list[str], seconds: float, without: Iterable[str] = ()) -> str:
        """How the tests of a mutant end, `without` some of them: "failed", "passed", or "too long"."""
        path = self.folder / file
        original = path.read_text()
        _write(path, source)
        try:
            status = self._child(lambda: _pytest(["-x", *tests], _Without(without)), seconds)
            if status in NOT_FOUND:  # the names of tests may depend on the source
                status = self._child(lambda: _pytest(["-x", *{name.partition("::")[0] for name in tests}]), seconds)
        finally:
            _write(path, original)
        return "too long" if status is None else "failed" if status else "passed"

    def _child(self, work: Callable[[], int], seconds: float) -> int | None:
        """The status of a process that does the work in the copy; None where that takes more time than it may."""
        start, process = time.perf_counter(), os.fork()
        if process == 0:
            self._be_child(seconds)
            try:
                os._exit(work())
            finally:
                os._exit(FAILED)
        while (ended := os.waitpid(process, os.WNOHANG))[0] == 0:
            if time.perf_counter() - start > WAITING * seconds:
                _end_group(process)
            time.sleep(0.05)
        _end_group(process)
        status = os.waitstatus_to_exitcode(ended[1])
        return None if status in (-signal.SIGXCPU, -signal.SIGKILL) else status

    def _be_child(self, seconds: float) -> None:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (round(seconds), round(seconds) + 5))
        stream = os.open(self.said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(stream, number)
        os.chdir(self.folder)
        sys.path[0] = os.environ["PYTHONPATH"] = str(self.folder)  # of processes that tests start, too
        sys.dont_write_bytecode = False  # of all that is not mutated there is some then


def _write(path: Path, source: str) -> None:
    """Python would take its bytecode for that of another source of the same second and size."""
    path.write_text(source)
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        compiled.unlink()


def _end_group(process: int) -> None:
    try:
        os.killpg(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _pytest(arguments: list[str], *plugins: object) -> int:
    import pytest

    options = ["-q", "-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:timeout", "-p", "no:zarr"]
    return int(pytest.main([*options, "-m", "not compiler", *arguments], plugins=list(plugins)))


class _Without:
    """Leaves out tests by their names."""

    def __init__(self, names: Iterable[str]):
        self._names = frozenset(names)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if item.nodeid not in self._names]


def _reached(folder: Path, files: list[str], tests: list[str], to: Path) -> int:
    import coverage
    import pytest

    measured = coverage.Coverage(data_file=None, config_file=False, include=[str(folder / name) for name in files])
    seconds: dict[str, float] = {}
    users: dict[str, list[str]] = {}

    class Watching:
        """Lines that a fixture reaches are reached by all tests that use it, not by the first of them alone."""

        running = ""

        @pytest.hookimpl(wrapper=True)
        def pytest_fixture_setup(self, fixturedef):
            if fixturedef.scope != "function":
                measured.switch_context(_named(fixturedef))
            try:
                return (yield)
            finally:
                measured.switch_context(self.running)

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_protocol(self, item):
            for definitions in item._fixtureinfo.name2fixturedefs.values():
                for each in definitions:
                    users.setdefault(_named(each), []).append(item.nodeid)
            self.running = item.nodeid
            measured.switch_context(self.running)
            start = time.perf_counter()
            yield_result = yield
            seconds[item.nodeid] = time.perf_counter() - start
            self.running = ""
            measured.switch_context(self.running)
            return yield_result

    measured.start()
    status = _pytest(tests, Watching())
    measured.stop()
    data = measured.get_data()
    lines = {
        name: {
            line: sorted({test for context in contexts for test in users.get(context, [context])})
            for line, contexts in data.contexts_by_lineno(str(folder / name)).items()
        }
        for name in files
    }
    to.write_text(json.dumps({"lines": lines, "seconds": seconds}))
    return status


def _named(fixture: Any) -> str:
    return f"fixture {fixture.baseid} {fixture.argname}"


def is_same(source: str, mutated: str) -> bool:
    """Whether two sources compile to the same program but for the numbers of their lines."""
    return _program(compile(source, "", "exec")) == _program(compile(mutated, "", "exec"))


def _program(code: CodeType) -> tuple[object, ...]:
    constants = [_program(each) if isinstance(each, CodeType) else (type(each), repr(each)) for each in code.co_consts]
    closure = (code.co_freevars, code.co_cellvars)
    return code.co_code, constants, code.co_names, code.co_varnames, *closure, code.co_exceptiontable


def interval(part: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, share = 1.96, part / total
    middle, half = share + z * z / (2 * total), z * sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    return (middle - half) / (1 + z * z / total), (middle + half) / (1 + z * z / total)


def _end(copied: Copy, reached: Reached, file: str, found: Mutant, tests: list[str], each: float) -> str:
    """How the tests of a mutant end: those that reach it, then all others."""
    if not tests:
        return "not reached"
    end = copied.end(file, found.source, tests, min(each, LEAST + MARGIN * reached.took(tests)))
    others = reached.seconds.keys() - set(tests)
    if end == "passed" and others:
        end = copied.end(file, found.source, reached.files(), each + MARGIN * reached.took(others), tests)
    return end


def examine(name: str, copied: Copy, asked: argparse.Namespace) -> None:
    """Prints what survives of a sample of the mutants of a package."""
    package, start, chance = PACKAGES[name], time.perf_counter(), random.Random(f"{name} {asked.seed}")
    sources = {file: (CHECKOUT / file).read_text() for file in package.files}
    tests_of = [test for test in package.tests.split() if test not in asked.without]
    reached = copied.reached(list(sources), [f"tests/test_{test}.py" for test in tests_of])
    plain = {file: ast.unparse(ast.parse(source)) for file, source in sources.items()}
    every: list[tuple[str, Place]] = [
        (file, place) for file, source in sources.items() for place in places(source, package.prints_code)
    ]
    ends: Counter[str] = Counter()
    for file, place in chance.sample(every, min(asked.mutants, len(every))):
        if time.perf_counter() - start > asked.seconds:
            break
        found = mutant(sources[file], place, package.prints_code)
        tests = reached.tests(file, found)
        end = "same" if is_same(plain[file], found.source) else _end(copied, reached, file, found, tests, asked.each)
        ends[end] += 1
        if end in ("passed", "not reached") or asked.all:
            print(f"{end:11} {file}:{found.line}: {found.before}\n{'':11} → {found.after}", flush=True)
    killed, total = ends["failed"] + ends["too long"], ends.total() - ends["same"]
    low, high = interval(killed, total)
    print(
        f"{name}: {killed} of {total} mutants killed ({killed / total:.0%}, 95 % interval {low:.0%} to {high:.0%}), "
        f"{ends['too long']} by taking too long, {ends['not reached']} not reached by these tests; "
        f"{ends['same']} the same program, left out; {len(every)} mutants of {len(sources)} files, seed {asked.seed}, "
        f"{time.perf_counter() - start:.0f} s",
        flush=True,
    )


def _import_libraries() -> None:
    """What every mutant would import; nothing of this package."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for name in LIBRARIES.split():
        importlib.import_module(name)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--of", nargs="+", default=list(PACKAGES), choices=PACKAGES)
    options.add_argument("--mutants", type=int, default=40, help="of each package")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument(
        "--each", type=float, default=120, help="most seconds of computing that the tests of a mutant may take"
    )
    options.add_argument(
        "--seconds", type=float, default=math.inf, help="after which no further mutant of a package is made"
    )
    options.add_argument(
        "--without",
        nargs="+",
        default=[],
        help="tests that are not run, by the names of their files: those that take long",
    )
    options.add_argument("--all", action="store_true", help="print the mutants that are killed, too")
    asked = options.parse_args()
    _import_libraries()
    with tempfile.TemporaryDirectory(prefix="neuro_mpc-mutants-") as folder:
        copied = Copy(Path(folder).resolve())
        for name in asked.of:
            examine(name, copied, asked)


if __name__ == "__main__":
    main()
