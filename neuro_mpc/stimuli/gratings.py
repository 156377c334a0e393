"""A population code of drifting gratings, and one of running speed."""

from __future__ import annotations

import numpy as np

NARROW = 2.0
"""Concentration of the tuning to direction and to phase (von Mises); 1 at the preferred value."""


def grating_rates(
    orientation: np.ndarray, phase: np.ndarray, contrast: np.ndarray, directions: int, phases: int
) -> np.ndarray:
    """Rates (…, directions · phases) of units that are tuned to the direction and to the phase of a grating.

    orientation, phase  in degrees (…); unit i · phases + j prefers the direction 360° i / directions and the phase
                        360° j / phases
    contrast            factor on the rates, (…)
    """
    preferred = tuned(orientation, directions)[..., :, None] * tuned(phase, phases)[..., None, :]
    return contrast[..., None] * preferred.reshape(*preferred.shape[:-2], directions * phases)


def tuned(angle: np.ndarray, number: int) -> np.ndarray:
    """Von Mises tuning (…, number) to an angle in degrees, with preferred angles all around the circle."""
    preferred = 360 * np.arange(number) / number
    return np.exp(NARROW * (np.cos(np.radians(angle[..., None] - preferred)) - 1))


def speed_rates(speed: np.ndarray, number: int, fastest: float) -> np.ndarray:
    """Rates (…, number) of units with Gaussian tuning, whose preferred speeds go from 0 to the fastest.

    A single unit tells the speed itself, as a share of the fastest.
    """
    share = speed[..., None] / fastest
    if number == 1:
        return share
    preferred = np.linspace(0, 1, number)
    return np.exp(-0.5 * ((share - preferred) * (number - 1)) ** 2)


def grating_names(directions: int, phases: int) -> tuple[str, ...]:
    """Names of the units of `grating_rates`: preferred direction and phase."""
    return tuple(
        f"{360 * i / directions:g}° at {360 * j / phases:g}°" for i in range(directions) for j in range(phases)
    )
