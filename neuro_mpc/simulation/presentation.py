"""Single presentations: what is shown, which phases run, what comes back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike

from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.networks.plan import TAU_SECONDS, Plan
from neuro_mpc.networks.program import Program
from neuro_mpc.networks.schemes.interface import scheme_of
from neuro_mpc.networks.together import Together
from neuro_mpc.simulation import trajectories
from neuro_mpc.simulation.display import Display, Shown
from neuro_mpc.simulation.energies import Energies, EnergyReadings
from neuro_mpc.simulation.running import RunningCircuit
from neuro_mpc.simulation.traces import AskedOutputs, NeuralState, Traces
from neuro_mpc.stimuli.interface import one_hot

UNLIMITED = 3e38
TRIALS_TOGETHER, NUMBERS_TOGETHER = 128, 2**18  # of the presentations that a program is told of at once
LATE = 10**12  # presentation: the last stretch of a schedule


class Presenter(RunningCircuit):
    """Shows batches to a circuit in a running program.

    Every random number comes from `seed`: noise is a function of the seed, a purpose and a count, not of what was
    drawn before.

    neural_state   output, errors and traces of the last presentation
    """

    def __init__(self, program: Program, plan: Plan, protocol: Protocol, seed: int, carries: bool = False):
        super().__init__(program, plan, carries)
        self.protocol, self.seed, self.neural_state = protocol, seed, NeuralState(program, plan)
        self._display, self._energies = Display(plan), EnergyReadings(plan)
        self._display.constants(program)
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
            **{name: getattr(protocol.inference, name) for name in scheme_of(plan).scalars},
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
        believed = self._energies.of_predictions(self.program)
        if self.plan.stepwise:
            self._phases(predicting=True, carrying=carrying)
            self._learn_by_step(presentation)
        else:
            self._phases(predicting=True, inferring=True, learning=True, carrying=carrying)
        energies = self._energies.of_presentations(self.program, believed)
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
            believed = self._energies.of_predictions(self.program, len(presentations))
            self._phases(predicting=True, inferring=True, learning=True)
            return self._energies.of_presentations(self.program, believed, len(presentations))

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
        return self._energies.ahead(self.program)

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
        believed = self._energies.of_predictions(self.program)
        self._phases(predicting=True, carrying=carrying)
        traces = self._learned_by_step(presentation) if self.plan.stepwise else self._infer_observed()
        (energies,) = self._energies.of_presentations(self.program, believed)()
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
        return trajectories.of_windows(windows) if windows else self._recorded_traces()

    def _infer_observed(self) -> Traces:
        if not self.protocol.recording.trajectory:
            self._phases(inferring=True)
            return self._recorded_traces()
        known = self.plan.known or self.plan.steps
        windows = [self._window_observed(first) for first in range(self.plan.steps - known + 1)]
        self._all_windows()
        return trajectories.of_windows(windows)

    def _window_observed(self, window: int) -> Traces:
        """The trajectory of inference in a window (in the only one, where beliefs of all steps settle together):
        population → variable → (iteration, step, trial, unit)."""
        iterations = int(self.program.get("iterations")[0][0])
        self.program.set(first_window=window, stop_window=window + 1)
        observed = []
        for iteration in range(iterations + 1):  # the first is the state before any
            self.program.set(iterations=min(iteration, 1), entering=int(iteration == 0))
            self._phases(inferring=True)
            observed.append(self._recorded_traces())
        self.program.set(iterations=iterations)
        return trajectories.of_iterations(observed)

    def _recorded_traces(self) -> Traces:
        return self.neural_state.traces(self.protocol.recording.populations)

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
        return output, log_output, self._recorded_traces()

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
            self._display.recent = None  # the symbols that it has chosen were shown as well
            symbols = self.neural_state.output().argmax(axis=2)[:, : len(first)]
            last = symbols[-1]
            sequence.extend(symbols)
        self.program.set(idle_trials=0)
        return np.stack(sequence[: length + 1], axis=1)

    def restore(self, state: Mapping[str, np.ndarray], threads: int | None = None, workers: int | None = None) -> None:
        super().restore(state, threads, workers)
        self._display.recent = None

    def carry(self, state: Mapping[str, np.ndarray]) -> None:
        super().carry(state)
        self._display.recent = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Presentations within it leave the stream of presentations outside unchanged."""
        recent, state = self._display.recent, self.carried()
        try:
            yield
        finally:
            self.carry(state)
            self._display.recent = recent

    def _show(
        self, stimulus: Shown, target: Shown, count: ArrayLike, purpose: str = "learning", carrying: bool = False
    ) -> None:
        self._display.show(self.program, stimulus, target, carrying)
        key = crc32(f"{self.seed} {purpose}".encode())
        self.program.set(noise_key=np.uint32(key).view(np.int32), noise_counter=count)

    def _set_learning(self, presentation: int, rate: float) -> None:
        self.program.set(rate=rate, **self._learning_scalars(presentation))

    def _learning_scalars(self, presentation: int) -> dict[str, float]:
        scalars = self.plan.update_rule.scalars(presentation) if self.plan.update_rule else {}
        return {"iterations": self.protocol.inference.iterations_at(presentation), **scalars}
