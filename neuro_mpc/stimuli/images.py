"""Labelled images shown as a sequence, a few pixels at a step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.stimuli.interface import Split, Stimuli


class ImageStimuli(Stimuli):
    """Images of P pixels each, `pixels_per_step` at a step in reading order; the target is the label.

    images   split → numbers (trials, P), 0 … brightest
    labels   split → integers (trials,), 0 … classes − 1
    """

    missing = False

    def __init__(
        self,
        protocol: Protocol,
        images: Mapping[Split, np.ndarray],
        labels: Mapping[Split, np.ndarray],
        *,
        pixels_per_step: int,
        brightest: float,
        classes: int,
    ):
        self._images, self._labels = dict(images), dict(labels)
        self._scale = np.float32(1 / brightest)
        self.width = pixels_per_step
        self.steps = self._images["train"].shape[1] // self.width
        self.classes, self.read = classes, protocol.target.steps_given
        self.symbols = [str(number) for number in range(classes)]

    def size(self, split: Split) -> int:
        return len(self._labels[split])

    def content(self, split: Split) -> Iterator[np.ndarray]:
        yield self._images[split]
        yield self._labels[split]

    def stimulus(self, split: Split, trials: np.ndarray) -> np.ndarray:
        # Bytes are put in order before they become numbers of four bytes.
        pixels = self._images[split][trials].reshape(len(trials), self.steps, self.width)
        return np.multiply(np.ascontiguousarray(pixels.swapaxes(0, 1)), self._scale, dtype=np.float32)

    def labels(self, split: Split, trials: np.ndarray) -> np.ndarray:
        labels = self._labels[split][trials].astype(np.int64)
        return np.tile(labels, (self.steps if self.read == "every" else 1, 1))
