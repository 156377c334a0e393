"""JAX: a whole run of `mpl` on `mnist-rows`, presentations between two tests compiled as a loop."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from cases import ADAM, CLASSES, Sequences, Training
from jax_presentations import BOUNDS, NAMES, OfSequences, by_adam, forward

NOT_ENOUGH = 0.9
ROUNDS, SETTLED = 200, 1e-6


class WholeRun:
    """Learns the epochs of the protocol and tests as it says; compiled before it is measured."""

    WARM_UP = 0

    def __init__(self, case: Training):
        self.protocol = case.protocol
        self.learning = self.protocol.learning
        self.rules = OfSequences(Sequences(trials=self.learning.batch, presentation=True))
        self.trials = {
            name: (jnp.asarray(x, jnp.float32), jnp.asarray(digits, jnp.int32))
            for name, (x, digits) in case.trials.items()
        }
        self.initial = jax.tree.map(lambda value: jnp.asarray(value, jnp.float32), case.parameters)
        self.factors = {"m": 1.0, **self.learning.rate_factor}
        batches = self.trials["train"][1].size // self.learning.batch
        self.total = self.learning.epochs * batches
        self._stretch, self._tested = jax.jit(self.stretch), jax.jit(self.tested)
        for first, count in self.stretches():
            self._learned(self.begun(), np.zeros((count, self.learning.batch), np.int32), first)
        for name in ("validation", "test"):
            self._right(self.initial, name, 1.0)

    def begun(self):
        means = jax.tree.map(lambda value: (0 * value, 0 * value), self.initial)
        return self.initial, means, jax.random.key(0)

    def stretches(self) -> list[tuple[int, int]]:
        """The first presentation and the number of presentations between tests."""
        firsts = list(range(0, self.total, self.protocol.test.every))
        return [(first, min(self.protocol.test.every, self.total - first)) for first in firsts]

    def run(self, count: int) -> None:
        for _ in range(count):
            self._run()

    def _run(self) -> None:
        rng, batch, state = np.random.default_rng(0), self.learning.batch, self.begun()
        trials = self.trials["train"][1].size
        epochs = [rng.permutation(trials)[: trials // batch * batch] for _ in range(self.learning.epochs)]
        order = np.concatenate(epochs).reshape(-1, batch).astype(np.int32)
        for first, count in self.stretches():
            self._right(state[0], "validation", 1.0)
            state = self._learned(state, order[first : first + count], first)
        self._right(state[0], "validation", 1.0)
        right = [self._right(state[0], "test", scale) for scale in (1.0, 0.0)]
        if min(right) < NOT_ENOUGH:
            raise AssertionError(f"a run that learned: {right} of the test trials are right")

    def _right(self, parameters, split: str, scale: float) -> float:
        return float(self._tested(parameters, *self.trials[split], jax.random.key(1), scale))

    def _learned(self, state, order: np.ndarray, first: int):
        presentation = first + np.arange(len(order))
        rates = self.learning.rate * (1 + np.cos(math.pi * presentation / (self.total - 1))) / 2
        corrections = [1 / (1 - beta ** (presentation + 1.0)) for beta in ADAM[:2]]
        schedule = np.stack([rates, *corrections], axis=1).astype(np.float32)
        return jax.block_until_ready(self._stretch(state, *self.trials["train"], order, schedule))

    def stretch(self, state, images, digits, order, schedule):
        """What is left of a state after the presentations of an order (presentation, trial)."""

        def presented(state, now):
            (parameters, means, key), (chosen, (rate, *corrections)) = state, now
            key, of_hidden, of_output = jax.random.split(key, 3)
            target = jax.nn.one_hot(digits[chosen], CLASSES)
            noise = self._noise(of_hidden, of_output, len(chosen))
            found = self.rules.sums(parameters, (images[:, chosen], target), noise)
            after, kept = {}, {}
            for name, values in parameters.items():
                changes = self.rules.descents(name, values, found[name])
                moved = {}
                for each, value in values.items():
                    change = clipped(changes[each] / len(chosen), self.learning.clip)
                    of_this = rate * self.factors[each]
                    moved[each] = by_adam(value, means[name][each], change, *BOUNDS[each], of_this, corrections)
                after[name] = {each: value for each, (value, _) in moved.items()}
                kept[name] = {each: means for each, (_, means) in moved.items()}
            return (after, kept, key), None

        return jax.lax.scan(presented, state, (order, tuple(schedule.T)))[0]

    def tested(self, parameters, images, digits, key, scale):
        """The share of trials that are named, with noise or, where its scale is 0, by mean weights."""
        noise, noise_out = (scale * each for each in self._noise(*jax.random.split(key), len(digits)))
        of_input, recurrent, (m, v) = (self.rules.moments(name, parameters[name]) for name in NAMES)
        last = forward(images, noise, of_input, recurrent)[0]
        return jnp.mean(jnp.argmax(last @ m.T + jnp.sqrt(last**2 @ v.T) * noise_out, axis=1) == digits)

    def _noise(self, of_hidden, of_output, trials: int):
        case = self.rules.case
        hidden = jax.random.normal(of_hidden, (case.steps, trials, case.units))
        return hidden, jax.random.normal(of_output, (trials, CLASSES))


def clipped(matrix, limit):
    """A matrix of a spectral norm of at most `limit`, which is looked for where the Frobenius norm is above it."""
    frobenius = jnp.sqrt(jnp.sum(matrix**2))
    norm = jax.lax.cond(frobenius > limit, spectral_norm, lambda _: frobenius, matrix)
    return matrix * jnp.where(norm > limit, limit / norm, 1)


def spectral_norm(matrix):
    """By power iteration."""

    def unsettled(state):
        rounds, _, norm, before = state
        return (rounds < ROUNDS) & (jnp.abs(norm - before) > SETTLED * norm)

    def round_(state):
        rounds, right, norm, _ = state
        left = matrix @ (right / jnp.sqrt(jnp.sum(right**2)))
        return rounds + 1, left @ matrix, jnp.sqrt(jnp.sum(left**2)), norm

    start = jax.random.uniform(jax.random.key(0), matrix.shape[1:], matrix.dtype, 1, 2)
    return jax.lax.while_loop(unsettled, round_, (0, start, 0.0, -1.0))[2]
