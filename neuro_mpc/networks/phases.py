"""The phases of a presentation: which operations on which arrays, in which order.

How beliefs are inferred is the business of a scheme (`neuro_mpc.networks.schemes`).
"""

from __future__ import annotations

from dataclasses import replace

from neuro_mpc.networks.credit import credit_phase
from neuro_mpc.networks.influences import influences
from neuro_mpc.networks.operations import Carry, Choose, HebbianSum, OneHot, Operation
from neuro_mpc.networks.phase import Phase
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.precision import precision_adaptation, precision_moments, precision_sums, weightings
from neuro_mpc.networks.rows import Rows, Tiling
from neuro_mpc.networks.schemes.interface import scheme_of, tiling_of
from neuro_mpc.networks.sections import Section
from neuro_mpc.networks.signals import (
    ancestral_step,
    given_inputs,
    inputs,
    losses,
    noises,
    once,
    output_errors,
    read_out_parts,
    state,
)


def all_phases(plan: Plan) -> list[Phase]:
    """The phases of a presentation, in order."""
    tiling = tiling_of(plan)
    credit = [replace(credit_phase(plan), tiling=tiling)] if influences(plan) else []
    learning = [_learn(plan, tiling), *credit, _adapt(plan)] if plan.optimizer else []
    return [
        _refresh(plan),
        _pack(plan, "forward", "predicting"),
        _predict(plan, tiling),
        *([_pack(plan, "forward", "inferring", "pack_step")] if plan.stepwise else []),
        _pack(plan, "backward", "inferring"),
        replace(scheme_of(plan).phase(plan), tiling=tiling),
        *learning,
    ]


def _synapse_rows(plan: Plan, projection: str) -> Rows:
    post, pre = plan.circuit.shape(projection)
    return Rows(post * pre, 1)


def _refresh(plan: Plan) -> Phase:
    """The moments of every weight, and every precision, from their parameters."""
    phase = Phase("refresh", "refreshing")
    blocks = [
        phase.block(_synapse_rows(plan, name), plan.synapses_name(name), "update") for name in plan.circuit.untied
    ]
    phase.sections = (Section((*blocks, *precision_moments(plan, phase))),)
    return phase


def _pack(plan: Plan, direction: str, condition: str, name: str = "") -> Phase:
    """The moments in the order in which products read them, unless it is said that they have not changed; forward, the
    precisions that errors are weighted by, too.

    They stay as they are for all steps and iterations: weights that are set reach products forward with the next
    prediction, products backward with the next inference."""
    operations = [operation for name in plan.circuit.untied for _, operation in plan.packing(name, direction)]
    shared = weightings(plan) if direction == "forward" else []
    packing = Section((*operations, *shared), unless=f"packed_{direction}")
    return Phase(name or f"pack_{direction}", condition, (packing,))


# --- prediction ------------------------------------------------------------------------------------------------------


LONG_ROW = 2048
"""Units of a target population from which on the arrays of a tile exceed the caches."""


def _predict(plan: Plan, tiling: Tiling) -> Phase:
    """Ancestral pass: r = h step by step; while `generating`, the chosen output is the next stimulus."""
    phase = Phase("predict", "predicting", tiling=tiling)
    given = given_inputs(plan, phase)
    before, read, compared = _reading(plan, phase)
    pass_of_all_steps = (Section(tuple(given)), *_ancestral_pass(plan, phase), *read)
    generation = [*_choices(plan), *given, *ancestral_step(plan, phase)]
    phase.sections = (
        Section(tuple(_carries(plan))),
        *before,
        *(replace(section, unless="generating") for section in pass_of_all_steps),
        Section(tuple(generation), loop="forward", when="generating"),
        compared,
    )
    return phase


def _reading(plan: Plan, phase: Phase) -> tuple[list[Section], list[Section], Section]:
    """What draws noise before a pass, what reads the outputs of all its steps, and what compares them with targets.

    Where rows are long, outputs get their noise, are read and compared one row after the other."""
    targets = plan.circuit.targets
    comparison = (*_targets(plan), *output_errors(plan, phase))
    products, row_by_row = read_out_parts(plan, phase)
    compared = Section((*comparison, *losses(plan, "loss_start")))
    if max((plan.rows[name].units for name in targets), default=0) < LONG_ROW:
        return [Section(noises(plan))], [Section((*products, *row_by_row))], compared
    drawn, of_free = noises(plan, of=targets), noises(plan, of=plan.circuit.free)
    of_row = (*drawn, *row_by_row, *comparison, *losses(plan, "loss_start", by_symbol=True))
    return (
        [Section(of_free), Section(drawn, when="generating")],
        [Section(tuple(products)), Section(of_row, loop="rows")],
        replace(compared, when="generating"),
    )


def _choices(plan: Plan) -> list[Operation]:
    """The most probable output becomes the next stimulus, in a circuit with one of each."""
    circuit = plan.circuit
    if (len(circuit.stimuli), len(circuit.targets)) != (1, 1):
        return []
    output = plan.group_name(circuit.target, "prediction") + "_y"
    ends = plan.rows[circuit.stimulus], plan.rows[circuit.target]
    return [Choose(plan.rate_name(circuit.stimulus), output, *ends, plan.looked_up(circuit.stimulus))]


def _carries(plan: Plan) -> list[Operation]:
    """The rates, the squares of stimuli and, where predictions name them, the beliefs of the steps before the first
    one; stimuli themselves are shown with their history."""
    rates = [
        Carry(plan.rate_name(name, squared), plan.rows[name])
        for name, rules in plan.rules.populations.items()
        if plan.longest_delay(name)
        for squared in ([False, True] if rules.sends_variance else [False])
    ]
    squares = [
        Carry(plan.rate_name(name, squared=True), plan.rows[name])
        for name in plan.circuit.stimuli
        if plan.squares(name) and plan.longest_delay(name)
    ]
    beliefs = [Carry(f"{plan.group_name(name, 'belief')}_r", plan.rows[name]) for name in plan.remembering]
    return [*rates, *squares, *beliefs]


def _targets(plan: Plan) -> list[Operation]:
    """The one-hot state of the symbols that target populations are compared with."""
    return [
        OneHot(
            f"{plan.group_name(name, 'error')}_target",
            f"{plan.group_name(name, 'label')}_symbol",
            plan.rows[name],
            plan.label_rows(name),
        )
        for name in plan.labelled
    ]


def _ancestral_pass(plan: Plan, phase: Phase) -> list[Section]:
    """All steps of all free populations: only populations that receive from themselves are walked step by step."""
    sections, done = [], []
    for component in plan.circuit.components:
        started: set[str] = set()
        before = [operation for name in component for operation in inputs(plan, name, done, started)]
        if plan.circuit.is_recurrent(component):
            step = [
                operation
                for name in component
                for operation in (*inputs(plan, name, component, started), state(plan, phase, name))
            ]
            sections += [*once(before), Section(tuple(step), loop="forward")]
        else:
            sections.append(Section((*before, state(plan, phase, component[0]))))
        done += component
    return sections


# --- learning --------------------------------------------------------------------------------------------------------


def _learn(plan: Plan, tiling: Tiling) -> Phase:
    """H1 = Σ err f and H2 = Σ q f² of every projection, and H = Σ err² where precisions are learned, over steps and
    trials."""
    tied = [name for name in plan.circuit.projection if name not in plan.circuit.untied]  # they add to sums of others
    hebbian = [operation for name in (*plan.circuit.untied, *tied) for operation in _hebbian_sums(plan, name)]
    sections = (Section((*hebbian, *precision_sums(plan))),)
    if plan.stepwise:
        sections = (Section(tuple(hebbian), loop="windows", known=1),)
    return Phase("learn", "learning", sections, tiling, parallel=False)


def sums(plan: Plan) -> list[str]:
    """Variables that hold what learning sums over trials."""
    hebbian = [operation for name in plan.circuit.untied for operation in _hebbian_sums(plan, name)]
    return [operation.target for operation in (*hebbian, *precision_sums(plan))]


def _hebbian_sums(plan: Plan, name: str) -> list[HebbianSum]:
    projection, connectivity = plan.circuit.projection[name], plan.connectivity(name)
    error = plan.group_name(projection.target, "error")
    compartment = plan.rules.compartment(name)
    err, q = (compartment.slope.share("err"), compartment.variable("q")) if compartment else ("err", "q")
    first, second = ("H1", f"{error}_{err}", False), ("H2", f"{error}_{q}", True)
    return [
        connectivity.hebbian_sum(total, post, plan.rate_name(projection.source, squared), plan.span(name))
        for total, post, squared in ([first, second] if plan.rules.synapses[name].varies else [first])
    ]


def _adapt(plan: Plan) -> Phase:
    """Every parameter moves by what its two ends know; then the moments follow."""
    phase = Phase("adapt", "adapting")
    operations = [operation for name in plan.circuit.untied for operation in _adaptation(plan, phase, name)]
    phase.sections = (Section((*operations, *precision_adaptation(plan, phase))),)
    return phase


def _adaptation(plan: Plan, phase: Phase, name: str) -> list[Operation]:
    rows, group, plasticity = _synapse_rows(plan, name), plan.synapses_name(name), plan.plasticity(name)
    operations: list[Operation] = []
    if plasticity.clipped_names:
        operations.append(phase.block(rows, group, *plasticity.descents(clipped=True)))
        operations += [
            plan.connectivity(name).clip(f"change_{each}", plan.clip, plan.clip_norm)
            for each in plasticity.clipped_names
        ]
    return [
        *operations,
        phase.block(rows, group, *plasticity.descents(clipped=False), *plasticity.updates(), "update"),
    ]
