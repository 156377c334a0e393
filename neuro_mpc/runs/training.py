"""A training: learning, testing and recording, presentation by presentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial

import numpy as np

from neuro_mpc import stimuli
from neuro_mpc.errors import RunError
from neuro_mpc.rules.weighting import is_precision
from neuro_mpc.runfile.checkpoint import Checkpoint, Checkpoints
from neuro_mpc.runfile.record import RunFile
from neuro_mpc.runs import cautions
from neuro_mpc.runs.divergence import Backoff, Diverged, DivergenceMonitor, lowered_energy
from neuro_mpc.runs.interruption import deferred_interruption
from neuro_mpc.runs.preparation import Preparation
from neuro_mpc.runs.progress import SilentProgress
from neuro_mpc.runs.range_test import range_test
from neuro_mpc.runs.stretches import Stretches
from neuro_mpc.simulation import evaluation, initial, measures
from neuro_mpc.simulation.answers import answers
from neuro_mpc.simulation.energies import Energies
from neuro_mpc.simulation.precisions import shape_of
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.simulation.selection import Selection, is_selected
from neuro_mpc.simulation.traces import Traces


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
        self._run, self._file = run, record
        self.data, self.progress, self.checkpoints, self.cautions = run.data, progress, checkpoints, run.cautions
        self.selection = Selection(protocol)
        self.monitor = DivergenceMonitor(presenter, lowered_energy(run.plan), protocol.learning.backoff > 0)
        self.backoff = Backoff(protocol.learning.backoff, record)
        self.record = self.backoff.record
        self.runs_tests = protocol.experiment is None  # an experiment measures for itself
        self.test_interval = course.presentations(protocol.test.every, protocol.test.every_epochs)
        samples = protocol.recording.samples if course.total else ()
        self.sampled_presentations = {sample % course.total for sample in samples}
        self.stretches = Stretches(
            course.total,
            every=(protocol.recording.synapses_every, self.test_interval, self.backoff.every),
            single=self.sampled_presentations,
            most=presenter.ahead,
            seconds=checkpoints.every,
        )

    def run(self, parameters: initial.Parameters) -> None:
        """The whole training, from these initial parameters."""
        self.presenter.load(parameters)
        for projection in self.presenter.plan.circuit.untied:
            if (mask := self.presenter.connected(projection)) is not None:
                self.record.connected(projection, mask)
        if self.data.symbolic:
            self.record.symbols(self.data.symbols)
        self._train_from(0)

    def resume(self, saved: Checkpoint) -> None:
        """The rest of a training that was saved. Raises RunError where it is beyond the end of this one."""
        if saved.presentation > self.course.total:
            raise RunError(
                f"{saved.presentation} presentations are learned already, and the protocol ends after "
                f"{self.course.total}",
                hint="more learning.epochs or learning.presentations",
            )
        selected = {name: array for name, array in saved.arrays.items() if is_selected(name)}
        lasting = {name: array for name, array in saved.arrays.items() if name not in selected}
        self.presenter.restore(lasting, *(int(saved.origin.get(name, 1)) for name in ("threads", "workers")))
        self.selection.restore(saved.progress, selected, partial(shape_of, self.presenter.plan.circuit))
        self.monitor.largest, self.monitor.high = saved.progress["largest"], int(saved.progress["high"])
        self.backoff.factor = saved.progress["factor"]
        self._train_from(saved.presentation)

    def _find_rate(self, done: int) -> None:
        """For "auto": the rate that the file holds, or one found from the present state, which the file then holds."""
        if self.course.base_rate is not None or not self.course.total:
            return
        rate = self._file.found_rate()
        if rate is None:
            self.progress.stage("finding a learning rate")
            rate = range_test(self.presenter, self._run, done).rate
            self._file.rate_found(rate)
        self.progress.stage(f"learning rate {rate:g}, found by a range test")
        self.course = self.course.at_rate(rate)

    def _train_from(self, done: int) -> None:
        self._find_rate(done)
        if self.course.total:
            self.progress.stage("learning")
        self.progress.start(self.course.total)
        with deferred_interruption() as interrupted:
            while True:
                try:
                    self._save_when_due(done, interrupted())
                    self._before(done)
                    if done == self.course.total:
                        break
                    done = self._present(done)
                except Diverged as problem:
                    done = self._go_back(problem)
        self._keep_best()
        self._warn()
        if self.runs_tests:
            self._evaluate()
        self.backoff.confirm()
        self.backoff.warn(self.monitor.lowered)

    def _save_when_due(self, presentation: int, interrupted: bool) -> None:
        """Saves what is learned and recorded *before* `presentation`: a resumed run repeats its tests and snapshots."""
        due = self.checkpoints.due or (interrupted and self.checkpoints.wanted)
        state = self.backoff.state
        if (self.backoff.is_time(presentation) and not self.monitor.high) or (due and state is None):
            state = presentation, self.presenter.state()
            self.monitor.parameters(*state)
            self.backoff.remember(*state)
        if due and state is not None:
            self._save(*state)
        if interrupted:
            self.backoff.confirm()
            raise KeyboardInterrupt

    def _save(self, presentation: int, arrays: dict[str, np.ndarray]) -> None:
        self.backoff.flush()
        progress = {
            "largest": self.monitor.largest,
            "high": 0 if self.backoff.state else self.monitor.high,
            "factor": self.backoff.factor,
            **self.selection.progress(),
        }
        self.checkpoints.save(presentation, {**arrays, **self.selection.arrays()}, progress)

    def _go_back(self, problem: Diverged) -> int:
        """To the last good state, with half the rate; the number of presentations learned there."""
        presentation, state = self.backoff.go_back(problem)
        self.presenter.restore(state)
        self.progress.stage(f"{problem.problem}: back to presentation {presentation} with half the rate")
        return presentation

    def _before(self, presentation: int) -> None:
        """Tests and snapshots that are due before `presentation`."""
        ends = presentation in (0, self.course.total)
        if (
            ends
            or self._due(presentation, self.protocol.recording.synapses_every)
            or presentation in self.sampled_presentations
            or presentation - 1 in self.sampled_presentations
        ):
            self._snapshot(presentation)
        if self.runs_tests and (ends or self._due(presentation, self.test_interval)):
            self._test(presentation)

    def _snapshot(self, presentation: int) -> None:
        parameters = self.presenter.parameters()
        for projection, values in parameters.items():
            mask = None if is_precision(projection) else self.presenter.connected(projection)
            there = values if mask is None else {name: array[mask] for name, array in values.items()}
            self.monitor.parameters(presentation, {f"{name} of {projection}": array for name, array in there.items()})
        self.record.snapshot(presentation, parameters)

    def _keep_best(self) -> None:
        """Ends with the parameters of the best test, as a last snapshot."""
        if self.selection.parameters is not None and self.selection.presentation != self.course.total:
            self.presenter.load(self.selection.parameters)
            self._snapshot(self.selection.presentation)
            self.progress.stage(f"keeping what was learned in {self.selection.presentation} presentations")

    def _warn(self) -> None:
        """Records reasons to read the results with caution; they are repeated at the end of the run."""
        for text in (
            *self.cautions,
            *cautions.of_spikes(self.presenter.plan.circuit, self.presenter.parameters()),
        ):
            self.record.warned(text)

    @staticmethod
    def _due(presentation: int, every: int) -> bool:
        return every > 0 and presentation % every == 0

    def _present(self, done: int) -> int:
        """Learns from some presentations; how many are learned then."""
        if done in self.sampled_presentations:
            self._learned(done, self._learn_observed(done), done)
            return done + 1
        # High energies may end the training with any presentation.
        stretch = range(done, done + 1) if self.monitor.high else self.stretches.after(done)
        with self.stretches.timed(stretch):
            answers = [self._begin(*each) for each in self._shown(stretch)]
            energies = [each for answer in answers for each in answer()]
        for presentation, each in zip(stretch, energies, strict=True):
            self._learned(presentation, each, stretch[-1])
        return stretch.stop

    def _shown(self, presentations: range) -> Iterator[tuple[range, stimuli.Given, stimuli.Given]]:
        """Presentations of which the program is told at once, and what they show."""
        together = self.presenter.together
        for first in range(0, len(presentations), together):
            chosen = presentations[first : first + together]
            trials = np.concatenate([self.course.batch_of(presentation) for presentation in chosen])
            yield chosen, *self.data.presented("train", trials)

    def _begin(self, chosen: range, stimulus: stimuli.Given, target: stimuli.Given) -> Callable[[], Sequence[Energies]]:
        if len(chosen) == 1:
            energies = self.presenter.begin_learning(chosen[0], stimulus, target, *self._manner(chosen[0]))
            return lambda: [energies()]
        rates = [self._rate(presentation) for presentation in chosen]
        return self.presenter.begin_learning_together(chosen, stimulus, target, rates)

    def _manner(self, presentation: int) -> tuple[float, bool]:
        """The learning rate of a presentation, and whether it continues the one before."""
        return self._rate(presentation), self.course.goes_on(presentation)

    def _rate(self, presentation: int) -> float:
        return self.course.rate(presentation, self.selection.factor) * self.backoff.factor

    def _learn_observed(self, presentation: int) -> Energies:
        trials = self.course.batch_of(presentation)
        batch = self.data.presented("train", trials)
        energies, traces = self.presenter.learn_observed(presentation, *batch, *self._manner(presentation))
        self._sample(presentation, trials, *batch, traces)
        return energies

    def _learned(self, presentation: int, energies: Energies, last: int) -> None:
        """Records the energies of a presentation; `last` is the one that left the neural state."""
        self.monitor.energies(presentation, energies, last)
        self.record.learning(
            presentation,
            free_energy=energies.total,
            free_energy_hidden=energies.hidden,
            loss=energies.loss,
            free_energy_start=energies.start,
            iterations=energies.iterations,
        )
        self.progress.update(presentation + 1, energies.total)

    def _sample(
        self, presentation: int, trials: np.ndarray, stimulus: stimuli.Given, target: stimuli.Given, traces: Traces
    ) -> None:
        recorded = slice(self.protocol.recording.trials or None)
        traces = {
            population: {name: values[..., recorded, :] for name, values in variables.items()}
            for population, variables in traces.items()
        }
        shown, wanted = (
            {name: self._dense(name, values[:, recorded]) for name, values in each.items()}
            for each in (stimulus, target)
        )
        self.record.sample(presentation, shown, wanted, traces, trials[recorded])

    def _dense(self, population: str, values: np.ndarray) -> np.ndarray:
        """Symbols as one unit each."""
        symbols = population in self.data.symbol_populations
        return stimuli.one_hot(values, self.data.widths[population]) if symbols else values

    def _test(self, presentation: int) -> None:
        test = self.protocol.test
        with self.presenter.noiseless() if test.weights == "mean" else nullcontext():
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
        found = evaluation.evaluate(self.presenter, self.data, test, self.course.total)
        self.record.evaluation(found)
        if self.protocol.recording.answers and self.data.size("test"):
            self.record.answers(answers(self.presenter, self.data, "test", self.course.total))
        for text in cautions.of_baselines(found) if self.course.total else ():
            self.record.warned(text)
