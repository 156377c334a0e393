"""A run: a protocol on a circuit, from the description to the finished run file."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import xarray as xr

from neuro_mpc import evaluation, initial, measures, stimuli
from neuro_mpc.checkpoint import Checkpoint, Checkpoints
from neuro_mpc.circuit import Circuit
from neuro_mpc.divergence import Diverged, Retreat, Watch
from neuro_mpc.errors import DescriptionError, RunError
from neuro_mpc.estimate import Estimate, estimate, refuse_too_large, warn_of_little_room
from neuro_mpc.experiments.conduct import conduct, refuse_misfit
from neuro_mpc.interruption import held_back
from neuro_mpc.keeping import Keeping
from neuro_mpc.lock import Lock
from neuro_mpc.network import launch
from neuro_mpc.network.plan import Plan
from neuro_mpc.origin import origin
from neuro_mpc.presentation import Presenter
from neuro_mpc.progress import SilentProgress
from neuro_mpc.protocol import ExperimentProtocol, Protocol
from neuro_mpc.record import RunFile, open_run
from neuro_mpc.schedule import Course
from neuro_mpc.selection import Selection, is_selected
from neuro_mpc.trained import Source, Trained, load_trained, on_task_of

EXPERIMENT_HINT = "the run file to start from: --from run.nc, or start= in Python"


def simulate(circuit: Circuit | None, protocol: Protocol | ExperimentProtocol, *,
             start: Source | None = None, seed: int | None = None, backend: str = "cpp", threads: int = 1,
             out: str | os.PathLike | None = None, overwrite: bool = False,
             resume: bool = False, accept_changes: bool = False, checkpoint_every: float = 10.0,
             progress: SilentProgress | None = None) -> xr.DataTree:
    """Run `protocol` on `circuit` and return the run, an `xarray.DataTree` (see the README for its groups).

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
    progress    told about stages, energies and tests; see `neuro_mpc.progress`

    Raises DescriptionError for a circuit and a protocol that do not fit, before anything is compiled; RunError when
    the run cannot start or diverges: its file then stays readable as ``<out>.partial``.
    Ctrl-C and SIGTERM leave a checkpoint and raise KeyboardInterrupt.
    """
    progress = progress or SilentProgress()
    circuit, protocol, trained, seed = _beginning(circuit, protocol, start, seed)
    if out is None:
        with tempfile.TemporaryDirectory(prefix="neuro_mpc-") as folder:
            path = Path(folder) / "run.nc"
            _simulate(circuit, protocol, trained, seed, backend, threads, Keeping(path), progress)
            with open_run(path) as run:
                return _in_memory(run)
    keeping = Keeping(Path(out), overwrite, resume, accept_changes, checkpoint_every)
    _simulate(circuit, protocol, trained, seed, backend, threads, keeping, progress)
    return open_run(out)


def _beginning(circuit: Circuit | None, protocol: Protocol | ExperimentProtocol, start: Source | None,
               seed: int | None) -> tuple[Circuit, Protocol, Trained | None, int]:
    """What is run, from which trained circuit, if from any, and with which seed."""
    if start is not None:
        trained = load_trained(start)
        return (circuit or trained.unsized(), on_task_of(protocol, trained), trained,
                trained.seed if seed is None else seed)
    if getattr(protocol, "experiment", None) is not None:
        raise RunError(f"{protocol.name} is an experiment on a trained circuit", hint=EXPERIMENT_HINT)
    if circuit is None:
        raise RunError("there is no circuit", hint="a circuit, or the run to start from")
    return circuit, protocol, None, seed or 0


def _in_memory(run: xr.DataTree) -> xr.DataTree:
    """A copy that needs no file; `DataTree.load` leaves inherited coordinates lazy."""
    return xr.DataTree.from_dict({node.path: node.to_dataset(inherit=False).load() for node in run.subtree})


def _simulate(circuit, protocol, trained, seed, backend, threads, keeping, progress) -> None:
    backend = launch.available(backend, progress.stage)
    plan, course, data = prepare(circuit, protocol, seed, backend, threads)
    circuit = plan.circuit
    found = estimate(plan, protocol, course, data, backend)
    refuse_too_large(found)
    warn_of_little_room(found, keeping.path, progress.stage)
    parameters = _first_parameters(circuit, protocol, trained, seed)
    with Lock(keeping.path):
        started = origin(circuit, protocol, seed, backend, plan.threads, data)
        started |= trained.attributes() if trained else {}
        if keeping.is_complete(started, progress.stage):
            return
        saved = keeping.latest(started, progress.stage)
        with ExitStack() as stack:
            workspace = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neuro_mpc-")))
            # Only now what is there may be replaced: a program that cannot be compiled costs nothing.
            program = stack.enter_context(launch.start(plan, backend, workspace, progress.stage))
            record = stack.enter_context(
                keeping.record(saved, started, circuit, protocol, seed, backend, plan.threads))
            presenter = Presenter(program, plan, protocol, seed, carries=data.carries)
            training = Training(presenter, protocol, course, data, record, progress, keeping.checkpoints(started))
            training.run(parameters) if saved is None else training.resume(saved)
            if protocol.experiment is not None:
                progress.stage(protocol.experiment.kind)
                record.experiment(conduct(presenter, data, protocol.experiment, trained))
        keeping.discard()


def prepare(circuit: Circuit, protocol: Protocol, seed: int, backend: str,
            threads: int) -> tuple[Plan, Course, stimuli.Stimuli]:
    """What is run, in which order of trials, on which data; DescriptionError where these do not fit together."""
    data = stimuli.load(protocol, circuit, seed)
    circuit = circuit.sized(data.width, data.classes)
    course = Course(protocol.learning, data.size("train"), seed, data.streams > 0, data.carries)
    _refuse_misfits(circuit, protocol, course, data)
    if protocol.experiment is not None:
        refuse_misfit(protocol.experiment, circuit, data, protocol.name)
    return plan_of(circuit, protocol, course.batch, data, threads if backend == "cpp" else 1), course, data


def _first_parameters(circuit: Circuit, protocol: Protocol, trained: Trained | None,
                      seed: int) -> initial.Parameters:
    return trained.parameters_for(circuit) if trained else initial.draw(circuit, protocol, seed)


def check(circuit: Circuit | None, protocol: Protocol | ExperimentProtocol, *,
          start: Source | None = None, seed: int | None = None, backend: str = "cpp", threads: int = 1) -> Estimate:
    """All that `simulate` checks before it compiles, and an estimate of what the run will take; the same errors."""
    circuit, protocol, trained, seed = _beginning(circuit, protocol, start, seed)
    backend = launch.available(backend)
    plan, course, data = prepare(circuit, protocol, seed, backend, threads)
    found = estimate(plan, protocol, course, data, backend)
    refuse_too_large(found)
    _first_parameters(plan.circuit, protocol, trained, seed)
    return found


def plan_of(circuit: Circuit, protocol: Protocol, trials: int, data: stimuli.Stimuli, threads: int = 1) -> Plan:
    """What the generated code depends on."""
    learning, inference = protocol.learning, protocol.inference
    return Plan(circuit, trials, data.steps, data.read, inference.scheme, inference.variance_feedback,
                inference.settles, inference.energy_limit > 0, learning.optimizer, learning.beta1, learning.beta2, learning.epsilon,
                learning.decay, learning.clip, learning.clip_parameters, protocol.precision, threads, learning.clip_norm,
                tuple(learning.rate_factor.items()), data.symbolic)


def _refuse_misfits(circuit: Circuit, protocol: Protocol, course: Course, data: stimuli.Stimuli) -> None:
    recorded = {*circuit.free, circuit.target}
    for name in protocol.recording.populations:
        if name not in recorded:
            raise DescriptionError("there is nothing to record", source=protocol.name, key="recording.populations",
                                   found=name, expected=", ".join(sorted(recorded)))
    inference = protocol.inference
    if protocol.recording.trajectory and (inference.scheme != "relaxation" or inference.settles or inference.redraw_noise):
        raise DescriptionError("a trajectory is kept of plain relaxation only", source=protocol.name,
                               key="recording.trajectory", found=True,
                               hint='inference.scheme = "relaxation", without tolerance, energy_limit and redraw_noise')
    if protocol.test.measure != "correct-letter-ratio" and not data.size(protocol.test.split):
        raise DescriptionError(f"there are no trials to test on in the split {protocol.test.split!r}",
                               source=protocol.name, key="test.split", found=protocol.test.split)
    for sample in protocol.recording.samples:
        if not -course.total <= sample < course.total and course.total:
            raise DescriptionError("there is no such presentation", source=protocol.name, key="recording.samples",
                                   found=sample, expected=f"at least {-course.total}, below {course.total}")


class Training:
    """Learns, tests and records, presentation by presentation."""

    def __init__(self, presenter: Presenter, protocol: Protocol, course: Course, data: stimuli.Stimuli,
                 record: RunFile, progress: SilentProgress, checkpoints: Checkpoints):
        self.presenter, self.protocol, self.course = presenter, protocol, course
        self.data, self.progress, self.checkpoints = data, progress, checkpoints
        self.selection = Selection(protocol)
        self.watch = Watch(presenter, protocol.learning.backoff > 0)
        self.retreat = Retreat(protocol.learning.backoff, record)
        self.record = self.retreat.record
        self.tested = protocol.experiment is None  # an experiment measures for itself
        self.tested_every = course.presentations(protocol.test.every, protocol.test.every_epochs)
        self.observed = {sample % course.total for sample in protocol.recording.samples} if course.total else set()

    def run(self, parameters: initial.Parameters) -> None:
        """The whole training, from these initial parameters."""
        self.presenter.load(parameters)
        if self.data.symbolic:
            self.record.symbols(self.data.symbols)
        self._go_on(0)

    def resume(self, saved: Checkpoint) -> None:
        """The rest of a training that was saved. Raises RunError where that one went on for longer."""
        if saved.presentation > self.course.total:
            raise RunError(f"{saved.presentation} presentations are learned already, and the protocol ends after "
                           f"{self.course.total}", hint="more learning.epochs or learning.presentations")
        selected = {name: array for name, array in saved.arrays.items() if is_selected(name)}
        self.presenter.restore({name: array for name, array in saved.arrays.items() if name not in selected})
        self.selection.restore(saved.progress, selected, self.presenter.plan.circuit.shape)
        self.watch.largest, self.watch.high = saved.progress["largest"], int(saved.progress["high"])
        self.retreat.factor = saved.progress["factor"]
        self._go_on(saved.presentation)

    def _go_on(self, done: int) -> None:
        if self.course.total:
            self.progress.stage("learning")
        self.progress.start(self.course.total)
        with held_back() as interrupted:
            while done <= self.course.total:
                try:
                    self._save_when_due(done, interrupted())
                    self._before(done)
                    self._present(done)
                    done += 1
                except Diverged as problem:
                    done = self._go_back(problem)
        self._keep_best()
        if self.tested:
            self._evaluate()
        self.retreat.confirm()

    def _save_when_due(self, presentation: int, interrupted: bool) -> None:
        """Keeps what is learned and recorded *before* `presentation`: its tests and snapshots are made again."""
        due = self.checkpoints.due or (interrupted and self.checkpoints.wanted)
        good = self.retreat.good
        if (self.retreat.is_time(presentation) and not self.watch.high) or (due and good is None):
            good = presentation, self.presenter.state()
            self.watch.parameters(*good)
            self.retreat.remember(*good)
        if due:
            self.retreat.flush()
            high = 0 if self.retreat.good else self.watch.high
            progress = {"largest": self.watch.largest, "high": high, "factor": self.retreat.factor,
                        **self.selection.progress()}
            self.checkpoints.save(good[0], {**good[1], **self.selection.arrays()}, progress)
        if interrupted:
            self.retreat.confirm()
            raise KeyboardInterrupt

    def _go_back(self, problem: Diverged) -> int:
        """To the last good state, with half the rate; the number of presentations learned there."""
        presentation, state = self.retreat.go_back(problem)
        self.presenter.restore(state)
        self.progress.stage(f"{problem.problem}: back to presentation {presentation} with half the rate")
        return presentation

    def _before(self, presentation: int) -> None:
        """Tests and snapshots that are due after so many presentations."""
        ends = presentation in (0, self.course.total)
        if ends or self._due(presentation, self.protocol.recording.synapses_every) \
                or presentation in self.observed or presentation - 1 in self.observed:
            self._snapshot(presentation)
        if self.tested and (ends or self._due(presentation, self.tested_every)):
            self._test(presentation)

    def _snapshot(self, presentation: int) -> None:
        parameters = self.presenter.parameters()
        for projection, values in parameters.items():
            self.watch.parameters(presentation, {f"{name} of {projection}": each for name, each in values.items()})
        self.record.snapshot(presentation, parameters)

    def _keep_best(self) -> None:
        """Ends with the parameters of the best test, as a last snapshot."""
        if self.selection.parameters is not None and self.selection.presentation != self.course.total:
            self.presenter.load(self.selection.parameters)
            self._snapshot(self.selection.presentation)
            self.progress.stage(f"keeping what was learned in {self.selection.presentation} presentations")

    @staticmethod
    def _due(presentation: int, every: int) -> bool:
        return every > 0 and presentation % every == 0

    def _present(self, presentation: int) -> None:
        if presentation == self.course.total:
            return
        trials = self.course.batch_of(presentation)
        batch = self.data.batch("train", trials)
        rate = self.course.rate(presentation, self.selection.factor) * self.retreat.factor
        goes_on = self.course.goes_on(presentation)
        if presentation in self.observed:
            energies, traces = self.presenter.learn_observed(presentation, *batch, rate, goes_on)
            self._sample(presentation, trials, *batch, traces)
        else:
            energies = self.presenter.learn(presentation, *batch, rate, goes_on)
        self.watch.energies(presentation, energies)
        self.record.learning(presentation, free_energy=energies.total, free_energy_hidden=energies.hidden,
                             loss=energies.loss, free_energy_start=energies.start, iterations=energies.iterations)
        self.progress.update(presentation + 1, energies.total)

    def _sample(self, presentation, trials, stimulus, target, traces) -> None:
        kept = slice(self.protocol.recording.trials or None)
        traces = {population: {name: values[..., kept, :] for name, values in variables.items()}
                  for population, variables in traces.items()}
        shown, wanted = stimulus[:, kept], target[:, kept]
        if self.data.symbolic:
            shown, wanted = stimuli.one_hot(shown, self.data.width), stimuli.one_hot(wanted, self.data.classes)
        self.record.sample(presentation, shown, wanted, traces, trials[kept])

    def _test(self, presentation: int) -> None:
        test = self.protocol.test
        result = measures.measure(self.presenter, self.data, test, test.split, presentation)
        if result.sequences is not None:
            self.record.generated(presentation, result.sequences, symbols=self.data.symbols,
                                  transitions=self.data.transitions)
        self.record.test(presentation, result.values)
        self.selection.observe(presentation, result.values, self.presenter.parameters)
        self.progress.tested(presentation, result.values)

    def _evaluate(self) -> None:
        test = self.protocol.test
        if test.measure != "correct-letter-ratio" and not self.data.size("test"):
            return
        self.progress.stage("evaluating")
        self.record.evaluation(evaluation.evaluate(self.presenter, self.data, test, self.course.total))
