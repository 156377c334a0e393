"""Noisy cues to one cause, such as the seen and the felt height of a bar (Ernst & Banks 2002)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, cast

import numpy as np
from pydantic import Field

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable
from neuro_mpc.descriptions.tables import Positive
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli.interface import SPLITS, Channel, Split, Stimuli

CAUSE = "cause"


class Cues(StimulusTable):
    """Cues to a cause that is drawn for each trial, which has one step; the cause is a channel of its own.

    deviation  CUE → standard deviation of its noise
    spread     standard deviation of the causes, the mean of which is 0
    number     trials of each split

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.Cues(deviation={"visual": 1, "haptic": 2}).number
    1000
    """

    source: Literal["cues"] = "cues"
    deviation: Annotated[dict[str, Positive], Field(min_length=1)] = {"visual": 1.0, "haptic": 2.0}
    spread: Positive = 5.0
    number: Annotated[int, Field(ge=1, le=1_000_000)] = 1000


@SOURCES.register("cues")
class CuesStimuli(Stimuli):
    """Trials of one step: normal causes, and each cue with normal noise of its own."""

    table = Cues
    steps = 1

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        table = cast(Cues, protocol.stimulus)
        self._values = {split: _drawn(table, generator(seed, "cues", split)) for split in SPLITS}

    @property
    def channels(self) -> dict[str, Channel]:
        return {name: Channel(1) for name in self._values["train"]}

    def size(self, split: Split) -> int:
        return len(self._values[split][CAUSE])

    def given(self, split: Split, trials: np.ndarray, channel: str) -> np.ndarray:
        return self._values[split][channel][None, trials, None]

    def content(self, split: Split) -> Iterator[np.ndarray]:
        yield from self._values[split].values()


def _drawn(table: Cues, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """channel → (trial,)."""
    cause = rng.normal(0, table.spread, table.number)
    cues = {name: cause + rng.normal(0, deviation, table.number) for name, deviation in table.deviation.items()}
    return {name: values.astype(np.float32) for name, values in {**cues, CAUSE: cause}.items()}
