"""A circuit's network in this process, set and read by name like the program of a run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from brian2 import get_device, prefs
from brian2.devices.device import RuntimeDevice
from numpy.typing import ArrayLike

from neuro_mpc.errors import RunError
from neuro_mpc.networks.model import Model
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.program import Answer, Program
from neuro_mpc.networks.program_cache import cython_cache, cython_options
from neuro_mpc.networks.schemes.interface import tiling_of


class LocalProgram(Program):
    """The network of a plan on one of Brian2's runtime targets, "numpy" or "cython".

    model   groups and phases
    """

    tells_together = False  # nothing is gained: it computes when it is told to

    def __init__(self, plan: Plan, target: str):
        if not isinstance(get_device(), RuntimeDevice):
            raise RunError("Brian2 is set to a device that runs nothing in this process", hint="brian2.device.reinit()")
        # Brian2 compares what it has made with 1e50, which single precision cannot hold.
        with _preferences(plan, target), np.errstate(over="ignore"):
            self.model = Model(plan, target)
            self.model.generate()
        self.tiling, self.rows = tiling_of(plan), plan.layout
        self._know(self.model.manifest())
        self._arrays = {name: variable.get_value() for name, variable in self.model.variables().items()}

    def set(self, **values: ArrayLike) -> None:
        for name, value in values.items():
            array = self._arrays[name]
            array[:] = value if np.ndim(value) == 0 else np.reshape(np.asarray(value), array.shape)

    def _fill(self, name: str, parts: Iterable[np.ndarray]) -> None:
        self.set(**{name: np.concatenate([part.ravel() for part in parts])})

    def get(self, *names: str) -> list[np.ndarray]:
        return [self._arrays[name].copy() for name in names]

    def ask(self, *names: str) -> Answer:
        answer = Answer(names, lambda answer: None)
        answer.values = self.get(*names)
        return answer

    def answers_ahead(self, *names: str) -> int:
        return 1  # nothing is gained: it computes when it is told to

    def step(self) -> None:
        for runner in self.model.runners:
            runner.run()

    def flush(self) -> None:
        """It has computed what it was told."""

    def close(self) -> None:
        """Nothing was started."""


@contextmanager
def _preferences(plan: Plan, target: str) -> Iterator[None]:
    """Within, Brian2 generates code as the programs of runs do; then its preferences are those of before."""
    compilers: dict[str, str] = {}
    wanted: dict[str, object] = {
        "core.default_float_dtype": np.dtype(plan.precision).type,
        "codegen.target": target,
    }
    if target == "cython":
        flags, compilers = cython_options(plan)
        wanted["codegen.cpp.extra_compile_args"] = flags
        wanted["codegen.runtime.cython.cache_dir"] = str(cython_cache(flags))
    before = {name: prefs[name] for name in wanted}
    environment = {name: os.environ.get(name) for name in compilers}
    try:
        prefs.update(wanted)
        os.environ.update(compilers)
        yield
    finally:
        prefs.update(before)
        for name, value in environment.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
