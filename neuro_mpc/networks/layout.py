"""The groups of a network: their names, equations and sizes. No Brian2 here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from neuro_mpc.networks.influences import Influence, credit_equations, credited, influences, passages
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.schemes.interface import scheme_of
from neuro_mpc.rules.splitting import halves

INTEGER_BYTES = 4
TRIAL_VALUES, TRIAL_COUNTS = ("loss_start", "loss", "energy_hidden", "energy_last"), ("iterations_used",)
"""Of what controls a network, the numbers of which each trial has one; a scheme may have more."""


@dataclass(frozen=True)
class NeuralGroup:
    """Units of a population on all rows of a presentation.

    sources   names of the groups to which its linked variables belong
    """

    name: str
    equations: str
    elements: int
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class SynapticGroup:
    """The synapses of a projection, post × pre (post × 1 where each unit has one), or the precisions of a population's
    errors (precisions × 1)."""

    name: str
    equations: str
    shape: tuple[int, int]
    fan_in: float

    @property
    def elements(self) -> int:
        post, pre = self.shape
        return post * pre


def groups(plan: Plan) -> list[NeuralGroup | SynapticGroup]:
    """All groups of the network of a plan, its control aside."""
    return [*neural_groups(plan), *synaptic_groups(plan)]


def neural_groups(plan: Plan) -> list[NeuralGroup]:
    """Given populations, free populations, targets."""
    given = [_given(plan, name) for name in plan.circuit.given]
    free = [group for name in plan.circuit.free for group in _free(plan, name)]
    targets = [group for name in plan.circuit.targets for group in _target(plan, name)]
    return [*given, *free, *targets, *(_credit(plan, name) for name in credited(plan))]


def synaptic_groups(plan: Plan) -> list[SynapticGroup]:
    """The synapses of every projection, the precisions that are learned, and the influences that synapses keep."""
    synapses = [
        SynapticGroup(
            plan.synapses_name(name),
            "\n".join(_synapses(plan, name)),
            plan.circuit.shape(name),
            float(plan.circuit.fan_in(name)),
        )
        for name in plan.circuit.untied
    ]
    precisions = [_precisions(plan, name) for name in plan.precisions]
    return [*synapses, *precisions, *map(partial(_influence, plan), influences(plan))]


def is_of_trials(plan: Plan) -> Callable[[str], bool]:
    """Whether a variable of the network of a plan, by the name that phases use, has values of every trial."""
    numbers = {*TRIAL_VALUES, *TRIAL_COUNTS, *scheme_of(plan).trial_values}
    neural = {f"{group.name}_": isinstance(group, NeuralGroup) for group in groups(plan)}

    def answer(name: str) -> bool:
        owners = [prefix for prefix in neural if name.startswith(prefix)]
        return name in numbers or (bool(owners) and neural[max(owners, key=len)])

    return answer


def stored_bytes(plan: Plan, group: NeuralGroup | SynapticGroup) -> int:
    """Memory of the variables of a group; Brian2 numbers neurons, too, and a linked variable lies elsewhere."""
    lines = [line for line in group.equations.splitlines() if line.strip() and "(linked)" not in line]
    item = np.dtype(plan.precision).itemsize
    each = sum(INTEGER_BYTES if line.endswith(": integer") else item for line in lines)
    return group.elements * (each + (INTEGER_BYTES if isinstance(group, NeuralGroup) else 0))


def _elements(plan: Plan, population: str) -> int:
    return plan.rows[population].elements(plan.trials)


def _given(plan: Plan, name: str) -> NeuralGroup:
    equations = "symbol : integer" if plan.looked_up(name) else "x : 1"
    if plan.squares(name):
        equations += "\nx_squared = x**2 : 1 (constant over dt)"
    return NeuralGroup(plan.group_name(name, plan.circuit.population[name].role), equations, _elements(plan, name))


def _free(plan: Plan, name: str) -> Iterator[NeuralGroup]:
    rules, scheme, elements = plan.rules.populations[name], scheme_of(plan), _elements(plan, name)
    belief, prediction, error = plan.free_groups(name)
    yield NeuralGroup(belief, scheme.belief(rules, plan.settles), elements, (error,))
    yield NeuralGroup(prediction, rules.prediction(), elements)
    if rules.split:
        error_text, linked = scheme.signed_error(rules)
        halves_of = halves(rules.split, error_text, [*linked, *rules.weights])
        yield from _halves(plan, name, halves_of, (belief, prediction, error))
    yield NeuralGroup(error, scheme.error(rules), elements, (belief, prediction, *plan.half_errors(name)))


def _halves(plan: Plan, name: str, equations: Mapping[str, str], sources: tuple[str, ...]) -> Iterator[NeuralGroup]:
    """The two groups that share the errors of a population."""
    for group, each in zip(plan.half_errors(name), equations.values(), strict=True):
        yield NeuralGroup(group, each, _elements(plan, name), sources)


def _target(plan: Plan, name: str) -> Iterator[NeuralGroup]:
    readout, misses = plan.rules.readouts[name], name in plan.missing
    (prediction, error), elements = (
        (plan.group_name(name, kind) for kind in ("prediction", "error")),
        _elements(plan, name),
    )
    yield NeuralGroup(prediction, readout.prediction(), elements)
    if readout.split:
        halves_of = halves(readout.split, readout.signed_error(misses), readout.linked(misses))
        yield from _halves(plan, name, halves_of, (prediction, error))
    yield NeuralGroup(error, readout.error(misses), elements, (prediction, *plan.half_errors(name)))
    if name in plan.labelled:
        labels = plan.label_rows(name).elements(plan.trials)
        yield NeuralGroup(plan.group_name(name, "label"), "symbol : integer", labels)


def _credit(plan: Plan, name: str) -> NeuralGroup:
    rules, (belief, prediction, _) = plan.rules.populations[name], plan.free_groups(name)
    group = plan.group_name(name, "credit")
    return NeuralGroup(
        group, credit_equations(rules, plan.credit == "trace"), _elements(plan, name), (belief, prediction)
    )


def _precisions(plan: Plan, name: str) -> SynapticGroup:
    rules = plan.precisions[name]
    equations = plan.precision_plasticity(name).equations() if plan.optimizer else rules.equations()
    return SynapticGroup(plan.group_name(name, "precision"), equations, (plan.precision_rows(name).units, 1), 1.0)


def _influence(plan: Plan, influence: Influence) -> SynapticGroup:
    shape = influence.slots * influence.units, influence.synapses
    equations = "\n".join(f"{moment} : 1" for moment in plan.moments(influence.projection))
    return SynapticGroup(influence.group, equations, shape, 1.0)


def _synapses(plan: Plan, name: str) -> Iterator[str]:
    """Equations of a projection: parameters, moments, what learning keeps, and the moments packed for products."""
    yield plan.plasticity(name).equations() if plan.optimizer else plan.rules.synapses[name].equations()
    packs = [packed for direction in ("forward", "backward") for packed, _ in plan.packing(name, direction)]
    for packed in dict.fromkeys(packs):
        yield f"{packed} : 1"
    if influences(plan) and name in passages(plan.circuit, plan.credit == "trace"):
        yield "jacobian : 1"
