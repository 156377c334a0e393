"""A simulated mouse on a running wheel, and the phase of a grating that is coupled to the wheel."""

from __future__ import annotations

import math

import numpy as np

RADIUS = 5.5
"""Of the wheel where the mouse runs (cm): two thirds of that of a disk of 6.5 inches."""
GAIN = 2 * math.pi * 0.36 / math.tan(math.pi / (180 * 0.04))
"""Degrees of the phase for one of the wheel: the coupling of the recorded sessions, 0.04 cycles per degree."""
BOUT = 3000.0
"""Mean duration of running and of resting (ms)."""
MEAN, DEVIATION, FASTEST = 12.0, 5.0, 30.0
"""Speed while running (cm/s)."""
CORRELATION = 500.0
"""Time over which the speed of a running mouse forgets itself (ms)."""


def speeds(random: np.random.Generator, steps: int, step_ms: float) -> np.ndarray:
    """Running speed (cm/s) at each step, (step,): bouts of running, whose speed varies, and of rest."""
    turns = random.random(steps) < min(step_ms / BOUT, 1.0)
    running = (np.cumsum(turns) + random.integers(2)) % 2 == 1
    kept = math.exp(-step_ms / CORRELATION)
    shocks = random.standard_normal(steps) * math.sqrt(1 - kept**2)
    speed, state = np.empty(steps), random.standard_normal()
    for step, shock in enumerate(shocks):
        state = kept * state + shock
        speed[step] = state
    return np.where(running, np.clip(MEAN + DEVIATION * speed, 0, FASTEST), 0.0)


def phases(speed: np.ndarray, step_ms: float) -> np.ndarray:
    """Phase (degrees) at each step of a grating that the wheel moves: it has turned by the speed of this step."""
    return np.cumsum(GAIN * np.degrees(speed * step_ms / 1000 / RADIUS)) % 360
