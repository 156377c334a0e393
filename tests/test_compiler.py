"""The compiler: which command it is, what it takes, and what is told of its failures."""

import os
import shutil
import subprocess

import pytest

from neuro_mpc.errors import RunError
from neuro_mpc.networks import compiler as module
from neuro_mpc.networks.build import MAKEFILE, NEEDLESS, QUICK, TOGETHER, WHOLE, join_phases
from neuro_mpc.networks.compiler import (
    FLAGS,
    SINGLE_PRECISION,
    accepted_flags,
    build_failed,
    compiler,
    compiler_version,
    refuse_broken,
)

pytestmark = pytest.mark.compiler

needs_compiler = pytest.mark.skipif(not shutil.which("c++") or not shutil.which("make"), reason="needs a C++ compiler")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes a shell script that is found by its name."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def write(name: str, script: str) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    return write


@needs_compiler
class TestCommand:
    def test_its_words_are_kept(self, program, monkeypatch):
        cache = program("cache", 'echo "of $1"')
        monkeypatch.setenv("CXX", "cache c++ '-D A'")
        assert compiler() == (cache, "c++", "-D A")
        assert compiler_version() == "of c++"

    @pytest.mark.parametrize("command", ["", " ", "'", "no-such-compiler -x"])
    def test_another_one_takes_the_place_of_one_that_is_not_there(self, command, monkeypatch):
        monkeypatch.setenv("CXX", command)
        assert os.access(compiler()[0], os.X_OK)

    def test_without_make_there_is_none(self, monkeypatch):
        monkeypatch.setattr(module.shutil, "which", lambda name, **_: None if name == "make" else f"/bin/{name}")
        with pytest.raises(RunError, match="need make, and none was found"):
            compiler()


@needs_compiler
@pytest.mark.parametrize("asked", [compiler_version, lambda: accepted_flags("float64")])
def test_one_that_is_killed_has_not_answered(program, monkeypatch, asked):
    monkeypatch.setenv("CXX", program("killed", "kill -9 $$"))
    with pytest.raises(RunError, match="killed by signal 9 while it was asked"):
        asked()


@needs_compiler
def test_flags_that_it_does_not_know_are_left_out(program, monkeypatch):
    script = 'case "$*" in *fast-math*|*single-precision*) exit 1;; esac; exec c++ "$@"'
    monkeypatch.setenv("CXX", program("choosy", script))
    found = accepted_flags("float32", "--no-such-flag")
    assert "-O3" in found
    assert set(found) <= {*FLAGS} - {"-ffast-math", SINGLE_PRECISION}


@needs_compiler
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no licence >&2; exit 3", "exit code 3\n    no licence\n"),
        ("exit 1", "exit code 1\n  try: another compiler"),
    ],
)
def test_one_that_compiles_nothing_is_told(program, script, said):
    with pytest.raises(RunError, match="cannot compile an empty program") as caught:
        refuse_broken((program("broken", script),))
    assert said in str(caught.value)
    assert 'backend="numpy"' in str(caught.value)


@needs_compiler
def test_one_for_another_system_is_told(tmp_path):
    (tmp_path / "c++").write_bytes(b"\x7fELF of elsewhere")
    (tmp_path / "c++").chmod(0o755)
    with pytest.raises(RunError, match="cannot compile an empty program"):
        refuse_broken((str(tmp_path / "c++"),))


@needs_compiler
def test_of_a_failed_build_the_compilers_own_errors_are_told(tmp_path):
    log = tmp_path / "build.log"
    log.write_text(
        "a.cpp:3: error: no x\na.cpp:3: error: no x\nmake: *** [a.o] Error 1\n"
        "ERROR      Brian 2 encountered an unexpected error. Please report this issue\n"
    )
    told = str(build_failed(log, tmp_path / "kept.log"))
    assert told.count("no x") == 1
    assert "Brian 2" not in told
    assert "make:" not in told
    assert str(tmp_path / "kept.log") in told
    assert 'backend="numpy"' in told
    log.write_text("all went well\n")
    assert "all went well" in str(build_failed(log, log))


OF_BRIAN2 = """SRCS = code_objects/adapt.cpp code_objects/messages_codeobject.cpp objects.cpp
OBJS = ${SRCS:.cpp=.o}
OPTIMISATIONS =
CXXFLAGS = -c$(OPTIMISATIONS)
LFLAGS = -lblas

main: $(OBJS) make.deps
\tlink $(OBJS) $(LFLAGS)

make.deps: $(SRCS)
\tfind dependencies

%.o : %.cpp makefile
\tcompile $(CXXFLAGS) $< -o $@
"""


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
def test_what_computes_is_optimised_the_rest_is_one_file_and_no_dependencies_are_looked_for(tmp_path):
    for name, text in {"makefile": OF_BRIAN2, MAKEFILE: QUICK, WHOLE: "", "phases_0.cpp": ""}.items():
        (tmp_path / name).write_text(text)
    variables = ["CXX=compile", "FLAGS=-O3", "PHASES=phases_0.o"]
    command = ["make", "--dry-run", f"--file={MAKEFILE}", *variables, "program"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    common = "-include precompiled/headers.h"
    assert done.stdout.splitlines() == [
        f"compile -c -O3 {common} -O1 whole.cpp -o whole.o",
        f"compile -c -O3 {common} phases_0.cpp -o phases_0.o",
        "compile whole.o phases_0.o precompiled/common.o -o main -lblas",
    ]


def test_phases_are_compiled_together_until_they_are_long(tmp_path):
    (tmp_path / "code_objects").mkdir()
    lengths = {
        "adapt": TOGETHER // 2,
        "infer": TOGETHER // 3,
        "learn": TOGETHER,
        "messages_codeobject": 9,
        "predict": 5,
    }
    for name, length in lengths.items():
        (tmp_path / "code_objects" / f"{name}.cpp").write_text(" " * length)
    assert join_phases(tmp_path) == ["phases_0.o", "phases_1.o"]
    included = [(tmp_path / f"phases_{number}.cpp").read_text().split('"')[1::2] for number in (0, 1)]
    assert included == [
        ["code_objects/adapt.cpp", "code_objects/infer.cpp"],
        ["code_objects/learn.cpp", "code_objects/predict.cpp"],
    ]


def test_what_sets_and_writes_all_variables_is_left_out():
    body = "{\n    if (s == x) {\n    }\n}\n"
    text = f"int a;\nvoid set_variable_by_name(std::string s) {body}void _write_arrays()\n{body}void after() {body}"
    kept = f"int a;\nvoid set_variable_by_name(std::string s) {{}}\nvoid _write_arrays() {{}}\nvoid after() {body}"
    assert NEEDLESS.sub(r"\1 {}", text) == kept
