"""Normal noise that is a function of its place and a counter."""

from __future__ import annotations

import numpy as np

from neuro_mpc.networks.kernels.arrays import view


def counter_bits(position: np.ndarray, counter: int, key: int) -> tuple[np.ndarray, np.ndarray]:
    """Two words of 32 random bits for every position: Philox 2x32-10 (Salmon et al. 2011)."""
    low = np.asarray(position, dtype=np.uint64)
    high = np.full_like(low, np.uint64(counter & 0xFFFFFFFF))
    for round_ in range(10):
        mixed = low * np.uint64(0xD256D193)
        round_key = np.uint64((key + round_ * 0x9E3779B9) & 0xFFFFFFFF)
        low, high = (mixed >> np.uint64(32)) ^ round_key ^ high, mixed & np.uint64(0xFFFFFFFF)
    return low.astype(np.uint32), high.astype(np.uint32)


def normal(
    steps: int, trials: int, units: int, first: int, width: int, counter: int, key: int, stream: int, dtype
) -> np.ndarray:
    """Standard normal numbers (steps · width, units) of trials first … first + width, by Box and Muller's method.

    A number depends on its step, trial and unit in the whole presentation only, never on tiles or threads.
    """
    trial = np.arange(first, first + width, dtype=np.uint64)
    row = np.arange(steps, dtype=np.uint64)[:, None] * np.uint64(trials) + trial
    position = row.reshape(-1, 1) * np.uint64(units) + np.arange(units, dtype=np.uint64)
    bits = counter_bits(position & np.uint64(0xFFFFFFFF), int(counter), (int(key) & 0xFFFFFFFF) ^ stream)
    real = np.dtype(dtype).type
    uniform = (bits[0].astype(dtype) + real(0.5)) * real(2.0**-32)
    angle = bits[1].view(np.int32).astype(dtype) * real(2 * np.pi * 2.0**-32)
    return np.sqrt(real(-2) * np.log(uniform)) * np.cos(angle)


def fill_normal(
    target: np.ndarray,
    steps: int,
    trials: int,
    units: int,
    before: int,
    first: int,
    width: int,
    counter: int,
    key: int,
    stream: int,
    scale: float,
) -> None:
    """target (steps · width, units) = scale × `normal`, of trials from before + first on; none is drawn where the scale
    is 0."""
    if scale == 0:
        view(target, steps * width, units)[...] = 0
        return
    noise = normal(steps, trials, units, int(before) + first, width, counter, key, stream, target.dtype)
    view(target, steps * width, units)[...] = scale * noise
