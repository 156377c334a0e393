"""The course of a training: which trials each presentation shows, at which learning rate."""

from __future__ import annotations

import copy
import math

import numpy as np

from neuro_mpc.descriptions.learning import AUTO, Learning
from neuro_mpc.randomness import generator


class Course:
    """Presentations 0 … total − 1 over `trials` training trials in batches.

    Each epoch goes through the trials in a new random order; trials that do not fill a batch are left out of it.
    Streams are shown in order; where state is carried over, each presentation of an epoch begins with the state in
    which the one before it ended.

    base_rate   the learning rate that the schedule starts from; None until one is found for "auto"
    """

    def __init__(self, learning: Learning, trials: int, seed: int, streams: bool = False, carries: bool = False):
        self.learning, self.trials, self.seed, self.streams, self.carries = learning, trials, seed, streams, carries
        self.batch = min(learning.batch, trials or learning.batch)  # without training trials nothing is learned
        self.per_epoch = trials // self.batch
        self.total = (learning.epochs or 0) * self.per_epoch + (learning.presentations or 0)  # one of both is given
        self.base_rate = None if learning.rate == AUTO else float(learning.rate)
        self._epoch, self._order = -1, np.empty(0, dtype=int)

    def batch_of(self, presentation: int) -> np.ndarray:
        """Numbers of the trials, (batch,)."""
        epoch, position = divmod(presentation, self.per_epoch)
        if self.streams:
            return np.arange(position * self.batch, (position + 1) * self.batch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, generator(self.seed, "order", str(epoch)).permutation(self.trials)
        return self._order[position * self.batch : (position + 1) * self.batch]

    def presentations(self, every: int, every_epochs: int) -> int:
        """Presentations between two tests, from presentations or epochs between them."""
        return every or every_epochs * self.per_epoch

    def goes_on(self, presentation: int) -> bool:
        """Whether a presentation begins with the state in which the one before it ended."""
        return self.carries and presentation % self.per_epoch > 0

    def at_rate(self, rate: float) -> Course:
        """The same course from another learning rate on."""
        course = copy.copy(self)
        course.base_rate = rate
        return course

    def rate(self, presentation: int, factor: float = 1.0) -> float:
        """Learning rate of a presentation; `factor` is what the tests so far have made of it ("plateau")."""
        if self.base_rate is None:
            raise ValueError("the learning rate is still to be found")
        schedule, rate = self.learning.schedule, self.base_rate
        floor = min(schedule.floor, rate)  # of a rate that was found, it may be above
        if schedule.kind == "plateau":
            rate = max(rate * factor, floor)
        if schedule.kind == "step":
            unit = 1 if schedule.every_presentations else self.per_epoch
            stretch = schedule.stretch * unit
            first = schedule.first * unit if schedule.first else stretch
            stretches = max(0, 1 + (presentation - first) // stretch)
            rate = max(rate * schedule.factor**stretches, floor)
        elif schedule.kind == "cosine":
            part = presentation / max(1, self.total - 1)
            rate = floor + (rate - floor) * (1 + math.cos(math.pi * part)) / 2
        return rate * min(1.0, (presentation + 1) / schedule.warmup) if schedule.warmup else rate
