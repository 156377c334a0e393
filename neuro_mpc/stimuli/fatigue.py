"""Fatigue of an input, as of a depressing synapse: what adaptation alone predicts, without error neurons."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from neuro_mpc.descriptions.tables import Positive, Table


class Fatigue(Table):
    """What an input has at its disposal, a, shrinks by use and recovers: a(t+1) = a + (1 − a)/τ − u·a·x, from a = 1.

    The input that remains of x is a·x (Tsodyks & Markram 1997, without facilitation).

    use       u, the share that an input of 1 uses in one step
    recovery  τ, the time in which it recovers (ms)
    """

    use: Annotated[float, Field(ge=0, le=1)] = 0.5
    recovery: Positive = 1500.0

    def applied(self, shown: np.ndarray, step_ms: float) -> np.ndarray:
        """What remains of inputs (step, …) that are not negative."""
        available, remaining = np.ones(shown.shape[1:]), np.empty_like(shown)
        share = min(step_ms / self.recovery, 1.0)
        for step, given in enumerate(shown):
            remaining[step] = available * given
            available = np.maximum(available + share * (1 - available) - self.use * available * given, 0)
        return remaining
