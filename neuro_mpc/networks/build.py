"""Builds a circuit's C++ standalone program (as a process of its own: Brian2's device is global state).

python -m neuro_mpc.networks.build PLAN.json DIRECTORY FLAGS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from neuro_mpc.networks.quick_import import import_brian2

FLAGS = [
    "-w",
    "-O3",
    "-ffast-math",
    "-fno-reciprocal-math",
    "-mno-recip",
    "-march=native",
    "-mprefer-vector-width=512",
    "-std=c++17",
]
"""Fast, but without approximate reciprocal square roots, which make NaN of a denormal variance."""
SINGLE_PRECISION = "-fsingle-precision-constant"
MAKEFILE = "quicker.mk"
QUICKER = """include makefile

# Every file reads the same headers, which takes longer than most files themselves: they are compiled once.
FLAGS := $(CXXFLAGS)
$(OBJS): CXXFLAGS += -include headers.h
$(OBJS): headers.h.gch
headers.h.gch: headers.h $(H_SRCS)
\t$(CXX) $(FLAGS) -x c++-header $< -o $@

# A build starts from nothing: which file depends on which would be found out in vain.
make.deps:
\ttouch $@

# It loads and stores the arrays, by a branch for each, and computes nothing.
objects.o: OPTIMISATIONS += -O0
"""
HEADERS = """#include "objects.h"
#include "brianlib/common_math.h"
#include <fstream>
#include <iostream>
"""


def build(plan_path: Path, directory: Path, flags: list[str]) -> None:
    """Generate, compile and leave `directory`/main and `directory`/manifest.json."""
    import_brian2()
    from brian2 import BrianLogger, device, prefs, second, set_device

    from neuro_mpc.networks.model import Model
    from neuro_mpc.networks.plan import Plan

    plan = Plan.from_json(plan_path.read_text())
    BrianLogger.suppress_name("openmp")
    prefs.core.default_float_dtype = np.dtype(plan.precision).type
    prefs.codegen.cpp.extra_compile_args = flags
    prefs.devices.cpp_standalone.openmp_threads = plan.threads if plan.threads > 1 else 0
    compile_quickly(directory)
    set_device("cpp_standalone", build_on_run=False, directory=str(directory))
    model = Model(plan, "cpp")
    model.converse()
    model.network.run(1e12 * second, namespace={})  # until the other side ends it
    device.build(directory=str(directory), compile=True, run=False)
    model.manifest().save(directory / "manifest.json")


def compile_quickly(directory: Path) -> None:
    """Let Brian2 compile what it will write into `directory` by a makefile of ours, which includes its own."""
    from brian2 import prefs

    prefs.devices.cpp_standalone.extra_make_args_unix = ["-j2", f"--file={MAKEFILE}"]
    (directory / MAKEFILE).write_text(QUICKER)
    (directory / "headers.h").write_text(HEADERS)


if __name__ == "__main__":
    build(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))
