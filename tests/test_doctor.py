"""`neuro-mpc doctor`: what is found, what is missing, and how to get it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from neuro_mpc import cli, installation
from neuro_mpc.installation import compiling, folders, packages
from neuro_mpc.installation.finding import Finding, as_text
from neuro_mpc.networks import compiler


def command(*words):
    return CliRunner().invoke(cli.app, ["doctor", *words], prog_name="neuro-mpc")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURO_MPC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_simulator(monkeypatch):
    """Brian2 is not imported in a process of its own, which takes seconds."""
    monkeypatch.setattr(packages, "simulator", lambda: Finding("simulator", "ok", "imports Brian2"))


def broken_compiler(folder: Path, script: str) -> tuple[str, ...]:
    program = folder / "g++"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return (str(program),)


def test_each_finding_has_a_line_and_what_to_try():
    text = as_text([Finding("Python", "ok", "3.13"), Finding("extra nwb", "absent", "for NWB", "pip install nwb")])
    assert text.splitlines() == [
        "ok      Python     3.13",
        "absent  extra nwb  for NWB",
        "                   try: pip install nwb",
        "everything that is needed is there",
    ]
    failed = as_text([Finding("cache", "failed", "it cannot be written"), Finding("Python", "ok", "3.13")])
    assert failed.endswith("\nto be mended: cache")


def test_the_installation_of_these_tests_is_sound(cache, no_simulator, monkeypatch):
    monkeypatch.delenv("NEURO_MPC_DATA", raising=False)
    monkeypatch.setattr(compiling, "compiled_program", lambda command: Finding("compiled program", "ok", "run"))
    result = command("--json")
    assert result.exit_code == 0, result.output
    found = {each["name"]: each for each in json.loads(result.stdout)["findings"]}
    assert {"Python", "packages", "BLAS", "cache", "data folder", "machine", "extra nwb"} <= found.keys()
    assert "brian2 2." in found["packages"]["found"]
    assert not cache.exists()


def test_something_needed_that_is_not_there_is_told_by_the_exit_status(cache, no_simulator, monkeypatch):
    monkeypatch.setattr(packages, "needed", lambda required: Finding("packages", "failed", "scipy is missing", "pip"))
    result = command()
    assert result.exit_code == 1
    assert result.stdout.endswith("to be mended: packages\n")
    assert "compiler" not in result.stdout  # nothing that needs the packages was imported


def test_a_package_that_is_missing_or_too_old_is_told_with_what_is_needed():
    found = packages.needed([Requirement("numpy>=2"), Requirement("numpy>=99"), Requirement("not-a-package>=1")])
    assert found.state == "failed"
    assert "not-a-package is missing, needed: >=1" in found.found
    assert ", needed: >=99" in found.found
    assert packages.needed([Requirement("numpy>=2")]).state == "ok"


def test_another_python_than_those_accepted_fails():
    assert packages.python(">=3.11").state == "ok"
    assert packages.python(">=3.99").state == "failed"


def test_an_extra_without_its_packages_is_absent_and_says_how_to_get_it():
    found = packages.extra("neurogym", "tasks", [Requirement("not-a-package")])
    assert (found.state, found.hint) == ("absent", "pip install 'neuro-mpc[neurogym]'")


def test_the_extras_are_those_of_the_package(no_simulator):
    provided = packages.importlib.metadata.metadata("neuro-mpc").get_all("Provides-Extra")
    assert packages.EXTRAS.keys() <= set(provided)


def test_packages_are_looked_up_before_they_are_imported():
    code = "import sys; import neuro_mpc.installation; print('numpy' in sys.modules, 'brian2' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed == "False False\n"


def test_without_a_compiler_runs_still_work(cache, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)
    (found, *others) = compiling.examined()
    assert (found.name, found.state) == ("compiler", "absent")
    assert "NumPy" in found.found
    assert "apt install g++" in found.hint
    assert {each.name for each in others} == {"BLAS"}


@pytest.mark.compiler
def test_a_product_of_matrices_is_compiled_linked_and_run(cache):
    found = compiling.compiled_program(compiler.compiler())
    assert found.state == "ok", found
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("script", "told"),
    [("echo no such flag >&2; exit 1", "cannot compile an empty"), ("exit 0", "exit code 126")],
)
def test_a_compiler_that_makes_no_program_is_to_be_mended(cache, tmp_path, monkeypatch, script, told):
    command = broken_compiler(tmp_path, script)
    monkeypatch.setattr(compiler, "compiler", lambda: command)
    found = compiling.compiled_program(command)
    assert found.state == "failed"
    assert told in found.found
    assert found.hint


def test_a_folder_that_cannot_be_written_is_to_be_mended(tmp_path, monkeypatch):
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    monkeypatch.setenv("NEURO_MPC_CACHE", str(in_the_way / "cache"))
    found = folders.cache()
    assert (found.state, found.hint) == ("failed", "another folder: NEURO_MPC_CACHE")
    assert found.found == f"{in_the_way} cannot be written"


def test_the_cache_is_measured(cache):
    program = cache / "0123"
    program.mkdir(parents=True)
    (program / "manifest.json").write_bytes(bytes(2000))
    assert folders.cache().found.endswith("1 compiled program of 2 kB")


@pytest.mark.parametrize(("named", "state"), [(None, "absent"), ("there", "ok"), ("lost", "failed")])
def test_the_folder_of_data_is_looked_for(tmp_path, named, state):
    (tmp_path / "there").mkdir()
    assert folders.data_folder(named and os.fspath(tmp_path / named)).state == state


def test_all_rooms_of_findings_are_asked(cache, no_simulator, monkeypatch):
    for part in (packages, compiling, folders):
        monkeypatch.setattr(part, "examined", lambda part=part: iter([Finding(part.__name__, "ok", "")]))
    assert [each.name for each in installation.findings()] == [part.__name__ for part in (packages, compiling, folders)]
