"""JAX: the hand-written rules, a loop over the iterations, or over presentations, compiled as a whole."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from cases import RATE, Sequences, Training, Words
from jax_presentations import NAMES, OfSequences, OfWords, inverse_sqrt
from jax_training import WholeRun

TILE = 16
"""Trials whose beliefs, errors and weights fit into a second-level cache together: faster than all of them at once."""


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


def make(
    case: Sequences | Words | Training, threads: int, how: str = "whole"
) -> Iterations | OfSequences | OfWords | WholeRun:
    if isinstance(case, Training):
        return WholeRun(case)
    if isinstance(case, Words):
        return OfWords(case, how)
    return OfSequences(case) if case.presentation else Iterations(case, threads, how)
