"""Builds a circuit's C++ standalone program (as a process of its own: Brian2's device is global state).

python -m neuro_mpc.networks.build PLAN.json DIRECTORY FLAGS PRECOMPILED

PRECOMPILED is the folder of what programs have in common.
"""

from __future__ import annotations

import gc
import json
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
QUICK = """include makefile

CXXFLAGS += $(FLAGS)
$(OBJS): CXXFLAGS += -include precompiled/headers.h
LFLAGS += precompiled/products.o

# A build starts from nothing: which file depends on which would be found out in vain.
make.deps:
\ttouch $@

# They load, store and pass on arrays, and compute nothing.
main.o run.o code_objects/messages_codeobject.o: CXXFLAGS += -O1
objects.o: CXXFLAGS += -O1 -include precompiled/unoptimised.h
"""


def build(plan_path: Path, directory: Path, flags: list[str], precompiled: Path) -> None:
    """Generate, compile and leave `directory`/main and `directory`/manifest.json."""
    from neuro_mpc.networks.plan import Plan

    plan = Plan.from_json(plan_path.read_text())
    compilation = Compilation(directory, flags, precompiled, plan.precision, plan.threads)
    import_brian2()
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
        (self.directory / MAKEFILE).write_text(QUICK)
        # By a link: a path with blanks or a dollar sign means something else to make.
        (self.directory / "precompiled").symlink_to(self.precompiled.folder, target_is_directory=True)
        flags = f"FLAGS={shlex.join(self.flags)}"
        # The longest file comes first.
        command = ["make", f"-j{cores()}", f"--file={MAKEFILE}", flags, "objects.o", "main"]
        subprocess.run(command, cwd=self.directory, check=True)


if __name__ == "__main__":
    gc.disable()  # all that is made is in use until the end
    build(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]), Path(sys.argv[4]))
