"""A training: learning, testing and recording, presentation by presentation."""

from __future__ import annotations

from neuro_mpc import stimuli
from neuro_mpc.errors import RunError
from neuro_mpc.runfile.checkpoint import Checkpoint, Checkpoints
from neuro_mpc.runfile.record import RunFile
from neuro_mpc.runs import cautions
from neuro_mpc.runs.divergence import Diverged, Retreat, Watch
from neuro_mpc.runs.interruption import held_back
from neuro_mpc.runs.preparation import Preparation
from neuro_mpc.runs.progress import SilentProgress
from neuro_mpc.simulation import evaluation, initial, measures
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.simulation.selection import Selection, is_selected


class Training:
    """Learns, tests and records, presentation by presentation."""

    def __init__(
        self,
        presenter: Presenter,
        run: Preparation,
        record: RunFile,
        progress: SilentProgress,
        checkpoints: Checkpoints,
    ):
        protocol, course = run.protocol, run.course
        self.presenter, self.protocol, self.course = presenter, protocol, course
        self.data, self.progress, self.checkpoints = run.data, progress, checkpoints
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
            raise RunError(
                f"{saved.presentation} presentations are learned already, and the protocol ends after "
                f"{self.course.total}",
                hint="more learning.epochs or learning.presentations",
            )
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
            while True:
                try:
                    self._save_when_due(done, interrupted())
                    self._before(done)
                    if done == self.course.total:
                        break
                    self._present(done)
                    done += 1
                except Diverged as problem:
                    done = self._go_back(problem)
        self._keep_best()
        self._warn()
        if self.tested:
            self._evaluate()
        self.retreat.confirm()
        self.retreat.warn()

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
            progress = {
                "largest": self.watch.largest,
                "high": high,
                "factor": self.retreat.factor,
                **self.selection.progress(),
            }
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
        if (
            ends
            or self._due(presentation, self.protocol.recording.synapses_every)
            or presentation in self.observed
            or presentation - 1 in self.observed
        ):
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

    def _warn(self) -> None:
        """Keeps what the results are to be read with caution for; it is told at the end of the run."""
        for text in (
            *cautions.of_selection(self.protocol, self.course.total),
            *cautions.of_spikes(self.presenter.plan.circuit, self.presenter.parameters()),
        ):
            self.record.warned(text)

    @staticmethod
    def _due(presentation: int, every: int) -> bool:
        return every > 0 and presentation % every == 0

    def _present(self, presentation: int) -> None:
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
        self.record.learning(
            presentation,
            free_energy=energies.total,
            free_energy_hidden=energies.hidden,
            loss=energies.loss,
            free_energy_start=energies.start,
            iterations=energies.iterations,
        )
        self.progress.update(presentation + 1, energies.total)

    def _sample(self, presentation, trials, stimulus, target, traces) -> None:
        kept = slice(self.protocol.recording.trials or None)
        traces = {
            population: {name: values[..., kept, :] for name, values in variables.items()}
            for population, variables in traces.items()
        }
        shown, wanted = stimulus[:, kept], target[:, kept]
        if self.data.symbolic:
            shown, wanted = stimuli.one_hot(shown, self.data.width), stimuli.one_hot(wanted, self.data.classes)
        self.record.sample(presentation, shown, wanted, traces, trials[kept])

    def _test(self, presentation: int) -> None:
        test = self.protocol.test
        result = measures.measure(self.presenter, self.data, test, test.split, presentation)
        if result.sequences is not None:
            self.record.generated(
                presentation, result.sequences, symbols=self.data.symbols, transitions=self.data.transitions
            )
        self.record.test(presentation, result.values)
        self.selection.observe(presentation, result.values, self.presenter.parameters)
        self.progress.tested(presentation, result.values)

    def _evaluate(self) -> None:
        test = self.protocol.test
        if test.measure != "correct-letter-ratio" and not self.data.size("test"):
            return
        self.progress.stage("evaluating")
        self.record.evaluation(evaluation.evaluate(self.presenter, self.data, test, self.course.total))
