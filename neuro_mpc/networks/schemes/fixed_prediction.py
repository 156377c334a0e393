"""Fixed prediction: the ancestral pass is held, and errors are passed back through it once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from neuro_mpc.descriptions.inference import SCHEMES, Inference
from neuro_mpc.networks.operations import Operation, Repeat
from neuro_mpc.networks.phase import Phase
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.schemes.interface import Scheme
from neuro_mpc.networks.sections import AfterLastWindow, Section
from neuro_mpc.networks.signals import (
    Reached,
    Sums,
    energies,
    error_updates,
    fed_back,
    feedbacks,
    hidden_energies,
    newest_step,
    once,
    output_errors,
    unreached,
)
from neuro_mpc.rules.derivation import PopulationRules

if TYPE_CHECKING:
    from neuro_mpc.rules.notation import Notation


class FixedPredictionInference(Inference):
    """Inference without iterations: rate, iterations, tolerance and energy_limit have no effect."""

    scheme: Literal["fixed-prediction"] = "fixed-prediction"


@SCHEMES.register("fixed-prediction")
class FixedPrediction(Scheme):
    """One pass backwards in steps: e = f'(h) ⊙ (A + f(h) ⊙ V), with the ancestral pass (and its output) held."""

    table = FixedPredictionInference
    holds_predictions: ClassVar[bool] = True
    windows: ClassVar[bool] = True
    split_errors: ClassVar[bool] = True

    def belief(self, rules: PopulationRules, settles: bool) -> str:
        return rules.belief("r : 1")

    def signed_error(self, rules: PopulationRules) -> tuple[str, Sequence[str]]:
        return rules.feedback, rules.feedback_names

    def phase(self, plan: Plan) -> Phase:
        phase = Phase("infer", "inferring")
        sections = self._in_windows(plan, phase, plan.known) if plan.known else self._of_sequence(plan, phase)
        measured: tuple[Operation, ...]
        if plan.stepwise:
            measured = (AfterLastWindow(tuple(energies(plan))),)
        else:  # outputs are held
            measured = (Repeat("loss", "loss_start"), *hidden_energies(plan))
        phase.sections = (*sections, Section(measured))
        return phase

    def _of_sequence(self, plan: Plan, phase: Phase) -> list[Section]:
        """Every error hears of all errors after it."""
        sections, done = [], list(plan.circuit.targets)
        for component in reversed(plan.circuit.components):
            sections += self._passed_back(plan, phase, component, done)
            done += component
        return sections

    @staticmethod
    def _in_windows(plan: Plan, phase: Phase, known: int) -> list[Section]:
        """Every error hears of the errors of so many steps, from its own on: of one step, all steps at once."""
        step = tuple(
            operation
            for name in reversed(plan.circuit.free)
            for operation in (
                *feedbacks(plan, name, plan.circuit.population),
                phase.joint_block(plan.rows[name], *error_updates(plan, name)),
            )
        )
        if plan.stepwise:
            newest = Section((*newest_step(plan, phase), *output_errors(plan, phase)), when="entering")
            return [Section((newest, *step), loop="windows", known=known)]
        if known == 1:
            return [Section(step, known=1)]
        backward = tuple(Section(step, at=at) for at in reversed(range(known)))
        return [Section(backward, loop="windows", known=known)]

    @staticmethod
    def _passed_back(plan: Plan, phase: Phase, component: tuple[str, ...], done: list[str]) -> list[Section]:
        """The errors of populations that receive from each other, from those of all that come after them."""
        reached: dict[str, Sums] = {name: defaultdict(Reached) for name in component}
        after = [operation for name in component for operation in fed_back(plan, name, done, reached[name])]
        inside = {name: fed_back(plan, name, component, reached[name]) for name in component}
        zeros = [operation for name in component for operation in unreached(plan, name, reached[name])]
        error = {name: phase.joint_block(plan.rows[name], *error_updates(plan, name)) for name in component}
        if not plan.circuit.is_recurrent(component):
            return [Section((*zeros, *after, *error.values()))]
        step = [operation for name in reversed(component) for operation in (*inside[name], error[name])]
        return [*once([*zeros, *after]), Section(tuple(step), loop="backward")]

    def passes(self, iterations: int) -> int:
        return 1

    def iterations(self, planned: int, used: np.ndarray, settles: bool) -> float:
        return 1.0

    def laws(self, notation: Notation, drive: Callable[[str], str]) -> list[tuple[str, str, str]]:
        return [(notation.variable("e"), drive(notation.variable("h")), "fixed prediction, last step first")]

    def code(self, rules: PopulationRules) -> list[tuple[str, str]]:
        return [("error units under fixed prediction", self.error(rules))]
