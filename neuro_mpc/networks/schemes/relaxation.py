"""Relaxation: beliefs follow the free energy downhill, and predictions follow the beliefs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from neuro_mpc.descriptions.inference import SCHEMES, Inference
from neuro_mpc.networks.operations import Operation
from neuro_mpc.networks.phase import Phase
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.schemes.interface import Scheme
from neuro_mpc.networks.sections import AfterLastWindow, Section
from neuro_mpc.networks.settling import Settle
from neuro_mpc.networks.signals import (
    REDRAWN_STREAMS,
    energies,
    errors,
    feedbacks,
    held_inputs,
    newest_step,
    noises,
)
from neuro_mpc.rules.derivation import PopulationRules

if TYPE_CHECKING:
    from neuro_mpc.rules.notation import Notation

CACHE_BYTES = 1_000_000
"""Working set of one tile: the second-level cache of many processors, half of that of others."""
ARRAYS_PER_UNIT = 10
EFFICIENT_ROWS = 96
"""Rows of a tile from which a matrix product does not wait for its weights, which lie outside the cache if large."""


class RelaxationInference(Inference):
    """Inference by gradient descent on the beliefs."""

    scheme: Literal["relaxation"] = "relaxation"


@SCHEMES.register("relaxation")
class Relaxation(Scheme):
    """τ dr/dt = −∂F/∂r, an Euler step an iteration; the errors of the last beliefs are left for learning.

    With a window of k steps, the beliefs of a step move until the step k steps later was known, and then stay: k = 0 is
    temporal predictive coding (Millidge et al. 2024).

    A scheme that moves beliefs by something else than the gradient is a subclass that overrides `velocity`.

    own_equations   equations of what value units keep besides
    start           code of value units before the first iteration
    """

    table = RelaxationInference
    windows: ClassVar[bool] = True
    weighs_errors: ClassVar[bool] = True
    split_errors: ClassVar[bool] = True
    keeps_trajectory: ClassVar[bool] = True
    own_equations: ClassVar[tuple[str, ...]] = ()
    start: ClassVar[str] = ""

    def velocity(self, rules: PopulationRules) -> str:
        """τ dr/dt, in Brian2's language."""
        return f"({rules.downhill})"

    def acceleration(self, rules: PopulationRules) -> str:
        """Code of value units before each Euler step."""
        return ""

    def belief(self, rules: PopulationRules, settles: bool) -> str:
        moving = "active*" if settles else ""
        lines = [rules.belief(f"dr/dt = {moving}{self.velocity(rules)}/tau : 1", *self.own_equations)]
        if settles:
            lines.append("active : 1")
        return "\n".join([*lines, "err : 1 (linked)"])

    def signed_error(self, rules: PopulationRules) -> tuple[str, Sequence[str]]:
        return rules.weighted("r - h"), ("r", "h")

    def phase(self, plan: Plan) -> Phase:
        phase = Phase("infer", "inferring")
        start, moves = [], []
        for name in plan.circuit.free:
            if self.start:
                start.append(phase.block(plan.rows[name], plan.group_name(name, "belief"), self.start))
            moves += self._moves(plan, phase, name)
        settle = [*energies(plan), _settle(plan)] if plan.settles else []
        erring = errors(plan, phase, keep_predictions=False, hold_inputs=True)
        iterations = Section((*erring, *settle, *moves), loop="repeat", count="iterations")
        inference = (Section(tuple(start)), iterations)
        if plan.stepwise:  # what is learned from a step are its own last errors
            inferred = Section(tuple(errors(plan, phase)))
            phase.sections = (
                *_in_time(plan, phase, (*inference, inferred)),
                Section((AfterLastWindow(tuple(energies(plan))),)),
            )
            return phase
        phase.sections = (
            *_in_time(plan, phase, inference),
            Section(noises(plan, REDRAWN_STREAMS), when="redrawing"),
            Section((*errors(plan, phase), *energies(plan))),
        )
        return phase

    def _moves(self, plan: Plan, phase: Phase, name: str) -> list[Operation]:
        """An Euler step of a population's beliefs."""
        acceleration = self.acceleration(plan.rules.populations[name])
        code = [acceleration, "integrate", "update"] if acceleration else ["integrate", "update"]
        step = phase.block(plan.rows[name], plan.group_name(name, "belief"), *code)
        return [*feedbacks(plan, name, plan.circuit.population), step]

    def tile_width(self, plan: Plan, trials: int) -> int:
        """Small enough for the tile to stay in cache from one iteration to the next."""
        steps = plan.known or plan.steps
        units = sum(rows.units * min(rows.steps, steps) for rows in plan.rows.values())
        bytes_per_trial = ARRAYS_PER_UNIT * np.dtype(plan.precision).itemsize * units
        fitting = max(CACHE_BYTES // bytes_per_trial, -(-EFFICIENT_ROWS // steps))
        tiles = -(-trials // max(1, min(trials, fitting)))
        return -(-trials // tiles)

    # `show` prints them once: schemes that reach the same beliefs in another way have none of their own.

    def laws(self, notation: Notation, drive: Callable[[str], str]) -> list[tuple[str, str, str]]:
        if type(self) is not Relaxation:
            return []
        r, e = (notation.variable(letter) for letter in "re")
        return [(notation.rate_of(r), f"{notation.minus}{e} + {drive(r)}", "relaxation")]

    def code(self, rules: PopulationRules) -> list[tuple[str, str]]:
        if type(self) is not Relaxation:
            return []
        return [
            ("value units", self.belief(rules, settles=False)),
            ("prediction units", rules.prediction()),
            ("error units", self.error(rules)),
        ]


def _in_time(plan: Plan, phase: Phase, inference: tuple[Section, ...]) -> tuple[Section, ...]:
    """Inference of the whole sequence at once; or window by window, each with a step whose beliefs start from what the
    beliefs before it predict."""
    if not plan.known:
        return inference
    newest = Section(tuple(newest_step(plan, phase)), at=plan.known - 1, when="entering")
    held = Section(tuple(held_inputs(plan)), unless="entering")  # what arrived when the step entered is there
    return (Section((newest, held, *inference), loop="windows", known=plan.known),)


def _settle(plan: Plan) -> Settle:
    moving = tuple((f"{plan.group_name(name, 'belief')}_active", plan.rows[name]) for name in plan.circuit.free)
    return Settle(moving)
