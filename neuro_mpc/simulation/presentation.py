"""Single presentations: what is shown, which phases run, what comes back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import NamedTuple, cast
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike

from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.networks.program import Program
from neuro_mpc.networks.schemes.interface import scheme_of
from neuro_mpc.networks.together import Together
from neuro_mpc.rules.weighting import LOG_PRECISION
from neuro_mpc.simulation.running import RunningCircuit
from neuro_mpc.simulation.traces import AskedOutputs, NeuralState, Traces
from neuro_mpc.stimuli.interface import one_hot

Shown = np.ndarray | Mapping[str, np.ndarray]
"""What populations are given, by name; an array is that of the only one.

Values (step, trial, unit), or the numbers of symbols (step, trial), −1 for none; NaN where a target is missing."""

ENERGIES = "loss_start", "loss", "energy_hidden", "iterations_used", "iterations"
UNLIMITED = 3e38
TRIALS_TOGETHER, NUMBERS_TOGETHER = 128, 2**18  # of the presentations that a program is told of at once
LATE = 10**12  # presentation: the last stretch of a schedule


class Energies(NamedTuple):
    """Means per trial, sums over steps and units. free energy = hidden + loss."""

    hidden: float
    loss: float
    start: float
    iterations: float

    @property
    def total(self) -> float:
        return self.hidden + self.loss

    def of(self, name: str) -> float:
        """The energy of this name in the run file, "loss" or "free_energy"."""
        return self.loss if name == "loss" else self.total


class Presenter(RunningCircuit):
    """Shows batches to a circuit in a running program.

    Every random number comes from `seed`: noise is a function of the seed, a purpose and a count, not of what was
    drawn before.

    neural_state   output, errors and traces of the last presentation
    """

    def __init__(self, program: Program, plan: Plan, protocol: Protocol, seed: int, carries: bool = False):
        super().__init__(program, plan, carries)
        self.protocol, self.seed, self.neural_state = protocol, seed, NeuralState(program, plan)
        self._scheme = scheme_of(plan)
        # stimulus population → the last steps shown, as many as the next presentation depends on
        self._recent: dict[str, np.ndarray] | None = None
        for name in set(plan.circuit.given) - set(plan.circuit.stimuli):
            rows = plan.rows[name]
            ones = np.ones((rows.steps, plan.trials, rows.units), plan.precision)
            program.set_rows(name, plan.rate_name(name), ones, history=1)
        program.set(
            noise_scale=1.0,
            drawing=1,
            entering=1,
            first_window=0,
            stop_window=plan.steps,
            tolerance=protocol.inference.tolerance,
            energy_limit=protocol.inference.energy_limit or UNLIMITED,
            redrawing=int(protocol.inference.redraw_noise),
            inference_dt=protocol.inference.rate * TAU_SECONDS,
            **{name: getattr(protocol.inference, name) for name in self._scheme.scalars},
        )

    def learn(self, presentation: int, stimulus: Shown, target: Shown, rate: float, carrying: bool = False) -> Energies:
        """Predict, infer and learn one batch; `presentation` counts from 0.

        carrying   the steps before the first are the last ones of what was shown before, not silence
        """
        return self.begin_learning(presentation, stimulus, target, rate, carrying)()

    def begin_learning(
        self, presentation: int, stimulus: Shown, target: Shown, rate: float, carrying: bool = False
    ) -> Callable[[], Energies]:
        """As `learn`, without waiting for the energies, which what is returned gives; at most as many as `ahead` may be
        waited for."""
        self._show(stimulus, target, presentation, carrying=carrying)
        self._set_learning(presentation, rate)
        believed = self._asked_energy_of_predictions()
        if self.plan.stepwise:
            self._phases(predicting=True, carrying=carrying)
            self._learn_by_step(presentation)
        else:
            self._phases(predicting=True, inferring=True, learning=True, carrying=carrying)
        energies = self._asked_energies(believed)
        return lambda: energies()[0]

    def begin_learning_together(
        self, presentations: Sequence[int], stimulus: Shown, target: Shown, rates: Sequence[float]
    ) -> Callable[[], list[Energies]]:
        """As `begin_learning` for each of some presentations, at most `together`: stimuli and targets have the trials
        of the first, then those of the next ones."""
        self._packed.clear()  # as before each of them
        with self._told_together(len(presentations)):
            self._show(stimulus, target, np.array(presentations))
            scalars = [self._learning_scalars(each) for each in presentations]
            self.program.set(
                rate=np.array(rates), **{name: np.array([s[name] for s in scalars]) for name in scalars[0]}
            )
            believed = self._asked_energy_of_predictions(len(presentations))
            self._phases(predicting=True, inferring=True, learning=True)
            return self._asked_energies(believed, len(presentations))

    @property
    def together(self) -> int:
        """Presentations that the program may be told of at once: where they take longer, or their data are no longer in
        cache when they are sent, nothing is gained."""
        if self._carries or self.plan.stepwise or not self.program.tells_together:
            return 1
        shown = (*self.plan.circuit.stimuli, *self.plan.circuit.targets)
        numbers = sum(self.plan.rows[name].elements(self.plan.trials) for name in shown)
        return max(1, min(TRIALS_TOGETHER // self.plan.trials, NUMBERS_TOGETHER // max(1, numbers)))

    @contextmanager
    def _told_together(self, number: int) -> Iterator[None]:
        """Within it the program is told of a number of presentations as of one."""
        if number == 1:
            yield
            return
        program, together = self.program, Together(self.program, number)
        self.program = cast(Program, together)  # as far as it is told of presentations
        try:
            yield
            together.send()
        finally:
            self.program = program

    @property
    def ahead(self) -> int:
        """Presentations that may be learned before the energies of the first of them are read."""
        return self.program.answers_ahead(*ENERGIES, *self._free_precisions)

    def _learn_by_step(self, presentation: int) -> None:
        """Infer and learn from each step before the next."""
        for step in range(self.plan.steps):
            self._enter(presentation, step)
            self._phases(inferring=True, learning=True)
        self._all_windows()

    def _enter(self, presentation: int, step: int) -> None:
        """Visit a single step, from which parameters learn before the next one."""
        scalars = self.plan.update_rule.scalars(presentation * self.plan.steps + step) if self.plan.update_rule else {}
        self.program.set(first_window=step, stop_window=step + 1, **scalars)

    def _all_windows(self) -> None:
        self.program.set(first_window=0, stop_window=self.plan.steps, entering=1)

    def learn_observed(
        self, presentation: int, stimulus: Shown, target: Shown, rate: float, carrying: bool = False
    ) -> tuple[Energies, Traces]:
        """As `learn`, in single phases; also the neural state in which it learned, with every iteration of
        inference first where the protocol asks for the trajectory."""
        self._show(stimulus, target, presentation, carrying=carrying)
        self._set_learning(presentation, rate)
        believed = self._asked_energy_of_predictions()
        self._phases(predicting=True, carrying=carrying)
        traces = self._learned_by_step(presentation) if self.plan.stepwise else self._infer_observed()
        (energies,) = self._asked_energies(believed)()
        if not self.plan.stepwise:
            self._phases(learning=True)
        return energies, traces

    def _learned_by_step(self, presentation: int) -> Traces:
        """As `_infer_observed`, learning after each step."""
        windows = []
        for step in range(self.plan.steps):
            self._enter(presentation, step)
            if self.protocol.recording.trajectory:
                windows.append(self._window_observed(step))
            else:
                self._phases(inferring=True)
            self._phases(learning=True)
        self._all_windows()
        return _of_windows(windows) if windows else self.neural_state.traces(self.protocol.recording.populations)

    def _infer_observed(self) -> Traces:
        if not self.protocol.recording.trajectory:
            self._phases(inferring=True)
            return self.neural_state.traces(self.protocol.recording.populations)
        known = self.plan.known or self.plan.steps
        windows = [self._window_observed(first) for first in range(self.plan.steps - known + 1)]
        self._all_windows()
        return _of_windows(windows)

    def _window_observed(self, window: int) -> Traces:
        """The trajectory of inference in a window (in the only one, where beliefs of all steps settle together):
        population → variable → (iteration, step, trial, unit)."""
        iterations = int(self.program.get("iterations")[0][0])
        self.program.set(first_window=window, stop_window=window + 1)
        observed = []
        for iteration in range(iterations + 1):  # the first is the state before any
            self.program.set(iterations=min(iteration, 1), entering=int(iteration == 0))
            self._phases(inferring=True)
            observed.append(self.neural_state.traces(self.protocol.recording.populations))
        self.program.set(iterations=iterations)
        return {
            population: {name: np.stack([traces[population][name] for traces in observed]) for name in values}
            for population, values in observed[0].items()
        }

    def predict(
        self, stimulus: Shown, target: Shown, purpose: str, count: int, carrying: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Output (step, trial, class) of the first target and loss (trial,) of the ancestral pass; nothing is
        learned."""
        loss, outputs = self.begin_predicting(stimulus, target, purpose, [count], carrying)
        return outputs.output(), loss()

    def begin_predicting(
        self,
        stimulus: Shown,
        target: Shown,
        purpose: str,
        counts: Sequence[int],
        carrying: bool = False,
        logarithms: Collection[str] = (),
    ) -> tuple[Callable[[], np.ndarray], AskedOutputs]:
        """As `predict` for each of some presentations, at most `together`, whose trials follow each other, without
        waiting for losses and the outputs of all targets, of some with their `logarithms`; at most as many as
        `predictions_ahead` may be waited for."""
        with self._told_together(len(counts)):
            self._show(stimulus, target, np.array(counts), purpose, carrying)
            self._phases(predicting=True, carrying=carrying)
            loss = self.program.ask("loss_start")
            return lambda: loss()[0].ravel(), AskedOutputs(self.program, self.plan, logarithms)

    def predictions_ahead(self, logarithms: Collection[str] = ()) -> int:
        """Presentations that may be shown before what the first of them says is read."""
        return AskedOutputs.ahead(self.program, self.plan, logarithms, "loss_start")

    def respond(
        self, stimulus: Shown, target: Shown, purpose: str, count: int
    ) -> tuple[np.ndarray, np.ndarray, Traces]:
        """Output (step, trial, class) of the ancestral pass, its `log_output`, and the neural state to which inference
        brings the circuit when it is shown the target; nothing is learned.

        The same purpose and count give the same noise.
        """
        self._show(stimulus, target, count, purpose)
        self.program.set(iterations=self.protocol.inference.iterations_at(LATE))
        self._phases(predicting=True)
        output, log_output = self.neural_state.output(), self.neural_state.log_output()
        self._phases(inferring=True)
        return output, log_output, self.neural_state.traces(self.protocol.recording.populations)

    def inferred(self, stimulus: Shown, target: Shown, purpose: str, count: int) -> Traces:
        """The neural state to which inference brings the circuit when it is shown stimuli and targets, of which units
        may be missing; nothing is learned."""
        self._show(stimulus, target, count, purpose)
        self.program.set(iterations=self.protocol.inference.iterations_at(LATE))
        self._phases(predicting=True, inferring=True)
        return self.neural_state.traces()

    def generate(self, first: np.ndarray, length: int, purpose: str) -> np.ndarray:
        """Sequences (trial, 1 + length) of symbols: each output's most probable symbol is the next stimulus.

        first    (trial,) the first symbols; at most as many as a presentation has trials
        """
        stimulus, steps = self.plan.circuit.stimulus, self.plan.steps
        sequence, last = [first], first
        for count, done in enumerate(range(0, length, steps)):
            symbols = np.full((steps, self.plan.trials), -1)
            symbols[0, : len(first)] = last
            is_symbolic = self.plan.looked_up(stimulus)
            self._show(
                symbols if is_symbolic else one_hot(symbols, self.plan.rows[stimulus].units),
                {},
                count,
                purpose,
                done > 0,
            )
            self.program.set(idle_trials=self.plan.trials - len(first))
            self._phases(predicting=True, generating=True, carrying=done > 0)
            self._recent = None  # the symbols that it has chosen were shown as well
            symbols = self.neural_state.output().argmax(axis=2)[:, : len(first)]
            last = symbols[-1]
            sequence.extend(symbols)
        self.program.set(idle_trials=0)
        return np.stack(sequence[: length + 1], axis=1)

    def restore(self, state: Mapping[str, np.ndarray], threads: int | None = None, workers: int | None = None) -> None:
        super().restore(state, threads, workers)
        self._recent = None

    def carry(self, state: Mapping[str, np.ndarray]) -> None:
        super().carry(state)
        self._recent = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Presentations within it leave the stream of presentations outside unchanged."""
        recent, state = self._recent, self.carried()
        try:
            yield
        finally:
            self.carry(state)
            self._recent = recent

    def _show(
        self, stimulus: Shown, target: Shown, count: ArrayLike, purpose: str = "learning", carrying: bool = False
    ) -> None:
        circuit, recent = self.plan.circuit, {}
        for name, values in _by_population(stimulus, circuit.stimuli).items():
            values = _numbered(values)[..., None] if self.plan.looked_up(name) else values
            history = self._before(name, values, carrying)
            self.program.set_rows(name, self.plan.rate_name(name), values, history)
            recent[name] = _last(len(history), history, values)
        self._recent = recent
        for name, values in _by_population(target, circuit.targets).items():
            self._ask(name, values)
        key = crc32(f"{self.seed} {purpose}".encode())
        self.program.set(noise_key=np.uint32(key).view(np.int32), noise_counter=count)

    def _ask(self, target: str, values: np.ndarray) -> None:
        """What a target population is compared with, and where."""
        error, may_miss = self.plan.group_name(target, "error"), target in self.plan.missing
        if target in self.plan.labelled:
            symbols = _numbered(values)[..., None]
            self.program.set_rows(self.plan.label(target), f"{self.plan.group_name(target, 'label')}_symbol", symbols)
            given = np.broadcast_to(symbols >= 0, (*symbols.shape[:2], self.plan.rows[target].units))
        else:
            given = ~np.isnan(values) if may_miss else np.ones(0)
            values = np.where(given, values, 0) if may_miss else values
            self.program.set_rows(target, f"{error}_target", values)
        if may_miss:
            self.program.set_rows(target, f"{error}_given", given.astype(self.plan.precision))

    def _before(self, population: str, stimulus: np.ndarray, carrying: bool) -> np.ndarray:
        """The stimulus of the steps before the first one, (history, trial, unit)."""
        history = self.plan.rows[population].history
        if not carrying:
            silence = -1 if self.plan.looked_up(population) else 0
            return np.full((history, *stimulus.shape[1:]), silence, stimulus.dtype)
        if self._recent is None:
            rows = self.program.get_rows(population, self.plan.rate_name(population), with_history=True)
            return rows[len(rows) - history :]
        return self._recent[population]

    def _set_learning(self, presentation: int, rate: float) -> None:
        self.program.set(rate=rate, **self._learning_scalars(presentation))

    def _learning_scalars(self, presentation: int) -> dict[str, float]:
        scalars = self.plan.update_rule.scalars(presentation) if self.plan.update_rule else {}
        return {"iterations": self.protocol.inference.iterations_at(presentation), **scalars}

    def _asked_energies(self, believed: Callable[[], np.ndarray], number: int = 1) -> Callable[[], list[Energies]]:
        """The energies of the last presentations, once they are asked for; `believed`, of their predictions."""
        answer = self.program.ask(*ENERGIES)

        def energies() -> list[Energies]:
            loss_start, loss, hidden, used, planned = (values.reshape(number, -1) for values in answer())
            start, loss, hidden = believed() + loss_start.mean(axis=1), loss.mean(axis=1), hidden.mean(axis=1)
            iterations = [
                self._scheme.iterations(int(of[0]), each, self.plan.settles) for of, each in zip(planned, used)
            ]
            columns = (hidden.tolist(), loss.tolist(), start.tolist(), iterations)
            return [Energies(*each) for each in zip(*columns, strict=True)]

        return energies

    def _asked_energy_of_predictions(self, number: int = 1) -> Callable[[], np.ndarray]:
        """The energy of the free populations of a trial when beliefs are what is predicted, −½ log Π of every error, at
        the precisions of this moment; one of each presentation."""
        if not self._free_precisions:
            return lambda: np.zeros(number)
        answer, errors = self.program.ask(*self._free_precisions), self._free_precisions.values()

        def energy() -> np.ndarray:
            weighed = zip(errors, answer(), strict=True)
            sums = [number_of * values.reshape(number, -1).sum(axis=1) for number_of, values in weighed]
            return -0.5 * np.sum(sums, axis=0)

        return energy

    @cached_property
    def _free_precisions(self) -> dict[str, int]:
        """Variable of the log Π that a free population learns → errors of a trial that each of them weighs."""
        return {
            f"{self.plan.group_name(name, 'precision')}_{LOG_PRECISION}": self.plan.precision_rows(name).steps
            for name in self.plan.precisions
            if name in self.plan.circuit.free
        }


def _of_windows(windows: Sequence[Traces]) -> Traces:
    """The trajectories of all windows in one."""
    return {
        population: {name: _in_time([window[population][name] for window in windows]) for name in values}
        for population, values in windows[0].items()
    }


def _in_time(windows: Sequence[np.ndarray]) -> np.ndarray:
    """Each step as it was in the window at whose end its beliefs stay, from (iteration, step, trial, unit) of each; of
    what is compared at the last step alone, that of the last window."""
    last = windows[-1]
    settled = [window[:, first : first + 1] for first, window in enumerate(windows[:-1])] if last.shape[1] > 1 else []
    return np.concatenate([*settled, last[:, len(settled) :]], axis=1)


def _last(count: int, before: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The last `count` steps of what was shown, of which there are as many before."""
    return np.concatenate([before, values[max(0, len(values) - count) :]])[-count:] if count else before


def _by_population(shown: Shown, names: Sequence[str]) -> Mapping[str, np.ndarray]:
    return shown if isinstance(shown, Mapping) else {names[0]: shown}


def _numbered(symbols: np.ndarray) -> np.ndarray:
    """Numbers of symbols (step, trial), also of one unit for each."""
    if symbols.ndim == 2:
        return symbols
    return np.where(symbols.any(axis=2), symbols.argmax(axis=2), -1)
