"""A run: a protocol on a circuit, from the description to the finished run file."""

from __future__ import annotations

import dataclasses
import os
import tempfile
import warnings
from contextlib import ExitStack
from pathlib import Path

import xarray as xr

from neuro_mpc import arguments, stimuli
from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.inference import SCHEMES
from neuro_mpc.descriptions.learning import OPTIMIZERS
from neuro_mpc.descriptions.loading import as_circuit, as_protocol
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.errors import DescriptionError, RunError
from neuro_mpc.experiments import experiment_of, refuse_unsuitable
from neuro_mpc.network import launch
from neuro_mpc.network.plan import Plan, options_of
from neuro_mpc.runfile.lock import writing
from neuro_mpc.runfile.record import open_run
from neuro_mpc.runs import task
from neuro_mpc.runs.destination import Keeping
from neuro_mpc.runs.estimate import Estimate, estimate, refuse_too_large, warn_of_little_room
from neuro_mpc.runs.progress import SilentProgress, progress_of
from neuro_mpc.runs.provenance import origin
from neuro_mpc.runs.training import Training
from neuro_mpc.simulation import initial
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.simulation.schedule import Course
from neuro_mpc.simulation.trained import Source, Trained, load_trained, on_task_of

EXPERIMENT_HINT = "the run file to start from: --from run.nc"
Named = str | os.PathLike[str]  # the name of a shipped description, or the path of a TOML file


def simulate(
    circuit: Circuit | Named | None,
    protocol: Protocol | ExperimentProtocol | Named,
    *,
    start: Source | None = None,
    seed: int | None = None,
    backend: str = "cpp",
    threads: int = 1,
    out: str | os.PathLike | None = None,
    overwrite: bool = False,
    resume: bool = False,
    accept_changes: bool = False,
    checkpoint_every: float = 10.0,
    progress: SilentProgress | bool | None = None,
) -> xr.DataTree:
    """Run `protocol` on `circuit` and return the run, an `xarray.DataTree` (see the README for its groups).

    circuit, protocol    descriptions, or their names or the paths of their TOML files
    start       a run to go out from, as `load_trained` takes or gives it: its learned parameters, with a fresh
                optimiser, in place of initial ones. Without presentations to learn they are evaluated only
    circuit     None: that of `start`
    seed        feeds every random number: same seed, backend and threads, same content of the file;
                None: that of `start`, which chose the trials it learned, else 0
    backend     "cpp" (C++ standalone, compiled once per circuit and kept), "cython" or "numpy"; without a C++
                compiler "cpp" becomes "numpy", which is said through `progress`
    threads     processor cores to use ("cpp" only)
    out         path of the run file, written while the run goes on; None: the run is returned in memory
    overwrite   replace a file that is there
    resume      go on with an interrupted run of `out`: its file becomes the one of a run that was not interrupted.
                Where there is nothing to go on with, the run begins; one that is complete is only returned
    accept_changes    go on though circuit, protocol, seed, versions or machine are not those of the interrupted run
    checkpoint_every  seconds between the checkpoints from which a run can go on; infinity: none
    progress    True: shown, as on the command line; or told about stages, energies and tests, see
                `neuro_mpc.runs.progress`

    Raises DescriptionError for a circuit and a protocol that do not fit, before anything is compiled; RunError when
    the run cannot start or diverges: its file then stays readable as ``<out>.partial``.
    Ctrl-C and SIGTERM leave a checkpoint and raise KeyboardInterrupt.
    """
    circuit, protocol, trained, seed = _beginning(circuit, protocol, start, seed)
    threads = arguments.threads(threads)
    if out is None:
        with tempfile.TemporaryDirectory(prefix="neuro_mpc-") as folder:
            path = Path(folder) / "run.nc"
            with progress_of(progress) as told:
                _simulate(circuit, protocol, trained, seed, backend, threads, Keeping(path), told)
            with open_run(path) as run:
                return _warned(_in_memory(run), progress)
    keeping = Keeping(Path(out), overwrite, resume, accept_changes, checkpoint_every)
    with progress_of(progress) as told:
        _simulate(circuit, protocol, trained, seed, backend, threads, keeping, told)
    return _warned(open_run(out), progress)


def _warned(run: xr.DataTree, progress: SilentProgress | bool | None) -> xr.DataTree:
    """The run, with the warnings that its file holds, unless they are told by who follows it."""
    if not isinstance(progress, SilentProgress):
        for text in str(run.attrs.get("warning", "")).splitlines():
            warnings.warn(text, stacklevel=3)
    return run


def _beginning(
    circuit: Circuit | Named | None,
    protocol: Protocol | ExperimentProtocol | Named,
    start: Source | None,
    seed: int | None,
) -> tuple[Circuit, Protocol, Trained | None, int]:
    """What is run, from which trained circuit, if from any, and with which seed."""
    circuit = None if circuit is None else as_circuit(circuit)
    protocol = as_protocol(protocol)
    seed = None if seed is None else arguments.seed(seed)
    if start is not None:
        trained = load_trained(start)
        return (
            circuit or trained.unsized(),
            on_task_of(protocol, trained),
            trained,
            trained.seed if seed is None else seed,
        )
    if getattr(protocol, "experiment", None) is not None:
        raise RunError(f"{protocol.name} is an experiment on a trained circuit", hint=EXPERIMENT_HINT)
    if circuit is None:
        raise RunError("there is no circuit", hint="a circuit, or the run to start from")
    return circuit, protocol, None, seed or 0


def _in_memory(run: xr.DataTree) -> xr.DataTree:
    """A copy that needs no file, and names none; `DataTree.load` leaves inherited coordinates lazy."""
    copied = {node.path: node.to_dataset(inherit=False).load().drop_encoding() for node in run.subtree}
    return xr.DataTree.from_dict(copied)


def _simulate(circuit, protocol, trained, seed, backend, threads, keeping, progress) -> None:
    backend = launch.available(backend, progress.stage)
    plan, course, data = prepare(circuit, protocol, seed, backend, threads)
    circuit = plan.circuit
    found = estimate(plan, protocol, course, data, backend)
    refuse_too_large(found)
    warn_of_little_room(found, keeping.path, progress.stage)
    parameters = _first_parameters(circuit, protocol, trained, seed)
    with writing(keeping.path, progress.stage):
        started = origin(circuit, protocol, seed, backend, plan.threads, data)
        started |= trained.attributes() if trained else {}
        if keeping.is_complete(started, progress.stage):
            return
        for text in found.warnings:
            progress.warning(text)
        saved = keeping.latest(started, progress.stage)
        with ExitStack() as stack:
            workspace = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neuro_mpc-")))
            # Only now what is there may be replaced: a program that cannot be compiled costs nothing.
            program = stack.enter_context(launch.start(plan, backend, workspace, progress.stage))
            record = stack.enter_context(keeping.record(saved, started, circuit, protocol, seed, backend, plan.threads))
            presenter = Presenter(program, plan, protocol, seed, carries=data.carries)
            training = Training(presenter, protocol, course, data, record, progress, keeping.checkpoints(started))
            training.run(parameters) if saved is None else training.resume(saved)
            if protocol.experiment is not None:
                progress.stage(protocol.experiment.kind)
                found = experiment_of(protocol.experiment).results(presenter, data, trained)
                record.experiment(found.assign_attrs(kind=protocol.experiment.kind, **found.attrs))
        keeping.discard()


def prepare(
    circuit: Circuit, protocol: Protocol, seed: int, backend: str, threads: int
) -> tuple[Plan, Course, stimuli.Stimuli]:
    """What is run, in which order of trials, on which data; DescriptionError where these do not fit together."""
    data = stimuli.load(protocol, circuit, seed)
    circuit = circuit.sized(data.width, data.classes)
    course = Course(protocol.learning, data.size("train"), seed, data.streams > 0, data.carries)
    _refuse_misfits(circuit, protocol, course, data)
    if protocol.experiment is not None:
        refuse_unsuitable(protocol.experiment, circuit, data, protocol.name)
    return plan_of(circuit, protocol, course.batch, data, threads if backend == "cpp" else 1), course, data


def _first_parameters(circuit: Circuit, protocol: Protocol, trained: Trained | None, seed: int) -> initial.Parameters:
    return trained.parameters_for(circuit) if trained else initial.draw(circuit, protocol, seed)


def check(
    circuit: Circuit | Named | None,
    protocol: Protocol | ExperimentProtocol | Named,
    *,
    start: Source | None = None,
    seed: int | None = None,
    backend: str = "cpp",
    threads: int = 1,
) -> Estimate:
    """All that `simulate` checks before it compiles, what the run shows, and an estimate of what it will take.

    Raises the same errors.
    """
    circuit, protocol, trained, seed = _beginning(circuit, protocol, start, seed)
    threads = arguments.threads(threads)
    backend = launch.available(backend)
    plan, course, data = prepare(circuit, protocol, seed, backend, threads)
    found = estimate(plan, protocol, course, data, backend)
    refuse_too_large(found)
    _first_parameters(plan.circuit, protocol, trained, seed)
    launch.require_usable(backend)
    return dataclasses.replace(found, shown=task.as_text(data))


def plan_of(circuit: Circuit, protocol: Protocol, trials: int, data: stimuli.Stimuli, threads: int = 1) -> Plan:
    """What the generated code depends on."""
    learning, inference = protocol.learning, protocol.inference
    return Plan(
        circuit,
        trials,
        data.steps,
        data.read,
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
        symbolic=data.symbolic,
        output_feedback=inference.output_feedback,
    )


def _refuse_trajectory(protocol: Protocol) -> None:
    """DescriptionError where every iteration is to be recorded and inference cannot be stopped after each."""
    inference = protocol.inference
    stoppable = SCHEMES.get(inference.scheme).keeps_trajectory and not (inference.settles or inference.redraw_noise)
    if protocol.recording.trajectory and not stoppable:
        schemes = [f'"{name}"' for name in SCHEMES.names() if SCHEMES.get(name).keeps_trajectory]
        raise DescriptionError(
            f"no trajectory is kept of this inference by {inference.scheme}",
            source=protocol.name,
            key="recording.trajectory",
            found=True,
            hint=f"inference.scheme = {' or '.join(schemes)}, without tolerance, energy_limit and redraw_noise",
        )


def _refuse_misfits(circuit: Circuit, protocol: Protocol, course: Course, data: stimuli.Stimuli) -> None:
    recorded = {*circuit.free, circuit.target}
    for name in protocol.recording.populations:
        if name not in recorded:
            raise DescriptionError(
                "there is nothing to record",
                source=protocol.name,
                key="recording.populations",
                found=name,
                expected=", ".join(sorted(recorded)),
            )
    _refuse_trajectory(protocol)
    if protocol.test.measure != "correct-letter-ratio" and not data.size(protocol.test.split):
        raise DescriptionError(
            f"there are no trials to test on in the split {protocol.test.split!r}",
            source=protocol.name,
            key="test.split",
            found=protocol.test.split,
        )
    for sample in protocol.recording.samples:
        if not -course.total <= sample < course.total and course.total:
            raise DescriptionError(
                "there is no such presentation",
                source=protocol.name,
                key="recording.samples",
                found=sample,
                expected=f"at least {-course.total}, below {course.total}",
            )
