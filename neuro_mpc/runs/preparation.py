"""Everything that a run starts from, checked before anything is compiled."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neuro_mpc import stimuli
from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.inference import SCHEMES
from neuro_mpc.descriptions.learning import OPTIMIZERS
from neuro_mpc.descriptions.loading import as_circuit, as_protocol
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.errors import DescriptionError, RunError
from neuro_mpc.experiments import refuse_unsuitable
from neuro_mpc.networks import launch
from neuro_mpc.networks.plan import Plan, options_of
from neuro_mpc.runs import cautions, provenance
from neuro_mpc.runs.estimate import Estimate, estimate, refuse_too_large
from neuro_mpc.simulation import arguments, initial
from neuro_mpc.simulation.schedule import Course
from neuro_mpc.simulation.trained import Source, Trained, load_trained, on_task_of
from neuro_mpc.stimuli.interface import TRIALS_AT_ONCE, Split

EXPERIMENT_HINT = "the run file to start from: --from run.nc"
NameOrPath = str | os.PathLike[str]  # the name of a shipped description, or the path of a TOML file


@dataclass(frozen=True)
class Preparation:
    """A run that can start.

    plan        what the generated code depends on, with the sized circuit
    protocol    of the whole run; an experiment's, on the task of the trained run
    seed        feeds every random number
    backend     "cpp", "cython" or "numpy": one that this machine has
    data        the task: stimuli and targets of all trials
    course      their order, and the learning rates
    estimate    what the run will take
    parameters  projection → parameter → values that learning begins with
    trained     the trained circuit that the run starts from, if any
    """

    plan: Plan
    protocol: Protocol
    seed: int
    backend: str
    data: stimuli.Task
    course: Course
    estimate: Estimate
    parameters: initial.Parameters
    trained: Trained | None

    @property
    def circuit(self) -> Circuit:
        """With all its sizes."""
        return self.plan.circuit

    @cached_property
    def provenance(self) -> dict[str, str]:
        """name → text of everything that the numbers of the run depend on, to distinguish runs."""
        texts = provenance.provenance_of(
            circuit=self.circuit,
            protocol=self.protocol,
            seed=self.seed,
            backend=self.backend,
            threads=self.plan.threads,
            data=self.data,
        )
        return texts | (self.trained.attributes() if self.trained else {})

    @cached_property
    def cautions(self) -> list[str]:
        """Reasons to read the results with caution that are known before it starts."""
        of_data = cautions.of_data(self.trained, self.protocol, self.seed, self.provenance["data_sha256"])
        return [*self.estimate.warnings, *of_data]


def prepare(
    circuit: Circuit | NameOrPath | None,
    protocol: Protocol | ExperimentProtocol | NameOrPath,
    *,
    start: Source | None = None,
    seed: int | None = None,
    backend: str,
    threads: int,
    data: Any = None,
    say: Callable[[str], None] = lambda text: None,
) -> Preparation:
    """The run of a protocol on a circuit, or on a trained one: the arguments are those of `simulate`.

    Raises DescriptionError where they do not fit together, RunError for a run that this machine cannot hold, and
    RunFileError where `start` cannot be read; `say` is called with a text where a backend stands in for another.
    """
    circuit, protocol = None if circuit is None else as_circuit(circuit), as_protocol(protocol)
    seed, threads = None if seed is None else arguments.seed(seed), arguments.threads(threads)
    trained = None if start is None else load_trained(start)
    circuit, protocol, seed = _completed(circuit, protocol, trained, seed)
    backend = launch.available(backend, say)
    data = stimuli.load_task(protocol, circuit, seed, data)
    circuit, protocol = circuit.with_sizes(data.widths), _with_measure(protocol, data)
    course = Course(protocol.learning, data.size("train"), seed, data.streams > 0, data.carries)
    _refuse_unfit(circuit, protocol, course, data)
    if protocol.experiment is not None:
        refuse_unsuitable(protocol.experiment, circuit, data, protocol.name)
    plan = plan_of(circuit, protocol, course.batch, data, threads if backend == "cpp" else 1)
    estimated = estimate(plan, protocol, course, data, backend)
    refuse_too_large(estimated)
    parameters = trained.parameters_for(circuit) if trained else initial.draw(circuit, protocol, seed)
    return Preparation(
        plan=plan,
        protocol=protocol,
        seed=seed,
        backend=backend,
        data=data,
        course=course,
        estimate=estimated,
        parameters=parameters,
        trained=trained,
    )


def _completed(
    circuit: Circuit | None, protocol: Protocol | ExperimentProtocol, trained: Trained | None, seed: int | None
) -> tuple[Circuit, Protocol, int]:
    """Circuit, protocol and seed; each of them by default that of the trained circuit."""
    if trained is not None:
        return (
            circuit or trained.unsized(),
            on_task_of(protocol, trained),
            trained.seed if seed is None else seed,
        )
    if isinstance(protocol, ExperimentProtocol) or protocol.experiment is not None:
        raise RunError(f"{protocol.name} is an experiment on a trained circuit", hint=EXPERIMENT_HINT)
    if circuit is None:
        raise RunError("a circuit is missing", hint="a circuit, or the run to start from")
    return circuit, protocol, seed or 0


def _with_measure(protocol: Protocol, data: stimuli.Task) -> Protocol:
    """The protocol with what is measured, which may depend on the targets."""
    if protocol.test.measure is None:
        return protocol.model_copy(update={"test": protocol.test.model_copy(update={"measure": data.measure})})
    measures = ("mean-squared-error", "explained-variance")
    measured = ("classes", "accuracy") if data.has_classes(data.circuit.target) else ("values", "mean-squared-error")
    if (protocol.test.measure in measures) != (measured[0] == "values"):
        raise DescriptionError(
            f"does not measure {measured[0]}, which the target {data.circuit.target!r} is compared with",
            source=protocol.name,
            key="test.measure",
            found=protocol.test.measure,
            expected=f'"{measured[1]}"',
            hint="leave measure out",
        )
    return protocol


def plan_of(circuit: Circuit, protocol: Protocol, trials: int, data: stimuli.Task, threads: int = 1) -> Plan:
    """What the generated code depends on."""
    learning, inference = protocol.learning, protocol.inference
    return Plan(
        circuit=circuit,
        trials=trials,
        steps=data.steps,
        read=data.read,
        scheme=inference.scheme,
        scheme_options=options_of(SCHEMES.get(inference.scheme), inference),
        variance_feedback=inference.variance_feedback,
        settles=inference.settles,
        limited=inference.energy_limit > 0,
        optimizer=learning.optimizer,
        optimizer_options=options_of(OPTIMIZERS.get(learning.optimizer), learning),
        decay=learning.decay,
        clip=learning.clip,
        clip_parameters=learning.clip_parameters,
        precision=protocol.precision,
        threads=threads,
        clip_norm=learning.clip_norm,
        rate_factors=tuple(learning.rate_factor.items()),
        symbolic=data.symbol_populations,
        output_feedback=inference.output_feedback,
        last_read=() if data.read == "last" else data.last_read,
        missing=data.with_missing,
    )


def _refuse_trajectory(protocol: Protocol) -> None:
    """DescriptionError where every iteration is to be recorded and inference cannot be stopped after each."""
    inference = protocol.inference
    stoppable = SCHEMES.get(inference.scheme).keeps_trajectory and not (inference.settles or inference.redraw_noise)
    if protocol.recording.trajectory and not stoppable:
        schemes = [f'"{name}"' for name in SCHEMES.names() if SCHEMES.get(name).keeps_trajectory]
        raise DescriptionError(
            f"this inference by {inference.scheme} records no trajectory",
            source=protocol.name,
            key="recording.trajectory",
            found=True,
            hint=f"inference.scheme = {' or '.join(schemes)}, without tolerance, energy_limit and redraw_noise",
        )


def _refuse_tests_without_targets(protocol: Protocol, data: stimuli.Task) -> None:
    """DescriptionError where no trial of a split that is tested has a target: no share of right answers exists."""
    tested: tuple[Split, ...] = (protocol.test.split, "test") if protocol.experiment is None else ()
    for split in dict.fromkeys(tested):
        if data.size(split) and not _has_targets(data, split):
            raise DescriptionError(
                f"no trial of the split {split!r} has a target, so that nothing can be tested",
                source=protocol.name,
                key="test.split",
                found=f"{data.size(split):,} trials without a target",
                expected="a target at one step or more",
                hint="the labels or texts of this split",
            )


def _has_targets(data: stimuli.Task, split: Split) -> bool:
    size = data.size(split)
    blocks = (np.arange(start, min(start + TRIALS_AT_ONCE, size)) for start in range(0, size, TRIALS_AT_ONCE))
    return any(data.has_target(split, block) for block in blocks)


def _refuse_single_symbols(circuit: Circuit, data: stimuli.Task) -> None:
    """DescriptionError where units one by one are to receive from a stimulus that is the number of a symbol."""
    for name, projection in circuit.projection.items():
        if projection.connect == "one-to-one" and projection.source in data.symbol_populations:
            raise DescriptionError(
                f"{projection.source} is given numbers of symbols, whose weights are looked up in a matrix",
                source=circuit.name,
                key=f"projection.{name}.connect",
                found=projection.connect,
                expected='"all" or some of the pairs',
            )


def _refuse_unfit(circuit: Circuit, protocol: Protocol, course: Course, data: stimuli.Task) -> None:
    recordable = {*circuit.free, *circuit.targets}
    for name in protocol.recording.populations:
        if name not in recordable:
            raise DescriptionError(
                "is not a population that can be recorded",
                source=protocol.name,
                key="recording.populations",
                found=name,
                expected=", ".join(sorted(recordable)),
            )
    _refuse_trajectory(protocol)
    _refuse_single_symbols(circuit, data)
    tests = protocol.experiment is None and protocol.test.measure != "correct-letter-ratio"
    if tests and not data.size(protocol.test.split):
        raise DescriptionError(
            f"there are no trials to test on in the split {protocol.test.split!r}",
            source=protocol.name,
            key="test.split",
            found=protocol.test.split,
        )
    _refuse_tests_without_targets(protocol, data)
    for sample in protocol.recording.samples:
        if not -course.total <= sample < course.total and course.total:
            raise DescriptionError(
                "is not a presentation of this run",
                source=protocol.name,
                key="recording.samples",
                found=sample,
                expected=f"at least {-course.total}, below {course.total}",
            )
