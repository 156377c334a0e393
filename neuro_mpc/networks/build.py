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
from itertools import accumulate, groupby
from pathlib import Path

import numpy as np

from neuro_mpc.machine import cores
from neuro_mpc.networks.compiler import compiler
from neuro_mpc.networks.precompiled import HEADERS, KERNELS, Precompiled
from neuro_mpc.networks.quick_import import import_brian2

MAKEFILE = "quick.mk"
# Brian2's own, without its targets, says where libraries lie.
QUICK = """include makefile

CXXFLAGS += $(FLAGS) -include precompiled/headers.h
whole.o: CXXFLAGS += -O1

.PHONY: compiled program
compiled: whole.o $(PHASES)

program: compiled
\t$(CXX) whole.o $(PHASES) precompiled/common.o -o main $(LFLAGS)
"""
WHOLE = "whole.cpp"
MESSAGES = "messages_codeobject.cpp"
# What loads, stores and passes on arrays, and computes nothing, is read and compiled once.
PARTS = f"""#include "precompiled/unoptimised.h"
#if __has_include("code_objects/{MESSAGES}")
#include "code_objects/{MESSAGES}"
#endif
#include "objects.cpp"
#include "network.cpp"
#include "run.cpp"
#include "main.cpp"
"""
TOGETHER = 2**17
"""Bytes of phases that are compiled as one file: what all include is read once, and others are compiled meanwhile."""
NEEDLESS = re.compile(r"^(void (?:set_variable_by_name|_write_arrays)\([^)]*\)).*?^}$", re.DOTALL | re.MULTILINE)
"""In most lines of objects.cpp: sets variables from the command line, and writes them to files, which nobody reads."""


def build(plan_path: Path, directory: Path, flags: list[str], precompiled: Path) -> None:
    """Generate, compile and leave `directory`/main and `directory`/manifest.json."""
    planned = plan_path.read_text()
    kind = json.loads(planned)  # what a compiler needs to begin while the rest is imported
    compilation = Compilation(directory, flags, precompiled, kind["precision"], kind["threads"])
    import_brian2("cpp")
    from brian2 import BrianLogger, device, prefs, second, set_device

    from neuro_mpc.networks.model import Model
    from neuro_mpc.networks.plan import Plan

    plan = Plan.from_json(planned)
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
        self.precompiled.wait_for(HEADERS)
        objects = self.directory / "objects.cpp"
        objects.write_text(NEEDLESS.sub(r"\1 {}", objects.read_text()))
        (self.directory / WHOLE).write_text(PARTS)
        (self.directory / MAKEFILE).write_text(QUICK)
        # By a link: a path with blanks or a dollar sign means something else to make.
        (self.directory / "precompiled").symlink_to(self.precompiled.folder, target_is_directory=True)
        variables = [f"FLAGS={shlex.join(self.flags)}", f"PHASES={' '.join(join_phases(self.directory))}"]
        command = ["make", f"-j{cores()}", f"--file={MAKEFILE}", *variables]
        subprocess.run([*command, "compiled"], cwd=self.directory, check=True)
        self.precompiled.wait_for(KERNELS)
        subprocess.run([*command, "program"], cwd=self.directory, check=True)


def join_phases(directory: Path) -> list[str]:
    """Write files that include several phases each, and name what they are compiled to.

    Which ones depends on the circuit alone: what is compiled together decides about the last bits of results.
    """
    phases = sorted(path for path in directory.glob("code_objects/*.cpp") if path.name != MESSAGES)
    ends = accumulate(path.stat().st_size for path in phases)
    names = []
    for number, group in groupby(zip(phases, ends, strict=True), key=lambda each: each[1] // TOGETHER):
        names.append(f"phases_{number}")
        lines = [f'#include "code_objects/{path.name}"\n' for path, _ in group]
        (directory / f"{names[-1]}.cpp").write_text("".join(lines))
    return [f"{name}.o" for name in names]


if __name__ == "__main__":
    gc.disable()  # all that is made is in use until the end, where Python would look for garbage once more
    build(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]), Path(sys.argv[4]))
    gc.freeze()
