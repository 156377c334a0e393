"""What populations are given in a presentation, as a program takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.program import Program

Shown = np.ndarray | Mapping[str, np.ndarray]
"""What populations are given, by name; an array is that of the only one.

Values (step, trial, unit), or the numbers of symbols (step, trial), −1 for none; NaN where a target is missing."""


@dataclass(frozen=True)
class StimulusPlace:
    """Where a program keeps what a population shows, whether that are numbers of symbols, and of how many steps before
    the first one it is told."""

    variable: str
    numbered: bool
    history: int

    @classmethod
    def of(cls, plan: Plan, population: str) -> StimulusPlace:
        return cls(plan.rate_name(population), plan.looked_up(population), plan.rows[population].history)

    def silence(self, values: np.ndarray) -> np.ndarray:
        """Nothing, in the steps before values are shown."""
        return np.full((self.history, *values.shape[1:]), -1 if self.numbered else 0, values.dtype)


@dataclass(frozen=True)
class TargetPlace:
    """Where a program keeps what a population is compared with, (population of the rows, variable), and where
    something is missing, if that may be; whether it is told numbers of classes."""

    wanted: tuple[str, str]
    given: tuple[str, str] | None
    numbered: bool

    @classmethod
    def of(cls, plan: Plan, population: str) -> TargetPlace:
        error, label = (plan.group_name(population, kind) for kind in ("error", "label"))
        numbered = population in plan.labelled
        wanted = (plan.label(population), f"{label}_symbol") if numbered else (population, f"{error}_target")
        return cls(wanted, (population, f"{error}_given") if population in plan.missing else None, numbered)


class Display:
    """Sets stimuli and targets, and keeps the last steps shown, as many as the next presentation depends on.

    recent   stimulus population → its last steps; None where they are not known, and are read from the program
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self._stimuli = {name: StimulusPlace.of(plan, name) for name in plan.circuit.stimuli}
        self._targets = {name: TargetPlace.of(plan, name) for name in plan.circuit.targets}
        self.recent: dict[str, np.ndarray] | None = None

    def constants(self, program: Program) -> None:
        """Constant populations have a rate of one, at all steps."""
        for name in set(self.plan.circuit.given) - set(self._stimuli):
            rows = self.plan.rows[name]
            ones = np.ones((rows.steps, self.plan.trials, rows.units), self.plan.precision)
            program.set_rows(name, self.plan.rate_name(name), ones, history=1)

    def show(self, program: Program, stimulus: Shown, target: Shown, carrying: bool = False) -> None:
        """Set what stimulus populations show and target populations are compared with.

        carrying   the steps before the first are the last ones of what was shown before, not silence
        """
        recent = {}
        for name, values in _by_population(stimulus, self._stimuli).items():
            place = self._stimuli[name]
            values = _numbered(values)[..., None] if place.numbered else values
            before = self._before(program, name, values) if carrying else place.silence(values)
            program.set_rows(name, place.variable, values, before)
            recent[name] = _last(place.history, before, values)
        self.recent = recent
        for name, values in _by_population(target, self._targets).items():
            self._compare(program, name, values)

    def _compare(self, program: Program, target: str, values: np.ndarray) -> None:
        """What a target population is compared with, and where."""
        place = self._targets[target]
        if place.numbered:
            # A row of zeros is compared with no class; of numbers, -1 is none to compare with.
            given = np.asarray(values >= 0 if values.ndim == 2 else ~np.isnan(values).any(axis=2))
            values, given = np.where(given, _numbered(values), -1)[..., None], given[..., None]
        else:
            given = ~np.isnan(values) if place.given else None
            values = values if given is None else np.where(given, values, 0)
        program.set_rows(*place.wanted, values)
        if place.given and given is not None:
            program.set_rows(*place.given, given.astype(self.plan.precision))

    def _before(self, program: Program, population: str, stimulus: np.ndarray) -> np.ndarray:
        """What was shown in the steps before the first one, (history, trial, unit)."""
        if self.recent is not None:
            return self.recent[population]
        place = self._stimuli[population]
        rows = program.get_rows(population, place.variable, with_history=True)
        return rows[len(rows) - place.history :]


def _last(count: int, before: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The last `count` steps of what was shown, of which there are as many before."""
    return np.concatenate([before, values[max(0, len(values) - count) :]])[-count:] if count else before


def _by_population(shown: Shown, names: Mapping[str, object]) -> Mapping[str, np.ndarray]:
    return shown if isinstance(shown, Mapping) else {next(iter(names)): shown}


def _numbered(symbols: np.ndarray) -> np.ndarray:
    """Numbers of symbols (step, trial), also of one unit for each."""
    if symbols.ndim == 2:
        return symbols
    return np.where(symbols.any(axis=2), symbols.argmax(axis=2), -1)
