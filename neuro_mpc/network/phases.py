"""The phases of a presentation as sweeps: which operations on which arrays, in which order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np

from neuro_mpc.network.operations import (
    Backtrack,
    Block,
    Carry,
    Choose,
    Clip,
    Energy,
    Feedback,
    Forward,
    Gather,
    HebbianSum,
    Noise,
    OneHot,
    Operation,
    Pack,
    Scatter,
    Section,
    Settle,
    Softmax,
    Zero,
)
from neuro_mpc.network.plan import TAU_SECONDS, Plan
from neuro_mpc.network.rows import Rows, Tiling
from neuro_mpc.rules.derivation import RETURN

REDRAWN_STREAMS = 1024
"""Streams of the noise that is drawn anew after inference; a circuit has fewer populations."""

WHOLE = Tiling(1, 1)
"""Synapses are not split by trials."""


@dataclass
class Phase:
    """One sweep to be made: `blocks` maps a block's name to its parts, (group, code) each; `passing` holds the
    (block, variable) pairs that are not stored, as nothing but the block's own later parts reads them."""

    name: str
    condition: str
    sections: tuple[Section, ...] = ()
    tiling: Tiling = WHOLE
    parallel: bool = True
    blocks: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    passing: set[tuple[str, str]] = field(default_factory=set)

    def block(self, rows: Rows, group: str, *code: str) -> Block:
        """Register code of a group and return the operation that executes it."""
        return self.joint_block(rows, *((group, each) for each in code))

    def joint_block(self, rows: Rows, *parts: tuple[str, str], passing: str = "") -> Block:
        """The same for code of several groups of a population, executed in one pass; the variable `passing`, by its
        name in the sweep, is not stored."""
        name = f"{parts[0][0]}_{len(self.blocks)}"
        self.blocks[name] = list(parts)
        self.passing |= {(name, passing)} if passing else set()
        return Block(name, rows)


def all_phases(plan: Plan) -> list[Phase]:
    """The sweeps of a presentation, in order."""
    infer = {
        "fixed-prediction": _fixed_prediction,
        "relaxation": _relaxation,
        "momentum": _relaxation,
        "sweeps": _sweeps,
    }
    return [
        _refresh(plan),
        _pack(plan, "forward", "predicting"),
        _predict(plan),
        _pack(plan, "backward", "inferring"),
        infer[plan.scheme](plan),
        _learn(plan),
        _adapt(plan),
    ]


def _once(operations: list[Operation]) -> list[Section]:
    return [Section(tuple(operations))] if operations else []


def _synapse_rows(plan: Plan, projection: str) -> Rows:
    post, pre = plan.circuit.shape(projection)
    return Rows(post * pre, 1)


def _refresh(plan: Plan) -> Phase:
    phase = Phase("refresh", "refreshing")
    blocks = [
        phase.block(_synapse_rows(plan, name), plan.synapses_name(name), "update") for name in plan.circuit.projection
    ]
    phase.sections = (Section(tuple(blocks)),)
    return phase


def _pack(plan: Plan, direction: str, condition: str) -> Phase:
    """The moments in the order in which products read them, unless it is said that they have not changed.

    They stay as they are for all steps and iterations: weights that are set reach products forward with the next
    prediction, products backward with the next inference."""
    forward = direction == "forward"
    operations = [
        Pack(f"{group}_{moment}_{direction}", f"{group}_{moment}", *plan.circuit.shape(name), forward)
        for name in plan.circuit.projection
        for group in [plan.synapses_name(name)]
        for moment in plan.packed(name, direction)
    ]
    return Phase(f"pack_{direction}", condition, (Section(tuple(operations), unless=f"packed_{direction}"),))


# --- predictions -----------------------------------------------------------------------------------------------------


def _inputs(plan: Plan, population: str, senders: Collection[str], started: set[str]) -> list[Operation]:
    """The moments of the input to a population: G = Σ μ f and D = Σ v f² over its projections from the senders.

    started   sums that have their first term; those that get one here are added
    """
    circuit, operations = plan.circuit, []
    group = plan.group_name(population, "prediction")
    for name, projection in circuit.incoming(population).items():
        if projection.source not in senders:
            continue
        stimulated = projection.source == circuit.stimulus and population != circuit.target
        suffix = "_stimulus" if stimulated else ""
        parts = [(f"{group}_G{suffix}", "mu", False)]
        parts += [(f"{group}_D{suffix}", "v", True)] * plan.rules.synapses[name].varies
        for target, moment, squared in parts:
            operations.append(_received(plan, name, target, moment, squared, target in started))
            started.add(target)
    return operations


def _received(plan: Plan, name: str, target: str, moment: str, squared: bool, accumulate: bool) -> Operation:
    """One moment of what arrives by a projection."""
    source, weights = plan.circuit.projection[name].source, f"{plan.synapses_name(name)}_{moment}"
    if plan.symbolic and source == plan.circuit.stimulus:
        return Gather(target, plan.rate_name(source), weights, plan.span(name), plan.circuit.shape(name)[1], accumulate)
    return Forward(target, plan.rate_name(source, squared), f"{weights}_forward", plan.span(name), accumulate)


def _stimulus_inputs(plan: Plan, phase: Phase) -> list[Operation]:
    """Everything that depends on the stimulus alone."""
    stimulus = plan.circuit.stimulus
    operations = [operation for name in plan.circuit.free for operation in _inputs(plan, name, [stimulus], set())]
    if plan.squares_stimulus:
        square = phase.block(plan.rows[stimulus], plan.group_name(stimulus, "stimulus"), "update")
        operations.insert(0, square)
    return operations


def _read_out(plan: Plan, phase: Phase) -> list[Operation]:
    """Input, prediction and output of the target population."""
    target = plan.circuit.target
    rows, group = plan.rows[target], plan.group_name(target, "prediction")
    operations = [*_inputs(plan, target, plan.circuit.population, set()), phase.block(rows, group, "update")]
    if plan.rules.readout.readout == "softmax":
        operations.append(Softmax(f"{group}_y", f"{group}_h", rows))
    return operations


def _state(plan: Plan, phase: Phase, name: str, erring: bool = False) -> Block:
    """Prediction, belief and rate of a population from its inputs: the belief is the prediction, or (`erring`) what
    its error adds to it."""
    belief, prediction, error = (plan.group_name(name, kind) for kind in ("belief", "prediction", "error"))
    found = f"{prediction}_h + {error}_err" if erring else f"{prediction}_h"
    return phase.joint_block(plan.rows[name], (prediction, "update"), (belief, f"r = {found}"), (belief, "update"))


def _ancestral_step(plan: Plan, phase: Phase, erring: bool = False) -> list[Operation]:
    """One step of the whole circuit, from the beliefs of the steps before."""
    operations = []
    for name in plan.circuit.free:
        operations += [*_inputs(plan, name, plan.circuit.free, set()), _state(plan, phase, name, erring)]
    return operations + _read_out(plan, phase)


def _ancestral_pass(plan: Plan, phase: Phase) -> list[Section]:
    """All steps of the whole circuit: only populations that hear of themselves go step by step."""
    sections, done = [], []
    for component in plan.circuit.components:
        started: set[str] = set()
        before = [operation for name in component for operation in _inputs(plan, name, done, started)]
        if plan.circuit.is_recurrent(component):
            step = [
                operation
                for name in component
                for operation in (*_inputs(plan, name, component, started), _state(plan, phase, name))
            ]
            sections += [*_once(before), Section(tuple(step), loop="forward")]
        else:
            sections.append(Section((*before, _state(plan, phase, *component))))
        done += component
    return [*sections, Section(tuple(_read_out(plan, phase)))]


def _noises(plan: Plan, first_stream: int = 0) -> tuple[Operation, ...]:
    populations = [name for name, rules in plan.rules.populations.items() if rules.receives_variance]
    populations += [plan.circuit.target] * plan.rules.readout.receives_variance
    return tuple(
        Noise(f"{plan.group_name(name, 'prediction')}_epsilon", plan.rows[name], stream)
        for stream, name in enumerate(populations, first_stream)
    )


def _predict(plan: Plan) -> Phase:
    """Ancestral pass: r = h step by step; while `generating`, the chosen output is the next stimulus."""
    phase = Phase("predict", "predicting", tiling=plan.tiling)
    circuit, rows = plan.circuit, plan.rows
    carries = [
        Carry(plan.rate_name(name, squared), rows[name])
        for name in circuit.free
        if rows[name].history
        for squared in ([False, True] if plan.rules.populations[name].sends_variance else [False])
    ]
    stimulus = _stimulus_inputs(plan, phase)
    output = plan.group_name(circuit.target, "prediction") + "_y"
    choose = Choose(
        plan.rate_name(circuit.stimulus), output, rows[circuit.stimulus], rows[circuit.target], plan.symbolic
    )
    shown = (Section(tuple(stimulus)), *_ancestral_pass(plan, phase))
    phase.sections = (
        Section((*carries, *_noises(plan), *_targets(plan))),
        *(replace(section, unless="generating") for section in shown),
        Section((choose, *stimulus, *_ancestral_step(plan, phase)), loop="forward", when="generating"),
        Section((_output_error(plan, phase), _loss(plan, "loss_start"))),
    )
    return phase


def _targets(plan: Plan) -> list[Operation]:
    """The target population's one-hot state of a symbol."""
    if not plan.symbolic:
        return []
    name = plan.circuit.target
    return [
        OneHot(
            f"{plan.group_name(name, 'error')}_target",
            f"{plan.group_name(name, 'label')}_symbol",
            plan.rows[name],
            plan.label_rows,
        )
    ]


# --- inference -------------------------------------------------------------------------------------------------------


def _loss(plan: Plan, name: str = "loss") -> Energy:
    target = plan.circuit.target
    prediction, error = (plan.group_name(target, kind) for kind in ("prediction", "error"))
    if plan.rules.readout.readout == "softmax":
        return Energy(name, f"{prediction}_h", plan.rows[target], "softmax", f"{error}_target")
    return Energy(name, f"{error}_err", plan.rows[target])


def _energies(plan: Plan) -> list[Operation]:
    """The two terms of the free energy, for each trial."""
    errors = [
        Energy("energy_hidden", f"{plan.group_name(name, 'error')}_err", plan.rows[name], first=not position)
        for position, name in enumerate(plan.circuit.free)
    ]
    return [_loss(plan), *errors]


def _feedbacks(plan: Plan, population: str, receivers: Collection[str], started: set[str]) -> list[Operation]:
    """A = Σ μᵀ err and V = Σ vᵀ q of those of the receivers that `population` predicts (in sweeps: of what
    these feed back); `started` as in `_inputs`."""
    operations: list[Operation] = []
    belief = plan.group_name(population, "belief")
    for name, projection in plan.circuit.outgoing(population).items():
        if projection.target not in receivers:
            continue
        error, synapses = plan.group_name(projection.target, "error"), plan.synapses_name(name)
        passed = plan.scheme == "sweeps" and projection.target != plan.circuit.target
        err, q = ("feedback", "feedback_q") if passed else ("err", "q")
        parts = [(f"{belief}_A", f"{error}_{err}", f"{synapses}_mu_backward")]
        parts += [(f"{belief}_V", f"{error}_{q}", f"{synapses}_v_backward")] * plan.rules.synapses[name].varies
        for target, source, weights in parts:
            if target not in started:  # the first product sets what it reaches, the rest of the steps is zero
                operations.append(Zero(target, plan.rows[population], plan.span(name)))
            operations.append(Feedback(target, source, weights, plan.span(name), target in started))
            started.add(target)
    return operations


def _output_error(plan: Plan, phase: Phase) -> Block:
    return phase.block(plan.rows[plan.circuit.target], plan.group_name(plan.circuit.target, "error"), "update")


def _fixed_prediction(plan: Plan) -> Phase:
    """One pass backwards in steps: e = f'(h) ⊙ (A + f(h) ⊙ V), with the ancestral pass (and its output) held."""
    phase = Phase("infer", "inferring", tiling=plan.tiling)
    sections, done = [], [plan.circuit.target]
    for component in reversed(plan.circuit.components):
        started: set[str] = set()
        after = [operation for name in component for operation in _feedbacks(plan, name, done, started)]
        error = {name: phase.block(plan.rows[name], plan.group_name(name, "error"), "update") for name in component}
        if plan.circuit.is_recurrent(component):
            step = [
                operation
                for name in reversed(component)
                for operation in (*_feedbacks(plan, name, component, started), error[name])
            ]
            sections += [*_once(after), Section(tuple(step), loop="backward")]
        else:
            sections.append(Section((*after, *error.values())))
        done += component
    phase.sections = (*sections, Section(tuple(_energies(plan))))
    return phase


def _errors(plan: Plan, phase: Phase, keep_predictions: bool = True) -> list[Operation]:
    """Predictions and errors of all beliefs as they are."""
    operations = []
    for name in plan.circuit.free:
        belief, prediction, error = (plan.group_name(name, kind) for kind in ("belief", "prediction", "error"))
        parts = [(prediction, "update"), (error, "update")]
        if plan.scheme == "sweeps":
            parts.insert(1, (error, f"err = {belief}_r - {prediction}_h"))
        operations += [
            *_inputs(plan, name, plan.circuit.free, set()),
            phase.joint_block(plan.rows[name], *parts, passing="" if keep_predictions else f"{prediction}_h"),
        ]
    return [*operations, *_read_out(plan, phase), _output_error(plan, phase)]


def _relaxation(plan: Plan) -> Phase:
    """Beliefs follow the free energy downhill; the errors of the last beliefs are left for learning.

    With momentum, their velocity follows it."""
    phase = Phase("infer", "inferring", tiling=plan.tiling)
    repeated, errors = _errors(plan, phase, keep_predictions=False), _errors(plan, phase)
    beliefs = {name: plan.group_name(name, "belief") for name in plan.circuit.free}
    moves, start = [], []
    for name, belief in beliefs.items():
        code = ["integrate", "update"]
        if plan.scheme == "momentum":
            start.append(phase.block(plan.rows[name], belief, "velocity = 0"))
            code.insert(0, plan.rules.populations[name].acceleration())
        moves += [*_feedbacks(plan, name, plan.circuit.population, set()), phase.block(plan.rows[name], belief, *code)]
    settle = [*_energies(plan), _settle(plan)] if plan.settles else []
    phase.sections = (
        Section(tuple(start)),
        Section((*repeated, *settle, *moves), loop="repeat", count="iterations"),
        Section(_noises(plan, REDRAWN_STREAMS), when="redrawing"),
        Section((*errors, *_energies(plan))),
    )
    return phase


def _sweeps(plan: Plan) -> Phase:
    """Errors relax towards what a sweep backwards in steps feeds back, with each population's newest; beliefs follow
    in a sweep forwards, r = h + e, with the newest predictions.

    With the feedback as the gradient of the loss with respect to the errors (the beliefs being functions of them),
    this descends the same energy as relaxation, to the same beliefs; a step reaches all steps of the sequence. A
    trial whose energy rose goes back half of its step, so that no trial's energy is higher at the end than before.
    """
    phase, rows = Phase("infer", "inferring", tiling=plan.tiling), plan.rows
    group = {name: plan.group_name(name, "error") for name in plan.circuit.free}
    backward = [
        operation
        for name in reversed(plan.circuit.free)
        for operation in (
            *_feedbacks(plan, name, plan.circuit.population, set()),
            phase.block(rows[name], group[name], plan.rules.populations[name].approach()),
        )
    ]
    beliefs = Section(tuple(_ancestral_step(plan, phase, erring=True)), loop="forward")
    judged = (_output_error(plan, phase), *_energies(plan))
    start, step, end = (_backtrack(plan, stage) for stage in ("start", "step", "end"))
    present = [
        phase.block(
            rows[name], each, f"err = {plan.group_name(name, 'belief')}_r - {plan.group_name(name, 'prediction')}_h"
        )
        for name, each in group.items()
    ]
    back = [phase.block(rows[name], group[name], RETURN) for name in group]
    variance = [
        phase.block(rows[name], group[name], "update")
        for name in group
        if plan.rules.populations[name].receives_variance
    ]
    phase.sections = (
        Section((*present, *judged, start)),
        Section((step, Section(tuple(backward), loop="backward"), beliefs, *judged), loop="repeat", count="iterations"),
        Section((end, *back)),
        beliefs,
        Section((*_noises(plan, REDRAWN_STREAMS), *_errors(plan, phase)), when="redrawing"),
        Section((*variance, *judged)),
    )
    return phase


def _backtrack(plan: Plan, stage: str) -> Backtrack:
    gains = tuple((f"{plan.group_name(name, 'error')}_gain", plan.rows[name]) for name in plan.circuit.free)
    return Backtrack(
        stage,
        ("loss", "energy_hidden"),
        "energy_last",
        "step_length",
        "iterations_used",
        gains,
        TAU_SECONDS,
        16 * float(np.finfo(plan.precision).eps),
    )


def _settle(plan: Plan) -> Settle:
    moving = tuple((f"{plan.group_name(name, 'belief')}_active", plan.rows[name]) for name in plan.circuit.free)
    return Settle(("loss", "energy_hidden"), "energy_hidden", "energy_last", moving, "iterations_used")


# --- learning --------------------------------------------------------------------------------------------------------


def _learn(plan: Plan) -> Phase:
    """H1 = Σ err f and H2 = Σ q f² of every projection, over steps and trials."""
    sums = []
    for name, projection in plan.circuit.projection.items():
        synapses, error = plan.synapses_name(name), plan.group_name(projection.target, "error")
        parts = [(f"{synapses}_H1", f"{error}_err", False)]
        parts += [(f"{synapses}_H2", f"{error}_q", True)] * plan.rules.synapses[name].varies
        for total, post, squared in parts:
            pre = plan.rate_name(projection.source, squared)
            sums.append(
                Scatter(total, post, pre, plan.span(name), plan.circuit.shape(name)[1])
                if plan.symbolic and projection.source == plan.circuit.stimulus
                else HebbianSum(total, post, pre, plan.span(name))
            )
    return Phase("learn", "learning", (Section(tuple(sums)),), plan.tiling, parallel=False)


def _adapt(plan: Plan) -> Phase:
    """Every parameter moves by what its two ends know; then the moments follow."""
    phase, operations = Phase("adapt", "learning"), []
    for name in plan.circuit.projection:
        rows, group, plasticity = _synapse_rows(plan, name), plan.synapses_name(name), plan.plasticity(name)
        if plasticity.clipped_names:
            operations.append(phase.block(rows, group, *plasticity.descents(clipped=True)))
            operations += [
                Clip(f"{group}_change_{each}", *plan.circuit.shape(name), plan.clip, plan.clip_norm)
                for each in plasticity.clipped_names
            ]
        operations.append(
            phase.block(rows, group, *plasticity.descents(clipped=False), *plasticity.updates(), "update")
        )
    phase.sections = (Section(tuple(operations)),)
    return phase
