"""One presentation after the other: what is set, which phases run, what is read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from scipy.special import log_softmax

from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.errors import RunError
from neuro_mpc.network.plan import TAU_SECONDS, Plan
from neuro_mpc.network.plasticity import state_names
from neuro_mpc.network.program import Program
from neuro_mpc.rules.derivation import brian_name
from neuro_mpc.simulation.initial import Parameters
from neuro_mpc.simulation.sampling import Weights
from neuro_mpc.stimuli.interface import one_hot

UNLIMITED = 3e38
LATE = 10**12  # presentation: the last stretch of a schedule

Traces = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class Energies:
    """Means per trial, sums over steps and units. free energy = hidden + loss."""

    hidden: float
    loss: float
    start: float
    iterations: float

    @property
    def total(self) -> float:
        return self.hidden + self.loss


class Presenter:
    """Shows batches to a running program and reads the circuit's state.

    Every random number comes from `seed`: noise is a function of the seed, a purpose and a count, not of what was
    drawn before.
    """

    def __init__(self, program: Program, plan: Plan, protocol: Protocol, seed: int, carries: bool = False):
        self.program, self.plan, self.protocol, self.seed, self._carries = program, plan, protocol, seed, carries
        self._stimulus = plan.circuit.stimulus
        self._target = plan.circuit.target
        self._recent: np.ndarray | None = None  # what was shown last, as many steps as the next presentation hears of
        self._packed: set[str] = set()  # directions in which products have the weights as they are now
        program.set(
            noise_scale=1.0,
            drawing=1,
            tolerance=protocol.inference.tolerance,
            energy_limit=protocol.inference.energy_limit or UNLIMITED,
            redrawing=int(protocol.inference.redraw_noise),
            inference_dt=protocol.inference.rate * TAU_SECONDS,
            **{name: getattr(protocol.inference, name) for name in plan.inference.scalars},
        )

    # --- parameters ---

    def load(self, parameters: Parameters) -> None:
        """Set every synapse's parameters, (n_post, n_pre) each; the moments follow."""
        for projection, values in parameters.items():
            group = self.plan.synapses_name(projection)
            self.program.set(**{f"{group}_{brian_name(name)}": value for name, value in values.items()})
        self._phases(refreshing=True)

    def parameters(self) -> Parameters:
        """Every synapse's parameters now."""
        return {
            projection: {name: self._matrix(projection, brian_name(name)) for name in self._parameter_names(projection)}
            for projection in self.plan.circuit.projection
        }

    @contextmanager
    def noiseless(self) -> Iterator[None]:
        """Within it every weight is its mean."""
        self.program.set(noise_scale=0.0)
        try:
            yield
        finally:
            self.program.set(noise_scale=1.0)

    @contextmanager
    def fixed_weights(self, weights: Weights) -> Iterator[None]:
        """Within it the circuit has these weights, (n_post, n_pre) each, without variance; only for prediction."""
        self._packed.clear()
        for projection, values in weights.items():
            group = self.plan.synapses_name(projection)
            variance = {f"{group}_v": 0.0} if self.plan.rules.synapses[projection].varies else {}
            self.program.set(**{f"{group}_mu": values}, **variance)
        try:
            yield
        finally:
            self._phases(refreshing=True)

    @contextmanager
    def silenced(self, kept: Mapping[str, np.ndarray]) -> Iterator[None]:
        """Within it the weights of the synapses (n_post, n_pre) that are not `kept` are zero; only for
        prediction."""
        self._packed.clear()
        for projection, there in kept.items():
            moments = dict(zip(("mu", "v"), self.moments(projection)))
            varies = self.plan.rules.synapses[projection].varies
            group = self.plan.synapses_name(projection)
            self.program.set(
                **{f"{group}_{name}": values * there for name, values in moments.items() if varies or name == "mu"}
            )
        try:
            yield
        finally:
            self._phases(refreshing=True)

    def moments(self, projection: str) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of every weight of a projection now, (n_post, n_pre) each."""
        mean = self._matrix(projection, "mu")
        return mean, self._matrix(projection, "v") if self.plan.rules.synapses[projection].varies else 0 * mean

    def state(self) -> dict[str, np.ndarray]:
        """All that learning carries from one presentation to the next, by the name of the program's variable."""
        names = self._lasting()
        return dict(zip(names, self.program.get(*names)))

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a `state`; RunError where it is not one of this circuit."""
        variables = self.program.manifest.variables
        if {name: array.size for name, array in state.items()} != {
            name: variables[name][1] for name in self._lasting()
        }:
            raise RunError("the saved synapses are not those of this circuit", hint="--overwrite starts anew")
        self.program.set(**state)
        self._packed.clear()
        self._recent = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is shown within it leaves no trace in the stream of presentations outside."""
        recent, before = self._recent, self.carried()
        try:
            yield
        finally:
            self.carry(before)
            self._recent = recent

    def carried(self) -> dict[str, np.ndarray]:
        """The neural state from which the next presentation goes on, by the name of the program's variable."""
        names = self._carried()
        return dict(zip(names, self.program.get(*names))) if names else {}

    def carry(self, state: Mapping[str, np.ndarray]) -> None:
        """Let the next presentation go on from this neural state."""
        self.program.set(**state)
        self._recent = None

    def _carried(self) -> list[str]:
        """Names of what the next presentation goes on from, where it goes on."""
        rates = [
            self.plan.rate_name(name, squared)
            for name in self.plan.circuit.population
            if self.plan.rows[name].history
            for squared in (False, True)
        ]
        return [name for name in rates if name in self.program.manifest.variables] if self._carries else []

    def _lasting(self) -> list[str]:
        """Parameters, what the optimiser remembers of them, the moments of the weights, and neural state."""
        names = self._carried()
        for projection in self.plan.circuit.projection:
            each = ["mu", "v", *self._learning_variables(projection)]
            names += [f"{self.plan.synapses_name(projection)}_{name}" for name in each]
        return [name for name in names if name in self.program.manifest.variables]

    def _learning_variables(self, projection: str) -> Iterator[str]:
        for name in self._parameter_names(projection):
            yield brian_name(name)
            if self.plan.update_rule:
                yield from state_names(self.plan.update_rule, name).values()

    def _parameter_names(self, projection: str) -> list[str]:
        return [rule.name for rule in self.plan.rules.synapses[projection].parameters]

    def _matrix(self, projection: str, variable: str) -> np.ndarray:
        (values,) = self.program.get(f"{self.plan.synapses_name(projection)}_{variable}")
        return values.reshape(self.plan.circuit.shape(projection))

    # --- presentations ---

    def learn(
        self, presentation: int, stimulus: np.ndarray, target: np.ndarray, rate: float, carrying: bool = False
    ) -> Energies:
        """Predict, infer and learn one batch; `presentation` counts from 0.

        carrying   the steps before the first are the last ones of what was shown before, not silence
        """
        self._show(stimulus, target, presentation, carrying=carrying)
        self._set_learning(presentation, rate)
        self._phases(predicting=True, inferring=True, learning=True, carrying=carrying)
        return self._energies()

    def learn_observed(
        self, presentation: int, stimulus: np.ndarray, target: np.ndarray, rate: float, carrying: bool = False
    ) -> tuple[Energies, Traces]:
        """As `learn`, in single phases; also the neural state in which it learned, with every iteration of
        inference first where the protocol asks for the trajectory."""
        self._show(stimulus, target, presentation, carrying=carrying)
        self._set_learning(presentation, rate)
        self._phases(predicting=True, carrying=carrying)
        traces = self._infer_observed()
        energies = self._energies()
        self._phases(learning=True)
        return energies, traces

    def _infer_observed(self) -> Traces:
        if not self.protocol.recording.trajectory:
            self._phases(inferring=True)
            return self.traces()
        iterations = int(self.program.get("iterations")[0][0])
        observed = []
        for count in [0] + [1] * iterations:
            self.program.set(iterations=count)
            self._phases(inferring=True)
            observed.append(self.traces())
        self.program.set(iterations=iterations)
        return {
            population: {name: np.stack([each[population][name] for each in observed]) for name in values}
            for population, values in observed[0].items()
        }

    def predict(
        self, stimulus: np.ndarray, target: np.ndarray, purpose: str, count: int, carrying: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Output (step, trial, class) and loss (trial,) of the ancestral pass; nothing is learned."""
        self._show(stimulus, target, count, purpose, carrying)
        self._phases(predicting=True, carrying=carrying)
        (loss,) = self.program.get("loss_start")
        return self.output(), loss

    def respond(
        self, stimulus: np.ndarray, target: np.ndarray, purpose: str, count: int
    ) -> tuple[np.ndarray, np.ndarray, Traces]:
        """Output (step, trial, class) of the ancestral pass, its `log_output`, and the neural state to which inference
        brings the circuit when it is shown the target; nothing is learned.

        The same purpose and count give the same noise.
        """
        self._show(stimulus, target, count, purpose)
        self.program.set(iterations=self.protocol.inference.iterations_at(LATE))
        self._phases(predicting=True)
        expected, log_expected = self.output(), self.log_output()
        self._phases(inferring=True)
        return expected, log_expected, self.traces()

    def generate(self, first: np.ndarray, length: int, purpose: str) -> np.ndarray:
        """Sequences (trial, 1 + length) of symbols: each output's most probable symbol is the next stimulus.

        first    (trial,) the symbols to begin with; as many as a presentation has trials
        """
        rows, steps = self.plan.rows[self._stimulus], self.plan.steps
        sequence, chosen = [first], first
        for count, done in enumerate(range(0, length, steps)):
            symbols = np.full((steps, self.plan.trials), -1)
            symbols[0, : len(first)] = chosen
            self._show(symbols if self.plan.symbolic else one_hot(symbols, rows.units), None, count, purpose, done > 0)
            self.program.set(idle_trials=self.plan.trials - len(first))
            self._phases(predicting=True, generating=True, carrying=done > 0)
            self._recent = None  # what it has chosen by itself was shown, too
            symbols = self.output().argmax(axis=2)[:, : len(first)]
            chosen = symbols[-1]
            sequence.extend(symbols)
        self.program.set(idle_trials=0)
        return np.stack(sequence[: length + 1], axis=1)

    def output(self) -> np.ndarray:
        """What the output population says: (step, trial, class)."""
        return self.program.get_rows(self._target, self.plan.group_name(self._target, "prediction") + "_y")

    def log_output(self) -> np.ndarray:
        """ln of the probabilities of a softmax read-out, (step, trial, class), also where rounding made them zero."""
        return log_softmax(self._rows(self._target, "prediction", "h").astype(float), axis=-1)

    def traces(self) -> Traces:
        """The neural state: population → variable → (step, trial, unit)."""
        found = {}
        wanted = self.protocol.recording.populations
        for name in self.plan.circuit.free:
            if not wanted or name in wanted:
                found[name] = self._free_traces(name)
        if not wanted or self._target in wanted:
            found[self._target] = self._target_traces()
        return found

    def largest_errors(self) -> dict[str, float]:
        """population → largest size of its errors; NaN where one of them is."""
        names = (*self.plan.circuit.free, self._target)
        return {name: float(np.abs(self._rows(name, "error", "err")).max()) for name in names}

    def _free_traces(self, name: str) -> dict[str, np.ndarray]:
        rules = self.plan.rules.populations[name]
        found = {
            "prediction": self._rows(name, "prediction", "h"),
            "error": self._rows(name, "error", "err"),
            "rate": self._rows(name, "belief", "f"),
        }
        # Where predictions are held only errors are inferred: the belief that they stand for is h + e.
        held = self.plan.inference.holds_predictions
        found["belief"] = found["prediction"] + found["error"] if held else self._rows(name, "belief", "r")
        if rules.receives_variance:
            found["noise"] = self._rows(name, "prediction", "epsilon")
        return found

    def _target_traces(self) -> dict[str, np.ndarray]:
        found = {
            "prediction": self._rows(self._target, "prediction", "h"),
            "output": self.output(),
            "error": self._rows(self._target, "error", "err"),
        }
        if self.plan.rules.readout.receives_variance:
            found["noise"] = self._rows(self._target, "prediction", "epsilon")
        return found

    def _rows(self, population: str, kind: str, variable: str) -> np.ndarray:
        return self.program.get_rows(population, f"{self.plan.group_name(population, kind)}_{variable}")

    # --- messages ---

    def _show(
        self,
        stimulus: np.ndarray,
        target: np.ndarray | None,
        count: int,
        purpose: str = "learning",
        carrying: bool = False,
    ) -> None:
        """Stimulus (step, trial, unit) and target (step, trial, unit), or the symbols of both, (step, trial)."""
        symbolic = self.plan.symbolic
        if symbolic:
            stimulus, target = stimulus[..., None], None if target is None else target[..., None]
        before = self._before(stimulus, carrying)
        self.program.set_rows(self._stimulus, self.plan.rate_name(self._stimulus), stimulus, before)
        self._recent = np.concatenate([before, stimulus])[len(stimulus) :]
        if target is not None:
            where = (
                (self.plan.label, f"{self.plan.group_name(self._target, 'label')}_symbol")
                if symbolic
                else (self._target, f"{self.plan.group_name(self._target, 'error')}_target")
            )
            self.program.set_rows(*where, target)
        key = crc32(f"{self.seed} {purpose}".encode())
        self.program.set(noise_key=np.uint32(key).view(np.int32), noise_counter=count)

    def _before(self, stimulus: np.ndarray, carrying: bool) -> np.ndarray:
        """The stimulus of the steps before the first one, (history, trial, unit)."""
        history = self.plan.rows[self._stimulus].history
        if not carrying:
            return np.full((history, *stimulus.shape[1:]), -1 if self.plan.symbolic else 0, stimulus.dtype)
        if self._recent is None:
            name = self.plan.rate_name(self._stimulus)
            rows = self.program.get_rows(self._stimulus, name, with_history=True)
            self._recent = rows[len(rows) - history :]
        return self._recent

    def _set_learning(self, presentation: int, rate: float) -> None:
        iterations = self.protocol.inference.iterations_at(presentation)
        scalars = self.plan.update_rule.scalars(presentation) if self.plan.update_rule else {}
        self.program.set(rate=rate, iterations=iterations, **scalars)

    def _phases(self, **flags: bool) -> None:
        """Run one time step of the network with these phases only."""
        names = ("predicting", "inferring", "learning", "refreshing", "generating", "carrying")
        running = {name for name in names if flags.get(name)}
        if "refreshing" in running:
            self._packed.clear()
        self.program.set(
            **{name: int(name in running) for name in names},
            **{f"packed_{direction}": int(direction in self._packed) for direction in ("forward", "backward")},
        )
        self.program.step()
        self._packed |= {
            direction for direction, phase in (("forward", "predicting"), ("backward", "inferring")) if phase in running
        }
        if "learning" in running:
            self._packed.clear()

    def _energies(self) -> Energies:
        start, loss, hidden, used, planned = self.program.get(
            "loss_start", "loss", "energy_hidden", "iterations_used", "iterations"
        )
        iterations = self.plan.inference.iterations(int(planned[0]), used, self.plan.settles)
        return Energies(float(hidden.mean()), float(loss.mean()), float(start.mean()), iterations)
