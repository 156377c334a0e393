"""All functions of the language of expressions, evaluated by the code of a target.

python function_values.py FOLDER FLAGS reads the numbers of x.npy in the folder and leaves y.npz, by the name of the
function: the values of C++.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
from brian2 import Network, NeuronGroup, device, prefs, second, set_device
from brian2.core.clocks import Clock

from neuro_mpc.descriptions import functions
from neuro_mpc.networks import build
from neuro_mpc.networks.build import Compilation
from neuro_mpc.networks.functions import FUNCTIONS
from neuro_mpc.networks.groups import Control
from neuro_mpc.networks.operations import Block
from neuro_mpc.networks.phase_runner import PhaseRunner
from neuro_mpc.networks.program_cache import precompiled_cache
from neuro_mpc.networks.rows import Rows, Tiling
from neuro_mpc.networks.sections import Section

EXPRESSIONS = {name: f"{name}(x)" for name in (*functions.FUNCTIONS, "inverse_sqrt")} | {
    "bounded": "bounded(x, -1.0, 3e38)",
    "square": "x**2",
    "cube": "x**3",
    "root": "x**0.5",
    "reciprocal": "1/x",
}


def evaluate(target: str, x: np.ndarray) -> Network:
    """A phase with one block for each function, executed once."""
    clock, shared = Clock(dt=1 * second), {"dtype": x.dtype, "namespace": FUNCTIONS}
    control = Control(1, scalars=(), trial_values=(), name="control", clock=clock, **shared)
    variables = "\n".join(["x : 1", *(f"y_{name} : 1" for name in EXPRESSIONS)])
    group = NeuronGroup(len(x), variables, name="cells", clock=clock, **shared)
    group.contained_objects.clear()
    group.variables["x"].set_value(x)
    control.variables["predicting"].set_value(1)
    runner = PhaseRunner(
        control,
        (Section(tuple(Block(name, Rows(len(x), 1)) for name in EXPRESSIONS)),),
        {name: [(group, f"y_{name} = {code}")] for name, code in EXPRESSIONS.items()},
        [group],
        passing=set(),
        condition="predicting",
        tiling=Tiling(1, 1),
        steps=1,
        target=target,
        name="phase",
        clock=clock,
    )
    network = Network(control, group, runner)
    network.run(1 * second, namespace={})
    return network


def values_of(network: Network) -> dict[str, np.ndarray]:
    return {name: network["cells"].variables[f"y_{name}"].get_value() for name in EXPRESSIONS}


def compiled(folder: Path, flags: list[str]) -> dict[str, np.ndarray]:
    """By a C++ program of its own."""
    x = np.load(folder / "x.npy")
    prefs.core.default_float_dtype = x.dtype.type
    prefs.codegen.cpp.extra_compile_args = []
    (folder / "program").mkdir()
    precompiled = precompiled_cache(SimpleNamespace(precision="float32", threads=1), flags)
    compilation = Compilation(folder / "program", flags, precompiled, "float32")
    set_device("cpp_standalone", build_on_run=False, directory=str(folder / "program"))
    network = evaluate("cpp", x)
    device.build(directory=str(folder / "program"), compile=False, run=False)
    with patch.object(build, "NEEDLESS", re.compile("(?!)()")):  # here somebody reads what the program writes
        compilation.finish()
    device.run(str(folder / "program"))
    return values_of(network)


if __name__ == "__main__":
    np.savez(Path(sys.argv[1]) / "y.npz", **compiled(Path(sys.argv[1]), json.loads(sys.argv[2])))
