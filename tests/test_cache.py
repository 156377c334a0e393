"""Compiled programs: built once, also by two runs at the same time, and again where the cache is damaged."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
from interrupted import content

import neuro_mpc as nm
from neuro_mpc.errors import RunError
from neuro_mpc.networks import launch, program_cache
from neuro_mpc.system.sources import ROOMS

pytestmark = pytest.mark.compiler

SETTINGS = [
    "circuit.population.hidden.size=6",
    "protocol.stimulus.letters=5",
    "protocol.stimulus.length=4",
    "protocol.stimulus.load=4.0",
    "protocol.learning.batch=8",
    "protocol.learning.epochs=2",
]


class Plan:
    precision, threads = "float32", 1
    origins = ()

    def to_json(self) -> str:
        return "{}"


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """A cache of its own, and the programs that were compiled for it: text files."""
    monkeypatch.setenv("NEURO_MPC_CACHE", str(tmp_path / "cache"))
    found = []

    def compile_(plan, directory):
        found.append(directory)
        time.sleep(0.2)
        (directory / "main").write_text("program")
        (directory / "main").chmod(0o755)
        (directory / "manifest.json").write_text("{}")

    monkeypatch.setattr(program_cache, "compile_into", compile_)
    monkeypatch.setattr(program_cache, "key_of", lambda plan: "key")
    return found


def built() -> Path:
    return program_cache.built(Plan(), lambda text: None)


def test_a_program_is_compiled_once(compiled):
    assert built() == built()
    assert len(compiled) == 1


def test_of_two_at_the_same_time_one_compiles_and_the_other_waits(compiled):
    said = []
    start = threading.Barrier(2)

    def build(_):
        start.wait()
        return program_cache.built(Plan(), said.append)

    with ThreadPoolExecutor(2) as two:
        assert len(set(two.map(build, range(2)))) == 1
    assert len(compiled) == 1
    assert sorted(said) == ["compiling", "waiting for another run to compile the same program"]


def test_without_locks_two_at_the_same_time_both_build(compiled, monkeypatch):
    monkeypatch.setattr(program_cache.locks, "held", lambda *_, **__: nullcontext(False))
    start = threading.Barrier(2)

    def build(late):
        start.wait()
        time.sleep(0.1 * late)  # while the other one compiles
        return built()

    with ThreadPoolExecutor(2) as two:
        (program,) = set(two.map(build, range(2)))
    assert program_cache.is_whole(program)
    assert len(compiled) == 2
    assert [path.name for path in program.parent.iterdir()] == [program.name]


@pytest.mark.parametrize(
    "damage",
    [
        lambda program: (program / "main").write_text("prog"),
        lambda program: (program / "main").unlink(),
        lambda program: (program / "main").chmod(0o644),
        lambda program: (program / "manifest.json").write_text(""),
        lambda program: (program / "sha256").unlink(),
        lambda program: (shutil.rmtree(program), program.write_text("a file")),
    ],
)
def test_a_damaged_program_is_built_again(compiled, damage):
    damage(built())
    program = built()
    assert program_cache.is_whole(program)
    assert len(compiled) == 2
    assert built() == program
    assert len(compiled) == 2


def test_what_a_killed_build_left_is_removed(compiled):
    left = program_cache.cache_directory() / "building-key-abc"
    left.mkdir(parents=True)
    built()
    assert not left.exists()


def test_what_nobody_used_for_long_goes_when_something_is_built(compiled):
    cache = program_cache.cache_directory()
    kinds = ("", "precompiled-", "cython-", "derived-", "usable-")
    old, recent = ([f"{kind}{digit * 24}" for kind in kinds] for digit in "ab")
    others = ["mnist", "notes", f"{'c' * 23}", f"mine-{'d' * 24}"]
    for name in (*old, *recent, *others):
        (cache / name).mkdir(parents=True)
        (cache / name / "content").write_text("")
    (cache / ("e" * 24)).symlink_to(cache / "mnist", target_is_directory=True)
    (cache / f"unused-{'f' * 24}").mkdir()  # by a process that was killed
    days = 24 * 3600
    for name in (*old, *recent, *others, "e" * 24):
        age = 80 if name in recent else 100
        os.utime(cache / name, (time.time() - age * days,) * 2, follow_symlinks=False)
    built()
    assert {path.name for path in cache.iterdir()} == {"key", *recent, *others}
    assert (cache / "mnist" / "content").is_file()


def test_a_program_that_is_used_is_kept(compiled):
    program = built()
    os.utime(program, (0, 0))
    built()
    assert time.time() - program.stat().st_mtime < 60


def test_a_cache_that_cannot_be_written_is_told(compiled, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEURO_MPC_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(RunError, match='NEURO_MPC_CACHE.*backend="numpy"'):
        built()


def test_a_build_without_room_is_told_as_such(tmp_path, monkeypatch):
    monkeypatch.setattr(program_cache.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 2**20))
    with pytest.raises(OSError, match="No space left on device, 1.0 MiB are left"):
        program_cache.require_room(tmp_path)


def test_a_link_at_the_name_of_the_log_of_a_failed_build_is_replaced_not_followed(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURO_MPC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(program_cache, "accepted_flags", lambda precision: [])
    monkeypatch.setattr(program_cache, "compiler_version", lambda: "a compiler")
    monkeypatch.setattr(program_cache.processes, "run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    directory, precious = tmp_path / "cache" / "building", tmp_path / "precious.txt"
    directory.mkdir(parents=True)
    precious.write_text("precious")
    kept = program_cache.cache_directory() / "last-failed-build.log"
    kept.symlink_to(precious)
    with pytest.raises(RunError, match=re.escape(str(kept))):
        program_cache.compile_into(Plan(), directory)
    assert precious.read_text() == "precious"
    assert not kept.is_symlink()


def test_a_program_that_does_not_start_is_told(tmp_path):
    from neuro_mpc.networks.program import Manifest, Program

    (tmp_path / "main").write_text("no program")
    (tmp_path / "main").chmod(0o755)
    with pytest.raises(RunError, match="does not start"):
        Program([str(tmp_path / "main")], Manifest({}), None, {}, tmp_path / "log", dict(os.environ))


@pytest.mark.skipif(launch.available("cpp") != "cpp", reason="needs a C++ compiler")
def test_two_concurrent_runs_of_a_circuit_that_is_new(tmp_path):
    """Headers may be those of other tests: test_precompiled compiles them."""
    for headers in program_cache.cache_directory().glob("precompiled-*"):
        shutil.copytree(headers, tmp_path / "cache" / headers.name)
    environment = {
        **os.environ,
        "NEURO_MPC_CACHE": str(tmp_path / "cache"),
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(Path(nm.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
    }

    def start(name: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "neuro_mpc", "run", "mpl", "toy-language", "--out", str(tmp_path / name)]
        command += [part for setting in SETTINGS for part in ("--set", setting)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    said = [run.communicate(timeout=300)[0] for run in [start("a.nc"), start("b.nc")]]
    assert sum("\ncompiling\n" in f"\n{text}" for text in said) == 1, said
    assert content(tmp_path / "a.nc") == content(tmp_path / "b.nc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc", "b.nc", "cache"]


PACKAGE = Path(nm.__file__).parent
GENERATING = [
    path.relative_to(PACKAGE)
    for room in ROOMS
    for path in sorted((PACKAGE / room).rglob("*.*"))
    if path.is_file() and path.suffix in (".py", ".cpp", ".h", ".pyx", ".py_")
]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package on which the names of compiled programs depend."""
    copy = shutil.copytree(PACKAGE, tmp_path / "neuro_mpc", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(program_cache, "PACKAGE", copy)
    monkeypatch.setattr(program_cache, "compiler", lambda: ("c++",))
    monkeypatch.setattr(program_cache, "compiler_version", lambda: "c++ 1")
    return copy


def names_of_compiled() -> list[object]:
    return [program_cache.key_of(Plan()), program_cache.cython_cache([])]


def test_a_program_is_compiled_again_after_a_change_of_any_file_that_takes_part(package):
    assert {path.suffix for path in GENERATING} == {".py", ".cpp", ".h", ".pyx", ".py_"}
    seen = {program_cache.key_of(Plan())}
    for path in GENERATING:
        (package / path).write_text((package / path).read_text() + " ")
        name = program_cache.key_of(Plan())
        assert name not in seen, path
        seen.add(name)


@pytest.mark.parametrize(
    "change", [lambda path: path.write_text(""), lambda path: path.rename(path.with_name("derived.py"))]
)
def test_so_is_cython_and_after_a_file_was_renamed(package, change):
    before = names_of_compiled()
    change(package / "rules" / "notation.py")
    assert all(now != then for now, then in zip(names_of_compiled(), before))


def test_a_program_stays_as_it_is_after_changes_elsewhere(package):
    before = names_of_compiled()
    (package / "plots" / "style.py").write_text("")
    (package / "rules" / "__pycache__").mkdir()
    (package / "rules" / "__pycache__" / "derivation.pyc").write_text("")
    assert names_of_compiled() == before


def test_what_takes_part_imports_nothing_else_of_the_package(package):
    """Nothing else can change the code that is generated."""
    taking_part = {*ROOMS, *(path.stem for path in PACKAGE.glob("*.py"))}
    imports = re.compile(r"^\s*(?:from|import) neuro_mpc\.(\w+)", re.MULTILINE)
    for path in GENERATING:
        if path.suffix == ".py":
            assert set(imports.findall((PACKAGE / path).read_text())) <= taking_part, path
