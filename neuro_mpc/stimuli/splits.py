"""Which trials, or which stretches of a recording, are learned from, validated on and tested on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuro_mpc.errors import DescriptionError, did_you_mean
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli.interface import SPLITS, Split

VALIDATION, TEST = 0.1, 0.2
"""The shares of validation and test where neither the data nor the protocol give any."""
MOST_NAMES = 64


def shuffled(trials: int, validation: float, test: float, seed: int) -> np.ndarray:
    """The number of the split of each trial, (trial,), by chance."""
    order = generator(seed, "splits").permutation(trials)
    return in_order(trials, validation, test)[np.argsort(order)]


def in_order(steps: int, validation: float, test: float) -> np.ndarray:
    """The number of the split of each step, (step,): first those that are learned from, last those of the test."""
    last = [round(share * steps) for share in (validation, test)]
    return np.repeat(np.arange(3, dtype=np.int8), [steps - sum(last), *last])


def named(values: np.ndarray, attributes: Mapping[str, Any], place: Mapping[str, str]) -> np.ndarray:
    """The number of the split of each entry of a variable, which holds names or numbers with `flag_meanings`."""
    names = values.astype(str) if values.dtype.kind in "USO" else _flagged(values, attributes, place)
    found, numbers = np.unique(names, return_inverse=True)
    if strange := [name for name in found.tolist() if name not in SPLITS]:
        raise DescriptionError(
            "names a split that is unknown",
            found=strange[0],
            expected=", ".join(SPLITS),
            hint=did_you_mean(strange[0], SPLITS),
            **place,
        )
    return np.array([SPLITS.index(name) for name in found.tolist()], int)[numbers.reshape(names.shape)]


def of_recordings(split_of: np.ndarray, steps: int) -> dict[Split, np.ndarray]:
    """split → its stretches (stretch, 3), each a whole recording, from the splits of these (recording,)."""
    chosen: dict[Split, np.ndarray] = {split: np.flatnonzero(split_of == number) for number, split in enumerate(SPLITS)}
    return {split: np.stack([rows, 0 * rows, 0 * rows + steps], axis=1) for split, rows in chosen.items()}


def of_steps(split_of: np.ndarray, group: np.ndarray) -> dict[Split, np.ndarray]:
    """split → its stretches (stretch, 3), from the splits and the groups of the steps of recordings (recording, step).

    A stretch ends where either changes.
    """
    begins = np.ones(split_of.shape, bool)
    begins[:, 1:] = (np.diff(split_of) != 0) | (np.diff(group) != 0)
    recordings, starts = np.nonzero(begins)
    following = np.append(starts[1:], 0)
    ends = np.where(following > 0, following, split_of.shape[1])  # of the last one of a recording, the recording's
    rows = np.stack([recordings, starts, ends], axis=1)
    return {split: rows[split_of[recordings, starts] == number] for number, split in enumerate(SPLITS)}


def _flagged(values: np.ndarray, attributes: Mapping[str, Any], place: Mapping[str, str]) -> np.ndarray:
    """The names that CF gives to numbers (flag_values, flag_meanings)."""
    meanings = np.array(str(attributes.get("flag_meanings", "")).split())
    if values.dtype.kind not in "iu" or not len(meanings):
        raise DescriptionError(
            "does not say what its numbers mean",
            found=f"{values.dtype} without flag_meanings" if values.dtype.kind in "iu" else str(values.dtype),
            expected="texts, or whole numbers with the attribute flag_meanings",
            hint='attrs["flag_meanings"] = "train validation test"',
            **place,
        )
    flags = np.ravel(attributes.get("flag_values", np.arange(len(meanings))))
    if len(flags) != len(meanings) or len(flags) > MOST_NAMES:
        raise DescriptionError(
            "has flag_values and flag_meanings of different lengths",
            found=f"{len(flags)} and {len(meanings)}",
            expected="a meaning for each value",
            **place,
        )
    matches = values[..., None] == flags
    if not matches.any(axis=-1).all():
        raise DescriptionError(
            "has numbers without a meaning",
            found=values[~matches.any(axis=-1)].flat[0].item(),
            expected=", ".join(map(str, flags.tolist())),
            **place,
        )
    return meanings[matches.argmax(axis=-1)]
