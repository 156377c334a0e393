"""The memory, disk space and time that a run will take, from its description alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neuro_mpc import machine
from neuro_mpc.descriptions.connections import Connect, grid_of, share_of
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.errors import RunError
from neuro_mpc.networks.influences import numbers_passed_on
from neuro_mpc.networks.layout import neural_groups, stored_bytes, synaptic_groups
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.schemes.interface import scheme_of
from neuro_mpc.runfile.paths import free_disk
from neuro_mpc.runs import cautions
from neuro_mpc.runs.quantities import in_bytes, rough_duration
from neuro_mpc.runs.range_test import most_presentations
from neuro_mpc.simulation.schedule import Course
from neuro_mpc.stimuli import Task

BASE_BYTES = {"cpp": 300e6, "numpy": 550e6, "cython": 550e6}  # the libraries, in one process or in two
FURTHER_BYTES = {"cpp": 20e6, "numpy": 250e6, "cython": 250e6}  # of each further process that shares batches
LEARNING_COLUMNS, TRACES = 6, 5


@dataclass(frozen=True)
class Cost:
    """The costs of a run, in multiplications of matrix products that take as long.

    products      a multiplication of a matrix product, in that backend
    unit          a unit, and each of its compartments, in a row of a presentation: noise, activations, errors
    parameter     a parameter of a synapse in a presentation: gradients, clipping, the optimiser
    presentation  a presentation, however small
    """

    products: float
    unit: float
    parameter: float
    presentation: float


# Measured on mpl with the protocols that come with the package, 100 and 400 units, and in docs/performance.md.
COSTS = {
    "cpp": Cost(1.1, 450, 750, 2e7),
    "cython": Cost(1.0, 200, 1500, 3e8),
    "numpy": Cost(1.8, 3000, 3000, 3e8),
}


@dataclass(frozen=True)
class Estimate:
    """Bytes of memory, bytes on the disk (with the checkpoint), seconds of learning, and the sizes behind them.

    compiles  whether a program is compiled first, or taken from the cache
    task      what the run presents, in a few lines
    warnings  reasons to read its results with caution
    """

    memory: float
    disk: float
    seconds: float
    synapses: int
    parameters: int
    presentations: int
    compiles: bool = False
    task: str = ""
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return as_text(self)


def estimate(
    plan: Plan, protocol: Protocol, course: Course, data: Task, backend: str, workers: int = 1, elsewhere: bool = False
) -> Estimate:
    """What a run of this plan will take, in so many processes that share its batches; where they are `elsewhere`, of
    this machine."""
    item = np.dtype(plan.precision).itemsize
    own = {name: plan.rules.synapses[name] for name in plan.circuit.untied}
    synapses = sum(_existing(plan, name) for name in own)
    existing = sum(_existing(plan, name) * len(rules.parameters) for name, rules in own.items())
    # Those of pairs without a synapse are kept, computed and written all the same.
    parameters = sum(_synapses(plan, name) * len(rules.parameters) for name, rules in own.items())
    arrays = sum(stored_bytes(plan, group) for group in synaptic_groups(plan))
    sample = _sample_elements(plan, protocol) * item
    # Initial values in float64 with some copies; arrays read for a checkpoint; a batch and a sample in transit.
    transient = 3 * 8 * parameters + arrays + 3 * 4 * _batch_elements(plan) + 2 * sample
    neural = sum(stored_bytes(plan, group) for group in neural_groups(plan))
    of_programs = workers * arrays + neural + (workers - 1) * FURTHER_BYTES[backend]  # each has all synapses
    memory = BASE_BYTES[backend] + transient + _votes(plan, protocol, data) + (arrays if elsewhere else of_programs)
    records = (
        course.total * LEARNING_COLUMNS * 8
        + _snapshots(protocol, course) * parameters * item
        + len(protocol.recording.samples) * sample
        + _answers(plan, protocol, data)
        + 1e5
    )
    cost = COSTS[backend]
    # Each process makes all updates.
    work = _work(plan, protocol, course, data, cost) / workers + _updates(plan, protocol, course, cost) * parameters
    seconds = work / machine.products_per_second(plan.precision) / plan.threads
    return Estimate(
        memory=memory,
        disk=2 * records + arrays,
        seconds=seconds,
        synapses=synapses,
        parameters=existing,
        presentations=course.total,
        compiles=backend != "numpy",
        warnings=(
            *data.cautions,
            *cautions.of_selection(protocol, course.total),
            *cautions.of_priors(plan.circuit, scheme_of(plan).holds_predictions),
        ),
    )


def refuse_too_large(estimated: Estimate) -> None:
    """Raises RunError for a run that this machine's memory cannot hold."""
    free = machine.free_memory()
    if free is not None and estimated.memory > free:
        raise RunError(
            f"the run needs about {in_bytes(estimated.memory)} of memory and {in_bytes(free)} are free: "
            f"{estimated.synapses:,} synapses with {estimated.parameters:,} parameters",
            hint="smaller populations, a smaller learning.batch, fewer recording.trials, or a larger machine",
        )


def warn_of_little_room(estimated: Estimate, path: Path, stage: Callable[[str], None]) -> None:
    """Warns where a run file may become larger than its disk; compressed, it may still fit."""
    free = free_disk(path)
    if estimated.disk > free:
        stage(
            f"the run may write up to {in_bytes(estimated.disk)}, and {in_bytes(free)} are free beside {path}; "
            "if the disk fills up, the run stops cleanly, and --resume continues it"
        )


def as_text(estimated: Estimate) -> str:
    """The estimate in a few lines."""
    free = machine.free_memory()
    available = f" of {in_bytes(free)} that are free" if free is not None else ""
    disk = in_bytes(free_disk(Path("run.nc")))
    time = rough_duration(estimated.seconds)
    number = f"{estimated.presentations:,} presentation{'' if estimated.presentations == 1 else 's'}"
    compiling = ", and compiling once" if estimated.compiles else ""
    return "\n".join(
        [
            *([estimated.task] if estimated.task else []),
            f"the descriptions hold: {estimated.synapses:,} synapses with {estimated.parameters:,} parameters",
            f"memory   about {in_bytes(estimated.memory)}{available}",
            f"disk     at most {in_bytes(estimated.disk)} of {disk} that are free here, half of it for the checkpoint "
            "while the run lasts",
            f"time     about {time} for {number}{compiling}",
            *(f"warning  {text}" for text in estimated.warnings),
        ]
    )


def _existing(plan: Plan, projection: str) -> int:
    """Synapses of a projection; of those that are drawn, the expected number."""
    table = plan.circuit.projection[projection]
    if not isinstance(table.connect, Connect):
        return _synapses(plan, projection)
    ends = (grid_of(plan.circuit.population[end]) for end in (table.target, table.source))
    return round(share_of(table.connect, *ends) * _synapses(plan, projection))


def _synapses(plan: Plan, projection: str) -> int:
    """Elements of the arrays of a projection's synapses."""
    post, pre = plan.circuit.shape(projection)
    return post * pre


def _batch_elements(plan: Plan) -> int:
    ends = (*plan.circuit.stimuli, *plan.circuit.targets)
    return plan.trials * sum(plan.rows[name].steps * plan.rows[name].units for name in ends)


def _sample_elements(plan: Plan, protocol: Protocol) -> int:
    """Neural traces of one sample."""
    recording = protocol.recording
    if not recording.samples:
        return 0
    trials = min(recording.trials or plan.trials, plan.trials)
    values = sum(each.steps * each.units * traces(plan, name) for name, each in plan.rows.items())
    iterations = 1 + max(map(protocol.inference.iterations_at, recording.samples)) if recording.trajectory else 1
    return values * trials * iterations


def traces(plan: Plan, population: str) -> int:
    """Variables of a population that a sample holds, at most: those of split errors and of compartments, too."""
    return TRACES + len(plan.half_errors(population)) + 2 * _compartments(plan, population)


def _compartments(plan: Plan, population: str) -> int:
    """None of a population whose prediction is its input."""
    rules = plan.rules.populations.get(population)
    return 0 if rules is None or rules.predicted.is_input else len(rules.predicted.compartments)


def _votes(plan: Plan, protocol: Protocol, data: Task) -> int:
    """Bytes of the mean output of drawn networks for every trial of the test; of its logarithm, of one class alone."""
    if not protocol.test.ensemble or protocol.test.measure == "correct-letter-ratio":
        return 0
    perplexity = protocol.test.measure == "perplexity"
    numbers = [
        8 * plan.rows[name].steps
        if perplexity and plan.circuit.population[name].readout == "softmax"
        else 4 * plan.rows[name].steps * plan.rows[name].units
        for name in plan.circuit.targets
    ]
    return data.size("test") * sum(numbers)


def _answers(plan: Plan, protocol: Protocol, data: Task) -> int:
    """Bytes of the answers to all test trials: of classes the answer, its probability and the target, of values both of
    each unit."""
    if not protocol.recording.answers:
        return 0
    numbers = [
        plan.rows[name].steps * (3 if plan.circuit.population[name].readout == "softmax" else 2 * plan.rows[name].units)
        for name in plan.circuit.targets
    ]
    return 8 * data.size("test") * sum(numbers)


def _snapshots(protocol: Protocol, course: Course) -> int:
    every = protocol.recording.synapses_every
    return 2 + 2 * len(protocol.recording.samples) + (course.total // every if every else 0)


def _learned(protocol: Protocol, course: Course) -> int:
    """Presentations that are learned, those of a range test included."""
    return course.total + most_presentations(protocol.learning, course.total)


def _updates(plan: Plan, protocol: Protocol, course: Course, cost: Cost) -> float:
    """The work that each parameter takes in a run."""
    return _learned(protocol, course) * (plan.steps if plan.stepwise else 1) * cost.parameter


def _work(plan: Plan, protocol: Protocol, course: Course, data: Task, cost: Cost) -> float:
    """The work of a run but for the updates of parameters, in multiplications of matrix products."""
    batches, learned = _test_batches(plan, protocol, course, data), _learned(protocol, course)
    units = plan.trials * sum(
        rows.steps * rows.units * (1 + _compartments(plan, name))
        for name, rows in plan.rows.items()
        if name not in plan.circuit.given
    )
    forward, backward = _products(plan)
    learning = _inferred(plan, protocol, course, forward, backward) * learned / max(1, course.total)
    products = cost.products * (learning + forward * batches)
    return products + (learned + batches) * (cost.unit * units + cost.presentation)


def _test_batches(plan: Plan, protocol: Protocol, course: Course, data: Task) -> int:
    """Batches that are presented in tests, and in the evaluation after learning, which is on the split "test"."""
    test = protocol.test
    interval = course.presentations(test.every, test.every_epochs)
    tests = 1 + (-(-course.total // interval) if interval else min(course.total, 1))
    evaluations = 2 + test.ensemble + protocol.recording.answers
    batches_of = {split: -(-data.size(split) // plan.trials) for split in (test.split, "test")}
    return batches_of[test.split] * tests + batches_of["test"] * evaluations


def _products(plan: Plan) -> tuple[float, float]:
    """Multiplications of the matrix products of a presentation, forward and backward."""
    forward = backward = 0.0
    for name, rules in plan.rules.synapses.items():
        if not plan.looked_up(plan.circuit.projection[name].source):
            of_step = float(_synapses(plan, name) * (2 if rules.varies else 1) * plan.trials)
            span = plan.span(name)
            forward += of_step * (span.stop - span.first)
            backward += of_step * (span.stop - span.first_learned)
    return forward, backward


def _inferred(plan: Plan, protocol: Protocol, course: Course, forward: float, backward: float) -> float:
    """Multiplications of the matrix products of all presentations that are learned, from those of one pass."""
    inference = protocol.inference
    starts = [start for start, _ in inference.iterations] if isinstance(inference.iterations, tuple) else [0]
    bounds = [*(min(start, course.total) for start in starts), course.total]
    passes = scheme_of(plan).passes
    inferring = sum((end - start) * passes(inference.iterations_at(start)) for start, end in itertools.pairwise(bounds))
    known = plan.known or plan.steps
    inferring *= known * (plan.steps - known + 1) / plan.steps  # each window is inferred by itself
    crediting = plan.trials * plan.steps * numbers_passed_on(plan) * course.total
    return forward * course.total + backward * (course.total + inferring) + crediting
