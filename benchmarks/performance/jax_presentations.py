"""JAX: whole presentations under fixed prediction. Noise is drawn, errors are passed back through the steps, the
parameters learn by Adam; all rules are written by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from cases import ADAM, CHUNK, TINY_RATE, Sequences, Words

NAMES = ("input", "recurrent", "output")
BOUNDS = {"m": (-jnp.inf, jnp.inf), "pi": (0.0, 0.99), "Xi": (0.0, jnp.inf)}


class Presentations:
    """Presentations one after the other, compiled as a loop. Of a circuit it is told:

    sums(parameters, batch, noise)   projection → (H₁, H₂), Σ e f and Σ q f² over trials and steps
    descents(name, values, sums)     −∂F/∂θ of the parameters of a projection, of all trials
    """

    def __init__(self, case: Sequences | Words):
        self.case, self.batch = case, tuple(map(jnp.asarray, case.batch))
        self.fan_in = {name: float(values["m"].shape[1]) for name, values in case.parameters.items()}
        parameters = {
            name: {each: jnp.asarray(value, case.precision) for each, value in values.items()}
            for name, values in case.parameters.items()
        }
        means = jax.tree.map(lambda value: (0 * value, 0 * value), parameters)
        self.state = parameters, means, jax.random.key(1)
        self.found = jax.jit(self.sums)(parameters, self.batch, tuple(map(jnp.asarray, case.noise)))
        self._run = jax.jit(lambda state, count: jax.lax.fori_loop(0, count, self.presented, state))

    def run(self, count: int) -> None:
        self.state = jax.block_until_ready(self._run(self.state, count))

    def gradients(self) -> np.ndarray:
        return np.concatenate([np.ravel(each) for name in NAMES for each in self.found[name]])

    def presented(self, _, state):
        """The parameters, the means of Adam and the key of the noise after a presentation."""
        parameters, means, key = state
        key, *drawing = jax.random.split(key, 3)
        shapes = self.case.noise_shapes
        noise = tuple(jax.random.normal(each, shape, self.case.precision) for each, shape in zip(drawing, shapes))
        found = self.sums(parameters, self.batch, noise)
        after, kept = {}, {}
        for name, values in parameters.items():
            changes = self.descents(name, values, found[name])
            moved = {
                each: by_adam(value, means[name][each], changes[each] / self.case.trials, *BOUNDS[each])
                for each, value in values.items()
            }
            after[name] = {each: value for each, (value, _) in moved.items()}
            kept[name] = {each: value for each, (_, value) in moved.items()}
        return after, kept, key


class OfSequences(Presentations):
    """`mpl`: rectified units, read at the last step."""

    def sums(self, parameters, batch, noise) -> dict:
        (x, target), (noise, noise_out) = batch, noise
        of_input, recurrent, output = (self.moments(name, parameters[name]) for name in NAMES)
        last, (r, gain) = forward(x, noise, of_input, recurrent)
        err_out, q_out = told(last, target, noise_out, output)
        err, q = backward((err_out @ output[0], q_out @ output[1]), r, gain, recurrent)
        f = jnp.maximum(r, 0)
        return {
            "input": (summed(err, x), summed(q, x**2)),
            "recurrent": (summed(err[1:], f[:-1]), summed(q[1:], f[:-1] ** 2)),
            "output": (err_out.T @ last, q_out.T @ last**2),
        }

    def moments(self, name, values):
        """(μ, v) of the weights of a projection."""
        n, (m, pi, Xi) = self.fan_in[name], (values[each] for each in ("m", "pi", "Xi"))
        return m / n, m**2 * pi / (n**2 * (1 - pi)) + Xi / n

    def descents(self, name, values, sums) -> dict:
        n, (H1, H2), (m, pi) = self.fan_in[name], sums, (values["m"], values["pi"])
        return {
            "m": H1 / n + H2 * m * pi / (n**2 * (1 - pi)),
            "pi": H2 * m**2 / (2 * n**2 * (1 - pi) ** 2),
            "Xi": H2 / (2 * n),
        }


class OfWords(Presentations):
    """`mpl-language`: words are looked up in an embedding, tanh units, the next word is read at every step; all steps
    are read out together, or some at a time, whose rows of words stay in a cache."""

    def __init__(self, case: Words, how: str = "whole"):
        self.chunk = CHUNK if how == "tiled" else case.steps
        super().__init__(case)

    def sums(self, parameters, batch, noise) -> dict:
        (tokens, following), (noise, noise_out) = (each[..., 0] for each in batch), noise
        of_input, recurrent, output = (corpus_moments(parameters[name]) for name in NAMES)
        embedding = parameters["embedding"]["m"]
        x = embedding.T[tokens]
        f, gain = self._rates(x, noise, of_input, recurrent)
        (A, V), of_output = self._told(f, noise_out, following, output)
        err, q = self._errors(A, V, f, gain, recurrent)
        err_in = err @ of_input[0] + x * (q @ of_input[1])
        columns = jnp.zeros_like(embedding.T).at[tokens.ravel()].add(err_in.reshape(-1, x.shape[-1]))
        return {
            "embedding": (columns.T, None),
            "input": (summed(err, x), summed(q, x**2)),
            "recurrent": (summed(err[1:], f[:-1]), summed(q[1:], f[:-1] ** 2)),
            "output": of_output,
        }

    def _rates(self, x, noise, of_input, recurrent):
        """Of all steps, and ε/√D."""
        (m_in, v_in), (m, v) = of_input, recurrent

        def step(previous, now):
            G, D, epsilon = now
            D = D + previous**2 @ v.T
            f = jnp.tanh(G + previous @ m.T + jnp.sqrt(D) * epsilon)
            return f, (f, epsilon * inverse_sqrt(D))

        return jax.lax.scan(step, jnp.zeros_like(noise[0]), (x @ m_in.T, x**2 @ v_in.T, noise))[1]

    def _told(self, f, noise, following, output):
        """What is fed back to the units of each step, and the sums of the read-out."""
        m, v = output
        chunks = lambda each: each.reshape(-1, self.chunk * each.shape[1], *each.shape[2:])  # noqa: E731

        def read(sums, shown):
            f, epsilon, word = shown
            D = f**2 @ v.T
            err = jax.nn.one_hot(word, m.shape[0]) - jax.nn.softmax(f @ m.T + jnp.sqrt(D) * epsilon)
            q = err * epsilon * inverse_sqrt(D)
            return (sums[0] + err.T @ f, sums[1] + q.T @ f**2), (err @ m, q @ v)

        none = jnp.zeros_like(m), jnp.zeros_like(v)
        sums, feedback = jax.lax.scan(read, none, tuple(map(chunks, (f, noise, following))))
        return tuple(each.reshape(f.shape) for each in feedback), sums

    def _errors(self, A, V, f, gain, recurrent):
        """(e, q) of all steps."""
        m, v = recurrent

        def step(feedback, now):
            A, V, f, gain = now
            err = (1 - f**2) * (A + feedback[0] + f * (V + feedback[1]))
            q = err * gain
            return (err @ m, q @ v), (err, q)

        none = jnp.zeros_like(f[0])
        return jax.lax.scan(step, (none, none), (A, V, f, gain), reverse=True)[1]

    def descents(self, name, values, sums) -> dict:
        H1, H2 = sums
        if H2 is None:  # point weights
            return {"m": H1}
        m, pi, Xi = (values[each] for each in ("m", "pi", "Xi"))
        return {
            "m": (1 - pi) * (H1 + H2 * pi * m),
            "pi": H2 * ((1 - 2 * pi) * m**2 - Xi) / 2 - H1 * m,
            "Xi": H2 * (1 - pi) / 2,
        }


def corpus_moments(values):
    """(μ, v) of the weights of a projection."""
    m, pi, Xi = (values[each] for each in ("m", "pi", "Xi"))
    return (1 - pi) * m, (1 - pi) * (Xi + pi * m**2)


def inverse_sqrt(x):
    return jnp.where(x > 0, 1 / jnp.sqrt(jnp.where(x > 0, x, 1)), 0)


def forward(x, noise, of_input, recurrent):
    """The rates of the last step; beliefs of all steps, which are their predictions, and ε/√D."""
    (m_in, v_in), (m, v) = of_input, recurrent

    def step(previous, now):
        G, D, epsilon = now
        D = D + previous**2 @ v.T
        r = G + previous @ m.T + jnp.sqrt(D) * epsilon
        return jnp.maximum(r, 0), (r, epsilon * inverse_sqrt(D))

    return jax.lax.scan(step, jnp.zeros_like(noise[0]), (x @ m_in.T, x**2 @ v_in.T, noise))


def told(last, target, noise, output):
    """(e, q) of the output."""
    m, v = output
    D = last**2 @ v.T
    err = target - jax.nn.softmax(last @ m.T + jnp.sqrt(D) * noise)
    return err, err * noise * inverse_sqrt(D)


def backward(feedback, r, gain, recurrent):
    """(e, q) of all steps."""
    m, v = recurrent

    def step(feedback, now):
        (A, V), (r, gain) = feedback, now
        err = (r > 0) * (A + r * V)
        q = err * gain
        return (err @ m, q @ v), (err, q)

    return jax.lax.scan(step, feedback, (r, gain), reverse=True)[1]


def summed(error, rate):
    return jnp.einsum("tbi,tbj->ij", error, rate)


def by_adam(value, means, change, low, high, rate=TINY_RATE, corrections=(1, 1)):
    """A parameter after a change, and the means of Adam, with what makes up for means that started at 0."""
    beta1, beta2, epsilon = ADAM
    first = beta1 * means[0] + (1 - beta1) * change
    second = beta2 * means[1] + (1 - beta2) * change**2
    step = first * corrections[0] / (jnp.sqrt(second * corrections[1]) + epsilon)
    return jnp.clip(value + rate * step, low, high), (first, second)
