"""How long the steps of inference are, and which trials move."""

from __future__ import annotations

import numpy as np

HIGHEST, LENGTHENING, LONGEST = 1e300, 1.2, 1.0


def settle_trials(
    iteration: int,
    tolerance: float,
    limit: float,
    loss: np.ndarray,
    hidden: np.ndarray,
    limited: np.ndarray,
    last: np.ndarray,
    used: np.ndarray,
    moves: np.ndarray,
    width: int,
) -> None:
    """moves = 1 for the trials whose energy still changes by more than `tolerance` times itself, else 0, as for all
    once the sum of their energies `limited` passed `limit`."""
    energy, last, used = loss[:width] + hidden[:width], last[:width], used[:width]
    if iteration == 0:
        used[:] = 0
    moving = used == iteration
    if iteration > 0 and tolerance > 0:  # in single precision energies may stand still for an iteration
        moving &= ~(np.abs(last - energy) <= tolerance * np.abs(last))
    moving &= not limited[:width].sum() > limit
    last[:] = energy
    used[moving] = iteration + 1
    moves[:] = moving


def start_lengths(dt: float, tau: float, last: np.ndarray, length: np.ndarray, used: np.ndarray, width: int) -> None:
    """What `next_gains` starts from; it lengthens the first step, too."""
    last[:width], length[:width], used[:width] = HIGHEST, dt / tau / LENGTHENING, 0


def next_gains(
    iteration: int,
    tolerance: float,
    rounding: float,
    loss: np.ndarray,
    hidden: np.ndarray,
    last: np.ndarray,
    length: np.ndarray,
    used: np.ndarray,
    gains: np.ndarray,
    width: int,
) -> None:
    """The gain of each trial's step: longer after one that lowered its energy, half the way back after one that
    did not, 0 once its energy changed by less than `tolerance` times itself."""
    energy, last, length, used = loss[:width] + hidden[:width], last[:width], length[:width], used[:width]
    fell = has_not_risen(energy, last, rounding)
    moving = used == iteration
    if tolerance > 0:
        moving &= ~(fell & (last - energy <= tolerance * np.abs(last)))
    used[moving] = iteration + 1
    changed = np.where(fell, np.minimum(length * LENGTHENING, LONGEST), length / 2)
    length[moving] = changed[moving]
    last[moving & fell] = energy[moving & fell]
    gains[:] = np.where(moving, np.where(fell, length, -length), 0)


def last_gains(
    rounding: float,
    loss: np.ndarray,
    hidden: np.ndarray,
    last: np.ndarray,
    length: np.ndarray,
    used: np.ndarray,
    gains: np.ndarray,
    width: int,
) -> None:
    """The gains after the last step: it is taken back where the energy rose."""
    gains[:] = -length[:width] * ~has_not_risen(loss[:width] + hidden[:width], last[:width], rounding)


def has_not_risen(energy: np.ndarray, last: np.ndarray, rounding: float) -> np.ndarray:
    """Which energies are numbers and not above the last ones."""
    return energy <= last + rounding * np.abs(last)
