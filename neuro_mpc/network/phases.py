"""The phases of a presentation as sweeps: which operations on which arrays, in which order."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from neuro_mpc.network.operations import (Backtrack, Block, Carry, Choose, Clip, Energy, Feedback, Forward, HebbianSum,
                                          Noise, Operation, Rows, Section, Settle, Softmax, Tiling, Zero)
from neuro_mpc.network.plan import TAU_SECONDS, Plan
from neuro_mpc.rules import RETURN

REDRAWN_STREAMS = 1024
"""Streams of the noise that is drawn anew after inference; a circuit has fewer populations."""

WHOLE = Tiling(1, 1)
"""Synapses are not split by trials."""


@dataclass
class Phase:
    """One sweep to be made: `blocks` maps a block's name to its parts, (group, code) each."""

    name: str
    condition: str
    sections: tuple[Section, ...] = ()
    tiling: Tiling = WHOLE
    parallel: bool = True
    blocks: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def block(self, rows: Rows, group: str, *code: str) -> Block:
        """Register code of a group and return the operation that executes it."""
        return self.joint_block(rows, *((group, each) for each in code))

    def joint_block(self, rows: Rows, *parts: tuple[str, str]) -> Block:
        """The same for code of several groups of a population, executed in one pass."""
        name = f"{parts[0][0]}_{len(self.blocks)}"
        self.blocks[name] = list(parts)
        return Block(name, rows)


def all_phases(plan: Plan) -> list[Phase]:
    """The sweeps of a presentation, in order."""
    infer = {"fixed-prediction": _fixed_prediction, "relaxation": _relaxation, "momentum": _relaxation,
             "sweeps": _sweeps}
    return [_refresh(plan), _predict(plan), infer[plan.scheme](plan), _learn(plan), _adapt(plan)]


def _synapse_rows(plan: Plan, projection: str) -> Rows:
    post, pre = plan.circuit.shape(projection)
    return Rows(post * pre, 1)


def _refresh(plan: Plan) -> Phase:
    phase = Phase("refresh", "refreshing")
    blocks = [phase.block(_synapse_rows(plan, name), plan.synapses_name(name), "update")
              for name in plan.circuit.projection]
    phase.sections = (Section(tuple(blocks)),)
    return phase


# --- predictions -----------------------------------------------------------------------------------------------------

def _inputs(plan: Plan, population: str, from_stimulus: bool) -> list[Operation]:
    """The moments of the input to a population: G = Σ μ f and D = Σ v f² over its projections."""
    circuit, operations = plan.circuit, []
    group = plan.group_name(population, "prediction")
    readout = population == circuit.target
    started = set()
    for name, projection in circuit.incoming(population).items():
        stimulated = projection.source == circuit.stimulus and not readout
        if stimulated != from_stimulus:
            continue
        suffix = "_stimulus" if stimulated else ""
        parts = [(f"{group}_G{suffix}", "mu", False)]
        parts += [(f"{group}_D{suffix}", "v", True)] * plan.rules.synapses[name].varies
        for target, moment, squared in parts:
            operations.append(Forward(target, plan.rate_name(projection.source, squared),
                                      f"{plan.synapses_name(name)}_{moment}", plan.span(name), target in started))
            started.add(target)
    return operations


def _stimulus_inputs(plan: Plan, phase: Phase) -> list[Operation]:
    """Everything that depends on the stimulus alone."""
    stimulus = plan.circuit.stimulus
    operations = [operation for name in plan.circuit.free for operation in _inputs(plan, name, True)]
    if plan.stimulus_varies:
        square = phase.block(plan.rows[stimulus], plan.group_name(stimulus, "stimulus"), "update")
        operations.insert(0, square)
    return operations


def _read_out(plan: Plan, phase: Phase) -> list[Operation]:
    """Input, prediction and output of the target population."""
    target = plan.circuit.target
    rows, group = plan.rows[target], plan.group_name(target, "prediction")
    operations = [*_inputs(plan, target, False), phase.block(rows, group, "update")]
    if plan.rules.readout.readout == "softmax":
        operations.append(Softmax(f"{group}_y", f"{group}_h", rows))
    return operations


def _ancestral_step(plan: Plan, phase: Phase, erring: bool = False) -> list[Operation]:
    """Beliefs of a step, from those of the steps before: the predictions, or (`erring`) what their errors add."""
    operations = []
    for name in plan.circuit.free:
        belief, prediction, error = (plan.group_name(name, kind) for kind in ("belief", "prediction", "error"))
        found = f"{prediction}_h + {error}_err" if erring else f"{prediction}_h"
        state = phase.joint_block(plan.rows[name], (prediction, "update"), (belief, f"r = {found}"),
                                  (belief, "update"))
        operations += [*_inputs(plan, name, False), state]
    return operations + _read_out(plan, phase)


def _noises(plan: Plan, first_stream: int = 0) -> tuple[Operation, ...]:
    populations = [name for name, rules in plan.rules.populations.items() if rules.receives_variance]
    populations += [plan.circuit.target] * plan.rules.readout.receives_variance
    return tuple(Noise(f"{plan.group_name(name, 'prediction')}_epsilon", plan.rows[name], stream)
                 for stream, name in enumerate(populations, first_stream))


def _predict(plan: Plan) -> Phase:
    """Ancestral pass: r = h step by step; while `generating`, the chosen output is the next stimulus."""
    phase = Phase("predict", "predicting", tiling=plan.tiling)
    circuit, rows = plan.circuit, plan.rows
    carries = [Carry(plan.rate_name(name, squared), rows[name]) for name in circuit.free if rows[name].history
               for squared in ([False, True] if plan.rules.populations[name].sends_variance else [False])]
    stimulus = _stimulus_inputs(plan, phase)
    step = _ancestral_step(plan, phase)
    output = plan.group_name(circuit.target, "prediction") + "_y"
    choose = Choose(plan.rate_name(circuit.stimulus), output, rows[circuit.stimulus], rows[circuit.target])
    phase.sections = (
        Section((*carries, *_noises(plan))),
        Section(tuple(stimulus), unless="generating"),
        Section(tuple(step), loop="forward", unless="generating"),
        Section((choose, *stimulus, *step), loop="forward", when="generating"),
        Section((_output_error(plan, phase), _loss(plan, "loss_start"))),
    )
    return phase


# --- inference -------------------------------------------------------------------------------------------------------

def _loss(plan: Plan, name: str = "loss") -> Energy:
    target = plan.circuit.target
    prediction, error = (plan.group_name(target, kind) for kind in ("prediction", "error"))
    if plan.rules.readout.readout == "softmax":
        return Energy(name, f"{prediction}_h", plan.rows[target], "softmax", f"{error}_target")
    return Energy(name, f"{error}_err", plan.rows[target])


def _energies(plan: Plan) -> list[Operation]:
    """The two terms of the free energy, for each trial."""
    errors = [Energy("energy_hidden", f"{plan.group_name(name, 'error')}_err", plan.rows[name], first=not position)
              for position, name in enumerate(plan.circuit.free)]
    return [_loss(plan), *errors]


def _feedbacks(plan: Plan, population: str) -> list[Operation]:
    """A = Σ μᵀ err and V = Σ vᵀ q of the populations that `population` predicts (in sweeps: of what these feed back)."""
    operations: list[Operation] = []
    belief = plan.group_name(population, "belief")
    started: set[str] = set()
    for name, projection in plan.circuit.outgoing(population).items():
        error, synapses = plan.group_name(projection.target, "error"), plan.synapses_name(name)
        passed = plan.scheme == "sweeps" and projection.target != plan.circuit.target
        err, q = ("feedback", "feedback_q") if passed else ("err", "q")
        parts = [(f"{belief}_A", f"{error}_{err}", f"{synapses}_mu")]
        parts += [(f"{belief}_V", f"{error}_{q}", f"{synapses}_v")] * plan.rules.synapses[name].varies
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
    backward = []
    for name in reversed(plan.circuit.free):
        backward += [*_feedbacks(plan, name),
                     phase.block(plan.rows[name], plan.group_name(name, "error"), "update")]
    phase.sections = (Section(tuple(backward), loop="backward"), Section(tuple(_energies(plan))))
    return phase


def _errors(plan: Plan, phase: Phase) -> list[Operation]:
    """Predictions and errors of all beliefs as they are."""
    operations = []
    for name in plan.circuit.free:
        belief, prediction, error = (plan.group_name(name, kind) for kind in ("belief", "prediction", "error"))
        parts = [(prediction, "update"), (error, "update")]
        if plan.scheme == "sweeps":
            parts.insert(1, (error, f"err = {belief}_r - {prediction}_h"))
        operations += [*_inputs(plan, name, False), phase.joint_block(plan.rows[name], *parts)]
    return [*operations, *_read_out(plan, phase), _output_error(plan, phase)]


def _relaxation(plan: Plan) -> Phase:
    """Beliefs follow the free energy downhill; the errors of the last beliefs are left for learning.

    With momentum, their velocity follows it."""
    phase = Phase("infer", "inferring", tiling=plan.tiling)
    errors, beliefs = _errors(plan, phase), {name: plan.group_name(name, "belief") for name in plan.circuit.free}
    moves, start = [], []
    for name, belief in beliefs.items():
        code = ["integrate", "update"]
        if plan.scheme == "momentum":
            start.append(phase.block(plan.rows[name], belief, "velocity = 0"))
            code.insert(0, plan.rules.populations[name].acceleration())
        moves += [*_feedbacks(plan, name), phase.block(plan.rows[name], belief, *code)]
    settle = [*_energies(plan), _settle(plan)] if plan.settles else []
    phase.sections = (Section(tuple(start)),
                      Section((*errors, *settle, *moves), loop="repeat", count="iterations"),
                      Section(_noises(plan, REDRAWN_STREAMS), when="redrawing"),
                      Section((*errors, *_energies(plan))))
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
    backward = [operation for name in reversed(plan.circuit.free) for operation in
                (*_feedbacks(plan, name), phase.block(rows[name], group[name], plan.rules.populations[name].approach()))]
    beliefs = Section(tuple(_ancestral_step(plan, phase, erring=True)), loop="forward")
    judged = (_output_error(plan, phase), *_energies(plan))
    start, step, end = (_backtrack(plan, stage) for stage in ("start", "step", "end"))
    present = [phase.block(rows[name], each, f"err = {plan.group_name(name, 'belief')}_r - "
                                             f"{plan.group_name(name, 'prediction')}_h") for name, each in group.items()]
    back = [phase.block(rows[name], group[name], RETURN) for name in group]
    variance = [phase.block(rows[name], group[name], "update") for name in group
                if plan.rules.populations[name].receives_variance]
    phase.sections = (
        Section((*present, *judged, start)),
        Section((step, Section(tuple(backward), loop="backward"), beliefs, *judged), loop="repeat", count="iterations"),
        Section((end, *back)), beliefs,
        Section((*_noises(plan, REDRAWN_STREAMS), *_errors(plan, phase)), when="redrawing"),
        Section((*variance, *judged)))
    return phase


def _backtrack(plan: Plan, stage: str) -> Backtrack:
    gains = tuple((f"{plan.group_name(name, 'error')}_gain", plan.rows[name]) for name in plan.circuit.free)
    return Backtrack(stage, ("loss", "energy_hidden"), "energy_last", "step_length", "iterations_used", gains,
                     TAU_SECONDS, 16 * float(np.finfo(plan.precision).eps))


def _settle(plan: Plan) -> Settle:
    moving = tuple((f"{plan.group_name(name, 'belief')}_active", plan.rows[name]) for name in plan.circuit.free)
    return Settle(("loss", "energy_hidden"), "energy_hidden", "energy_last", moving, "iterations_used")


# --- learning --------------------------------------------------------------------------------------------------------

def _learn(plan: Plan) -> Phase:
    """H1 = Σ err f and H2 = Σ q f² of every projection, over steps and trials."""
    sums = []
    for name, projection in plan.circuit.projection.items():
        synapses, error = plan.synapses_name(name), plan.group_name(projection.target, "error")
        sums.append(HebbianSum(f"{synapses}_H1", f"{error}_err", plan.rate_name(projection.source), plan.span(name)))
        if plan.rules.synapses[name].varies:
            sums.append(HebbianSum(f"{synapses}_H2", f"{error}_q", plan.rate_name(projection.source, True),
                                   plan.span(name)))
    return Phase("learn", "learning", (Section(tuple(sums)),), plan.tiling, parallel=False)


def _adapt(plan: Plan) -> Phase:
    """Every parameter moves by what its two ends know; then the moments follow."""
    phase, operations = Phase("adapt", "learning"), []
    for name in plan.circuit.projection:
        rows, group, plasticity = _synapse_rows(plan, name), plan.synapses_name(name), plan.plasticity(name)
        if plasticity.clipped_names:
            operations.append(phase.block(rows, group, *plasticity.descents(clipped=True)))
            operations += [Clip(f"{group}_change_{each}", *plan.circuit.shape(name), plan.clip)
                           for each in plasticity.clipped_names]
        operations.append(phase.block(rows, group, *plasticity.descents(clipped=False), *plasticity.updates(),
                                      "update"))
    phase.sections = (Section(tuple(operations)),)
    return phase
