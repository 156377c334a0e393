"""Checkpoints, progress, locks and the cache go by clocks that nobody sets: the wall clock dates run files only."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "neuro_mpc"
# What tells the wall clock, in Python and in generated code.
OF_PYTHON = {
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
OF_C = re.compile(r"\b(gettimeofday|CLOCK_REALTIME|system_clock|timespec_get|time\s*\(\s*(0|NULL|nullptr)\s*\))")
DATES = {"runfile/root_attributes.py": ["now"]}


def readings(source: str) -> list[str]:
    """How a module reads the wall clock: names of `time` and `datetime` that are called, handed on or imported."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            found += [node.attr] * (node.attr in OF_PYTHON.get(owner, ()))
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [each.name for each in node.names if each.name in OF_PYTHON["time"]]
    return found


def test_the_wall_clock_dates_run_files_and_nothing_else():
    found = {path.relative_to(PACKAGE).as_posix(): readings(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}
    assert {file: names for file, names in found.items() if names} == DATES


def test_generated_programs_do_not_read_the_wall_clock():
    files = [path for kind in ("h", "cpp", "cpp_", "pyx", "py_") for path in PACKAGE.rglob(f"*.{kind}")]
    assert len(files) > 5
    assert not [path.name for path in files if OF_C.search(path.read_text("utf-8"))]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import time\nbegin = time.time()", ["time"]),
        ("import time\ndef wait(clock=time.time): pass", ["time"]),
        ("from time import time, monotonic", ["time"]),
        ("import datetime\ndatetime.datetime.now()", ["now"]),
        ("import time\ntime.monotonic(), time.perf_counter()\nnow = run.time", []),
    ],
)
def test_a_reading_of_the_wall_clock_is_found(source, names):
    assert readings(source) == names
