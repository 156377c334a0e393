"""Sweeps: errors relax in a pass backwards in steps, and beliefs follow in a pass forwards."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from neuro_mpc.descriptions.inference import SCHEMES, Inference
from neuro_mpc.descriptions.tables import problem
from neuro_mpc.networks.operations import Block, Operation
from neuro_mpc.networks.phase import Phase
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.networks.schemes.interface import Scheme
from neuro_mpc.networks.sections import Section
from neuro_mpc.networks.settling import Backtrack
from neuro_mpc.networks.signals import (
    REDRAWN_STREAMS,
    ancestral_step,
    deviation,
    energies,
    errors,
    feedbacks,
    noises,
    output_errors,
)
from neuro_mpc.rules.derivation import PopulationRules

STEP = "err = err + gain*change"
"""An error moves by a trial's gain; a negative one takes (some of) the last step back."""


class SweepsInference(Inference):
    """Inference by sweeps; `rate` is that of the first sweep, after which the step of each trial adapts."""

    scheme: Literal["sweeps"] = "sweeps"

    @model_validator(mode="after")
    def _is_judged_by_the_energy(self) -> Self:
        if self.energy_limit:
            raise problem("the energy never rises in sweeps, so that it has no limit", expected="energy_limit = 0")
        if self.output_feedback == "last":
            raise problem(
                "sweeps are judged by the energy, of which the output's every error is a part",
                expected='output_feedback = "every"',
            )
        return self


@SCHEMES.register("sweeps")
class Sweeps(Scheme):
    """Errors relax towards what a sweep backwards in steps feeds back, with each population's newest; beliefs follow
    in a sweep forwards, r = h + e, with the newest predictions.

    With the feedback as the gradient of the loss with respect to the errors (the beliefs being functions of them),
    this descends the same energy as relaxation, to the same beliefs; a step reaches all steps of the sequence. A
    trial whose energy rose goes back half of its step, so that no trial's energy is higher at the end than before.
    """

    table = SweepsInference
    trial_values: ClassVar[tuple[str, ...]] = ("step_length",)

    def belief(self, rules: PopulationRules, settles: bool) -> str:
        return rules.belief("r : 1")

    def error(self, rules: PopulationRules) -> str:
        own = [f"{name} : 1" for name in rules.predicted.shares("feedback", "feedback_q")]
        return rules.error("err : 1\nfeedback : 1\nchange : 1\ngain : 1", rules.feedback_names, *own)

    def phase(self, plan: Plan) -> Phase:
        phase = Phase("infer", "inferring")
        backward = Section(tuple(self._backward(plan, phase)), loop="backward")
        forward = Section(tuple(ancestral_step(plan, phase, erring=True)), loop="forward")
        judged = (*output_errors(plan, phase), *energies(plan))
        start, step, end = (_backtrack(plan, stage) for stage in ("start", "step", "end"))
        present = [_on_errors(plan, phase, name, deviation(plan, name)) for name in plan.circuit.free]
        back = [_on_errors(plan, phase, name, STEP) for name in plan.circuit.free]
        shared = [
            _on_errors(plan, phase, name, "update")
            for name, rules in plan.rules.populations.items()
            if rules.predicted.shares("err", "q")
        ]
        phase.sections = (
            Section((*present, *judged, start)),
            Section((step, backward, forward, *judged), loop="repeat", count="iterations"),
            Section((end, *back)),
            forward,
            Section((*noises(plan, REDRAWN_STREAMS), *errors(plan, phase, set_errors=True)), when="redrawing"),
            Section((*shared, *judged)),
        )
        return phase

    @staticmethod
    def _backward(plan: Plan, phase: Phase) -> list[Operation]:
        """One step of the sweep backwards: every population hears what its receivers pass on, and moves its errors."""
        operations: list[Operation] = []
        for name in reversed(plan.circuit.free):
            operations += [
                *feedbacks(plan, name, plan.circuit.population, sent=("feedback", "feedback_q")),
                _on_errors(plan, phase, name, _approach(plan.rules.populations[name])),
            ]
        return operations

    def iterations(self, planned: int, used: np.ndarray, settles: bool) -> float:
        return float(used.mean())


def _approach(rules: PopulationRules) -> str:
    """The error goes towards what the next populations feed back (where `gain` is not positive, some way back or
    nowhere)."""
    lines = [f"feedback = {rules.feedback}"]
    lines += [f"{name} = {share}" for name, share in rules.predicted.shares("feedback", "feedback_q").items()]
    return "\n".join([*lines, "change = change + step(gain)*(feedback - err - change)", STEP])


def _on_errors(plan: Plan, phase: Phase, name: str, code: str) -> Block:
    """Code of the error units of a population."""
    return phase.block(plan.rows[name], plan.group_name(name, "error"), code)


def _backtrack(plan: Plan, stage: str) -> Backtrack:
    gains = tuple((f"{plan.group_name(name, 'error')}_gain", plan.rows[name]) for name in plan.circuit.free)
    return Backtrack(stage, "step_length", gains, TAU_SECONDS, rounding=16 * float(np.finfo(plan.precision).eps))
