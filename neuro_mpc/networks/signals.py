"""What passes between the populations of a circuit, as operations: inputs, feedback, noise, output, errors, energies.

The phases of `neuro_mpc.networks.phases` and the schemes of inference are composed of these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

from neuro_mpc.descriptions.circuit_tables import BEFORE
from neuro_mpc.networks.operations import Block, Energy, Noise, Operation, Softmax, Variance, Zero
from neuro_mpc.networks.phase import Phase
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.rows import Rows, Steps
from neuro_mpc.networks.sections import Section
from neuro_mpc.rules.weighting import Precision

REDRAWN_STREAMS = 1024
"""Where the streams of the noise begin that is drawn again after inference; a circuit has fewer compartments."""


def once(operations: Collection[Operation]) -> list[Section]:
    """A section of the operations, or none where there are none."""
    return [Section(tuple(operations))] if operations else []


# --- forward ---------------------------------------------------------------------------------------------------------


def inputs(plan: Plan, population: str, senders: Collection[str], started: set[str]) -> list[Operation]:
    """The moments of the input to a population: G = Σ μ f and D = Σ v f² over its projections from the senders.

    started   sums that have their first term; those that get one here are added
    """
    operations = []
    for name, projection in plan.circuit.incoming(population).items():
        if projection.source in senders:
            operations += _received(plan, name, started)
    if population in senders and plan.circuit.remembers(population):
        operations.append(_remembered(plan, population))
    return operations


def held_inputs(plan: Plan) -> list[Operation]:
    """The inputs of free populations that no belief of a window of a single step changes, as those from earlier steps
    are: once for all of its iterations."""
    names = [name for name in plan.circuit.free if _is_held(plan, name)]
    return [operation for name in names for operation in inputs(plan, name, plan.circuit.free, set())]


def _is_held(plan: Plan, population: str) -> bool:
    """Whether all that a free population receives of others has left them before the window."""
    incoming = plan.circuit.incoming(population).values()
    return plan.known == 1 and all(each.delay for each in incoming if each.source in plan.circuit.free)


def _remembered(plan: Plan, population: str) -> Operation:
    """The belief one step earlier, where predictions name it."""
    belief, prediction, _ = plan.free_groups(population)
    past, span = plan.past(population)
    return past.forward(f"{prediction}_{BEFORE}", f"{belief}_r", "", span, accumulate=False)


def _received(plan: Plan, name: str, started: set[str]) -> list[Operation]:
    """The moments of what arrives by a projection."""
    projection, operations = plan.circuit.projection[name], []
    group = plan.group_name(projection.target, "prediction")
    is_given = projection.source in plan.circuit.given and projection.target not in plan.circuit.targets
    compartment = plan.rules.compartment(name)
    moments = [("G", "mu", False), ("D", "v", True)] if plan.rules.synapses[name].varies else [("G", "mu", False)]
    for letter, moment, squared in moments:
        variable = compartment.variable(letter, is_given) if compartment else letter
        total = f"{group}_{variable}"
        rate, is_started = plan.rate_name(projection.source, squared), total in started
        passage = plan.connectivity(name).forward(total, rate, moment, plan.span(name), is_started)
        operations.append(Variance(passage) if squared else passage)
        started.add(total)
    return operations


def given_inputs(plan: Plan, phase: Phase) -> list[Operation]:
    """Everything that depends on what is given alone: on stimuli and constants."""
    squares = [
        phase.block(plan.rows[name], plan.group_name(name, "stimulus"), "update")
        for name in plan.circuit.stimuli
        if plan.squares(name)
    ]
    given = [operation for name in plan.circuit.free for operation in inputs(plan, name, plan.circuit.given, set())]
    return [*squares, *given]


def state(plan: Plan, phase: Phase, name: str, erring: bool = False) -> Block:
    """Prediction, belief and rate of a population from its inputs: the belief is the prediction, or (`erring`) what
    its error adds to it."""
    belief, prediction, error = plan.free_groups(name)
    deviation = plan.rules.populations[name].deviation(f"{error}_err")
    value = f"{prediction}_h + {deviation}" if erring else f"{prediction}_h"
    return phase.joint_block(plan.rows[name], (prediction, "update"), (belief, f"r = {value}"), (belief, "update"))


def ancestral_step(plan: Plan, phase: Phase, erring: bool = False) -> list[Operation]:
    """One step of the whole circuit, from the beliefs of the steps before."""
    operations = []
    for name in plan.circuit.free:
        operations += [*inputs(plan, name, plan.circuit.free, set()), state(plan, phase, name, erring)]
    return operations + read_out(plan, phase)


def newest_step(plan: Plan, phase: Phase) -> list[Operation]:
    """The prediction of the step that enters a window; where weights have changed since the presentation began, from
    what is given on."""
    return [*(given_inputs(plan, phase) if plan.stepwise else []), *ancestral_step(plan, phase)]


def read_out(plan: Plan, phase: Phase) -> list[Operation]:
    """Input, prediction and output of the target populations."""
    products, row_by_row = read_out_parts(plan, phase)
    return products + row_by_row


def read_out_parts(plan: Plan, phase: Phase) -> tuple[list[Operation], list[Operation]]:
    """The same in two parts: products of many rows, and what is done to each row by itself."""
    products, row_by_row = [], []
    for target in plan.circuit.targets:
        rows, group = plan.rows[target], plan.group_name(target, "prediction")
        started: set[str] = set()
        names = list(plan.circuit.incoming(target))
        last = next((at for at in reversed(range(len(names))) if not _is_bias(plan, names[at])), -1)
        for at, name in enumerate(names):
            (row_by_row if at > last else products).extend(_received(plan, name, started))
        row_by_row.append(phase.block(rows, group, "update"))
        if plan.rules.readouts[target].readout == "softmax":
            row_by_row.append(Softmax(f"{group}_y", f"{group}_h", rows))
    return products, row_by_row


def _is_bias(plan: Plan, projection: str) -> bool:
    source = plan.circuit.projection[projection].source
    return plan.circuit.population[source].role == "constant"


def noises(plan: Plan, first_stream: int = 0, of: Collection[str] | None = None) -> tuple[Operation, ...]:
    """The noise of every compartment whose input has a variance, each from a stream of its own; that `of` some
    populations alone."""
    noises = [
        (name, compartment.noise)
        for name, rules in plan.rules.populations.items()
        for compartment in rules.predicted.compartments.values()
        if compartment.varies
    ]
    noises += [(name, "epsilon") for name, rules in plan.rules.readouts.items() if rules.receives_variance]
    return tuple(
        Noise(f"{plan.group_name(name, 'prediction')}_{noise}", plan.rows[name], stream, plan.batch)
        for stream, (name, noise) in enumerate(noises, first_stream)
        if of is None or name in of
    )


# --- errors ----------------------------------------------------------------------------------------------------------


def deviation(plan: Plan, name: str) -> str:
    """Code that sets the error of a free population, where its equations do not define it: err = r − h."""
    belief, prediction, _ = plan.free_groups(name)
    return f"err = {belief}_r - {prediction}_h"


def errors(
    plan: Plan, phase: Phase, *, keep_predictions: bool = True, set_errors: bool = False, hold_inputs: bool = False
) -> list[Operation]:
    """Predictions and errors of all beliefs as they are.

    set_errors    the equations of errors do not define them: they are set to Π (r − h)
    hold_inputs   `held_inputs` are as they were
    """
    operations = []
    for name in plan.circuit.free:
        _, prediction, error = plan.free_groups(name)
        held = hold_inputs and _is_held(plan, name)
        arriving = [] if held else inputs(plan, name, plan.circuit.free, set())
        setting = [(error, deviation(plan, name))] if set_errors else []
        parts = [(prediction, "update"), *setting, *error_updates(plan, name)]
        passing = [] if keep_predictions else [f"{prediction}_h"]
        if held:  # whatever sent it is before the window, and hears nothing back
            compartments = plan.rules.populations[name].predicted.compartments.values()
            passing += [f"{error}_{each.variable('q')}" for each in compartments if each.varies]
        operations += [*arriving, phase.joint_block(plan.rows[name], *parts, passing=passing)]
    return [*operations, *read_out(plan, phase), *output_errors(plan, phase)]


def error_updates(plan: Plan, name: str) -> list[tuple[str, str]]:
    """Parts of a block that bring the errors of a population up to date, those of either sign first."""
    return [(group, "update") for group in (*plan.half_errors(name), plan.group_name(name, "error"))]


def output_errors(plan: Plan, phase: Phase) -> list[Operation]:
    """The errors of the target populations from their outputs."""
    return [phase.joint_block(plan.rows[name], *error_updates(plan, name)) for name in plan.circuit.targets]


@dataclass
class Reached:
    """The steps that terms of a sum have reached, and of these the ones that a first term sets: others are added."""

    steps: list[Steps] = field(default_factory=list)
    first: list[Steps] = field(default_factory=list)

    def adds(self, steps: Steps) -> bool:
        """Whether the next term, of these steps, is added to others, or sets what no other has reached."""
        start, stop = steps
        added = any(begin < stop and start < end for begin, end in self.steps)
        self.steps.append(steps)
        if not added:
            self.first.append(steps)
        return added


Sums = defaultdict[str, Reached]
"""Sum of a population → what its terms have reached so far."""


def feedbacks(
    plan: Plan,
    population: str,
    receivers: Collection[str],
    sent: tuple[str, str] = ("err", "q"),
    later: bool = False,
) -> list[Operation]:
    """A = Σ μᵀ err and V = Σ vᵀ q of those of the receivers that `population` predicts, zero where none of them
    reaches.

    later  only of the errors of later steps, which projections with a delay reach
    sent   variables of the error units of free populations that are fed back in place of err and q
    """
    reached: Sums = defaultdict(Reached)
    operations = fed_back(plan, population, receivers, reached, sent, later)
    return [*unreached(plan, population, reached), *operations]


def fed_back(
    plan: Plan,
    population: str,
    receivers: Collection[str],
    reached: Sums,
    sent: tuple[str, str] = ("err", "q"),
    later: bool = False,
) -> list[Operation]:
    """The same without zeros: terms that are added to those that have `reached` the same steps, or set them."""
    operations = []
    for name, projection in plan.circuit.outgoing(population).items():
        if projection.target in receivers and (projection.delay or not later):
            operations += _of_projection(plan, name, reached, sent)
    if population in receivers and plan.circuit.remembers(population):
        operations.append(_given_back(plan, population, reached, sent[0]))
    return operations


def unreached(plan: Plan, population: str, reached: Sums) -> list[Operation]:
    """Zeros at the steps that no feedback reaches."""
    return [Zero(total, plan.rows[population], tuple(each.first)) for total, each in reached.items()]


def _given_back(plan: Plan, population: str, reached: Sums, error: str) -> Operation:
    """What the error of the next step says of the belief that its prediction remembers."""
    belief, _, group = plan.free_groups(population)
    past, span = plan.past(population)
    before = plan.rules.populations[population].predicted.before
    assert before
    target = f"{belief}_M"
    accumulate = reached[target].adds(span.reached)
    return past.feedback(target, f"{group}_{before.share(error)}", "", span, accumulate)


def _of_projection(plan: Plan, name: str, reached: Sums, sent: tuple[str, str]) -> list[Operation]:
    """What comes back by a projection."""
    projection, operations = plan.circuit.projection[name], []
    belief, error = plan.group_name(projection.source, "belief"), plan.group_name(projection.target, "error")
    compartment = plan.rules.compartment(name)
    err, q = (compartment.slope.share(sent[0]), compartment.variable(sent[1])) if compartment else ("err", "q")
    moments = [("A", err, "mu"), ("V", q, "v")] if plan.rules.synapses[name].varies else [("A", err, "mu")]
    for letter, variable, moment in moments:
        total, span = f"{belief}_{letter}", plan.span(name)
        accumulate = reached[total].adds(span.reached)
        operations.append(plan.connectivity(name).feedback(total, f"{error}_{variable}", moment, span, accumulate))
    return operations


# --- energies --------------------------------------------------------------------------------------------------------


def losses(plan: Plan, name: str = "loss", by_symbol: bool = False) -> list[Operation]:
    """The losses of the read-outs, summed for each trial; `by_symbol`, from the outputs of given symbols alone."""
    return [_loss(plan, name, target, not position, by_symbol) for position, target in enumerate(plan.circuit.targets)]


def _loss(plan: Plan, name: str, target: str, first: bool, by_symbol: bool) -> Energy:
    prediction, error = (plan.group_name(target, kind) for kind in ("prediction", "error"))
    rows, precision = plan.rows[target], plan.rules.readouts[target].precision
    if plan.rules.readouts[target].readout != "softmax":
        return _of_errors(name, error, rows, first, precision)
    assert precision != "learned"
    if by_symbol and target in plan.labelled:
        symbols = plan.group_name(target, "label") + "_symbol", plan.label_rows(target)
        return Energy(name, f"{prediction}_h", rows, "surprise", f"{prediction}_y", first, precision, (symbols,))
    return Energy(name, f"{prediction}_h", rows, "softmax", f"{error}_target", first, precision)


def energies(plan: Plan) -> list[Operation]:
    """The two terms of the free energy, for each trial."""
    return [*losses(plan), *hidden_energies(plan)]


def hidden_energies(plan: Plan) -> list[Operation]:
    """The energy of the beliefs, for each trial: ½ Π (r − h)² is the weighted error's ½ err² / Π."""
    return [
        _of_errors(
            "energy_hidden",
            plan.group_name(name, "error"),
            plan.rows[name],
            not position,
            plan.rules.populations[name].precision,
        )
        for position, name in enumerate(plan.circuit.free)
    ]


def _of_errors(name: str, error: str, rows: Rows, first: bool, precision: Precision) -> Energy:
    """The energy of the errors of a group; where their precision is learned, −½ log Π is part of it."""
    if precision == "learned":
        return Energy(name, f"{error}_surprise", rows, "sum", first=first)
    return Energy(name, f"{error}_err", rows, first=first, factor=1 / precision)
