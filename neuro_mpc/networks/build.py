"""Builds a circuit's C++ standalone program (as a process of its own: Brian2's device is global state).

python -m neuro_mpc.networks.build PLAN.json DIRECTORY FLAGS PRECOMPILED

PRECOMPILED is the folder of what programs have in common.
"""

from __future__ import annotations

import gc
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np

from neuro_mpc.machine import cores
from neuro_mpc.networks.compiler import compiler
from neuro_mpc.networks.precompiled import Precompiled
from neuro_mpc.networks.quick_import import import_brian2

MAKEFILE = "quick.mk"
# Brian2's own, without its targets, says where libraries lie.
QUICK = """include makefile

PHASES = $(filter-out code_objects/messages_codeobject.o,$(filter code_objects/%,$(OBJS)))
CXXFLAGS += $(FLAGS) -include precompiled/headers.h
whole.o: CXXFLAGS += -O1

program: whole.o $(PHASES)
\t$(CXX) $^ precompiled/products.o -o main $(LFLAGS)
"""
WHOLE = "whole.cpp"
# What loads, stores and passes on arrays, and computes nothing, is read and compiled once.
PARTS = """#if __has_include("code_objects/messages_codeobject.cpp")
#include "code_objects/messages_codeobject.cpp"
#endif
#include "precompiled/unoptimised.h"
#include "objects.cpp"
#include "network.cpp"
#include "run.cpp"
#include "main.cpp"
"""
SETTER = re.compile(r"^void set_variable_by_name\(.*?^}$", re.DOTALL | re.MULTILINE)
"""In objects.cpp: sets variables from the command line, which nobody does, in most lines of the file."""


def build(plan_path: Path, directory: Path, flags: list[str], precompiled: Path) -> None:
    """Generate, compile and leave `directory`/main and `directory`/manifest.json."""
    from neuro_mpc.networks.plan import Plan

    plan = Plan.from_json(plan_path.read_text())
    compilation = Compilation(directory, flags, precompiled, plan.precision, plan.threads)
    import_brian2("cpp")
    from brian2 import BrianLogger, device, prefs, second, set_device

    from neuro_mpc.networks.model import Model

    keep_templates(precompiled)
    BrianLogger.suppress_name("openmp")
    prefs.core.default_float_dtype = np.dtype(plan.precision).type
    prefs.codegen.cpp.extra_compile_args = []  # the makefile has them: Brian2 would try each of them once more
    prefs.devices.cpp_standalone.openmp_threads = plan.threads if plan.threads > 1 else 0
    set_device("cpp_standalone", build_on_run=False, directory=str(directory))
    model = Model(plan, "cpp")
    model.converse()
    model.network.run(1e12 * second, namespace={})  # until the other side ends it
    device.build(directory=str(directory), compile=False, run=False)
    compilation.finish()
    model.manifest().save(directory / "manifest.json")


def keep_templates(folder: Path) -> None:
    """Let Jinja keep the templates of a program as it compiles them, and find them there."""
    from brian2.devices.cpp_standalone import CPPStandaloneCodeObject
    from jinja2 import FileSystemBytecodeCache

    from neuro_mpc.networks.phase_runner import CPPPhaseCodeObject

    for code_object in (CPPStandaloneCodeObject, CPPPhaseCodeObject):
        code_object.templater.env.bytecode_cache = FileSystemBytecodeCache(str(folder))


class Compilation:
    """Compiles what Brian2 writes into a folder, by a makefile of ours that includes its own."""

    def __init__(self, directory: Path, flags: list[str], precompiled: Path, precision: str, threads: int = 1):
        self.directory, self.flags = directory, flags
        parallel = ["-fopenmp"] if threads > 1 else []
        self.precompiled = Precompiled(precompiled, [*compiler(), *flags, *parallel], precision)
        self.precompiled.prepare(directory)

    def finish(self) -> None:
        """Compile; CalledProcessError where that fails."""
        self.precompiled.wait()
        objects = self.directory / "objects.cpp"
        objects.write_text(SETTER.sub("void set_variable_by_name(std::string, std::string) {}", objects.read_text()))
        (self.directory / WHOLE).write_text(PARTS)
        (self.directory / MAKEFILE).write_text(QUICK)
        # By a link: a path with blanks or a dollar sign means something else to make.
        (self.directory / "precompiled").symlink_to(self.precompiled.folder, target_is_directory=True)
        flags = f"FLAGS={shlex.join(self.flags)}"
        command = ["make", f"-j{cores()}", f"--file={MAKEFILE}", flags, "program"]
        subprocess.run(command, cwd=self.directory, check=True)


if __name__ == "__main__":
    gc.disable()  # all that is made is in use until the end
    build(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]), Path(sys.argv[4]))
