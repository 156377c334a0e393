"""A circuit's network in this process, stepped by the names of phases."""

from __future__ import annotations

import gc
import logging
from functools import cache

from brian2.core.clocks import Clock
from brian2.equations.equations import Equations
from brian2.utils import caching

from neuro_mpc.networks.local import LocalProgram
from neuro_mpc.networks.plan import Plan

logging.getLogger("brian2").setLevel(logging.WARNING)  # else every line of generated code is told

PHASES = ("refreshing", "predicting", "inferring", "learning", "adapting", "generating", "carrying")


class InProcess(LocalProgram):
    """The network of `plan` on the NumPy target."""

    def __init__(self, plan: Plan):
        self.plan = plan
        super().__init__(plan, "numpy")
        keep_all_that_is_imported()

    def step(self, *phases: str) -> None:
        """One time step with these phases only; without any, with those that are set."""
        if phases:
            phases = (*phases, "adapting") if "learning" in phases else phases
            self.set(**{phase: int(phase in phases) for phase in PHASES})
        super().step()


class Reused(LocalProgram):
    """The network of a plan on the NumPy target, which is used again once it is closed, from the state in which it was
    made: making one takes a fourth of a small run."""

    def __init__(self, plan: Plan):
        self._key = plan.to_json()
        super().__init__(plan, "numpy")
        keep_all_that_is_imported()
        self._made = {name: array.copy() for name, array in self._arrays.items()}

    def close(self) -> None:
        self.set(**self._made)
        _idle[self._key] = self
        if len(_idle) > MOST_IDLE:
            del _idle[next(iter(_idle))]


MOST_IDLE = 8
_idle: dict[str, Reused] = {}


def started(plan: Plan, *_) -> Reused:
    """Stands for `launch.start`: a network in this very process, which saves the seconds of a start."""
    return _idle.pop(plan.to_json(), None) or Reused(plan)


PLAIN = frozenset({str, int, float, bool, type(None), type})
_key = caching._hashable


def _key_of(value):
    """The key by which Brian2 remembers a result, in fewer steps for the types of which most arguments consist."""
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is tuple or kind is list:
        return tuple([_key_of(each) for each in value])
    if kind is dict:
        return frozenset([(_key_of(name), _key_of(each)) for name, each in value.items()])
    return _key_of(value._state_tuple) if hasattr(value, "_state_tuple") else _key(value)


@cache
def keep_all_that_is_imported() -> None:
    """Every network that Brian2 makes looks through all of Python's objects for some to collect: now through few.

    It makes keys of all variables for every block of code, too, which takes a third of the time; a fifth of the rest
    are its clock in a message of every object that nobody sees, and names that it finds good again and again.
    """
    caching._hashable = _key_of
    Clock.__repr__ = object.__repr__
    Equations.check_identifier = staticmethod(cache(Equations.check_identifier))
    gc.collect()
    gc.freeze()
