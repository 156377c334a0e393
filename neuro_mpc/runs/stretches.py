"""How many presentations are learned before anything is looked at: between two moments when something is due.

Single trials take less time than telling the program of them and waiting for it. What is shown in a stretch is made at
once, and its energies are read together.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

SECONDS = 0.2


class Stretches:
    """The stretches of a training.

    total    presentations of the training
    every    numbers of presentations after which something is due, again and again; 0: never
    single   presentations that are learned by themselves
    most     the longest stretch
    seconds  that it may take: checkpoints, Ctrl-C and progress wait for its end
    """

    def __init__(
        self, total: int, every: Collection[int], single: Collection[int], most: int, seconds: float = SECONDS
    ):
        self._total, self._every = total, [each for each in every if each > 0]
        self._single, self._most, self._seconds = sorted(single), most, min(seconds, SECONDS)
        self._length = 1  # until it is known how long a presentation takes

    def after(self, done: int) -> range:
        """The presentations to learn next."""
        due = [each * (done // each + 1) for each in self._every]
        single = [each if each > done else done + 1 for each in self._single if each >= done][:1]
        return range(done, min(self._total, done + self._length, *due, *single))

    @contextmanager
    def timed(self, presentations: range) -> Iterator[None]:
        """Within it these are learned: if that takes little time, the next stretches are longer."""
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        if seconds > self._seconds:
            self._length = max(1, self._length // 2)
        elif seconds < self._seconds / 2 and len(presentations) == self._length:
            self._length = min(2 * self._length, self._most)
