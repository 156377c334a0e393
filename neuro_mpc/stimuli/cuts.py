"""The keys by which a protocol parts data into splits, and cuts recordings into trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from neuro_mpc.descriptions.sources import StimulusTable
from neuro_mpc.descriptions.tables import BelowOne, Count, problem

StepsPerTrial = Annotated[int, Field(ge=0, le=100_000)]


@dataclass(frozen=True)
class Cutting:
    """How recordings are cut: `window` steps, `stride` apart, or `streams` side by side; 0 steps: not at all."""

    window: int = 0
    stride: int = 0
    streams: int = 0
    carry: bool = False


class Shares(StimulusTable):
    """Trials that are parted by chance.

    validation, test  shares of the trials that are held out; 0.1 and 0.2, unless the data say themselves which ones
                      are
    """

    validation: BelowOne | None = None
    test: BelowOne | None = None

    @model_validator(mode="after")
    def _leaves_some(self) -> Self:
        if (self.validation or 0) + (self.test or 0) >= 1:
            raise problem("validation and test leave nothing to learn from", expected="less than 1 together")
        return self


class Cuts(Shares):
    """Trials, or recordings that are cut into trials.

    window   steps of a trial that is cut from a recording; 0: the data are trials already
    stride   steps between the first ones of two windows; 0: as many as a window has
    streams  a recording is read as parallel streams, as many as a batch has trials, each continuing where its last
             window ended
    carry    whether each window of a stream starts from the final state of the one before it, rather than from silence
    """

    window: StepsPerTrial = 0
    stride: Count = 0
    streams: bool = False
    carry: bool = True

    @model_validator(mode="after")
    def _cuts_once(self) -> Self:
        if (self.stride or self.streams) and not self.window:
            raise problem("recordings are not cut without a window", hint="stimulus.window = 50, a number of steps")
        if self.stride and self.streams:
            raise problem("streams have no stride: windows follow each other", hint="stimulus.stride = 0")
        return self

    def cutting(self, batch: int) -> Cutting:
        """The same with the number of streams, where a batch has so many trials."""
        streams = batch if self.streams else 0
        return Cutting(self.window, self.stride or self.window, streams, self.carry and self.streams)
