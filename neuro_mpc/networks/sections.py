"""Operations in order, and how often: once, step by step, window by window, trial by trial, or repeated."""

from __future__ import annotations

from dataclasses import dataclass, replace

from neuro_mpc.networks.operations import WIDTH, Operation
from neuro_mpc.networks.rows import Visit
from neuro_mpc.networks.statements import Guard, Loop, Scalar


@dataclass(frozen=True)
class Section(Operation):
    """Operations in order: once over all steps, step by step (`forward`, `backward`), row by row (`rows`: step by step,
    trial by trial; what is written of a row is read while it is in cache), window by window (`windows`: of
    `known` steps, each one step after the last, from `first_window` up to `stop_window`), trial by trial (`trials`), or
    repeated (`repeat`: as often as the scalar variable `count` says, over the same steps); only `when` (not `unless`)
    that scalar is set. Sections may contain other sections.

    known  errors are felt of so many steps, from the first of a window or, without windows, from each step on
    at     a single step of each window, counted from its first
    """

    operations: tuple[Operation, ...]
    loop: str = "once"
    count: str = ""
    when: str = ""
    unless: str = ""
    known: int | None = None
    at: int | None = None

    def lower(self, visit):
        inside = self._inside(visit)
        body = tuple(statement for operation in self.operations for statement in operation.lower(inside))
        if not body:
            return []
        if self.loop == "repeat":
            body = (Loop("_iteration", Scalar(self.count), body),)
        elif self.loop == "trials":
            body = (Loop("_trial", WIDTH, body),)
        elif self.loop != "once":
            if self.loop == "windows":
                within = Guard("_step", "<", Scalar("stop_window"), body)
                body = (Guard("_step", ">=", Scalar("first_window"), (within,)),)
            elif self.loop == "rows":
                body = (Loop("_trial", WIDTH, body),)
            body = (Loop("_step", inside.passes, body, backwards=self.loop == "backward"),)
        if self.when or self.unless:
            return [Guard(Scalar(self.when or self.unless), "!=" if self.when else "==", 0, body)]
        return body

    def _inside(self, visit: Visit) -> Visit:
        if self.loop in ("forward", "backward"):
            return visit.stepwise()
        if self.loop == "rows":
            return visit.row_by_row()
        if self.loop == "windows":
            assert self.known
            return visit.in_windows(self.known)
        if self.loop == "trials":
            return replace(visit, single=True)
        if self.at is not None:
            return visit.at(self.at)
        return replace(visit, known=self.known) if self.known else visit


@dataclass(frozen=True)
class AfterLastWindow(Operation):
    """Operations once the last window of the sequence is visited, where a phase visits some of them at a time."""

    operations: tuple[Operation, ...]

    def lower(self, visit):
        body = tuple(statement for operation in self.operations for statement in operation.lower(visit))
        return [Guard(Scalar("stop_window"), "==", visit.steps, body)]
