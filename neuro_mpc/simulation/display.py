"""What populations are given in a presentation, as a program takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.program import Program

Shown = np.ndarray | Mapping[str, np.ndarray]
"""What populations are given, by name; an array is that of the only one.

Values (step, trial, unit), or the numbers of symbols (step, trial), −1 for none; NaN where a target is missing."""


class Display:
    """Sets stimuli and targets, and keeps the last steps shown, as many as the next presentation depends on.

    recent   stimulus population → its last steps; None where they are not known, and are read from the program
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self.recent: dict[str, np.ndarray] | None = None

    def constants(self, program: Program) -> None:
        """Constant populations have a rate of one, at all steps."""
        for name in set(self.plan.circuit.given) - set(self.plan.circuit.stimuli):
            rows = self.plan.rows[name]
            ones = np.ones((rows.steps, self.plan.trials, rows.units), self.plan.precision)
            program.set_rows(name, self.plan.rate_name(name), ones, history=1)

    def show(self, program: Program, stimulus: Shown, target: Shown, carrying: bool = False) -> None:
        """Set what stimulus populations show and target populations are compared with.

        carrying   the steps before the first are the last ones of what was shown before, not silence
        """
        recent = {}
        for name, values in _by_population(stimulus, self.plan.circuit.stimuli).items():
            values = _numbered(values)[..., None] if self.plan.looked_up(name) else values
            history = self._before(program, name, values, carrying)
            program.set_rows(name, self.plan.rate_name(name), values, history)
            recent[name] = _last(len(history), history, values)
        self.recent = recent
        for name, values in _by_population(target, self.plan.circuit.targets).items():
            self._compare(program, name, values)

    def _compare(self, program: Program, target: str, values: np.ndarray) -> None:
        """What a target population is compared with, and where."""
        error, may_miss = self.plan.group_name(target, "error"), target in self.plan.missing
        if target in self.plan.labelled:
            symbols = _numbered(values)[..., None]
            program.set_rows(self.plan.label(target), f"{self.plan.group_name(target, 'label')}_symbol", symbols)
            given = np.broadcast_to(symbols >= 0, (*symbols.shape[:2], self.plan.rows[target].units))
        else:
            given = ~np.isnan(values) if may_miss else np.ones(0)
            values = np.where(given, values, 0) if may_miss else values
            program.set_rows(target, f"{error}_target", values)
        if may_miss:
            program.set_rows(target, f"{error}_given", given.astype(self.plan.precision))

    def _before(self, program: Program, population: str, stimulus: np.ndarray, carrying: bool) -> np.ndarray:
        """The stimulus of the steps before the first one, (history, trial, unit)."""
        history = self.plan.rows[population].history
        if not carrying:
            silence = -1 if self.plan.looked_up(population) else 0
            return np.full((history, *stimulus.shape[1:]), silence, stimulus.dtype)
        if self.recent is None:
            rows = program.get_rows(population, self.plan.rate_name(population), with_history=True)
            return rows[len(rows) - history :]
        return self.recent[population]


def _last(count: int, before: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The last `count` steps of what was shown, of which there are as many before."""
    return np.concatenate([before, values[max(0, len(values) - count) :]])[-count:] if count else before


def _by_population(shown: Shown, names: Sequence[str]) -> Mapping[str, np.ndarray]:
    return shown if isinstance(shown, Mapping) else {names[0]: shown}


def _numbered(symbols: np.ndarray) -> np.ndarray:
    """Numbers of symbols (step, trial), also of one unit for each."""
    if symbols.ndim == 2:
        return symbols
    return np.where(symbols.any(axis=2), symbols.argmax(axis=2), -1)
