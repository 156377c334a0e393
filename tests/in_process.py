"""A circuit's network in this process, set and read by name like the program of a run."""

from __future__ import annotations

import logging

import numpy as np
from brian2 import second

from neuro_mpc.network.model import Model
from neuro_mpc.network.plan import Plan
from neuro_mpc.network.program import Program

logging.getLogger("brian2").setLevel(logging.WARNING)  # else every line of generated code is told

PHASES = ("refreshing", "predicting", "inferring", "learning", "generating", "carrying")


class InProcess(Program):
    """The network of `plan` on the NumPy target."""

    def __init__(self, plan: Plan):
        self.plan, self.model = plan, Model(plan, "numpy")
        self.model.network.run(0 * second, namespace={})  # generates the code
        self.tiling, self.rows = plan.tiling, plan.layout
        self._know(self.model.manifest())
        self._arrays = {name: variable.get_value() for name, variable in self.model.variables().items()}

    def set(self, **values) -> None:
        for name, value in values.items():
            array = self._arrays[name]
            array[:] = value if np.ndim(value) == 0 else np.reshape(value, array.shape)

    def get(self, *names: str) -> list[np.ndarray]:
        return [self._arrays[name].copy() for name in names]

    def step(self, *phases: str) -> None:
        """One time step with these phases only."""
        self.set(**{phase: int(phase in phases) for phase in PHASES})
        for runner in self.model.runners:
            runner.run()

    def close(self) -> None:
        pass
