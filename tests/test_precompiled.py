"""What programs of all circuits have in common is compiled once for an installation, and is of use to them."""

import subprocess

import pytest

from neuro_mpc.networks import precompiled
from neuro_mpc.networks.compiler import accepted_flags, compiler
from neuro_mpc.networks.precompiled import HEADERS, KERNELS, Precompiled
from neuro_mpc.networks.program_cache import precompiled_cache

COMPILED = [HEADERS, KERNELS]


class Process:
    """A compiler that leaves a file of its own number, or fails."""

    fails, started = False, 0

    def __init__(self, command):
        type(self).started += 1
        self.output, self.text = command[-1], f"{self.started}"

    def wait(self) -> int:
        with open(self.output, "w") as output:
            output.write(self.text)
        return int(self.fails)


@pytest.fixture
def process(monkeypatch):
    kind = type("Process", (Process,), {})
    monkeypatch.setattr(precompiled.subprocess, "Popen", kind)
    return kind


def parts(folder) -> Precompiled:
    return Precompiled(folder, ["g++"], "float32")


def wait(common: Precompiled) -> None:
    for name in COMPILED:
        common.wait_for(name)


def test_they_are_compiled_once(tmp_path, process):
    for _ in range(2):
        common = parts(tmp_path / "common")
        common.prepare(tmp_path)
        wait(common)
    assert process.started == 2
    assert [(tmp_path / "common" / name).read_text() for name in COMPILED] == ["1", "2"]


def test_of_two_at_the_same_time_each_leaves_whole_files(tmp_path, process):
    first, second = parts(tmp_path / "common"), parts(tmp_path / "common")
    for name, common in {"first": first, "second": second}.items():
        (tmp_path / name).mkdir()
        common.prepare(tmp_path / name)
    wait(second)
    folder = tmp_path / "common"
    assert [(folder / name).read_text() for name in COMPILED] == ["3", "4"]
    wait(first)
    assert [(folder / name).read_text() for name in COMPILED] == ["1", "2"]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*COMPILED, "headers.h", "unoptimised.h"])


def test_a_compilation_that_fails_leaves_nothing_and_is_tried_again(tmp_path, process):
    process.fails = True
    common = parts(tmp_path / "common")
    common.prepare(tmp_path)
    wait(common)
    assert not any((common.folder / name).exists() for name in COMPILED)
    process.fails = False
    common.prepare(tmp_path)
    wait(common)
    assert all((common.folder / name).exists() for name in COMPILED)


def test_one_can_be_waited_for_while_another_is_compiled(tmp_path, process):
    common = parts(tmp_path / "common")
    common.prepare(tmp_path)
    common.wait_for(KERNELS)
    assert [(common.folder / name).exists() for name in COMPILED] == [False, True]
    common.wait_for(KERNELS)  # is there
    common.wait_for(HEADERS)
    assert all((common.folder / name).exists() for name in COMPILED)


class Plan:
    precision, threads = "float32", 1


@pytest.mark.compiler
def test_headers_are_of_use_to_files_compiled_with_the_same_flags(tmp_path):
    """A compiler that cannot use them reads the headers again without a word, unless it is asked to tell."""
    if "clang" in (command := compiler())[0]:
        pytest.skip("clang tells in another way")
    flags = accepted_flags("float32")
    common = Precompiled(precompiled_cache(Plan(), flags), [*command, *flags], "float32")
    common.prepare(tmp_path)
    wait(common)
    (tmp_path / "file.cpp").write_text("int main() { return std::min(0, 1); }\n")
    (tmp_path / "common").symlink_to(common.folder)
    for more in ([], ["-O1"], ["-O1", "-include", "common/unoptimised.h"]):
        told = ["-H", "-include", "common/headers.h", *more, "-fsyntax-only", "file.cpp"]
        done = subprocess.run([*command, *flags, *told], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stderr.startswith("! ./common/headers.h.gch")
