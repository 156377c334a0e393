"""JAX: the hand-written rules, a loop over the iterations, or over presentations, compiled as a whole."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from cases import ADAM, RATE, TINY_RATE, Sequences

NAMES = ("input", "recurrent", "output")
BOUNDS = {"m": (-jnp.inf, jnp.inf), "pi": (0.0, 0.99), "Xi": (0.0, jnp.inf)}
TILE = 16
"""Trials whose beliefs, errors and weights fit into a second-level cache together: faster than all of them at once."""


def inverse_sqrt(x):
    return jnp.where(x > 0, 1 / jnp.sqrt(jnp.where(x > 0, x, 1)), 0)


def of_tiles(array: np.ndarray, tile: int) -> jax.Array:
    """(…, trial, unit) → (tile, …, trial of the tile, unit)."""
    *before, trials, units = array.shape
    return jnp.moveaxis(jnp.asarray(array).reshape(*before, trials // tile, tile, units), -3, 0)


class Iterations:
    """Iterations of relaxation, of all trials together, or of tiles one after the other."""

    def __init__(self, case: Sequences, threads: int, how: str = "whole"):
        (m_in, v_in), (m, v), (m_out, v_out) = (map(jnp.asarray, case.moments[name]) for name in NAMES)
        (x, target), (noise, noise_out) = case.batch, case.noise
        tile = min(TILE, case.trials) if how == "tiled" else case.trials
        shown = [of_tiles(each, tile) for each in (x @ m_in.T, x**2 @ v_in.T, target, noise, noise_out)]

        def ancestral(previous, now):
            G, D, epsilon = now
            r = G + previous @ m.T + jnp.sqrt(D + previous**2 @ v.T) * epsilon
            return jnp.maximum(r, 0), r

        def iteration(r, G_in, D_in, target, noise, noise_out):
            f = jnp.maximum(r, 0)
            past, last = f[:-1], f[-1]
            G = G_in.at[1:].add(past @ m.T)
            D = D_in.at[1:].add(past**2 @ v.T)
            err = r - (G + jnp.sqrt(D) * noise)
            q = err * noise * inverse_sqrt(D)
            D_out = last**2 @ v_out.T
            err_out = target - jax.nn.softmax(last @ m_out.T + jnp.sqrt(D_out) * noise_out)
            q_out = err_out * noise_out * inverse_sqrt(D_out)
            A = jnp.concatenate([err[1:] @ m, (err_out @ m_out)[None]])
            V = jnp.concatenate([q[1:] @ v, (q_out @ v_out)[None]])
            return r + RATE * ((r > 0) * (A + f * V) - err)

        def predicted(tiled):
            G_in, D_in, _, noise, _ = tiled
            return jax.lax.scan(ancestral, jnp.zeros_like(G_in[0]), (G_in, D_in, noise))[1]

        def inferred(tiled, count):
            r, *of_tile = tiled
            return jax.lax.fori_loop(0, count, lambda _, r: iteration(r, *of_tile), r)

        self.r = jax.jit(lambda: jax.lax.map(predicted, shown))()
        self._run = jax.jit(lambda r, count: jax.lax.map(lambda tiled: inferred(tiled, count), [r, *shown]))

    def run(self, count: int) -> None:
        self.r = self._run(self.r, count).block_until_ready()

    def beliefs(self) -> np.ndarray:
        return np.asarray(self.r)


class Presentations:
    """Whole presentations under fixed prediction: noise is drawn, errors are passed back through the steps, the
    parameters learn by Adam."""

    def __init__(self, case: Sequences, threads: int):
        self.case, (self.x, self.target) = case, map(jnp.asarray, case.batch)
        self.fan_in = {name: float(values["m"].shape[1]) for name, values in case.parameters.items()}
        parameters = {
            name: {each: jnp.asarray(value, case.precision) for each, value in values.items()}
            for name, values in case.parameters.items()
        }
        means = jax.tree.map(lambda value: (0 * value, 0 * value), parameters)
        self.state = parameters, means, jax.random.key(1)
        self.found = jax.jit(self.sums)(parameters, *map(jnp.asarray, case.noise))
        self._run = jax.jit(lambda state, count: jax.lax.fori_loop(0, count, self.presented, state))

    def run(self, count: int) -> None:
        self.state = jax.block_until_ready(self._run(self.state, count))

    def gradients(self) -> np.ndarray:
        return np.concatenate([np.ravel(each) for sums in self.found.values() for each in sums])

    def presented(self, _, state):
        """The parameters, the means of Adam and the key of the noise after a presentation."""
        parameters, means, key = state
        key, of_hidden, of_output = jax.random.split(key, 3)
        shape, precision = (self.case.steps, self.case.trials, self.case.units), self.case.precision
        noise = jax.random.normal(of_hidden, shape, precision)
        found = self.sums(parameters, noise, jax.random.normal(of_output, self.target.shape, precision))
        after, kept = {}, {}
        for name, values in parameters.items():
            changes = self._descents(values, *found[name], self.fan_in[name])
            moved = {
                each: by_adam(value, means[name][each], changes[each], *BOUNDS[each]) for each, value in values.items()
            }
            after[name] = {each: value for each, (value, _) in moved.items()}
            kept[name] = {each: value for each, (_, value) in moved.items()}
        return after, kept, key

    def sums(self, parameters, noise, noise_out) -> dict:
        """projection → (H₁, H₂), Σ e f and Σ q f² over trials and steps."""
        x = self.x
        of_input, recurrent, output = (moments(parameters[name], self.fan_in[name]) for name in NAMES)
        last, (r, gain) = forward(x, noise, of_input, recurrent)
        err_out, q_out = told(last, self.target, noise_out, output)
        err, q = backward((err_out @ output[0], q_out @ output[1]), r, gain, recurrent)
        f = jnp.maximum(r, 0)
        return {
            "input": (summed(err, x), summed(q, x**2)),
            "recurrent": (summed(err[1:], f[:-1]), summed(q[1:], f[:-1] ** 2)),
            "output": (err_out.T @ last, q_out.T @ last**2),
        }

    def _descents(self, values, H1, H2, n) -> dict:
        """−∂F/∂θ a trial."""
        m, pi = values["m"], values["pi"]
        found = {
            "m": H1 / n + H2 * m * pi / (n**2 * (1 - pi)),
            "pi": H2 * m**2 / (2 * n**2 * (1 - pi) ** 2),
            "Xi": H2 / (2 * n),
        }
        return {name: each / self.case.trials for name, each in found.items()}


def moments(values, n):
    """(μ, v) of the weights of a projection."""
    m, pi, Xi = (values[each] for each in ("m", "pi", "Xi"))
    return m / n, m**2 * pi / (n**2 * (1 - pi)) + Xi / n


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


def by_adam(value, means, change, low, high):
    """A parameter after a change, and the means of Adam."""
    beta1, beta2, epsilon = ADAM
    first = beta1 * means[0] + (1 - beta1) * change
    second = beta2 * means[1] + (1 - beta2) * change**2
    return jnp.clip(value + TINY_RATE * first / (jnp.sqrt(second) + epsilon), low, high), (first, second)


def make(case: Sequences, threads: int, how: str = "whole") -> Iterations | Presentations:
    return Presentations(case, threads) if case.presentation else Iterations(case, threads, how)
