"""The 1,797 handwritten digits of 8 × 8 pixels that come with scikit-learn (UCI, Alpaydin & Kaynak 1998)."""

from __future__ import annotations

import gzip
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, cast

import numpy as np
from pydantic import Field, field_validator

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable
from neuro_mpc.descriptions.tables import problem
from neuro_mpc.stimuli.images import ImageStimuli
from neuro_mpc.stimuli.interface import Split

DIGITS, PIXELS = 1797, 64
TEST, VALIDATION, BRIGHTEST = 300, 200, 16


class Digits(StimulusTable):
    """The 8 × 8 digits of scikit-learn, `pixels_per_step` of their 64 pixels at a time.

    pixels_per_step  pixels shown together: 1, 2, 4, 8, 16, 32 or 64
    learned          number of digits that are learned, from the first on; 0: all 1,297

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.Digits().pixels_per_step
    8
    """

    source: Literal["digits"] = "digits"
    pixels_per_step: Annotated[int, Field(ge=1, le=64)] = 8
    learned: Annotated[int, Field(ge=0, le=1297)] = 0

    @field_validator("pixels_per_step")
    @classmethod
    def _divides(cls, pixels: int) -> int:
        if 64 % pixels:
            raise problem("does not divide the 64 pixels of a digit", expected="1, 2, 4, 8, 16, 32 or 64")
        return pixels


@SOURCES.register("digits")
class DigitsStimuli(ImageStimuli):
    """The digits in a fixed, stratified split: 1,297 to learn, 200 for validation, 300 for the test."""

    table = Digits

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        table = cast(Digits, protocol.stimulus)
        pixels, labels = digits()
        parts = stratified(labels)
        parts["train"] = parts["train"][: table.learned or None]
        super().__init__(
            protocol,
            {split: pixels[part] for split, part in parts.items()},
            {split: labels[part] for split, part in parts.items()},
            pixels_per_step=table.pixels_per_step,
            brightest=BRIGHTEST,
            classes=10,
        )


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Pixels (digit, 64) and labels (digit,), uint8, as `sklearn.datasets.load_digits` has them.

    To import it takes a second and more: its file, a digit a line with the label last, is read without it where it is
    found.
    """
    try:
        table = _table(_file())
    except (OSError, LookupError, ValueError, EOFError, zlib.error):  # another version may keep them in another way
        from sklearn.datasets import load_digits

        pixels, labels = map(np.asarray, load_digits(return_X_y=True))
        return pixels.astype(np.uint8), labels.astype(np.uint8)
    return table[:, :-1], table[:, -1]


def _file() -> Path:
    spec = find_spec("sklearn")
    folders = (spec and spec.submodule_search_locations) or []
    return Path(folders[0], "datasets", "data", "digits.csv.gz")


def _table(path: Path) -> np.ndarray:
    numbers = gzip.decompress(path.read_bytes()).replace(b"\n", b",").strip(b",").split(b",")
    return np.frombuffer(bytes(map(int, numbers)), np.uint8).reshape(DIGITS, PIXELS + 1)


def stratified(labels: np.ndarray) -> dict[Split, np.ndarray]:
    """split → numbers of its trials; every class has its share of each split to within one trial.

    The permutation is fixed and independent of the seed of a run.
    """
    # RandomState's stream is frozen, so that the split is the same with every version of NumPy.
    shuffled = np.random.RandomState(0).permutation(len(labels))
    test, rest = _spread(shuffled, labels, TEST)
    validation, train = _spread(rest, labels, VALIDATION)
    return {"train": train, "validation": validation, "test": test}


def _spread(trials: np.ndarray, labels: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """`number` of the trials, evenly spread over the classes, and the others in their order."""
    by_class = np.argsort(labels[trials], kind="stable")
    positions = by_class[np.arange(number) * len(trials) // number]
    mask = np.zeros(len(trials), bool)
    mask[positions] = True
    return trials[mask], trials[~mask]
