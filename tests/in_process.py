"""A circuit's network in this process, stepped by the names of phases."""

from __future__ import annotations

import gc
import logging
from functools import cache

from neuro_mpc.networks.local import LocalProgram
from neuro_mpc.networks.plan import Plan

logging.getLogger("brian2").setLevel(logging.WARNING)  # else every line of generated code is told

PHASES = ("refreshing", "predicting", "inferring", "learning", "generating", "carrying")


class InProcess(LocalProgram):
    """The network of `plan` on the NumPy target."""

    def __init__(self, plan: Plan):
        self.plan = plan
        super().__init__(plan, "numpy")
        keep_all_that_is_imported()

    def step(self, *phases: str) -> None:
        """One time step with these phases only."""
        self.set(**{phase: int(phase in phases) for phase in PHASES})
        super().step()


@cache
def keep_all_that_is_imported() -> None:
    """Every network that Brian2 makes looks through all of Python's objects for some to collect: now through few."""
    gc.collect()
    gc.freeze()
