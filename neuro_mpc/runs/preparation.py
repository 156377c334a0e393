"""Everything that a run starts from, checked before anything is compiled.

Run files and experiments are imported where one is asked for: xarray takes a second, and checking a run that starts
from nothing does without it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from neuro_mpc import stimuli
from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.loading import as_circuit, as_protocol
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.errors import DescriptionError, RunError
from neuro_mpc.networks import launch
from neuro_mpc.networks.plan import Plan
from neuro_mpc.runs import cautions, provenance
from neuro_mpc.runs.checks import refuse_too_long, refuse_unfit, refuse_unshared
from neuro_mpc.runs.contents import refuse_too_many
from neuro_mpc.runs.estimate import Estimate, estimate, refuse_too_large
from neuro_mpc.simulation import arguments, initial
from neuro_mpc.simulation.plans import plan_of
from neuro_mpc.simulation.schedule import Course

if TYPE_CHECKING:
    from neuro_mpc.simulation.trained import Source, Trained

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
    workers     processes that share the trials of a presentation
    scheduler   address of one of dask, on whose workers they run; None: on this machine
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
    workers: int
    scheduler: str | None

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
            workers=self.workers,
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
    workers: int = 1,
    scheduler: str | None = None,
    data: Any = None,
    say: Callable[[str], None] = lambda text: None,
) -> Preparation:
    """The run of a protocol on a circuit, or on a trained one: the arguments are those of `simulate`.

    Raises DescriptionError where they do not fit together, RunError for a run that this machine cannot hold, and
    RunFileError where `start` cannot be read; `say` is called with a text where a backend stands in for another.
    """
    circuit, protocol = None if circuit is None else as_circuit(circuit), as_protocol(protocol)
    seed, threads = None if seed is None else arguments.seed(seed), arguments.threads(threads)
    workers = arguments.workers(workers)
    trained = None if start is None else _trained(start)
    circuit, protocol, seed = _completed(circuit, protocol, trained, seed)
    backend = launch.available(backend, say)
    data = stimuli.load_task(protocol, circuit, seed, data)
    circuit, protocol = circuit.with_sizes(data.widths), _with_measure(protocol, data)
    course = Course(protocol.learning, data.size("train"), seed, data.streams > 0, data.carries)
    refuse_unfit(circuit, protocol, course, data)
    refuse_unshared(protocol, course, workers, scheduler)
    if protocol.experiment is not None:
        from neuro_mpc.experiments import refuse_unsuitable

        refuse_unsuitable(protocol.experiment, circuit, data, protocol.name)
    plan = plan_of(circuit, protocol, course.batch, data, threads if backend == "cpp" else 1)
    refuse_too_long(plan.shared(workers))
    estimated = estimate(plan, protocol, course, data, backend, workers, scheduler is not None)
    refuse_too_large(estimated)
    refuse_too_many(plan, protocol)
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
        workers=workers,
        scheduler=scheduler,
    )


def _trained(start: Source) -> Trained:
    from neuro_mpc.simulation.trained import load_trained

    return load_trained(start)


def _completed(
    circuit: Circuit | None, protocol: Protocol | ExperimentProtocol, trained: Trained | None, seed: int | None
) -> tuple[Circuit, Protocol, int]:
    """Circuit, protocol and seed; each of them by default that of the trained circuit."""
    if trained is not None:
        from neuro_mpc.simulation.trained import on_task_of

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
