"""Learned precisions in the phases of a presentation.

The precisions of a population are a group of their own. Before a prediction each is put on all rows of the error units
that it weighs; after inference it learns from the sum of their squared errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neuro_mpc.networks.operations import LATER_TILE, Operation
from neuro_mpc.networks.phase import Phase
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.rows import Rows, Visit
from neuro_mpc.networks.statements import Call, Pointer
from neuro_mpc.rules.weighting import LOG_PRECISION, PRECISION


@dataclass(frozen=True)
class FillRows(Operation):
    """target = one number for each unit, the same on all rows of all trials."""

    target: str
    source: str
    rows: Rows
    trials: int

    def lower(self, visit: Visit) -> Iterable[Call]:
        units = self.rows.units
        count = self.rows.elements(self.trials) // units
        return [Call("fill_rows", units, count, Pointer(self.source), Pointer(self.target))]


@dataclass(frozen=True)
class SquareSum(Operation):
    """target = Σ source² of each unit over steps and trials."""

    target: str
    source: str
    rows: Rows

    def lower(self, visit: Visit) -> Iterable[Call]:
        steps = self.rows.all
        source = self.rows.of(self.source, steps)
        return [Call("sum_squares", self.rows.units, steps.rows, source, LATER_TILE, Pointer(self.target))]


def weightings(plan: Plan) -> list[Operation]:
    """Every precision and its logarithm, put on the rows of the errors that it weighs."""
    return [_weighting(plan, name, variable) for name in plan.precisions for variable in (PRECISION, LOG_PRECISION)]


def _weighting(plan: Plan, name: str, variable: str) -> FillRows:
    target, source = (f"{group}_{variable}" for group in (_errors(plan, name), _precisions(plan, name)))
    return FillRows(target, source, plan.precision_rows(name), plan.trials)


def precision_moments(plan: Plan, phase: Phase) -> list[Operation]:
    """Π of log Π."""
    return [phase.block(_each(plan, name), _precisions(plan, name), "update") for name in plan.precisions]


def precision_sums(plan: Plan) -> list[SquareSum]:
    """H = Σ err², and the number of errors where some are missing: the sum of `given`, 0 or 1, or of its square."""
    return [
        SquareSum(f"{_precisions(plan, name)}_{total}", f"{_errors(plan, name)}_{variable}", plan.precision_rows(name))
        for name in plan.precisions
        for total, variable in (("H", "err"), *((("count", "given"),) if name in plan.missing else ()))
    ]


def precision_adaptation(plan: Plan, phase: Phase) -> list[Operation]:
    """Every log Π moves by what its population's errors say; then Π follows."""
    return [_adaptation(plan, phase, name) for name in plan.precisions]


def _adaptation(plan: Plan, phase: Phase, name: str) -> Operation:
    plasticity = plan.precision_plasticity(name)
    counting = [] if name in plan.missing else [f"count = {plasticity.cases}.0"]
    code = (*counting, *plasticity.descents(clipped=False), *plasticity.updates(), "update")
    return phase.block(_each(plan, name), _precisions(plan, name), *code)


def _each(plan: Plan, name: str) -> Rows:
    """A row of the precisions of a population."""
    return Rows(plan.precision_rows(name).units, 1)


def _precisions(plan: Plan, name: str) -> str:
    return plan.group_name(name, "precision")


def _errors(plan: Plan, name: str) -> str:
    return plan.group_name(name, "error")
