"""JAX: the hand-written rules, a loop over the iterations compiled as a whole."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from cases import RATE, Sequences


def inverse_sqrt(x):
    return jnp.where(x > 0, 1 / jnp.sqrt(jnp.where(x > 0, x, 1)), 0)


class Iterations:
    """Iterations of relaxation."""

    def __init__(self, case: Sequences, threads: int):
        (m_in, v_in), (m, v), (m_out, v_out) = (case.moments[name] for name in ("input", "recurrent", "output"))
        (x, target), (noise, noise_out) = case.batch, case.noise
        G_in, D_in = x @ m_in.T, x**2 @ v_in.T

        def ancestral(previous, now):
            G, D, epsilon = now
            r = G + previous @ m.T + jnp.sqrt(D + previous**2 @ v.T) * epsilon
            return jnp.maximum(r, 0), r

        def iteration(_, r):
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

        G_in, D_in, x, target, noise, noise_out = map(jnp.asarray, (G_in, D_in, x, target, noise, noise_out))
        m, v, m_out, v_out = map(jnp.asarray, (m, v, m_out, v_out))
        silent = jnp.zeros((case.trials, case.units), case.precision)
        self.r = jax.jit(lambda: jax.lax.scan(ancestral, silent, (G_in, D_in, noise))[1])()
        self._run = jax.jit(lambda r, count: jax.lax.fori_loop(0, count, iteration, r))

    def run(self, count: int) -> None:
        self.r = self._run(self.r, count).block_until_ready()

    def beliefs(self) -> np.ndarray:
        return np.asarray(self.r)


make = Iterations
