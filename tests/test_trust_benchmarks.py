"""The benchmarks that disturb runs and sources: what they name exists, a disk forgets what was not flushed, and each
mutant has one mistake."""

import ast
import os
import random
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import disk_model
import mutation
from kill_and_resume import PHASES
from mutants import CHECKOUT, PACKAGES, interval, is_same
from system_calls import Call

from neuro_mpc.system import processes

BENCHMARKS = sorted((CHECKOUT / "benchmarks").glob("**/*.py"))


@cache
def defined(file: Path) -> set[str]:
    """The names that a module defines or imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {each.asname or each.name for each in node.names}
    return found


def absent(file: Path) -> list[str]:
    """What a benchmark imports from a module of this checkout that does not have it."""
    found, folders = [], (CHECKOUT, CHECKOUT / "tests", CHECKOUT / "benchmarks", file.parent)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        places = [folder / node.module.replace(".", "/") for folder in folders]
        modules = [module for place in places for module in (place.with_suffix(".py"), place / "__init__.py")]
        present = [module for module in modules if module.is_file()]
        for name in (each.name for each in node.names if present or node.module.startswith("neuro_mpc")):
            inner = any((place / name).with_suffix(".py").is_file() or (place / name).is_dir() for place in places)
            if not inner and not any(name in defined(module) for module in present):
                found.append(f"{node.module}.{name}")
    return found


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_what_a_benchmark_imports_exists(file):
    """They share the helpers of tests, and no test runs all of them."""
    assert absent(file) == []


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_in_which_runs_are_killed_begins_with_a_function(phase):
    owner, name, *_ = PHASES[phase]
    assert callable(getattr(owner, name))


def calls(folder, *made):
    """Calls on files of a folder: (name, file, data or new name)."""
    for number, (name, file, *more) in enumerate(made, 1):
        data = more[0] if name == "write" else b""
        other = f"{folder}/{more[0]}" if name == "rename" else ""
        path = f"{folder}/{file}" if file else f"{folder}"
        yield Call(name, number, (1, hash(file)), 0, len(data), path, other, data, name == "open")


WRITTEN = [("open", "a.new"), ("write", "a.new", b"new" * 500)]
RENAMED = [("rename", "a.new", "a")]
FLUSHED = [("fsync", "a.new")]


def left(folder, made) -> set[tuple[bytes | None, bool]]:
    """What may be left: the content of `a`, and whether `a.new` is there."""
    (folder / "a").write_bytes(b"old")
    disk, chance = disk_model.Disk(folder), random.Random(1)
    for call in calls(folder, *made):
        disk.note(call)
    states = [disk.left(names, content, chance) for names in disk_model.NAMES for content in disk_model.CONTENTS * 40]
    return {(state.get("/a"), "/a.new" in state) for state in states}


def test_a_file_that_was_flushed_before_it_was_renamed_is_the_old_or_the_new_one(tmp_path):
    found = left(tmp_path, WRITTEN + FLUSHED + RENAMED)
    assert {content for content, _ in found} == {b"old", b"new" * 500}


def test_a_file_that_was_not_may_be_empty_short_torn_or_zero(tmp_path):
    contents = {content for content, _ in left(tmp_path, WRITTEN + RENAMED)}
    assert {b"old", b"", bytes(1500), b"new" * 500} < contents
    assert any(content and b"\0" in content and b"new" in content for content in contents)


def test_once_the_folder_is_flushed_nothing_of_the_old_is_left(tmp_path):
    assert left(tmp_path, [*WRITTEN, *FLUSHED, *RENAMED, ("fsync", "")]) == {(b"new" * 500, False)}


def test_what_was_removed_may_come_back_until_the_folder_is_flushed(tmp_path):
    removed = [("unlink", "a")]
    assert {content for content, _ in left(tmp_path, removed)} == {b"old", None}
    assert left(tmp_path, [*removed, ("fsync", "")]) == {(None, False)}


def mutants(source: str, printed_code: bool = False) -> list[str]:
    return [mutation.mutant(source, place, printed_code).source for place in mutation.places(source, printed_code)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = b + c", ["a = b - c"]),
        ("a = b < 2", ["a = b <= 2", "a = b < 3"]),
        ("a = b and c", ["a = b or c"]),
        ("if not a:\n    b = c", ["if not not a:\n    b = c"]),
        ("f(a, b)", ["pass", "f(b, a)"]),
        ("a += b", ["a -= b", "pass"]),
        ("raise E('a' + b)", ["pass"]),
        ("a = -b if c else True", ["a = -b if not c else True", "a = --b if c else True", "a = -b if c else False"]),
        (
            'def f(a: A[1]=0) -> B[2]:\n    """Returns 3 + 4."""',
            ['def f(a: A[1]=1) -> B[2]:\n    """Returns 3 + 4."""'],
        ),
        (
            "if a == b < 3:\n    b",
            ["if not a == b < 3:\n    b", "if a != b < 3:\n    b", "if a == b < 4:\n    b", "if a == b < 3:\n    pass"],
        ),
        ("a = b if b is c else d", ["a = b if b is not c else d"]),
        ("if TYPE_CHECKING:\n    a = 1", []),
        ("a = 'b*c'", []),
        ("a = max(b, np.minimum(c, d).swapaxes(e, f))", []),
        ("a = f(*b, c)", []),
    ],
)
def test_each_mutant_has_one_mistake(source, expected):
    assert mutants(source) == expected


def test_printed_code_has_mistakes_too():
    assert mutants("a = f'{b} += c*d'", printed_code=True) == ["a = f'{b} += c+d'", "a = f'{b} -= c*d'"]


@pytest.mark.parametrize(
    ("mutated", "same"),
    [
        ("def f(a):\n    return a if a > 0 else 0.5", True),
        ("def f(a):\n\n    return (a if a > 0 else 1/2)", True),
        ("def f(a):\n    return a if a >= 0 else 0.5", False),
        ("def f(a):\n    return a if a > 0.0 else 0.5", False),
        ("def f(a):\n    return a if a > 0 else -0.5", False),
        ("def f(b):\n    return b if b > 0 else 0.5", False),
    ],
)
def test_the_same_program_is_no_mutant(mutated, same):
    assert is_same("def f(a):\n    return a if a > 0 else 0.5", mutated) == same


@pytest.mark.parametrize("name", PACKAGES)
def test_mutated_sources_and_the_tests_that_notice_exist(name):
    assert len(PACKAGES[name].files) > 3
    assert all((CHECKOUT / f"tests/test_{test}.py").is_file() for test in PACKAGES[name].tests.split())


def test_the_interval_of_a_share_is_wilsons():
    assert interval(8, 10) == pytest.approx((0.490, 0.943), abs=5e-4)


WATCHED = """
import errno, os, sys
import system_calls

def work(folder):
    asks, asked = os.pipe()
    answers, answered = os.pipe()
    if not os.fork():
        while os.read(asks, 1) == b".":
            with open(folder / "file", "ab") as file:
                file.write(b"1")
            os.write(answered, b"." * 100_000)
        os._exit(0)
    for _ in range(2):
        os.write(asked, b".")
        left = 100_000
        while left:
            left -= len(os.read(answers, left))
    os.write(asked, b"!")
    os.wait()
    try:
        os.remove(folder / "none")
    except FileNotFoundError:
        os.remove(folder / "file")

def refused(calls, *order):
    calls.refuse(*order)
    try:
        for name in ("a", "b"):
            (calls.folder / name).write_bytes(b"1")
            (calls.folder / name).unlink()
    except OSError as problem:
        return f"{errno.errorcode[problem.errno]} {os.path.basename(problem.filename or '-')}"
    finally:
        calls.pass_on()

with system_calls.watching() as (calls, workspace):
    calls.note()
    work(calls.folder)
    calls.pass_on()
    made = list(system_calls.turns(calls.noted()))
    print([call.number for call, _ in made] == [*range(1, len(made) + 1)])
    for kind in ("fork", "pipe", "open", "write", "unlink", "read"):
        print(kind, [f"{os.path.basename(call.path)[:4]}{'-' * call.failed}" for call, _ in made if call.name == kind])
    print(refused(calls, "unlink", 1, errno.EIO))
    print(refused(calls, "unlink", 2, errno.EIO))
    print(refused(calls, "write", 1, errno.ENOSPC))
    print(refused(calls, "close", 1, errno.EDQUOT, True))
"""


@pytest.mark.skipif(not (sys.platform == "linux" and shutil.which("gcc")), reason="needs Linux and GCC")
def test_calls_of_two_processes_that_wait_for_each_other_are_noted_and_refused_by_their_kind(tmp_path):
    """Neither waits with the lock that the other needs: to read a pipe, to write to a full one."""
    program = tmp_path / "program.py"
    program.write_text(WATCHED)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "benchmarks"), "TMPDIR": str(tmp_path)}
    command = [sys.executable, str(program)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    ended = processes.run(command, environment=environment, timeout=60, **pipes)
    assert ended.stdout.splitlines() == [
        "True",
        "fork ['']",
        "pipe ['', '']",
        "open ['file', 'file']",
        "write ['pipe', 'file', 'pipe', 'pipe', 'file', 'pipe', 'pipe']",
        "unlink ['none-', 'file']",
        "read []",
        "EIO a",
        "EIO b",
        "ENOSPC -",
        "EDQUOT -",
    ], ended.stderr
