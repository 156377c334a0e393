"""The energies of presentations: asked of a program, read later."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.program import Program
from neuro_mpc.networks.schemes.interface import scheme_of
from neuro_mpc.rules.weighting import LOG_PRECISION

ASKED = "loss_start", "loss", "energy_hidden", "iterations_used", "iterations"


class Energies(NamedTuple):
    """Means per trial, sums over steps and units. free energy = hidden + loss."""

    hidden: float
    loss: float
    start: float
    iterations: float

    @property
    def total(self) -> float:
        return self.hidden + self.loss

    def of(self, name: str) -> float:
        """The energy of this name in the run file, "loss" or "free_energy"."""
        return self.loss if name == "loss" else self.total


class EnergyReadings:
    """What a program says of the energies of the presentations that it was told of last, one or a number of them.

    Predictions are asked before inference, as precisions may be learned after it.
    """

    def __init__(self, plan: Plan):
        self.plan, self._scheme = plan, scheme_of(plan)

    def ahead(self, program: Program) -> int:
        """How many presentations may wait to be read."""
        return program.answers_ahead(*ASKED, *self._free_precisions)

    def of_predictions(self, program: Program, number: int = 1) -> Callable[[], np.ndarray]:
        """The energy of the free populations of a trial when beliefs are what is predicted, −½ log Π of every error, at
        the precisions of this moment; one of each presentation."""
        if not self._free_precisions:
            return lambda: np.zeros(number)
        answer, errors = program.ask(*self._free_precisions), self._free_precisions.values()

        def energy() -> np.ndarray:
            weighed = zip(errors, answer(), strict=True)
            sums = [number_of * values.reshape(number, -1).sum(axis=1) for number_of, values in weighed]
            return -0.5 * np.sum(sums, axis=0)

        return energy

    def of_presentations(
        self, program: Program, of_predictions: Callable[[], np.ndarray], number: int = 1
    ) -> Callable[[], list[Energies]]:
        """The energies of each presentation, as they are at the end of inference."""
        answer = program.ask(*ASKED)

        def energies() -> list[Energies]:
            loss_start, loss, hidden, used, planned = (values.reshape(number, -1) for values in answer())
            start, loss, hidden = (each.sum(axis=1) / each.shape[1] for each in (loss_start, loss, hidden))
            start += of_predictions()
            iterations = [
                self._scheme.iterations(int(of[0]), each, self.plan.settles) for of, each in zip(planned, used)
            ]
            columns = (hidden.tolist(), loss.tolist(), start.tolist(), iterations)
            return [Energies(*each) for each in zip(*columns, strict=True)]

        return energies

    @cached_property
    def _free_precisions(self) -> dict[str, int]:
        """Variable of the log Π that a free population learns → errors of a trial that each of them weighs."""
        return {
            f"{self.plan.group_name(name, 'precision')}_{LOG_PRECISION}": self.plan.precision_rows(name).steps
            for name in self.plan.precisions
            if name in self.plan.circuit.free
        }
