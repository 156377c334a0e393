"""The adding problem: the sum of two marked numbers of a long sequence.

Hochreiter & Schmidhuber, Neural Comput. 9, 1735 (1997), in the form of Le, Jaitly & Hinton (2015): a network without
memory is at best at the mean, with a mean squared error of 1/6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self, cast

import numpy as np
from pydantic import Field, model_validator

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable, number_drawn, refuse_too_many
from neuro_mpc.descriptions.tables import AtLeastOne, Count
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli.interface import SPLITS, STIMULUS, TARGET, Channel, Split, Stimuli


class Adding(StimulusTable):
    """At every step a number between 0 and 1, and a mark at two of them, one in either half: their sum is asked for.

    steps        steps of a trial
    trials       number of trials to learn
    validation   number of trials held out for validation
    test         number of trials held out for the test

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.Adding(steps=100).trials
    20000
    """

    source: Literal["adding"] = "adding"
    steps: Annotated[int, Field(ge=2, le=10_000)] = 100
    trials: AtLeastOne = 20_000
    validation: Count = 1000
    test: Count = 1000

    @model_validator(mode="after")
    def _fits_in_memory(self) -> Self:
        refuse_too_many(self.steps * (self.trials + self.validation + self.test) * 2, "steps × trials × 2")
        return self


@SOURCES.register("adding")
class AddingStimuli(Stimuli):
    """Trials of the adding problem, drawn from the seed.

    ======= ===== ==================================================
    channel units gives
    ======= ===== ==================================================
    numbers 2     a number between 0 and 1; 1 where it is marked
    sum     1     the sum of the marked numbers, at the last step
    ======= ===== ==================================================
    """

    table = Adding

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        table = cast(Adding, protocol.stimulus)
        self.steps = table.steps
        self._trials = {split: _drawn(table.steps, number_drawn(table, split), seed, split) for split in SPLITS}

    @property
    def channels(self) -> dict[str, Channel]:
        return {"numbers": Channel(2, roles=(STIMULUS,)), "sum": Channel(1, missing=True, roles=(TARGET,))}

    def size(self, split: Split) -> int:
        return self._trials[split].shape[1]

    def content(self, split: Split) -> Iterator[np.ndarray]:
        yield self._trials[split]

    def given(self, split: Split, trials: np.ndarray, channel: str) -> np.ndarray:
        numbers = self._trials[split][:, trials]
        if channel == "numbers":
            return numbers
        asked = np.full((self.steps, len(trials), 1), np.nan, np.float32)
        asked[-1, :, 0] = (numbers[..., 0] * numbers[..., 1]).sum(axis=0)
        return asked


def _drawn(steps: int, number: int, seed: int, split: Split) -> np.ndarray:
    """(step, trial, 2)"""
    random = generator(seed, "adding", split)
    trials = np.zeros((steps, number, 2), np.float32)
    trials[..., 0] = random.random((steps, number), np.float32)
    half = steps // 2
    for marked in (random.integers(half, size=number), random.integers(half, steps, size=number)):
        trials[marked, np.arange(number), 1] = 1
    return trials
