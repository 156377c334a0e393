"""The free energy of any circuit in plain NumPy, written from the equations and the description alone.

    h_t = Σ μ f(r_{t−d}) + √D_t ε_t,   D_t = Σ v f(r_{t−d})²,   f(r_t) = 0 before the first step
    or h_t = an expression in several such inputs and r_{t−1}
    F   = ½ Σ_t Π |r_t − h_t|² + losses; where Π is learned, less ½ Σ_t log Π of every error

Nothing here uses the package's rules or network. All of it takes complex numbers, so that a derivative is had
to the last digit by a step along the imaginary axis, ∂F/∂x = Im F(x + i s) / s, with s far below the rounding
of x. Functions with a kink (relu, abs) and steps go by the real part. All steps of an array are taken in one call:
axes may come before those that are told of, and energies have them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

STEP = 1e-40


def _relu(x):
    return np.where(np.real(x) > 0, x, 0)


def _abs(x):
    return np.where(np.real(x) < 0, -x, x)


def _softplus(x):
    """Smooth at 0, too, where the slopes of relu and abs are those of one side."""
    is_positive = np.real(x) > 0
    return np.where(is_positive, x, 0) + np.log1p(np.exp(np.where(is_positive, -x, x)))


def _root(variance):
    """√D, whose slope is 0 where D is 0: a unit without variance gets no variance feedback."""
    return np.where(np.real(variance) > 0, np.sqrt(variance + 0j), 0)


FUNCTIONS = {
    "abs": _abs,
    "cos": np.cos,
    "exp": np.exp,
    "floor": lambda x: np.floor(np.real(x)),
    "log": np.log,
    "relu": _relu,
    "sigmoid": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x),
    "sign": lambda x: np.sign(np.real(x)),
    "sin": np.sin,
    "softplus": _softplus,
    "sqrt": np.sqrt,
    "step": lambda x: np.where(np.real(x) > 0, 1.0, 0.0),
    "tanh": np.tanh,
}


@lru_cache
def _compiled(formula: str):
    return compile(formula, formula, "eval")


def evaluate(formula: str, values: dict) -> np.ndarray:
    """A formula of a description for values of its names."""
    return np.asarray(eval(_compiled(formula), {"__builtins__": {}, **FUNCTIONS}, values))


def gradient(function: Callable, point: np.ndarray) -> np.ndarray:
    """The gradient of a real function of an array at `point`, by complex steps, all of which it is given at once."""
    steps = 1j * STEP * np.eye(point.size).reshape(point.size, *point.shape)
    found = np.imag(function(point + steps)) / STEP
    return np.broadcast_to(found, point.size).reshape(point.shape).copy()


def gradients(function: Callable, tables: dict) -> dict:
    """The gradients of a real function of nested dictionaries of arrays, in the same nesting."""

    def replaced(key):
        return lambda value: function({**tables, key: value})

    return {
        key: (gradients if isinstance(value, dict) else gradient)(replaced(key), value) for key, value in tables.items()
    }


class Reference:
    """A sized circuit shown sequences of `steps`; its targets are compared at "every" step or at the "last".

    Arguments of the methods, with B trials (to be told of a circuit without a stimulus):

    parameters  projection → parameter → (n_post, n_pre)
    beliefs     free population → (steps, B, units)
    noise       population (and compartment, `noise_key`) → (steps, B, units), a target's (1, B, units) if read at the
                last step
    stimulus    (steps, B, n_in), or stimulus population → such an array
    target      (steps or 1, B, n_out), or target population → such an array; NaN where a target is missing
    """

    def __init__(self, circuit, steps: int, read: str = "every", last_read: tuple[str, ...] = (), trials: int = 0):
        self.circuit, self.steps, self.trials = circuit, steps, trials
        self.free = circuit.free  # found by a walk of the graph each time
        self.log_precisions: dict = {}  # population → log Π, (units) or (1), where it is learned
        self.masks: dict = {}  # projection → which pairs have a synapse, where some only have one
        self.first_read = {name: steps - 1 if read == "last" or name in last_read else 0 for name in circuit.targets}

    def free_energy(self, parameters, beliefs, noise, stimulus, target) -> complex:
        """F of all trials together."""
        beliefs = by_step(beliefs)
        moments, sent = self.moments(parameters), self._sent(beliefs, stimulus)  # once for both
        of_trials = self._hidden_energies(beliefs, moments, sent, noise) + self._losses(target, moments, sent, noise)
        return of_trials.sum(axis=-1)

    def hidden_energies(self, parameters, beliefs, noise, stimulus) -> np.ndarray:
        """½ Σ_t Π |r_t − h_t|² of every trial."""
        beliefs = by_step(beliefs)
        return self._hidden_energies(beliefs, self.moments(parameters), self._sent(beliefs, stimulus), noise)

    def _hidden_energies(self, beliefs, moments, sent, noise) -> np.ndarray:
        energy = 0
        for name in self.free:
            for step in range(self.steps):
                error = beliefs[name][step] - self._prediction(name, step, moments, sent, noise, beliefs)
                energy = energy + 0.5 * self._weighted(name, error**2, 1).sum(axis=-1)
        return energy

    def _weighted(self, name: str, squares: np.ndarray, given) -> np.ndarray:
        """Π (r − h)², less log Π of the errors that are given where it is learned."""
        if name in self.log_precisions:
            logarithm = self.log_precisions[name][..., None, :] + np.zeros(squares.shape)
            return np.exp(logarithm) * squares - given * logarithm
        return (self.circuit.population[name].precision or 1) * squares

    def losses(self, parameters, beliefs, noise, stimulus, target) -> np.ndarray:
        """−Σ_t target · log softmax(u_t) of every trial, or ½ Σ_t |target − u_t|²."""
        return self._losses(target, self.moments(parameters), self._sent(by_step(beliefs), stimulus), noise)

    def _losses(self, target, moments, sent, noise) -> np.ndarray:
        loss = 0
        for name, wanted in by_population(target, self.circuit.targets).items():
            for step in range(self.first_read[name], self.steps):
                u = self._prediction(name, step, moments, sent, noise)
                loss = loss + self._loss(name, u, wanted[step - self.first_read[name]])
        return loss

    def _loss(self, name: str, u: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        given, wanted = ~np.isnan(wanted), np.nan_to_num(wanted)
        if self.circuit.population[name].readout == "softmax":
            return (self.circuit.population[name].precision or 1) * _cross_entropy(u, wanted)
        return 0.5 * self._weighted(name, given * (wanted - u) ** 2, given).sum(axis=-1)

    def ancestral(self, parameters, noise, stimulus) -> dict:
        """Beliefs of the pass in which every belief is its prediction, r_t = h_t."""
        moments = self.moments(parameters)
        beliefs = {name: [] for name in self.free}
        for step in range(self.steps):
            for name in self._senders_first():
                sent = self._sent(beliefs, stimulus)
                beliefs[name].append(self._prediction(name, step, moments, sent, noise, beliefs))
        return {name: np.stack(np.broadcast_arrays(*values), axis=-3) for name, values in beliefs.items()}

    def loss(self, parameters, noise, stimulus, target) -> complex:
        """The loss of all trials as a function of the parameters alone, through the ancestral pass."""
        beliefs = self.ancestral(parameters, noise, stimulus)
        return self.losses(parameters, beliefs, noise, stimulus, target).sum(axis=-1)

    def moments(self, parameters) -> dict:
        """projection → (μ, v), each (n_post, n_pre)."""
        found = {}
        for name in parameters:
            synapse = self.circuit.synapse[self.circuit.projection[name].synapse]
            values = {**parameters[name], "n": self._fan_in(name)}
            moments = [evaluate(each, values) for each in (synapse.mean, synapse.variance)]
            found[name] = [self._matrix(name, moment) for moment in moments]
        tied = {name: each.tied for name, each in self.circuit.projection.items() if each.tied}
        return found | {name: [moment.swapaxes(-1, -2) for moment in found[own]] for name, own in tied.items()}

    def _shape(self, name) -> tuple[int, ...]:
        projection = self.circuit.projection[name]
        return tuple(self.circuit.population[end].size for end in (projection.target, projection.source))

    def _fan_in(self, name) -> float:
        """The mean number of synapses of a unit, at least 1; of synapses that are drawn, the expected one."""
        connect, (post, pre) = self.circuit.projection[name].connect, self._shape(name)
        if isinstance(connect, str):
            return {"all": pre, "one-to-one": 1}[connect]
        return max(1, pre * connect.random if connect.random else self.masks[name].sum() / post)

    def _matrix(self, name, moment) -> np.ndarray:
        """A moment of all weights, (n_post, n_pre)."""
        post, pre = self._shape(name)
        if self.circuit.projection[name].connect == "one-to-one":
            return moment * np.eye(post)
        return moment * self.masks.get(name, np.ones((post, pre)))

    def _senders_first(self) -> list[str]:
        """The free populations, each after those that it hears without delay."""
        waiting, order = list(self.free), []
        while waiting:
            ready = next(
                name
                for name in waiting
                if not any(
                    each.target == name and each.delay == 0 and each.source in waiting
                    for each in self.circuit.projection.values()
                )
            )
            order.append(ready)
            waiting.remove(ready)
        return order

    def _sent(self, beliefs, stimulus) -> dict:
        """population → what it sends, step by step: its firing rates, the stimulus, or one."""
        sent = by_population(stimulus, self.circuit.stimuli)
        trials = self._trials(sent)
        for name, population in self.circuit.population.items():
            if population.role == "constant":
                sent[name] = np.ones((self.steps, trials, population.size))
        for name in self.free:
            activation = self.circuit.population[name].activation
            sent[name] = [evaluate(activation, {"r": belief}) for belief in beliefs[name]]
        return sent

    def _prediction(self, name, step, moments, sent, noise, beliefs=None) -> np.ndarray:
        """h_t, (B, units), an expression in the inputs of the compartments and the belief before (0 at first)."""
        shape = self._trials(sent), self.circuit.population[name].size
        ends = [each.compartment for each in self.circuit.projection.values() if each.target == name]
        inputs = {each: self._input(name, each, step, moments, sent, noise) for each in {*ends, "input"}}
        before = beliefs[name][step - 1] if beliefs and step else np.zeros(shape)
        formula = self.circuit.population[name].prediction or "input"
        return evaluate(formula, {**inputs, "before": before}) + np.zeros(shape)

    def _input(self, name, compartment, step, moments, sent, noise) -> np.ndarray:
        """G + √D ε of a compartment."""
        mean = variance = np.zeros(1)
        for key, projection in self.circuit.projection.items():
            constant = self.circuit.population[projection.source].role == "constant"  # also before the first step
            ends_here = (projection.target, projection.compartment) == (name, compartment)
            if ends_here and (constant or step >= projection.delay):
                rate, (mu, v) = sent[projection.source][max(0, step - projection.delay)], moments[key]
                mean = mean + rate @ mu.swapaxes(-1, -2)
                variance = variance + rate**2 @ v.swapaxes(-1, -2)
        if (own := noise_key(name, compartment)) in noise:
            mean = mean + _root(variance) * noise[own][step - self.first_read.get(name, 0)]
        return mean

    def _trials(self, sent: dict) -> int:
        """B: that of the first stimulus, where it was not told."""
        return self.trials or next(iter(sent.values()))[0].shape[-2]


def by_step(beliefs: dict) -> dict:
    """Arrays by population, their first axis that of the steps."""
    return {name: np.moveaxis(values, -3, 0) for name, values in beliefs.items()}


def noise_key(population: str, compartment: str) -> str:
    """The name of the noise of a compartment: that of its population, where it is the input."""
    return population if compartment == "input" else f"{population} {compartment}"


def by_population(values, names) -> dict:
    """Arrays by population, where a bare one is that of the only population."""
    return dict(values) if isinstance(values, dict) else {names[0]: values}


def _cross_entropy(u: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    shifted = u - u.real.max(axis=-1, keepdims=True)
    return (wanted * (np.log(np.exp(shifted).sum(axis=-1, keepdims=True)) - shifted)).sum(axis=-1)
