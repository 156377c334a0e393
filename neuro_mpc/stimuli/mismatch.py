"""Mismatch: what is usual, and what rarely takes its place, in four contexts with their control blocks.

The sessions of OpenScope on predictive processing (arXiv 2504.09614; recorded in DANDI 001637), in steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, Self, cast

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable
from neuro_mpc.descriptions.tables import Count, Listed, NotNegative, problem
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli.fatigue import Fatigue
from neuro_mpc.stimuli.gratings import grating_names, grating_rates, speed_rates
from neuro_mpc.stimuli.interface import Channel, Split, Stimuli
from neuro_mpc.stimuli.mismatch_blocks import DELAYS, LONGEST_TRAIN, ON, Numbers, in_steps
from neuro_mpc.stimuli.mismatch_session import Cut, Session
from neuro_mpc.stimuli.wheel import FASTEST

if TYPE_CHECKING:
    import xarray as xr

VISUAL, RUNNING = "visual", "running"

Context = Literal["standard", "sequence", "sensorimotor", "duration", "local", "global"]
Control = Literal["control-1", "control-2", "control-3", "control-4", "many-standards", "repetition"]
Units = Annotated[int, Field(ge=1, le=1000)]


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise problem("has an entry twice", expected="different entries")
    return names


class Mismatch(StimulusTable):
    """Drifting gratings in contexts of which something is learned, and in blocks that control for it.

    contexts    "standard": a grating again and again, rarely another orientation, a halt or an omission; "sequence":
                the same for the third of five elements; "sensorimotor": running moves the grating, rarely it does not;
                "duration": the next one is rarely early or late; "local" and "global": five short gratings, of which
                the last one rarely differs, or rarely does not
    controls    "control-1" to "control-4", as recorded with the first four contexts: directions, halt and omission
                in any order; the same without grey between; delays in any order; a grating that another wheel moves.
                "many-standards": directions only, none twice in a row; "repetition": trains of one direction
    scale       factor on all numbers of presentations; 1: as recorded
    deviants    of each kind in a context, at scale 1; 35 of 2274 presentations as recorded, more make them less rare;
                those of "sensorimotor" are two seconds apart, as many as fit
    step_ms     duration of a step (ms); durations and delays are rounded to steps
    steps       of a trial, which begins with any presentation, or sequence, and shows those that follow in its block
    directions  preferred directions of the visual population
    phases      preferred phases of the drift for each direction
    speeds      units for running speed, with preferred speeds; 1: its rate is the speed
    noise       standard deviation of the input of every unit of both populations at every step
    fatigue     of the visual input: adaptation before the circuit, in the place of predictions in it; by default none

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.Mismatch(contexts=["sequence"], controls=["control-2"], scale=0.1).step_ms
    150.0
    """

    source: Literal["mismatch"] = "mismatch"
    contexts: Annotated[Listed[Context], AfterValidator(_once)] = ("standard", "sequence", "sensorimotor", "duration")
    controls: Annotated[Listed[Control], AfterValidator(_once)] = ("control-1", "control-2", "control-3", "control-4")
    scale: Annotated[float, Field(gt=0, le=100)] = 1.0
    deviants: Count = 35
    step_ms: Annotated[float, Field(ge=10, le=150)] = 150.0
    steps: Annotated[int, Field(ge=1, le=100_000)] = 32
    directions: Units = 8
    phases: Units = 4
    speeds: Units = 4
    noise: NotNegative = 0.05
    fatigue: Fatigue | None = None

    @model_validator(mode="after")
    def _holds_the_longest_delay_and_train(self) -> Self:
        if not (self.contexts or self.controls):
            raise problem("contexts and controls are both empty", expected="something to show")
        shown = in_steps(ON, self.step_ms)
        longest, what = shown + in_steps(max(DELAYS), self.step_ms), "delay"
        if "repetition" in self.controls and longest < (train := 2 * shown * LONGEST_TRAIN):
            longest, what = train, "train of repetitions"
        if self.steps < longest:
            raise problem(
                f"a trial of {self.steps} steps of {self.step_ms:g} ms is too short for the longest {what}",
                expected=f"steps from {longest} on",
            )
        return self

    @property
    def session(self) -> tuple[str, ...]:
        """Kinds of the blocks in their order."""
        both = ("control-1",) if "control-1" in self.controls and self.contexts else ()
        return (*both, *self.contexts, *self.controls)


@SOURCES.register("mismatch")
class MismatchStimuli(Stimuli):
    """Trials of mismatch sessions, one drawn from the seed for each split.

    ======= ========================== =====================================================================
    channel units                      gives
    ======= ========================== =====================================================================
    visual  `directions` · `phases`    the grating: contrast times the tuning to its direction and its phase
    running `speeds`                   the speed of running; it moves the grating of a closed loop alone
    ======= ========================== =====================================================================
    """

    table = Mismatch

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        self.settings = cast(Mismatch, protocol.stimulus)
        self.steps, self.seed = self.settings.steps, seed
        self._made = cache(lambda split: self.redrawn(split, self.settings.session, self.settings.scale))

    @property
    def channels(self) -> dict[str, Channel]:
        shown = self.settings
        names = grating_names(shown.directions, shown.phases)
        return {VISUAL: Channel(len(names), names=names), RUNNING: Channel(shown.speeds)}

    def size(self, split: Split) -> int:
        return len(self.cuts(split))

    def content(self, split: Split) -> Iterator[np.ndarray]:
        for block in self.session(split).blocks:
            yield from (block.orientation, block.phase, block.contrast, block.speed)

    def given(self, split: Split, trials: np.ndarray, channel: str) -> np.ndarray:
        session, cuts = self.session(split), self.cuts(split)
        return np.stack([self._trial(session, cuts[trial], channel) for trial in trials], axis=1)

    def session(self, split: Split) -> Session:
        """The blocks of a split."""
        return self._made(split)

    def cuts(self, split: Split) -> list[Cut]:
        """The trials of a split."""
        return self.session(split).cuts

    def presentations(self, split: Split) -> xr.Dataset:
        """The stimulus table of all trials of a split, one row for each presentation.

        Columns, all with the dimension `presentation`; those in capitals as in the recorded sessions (DANDI 001637):

        ================ ======================================================================================
        trial            number of the trial, from 0 on
        start_step       first step of the presentation in its trial, from 0 on
        stop_step        first step after it, where grey begins, or the next presentation
        Orientation      direction (radians)
        contrast         1; 0 of an omission and of the grey that ends a sequence
        TemporalFrequency  2 Hz; 0 of a halt, and of a grating that a wheel moves
        SpatialFrequency 0.04 cycles per degree
        phase            at the onset (radians)
        Duration, Delay  of the presentation and of the grey after it, before they are rounded to steps (s)
        TrialType        standard, orientation_45, orientation_90, halt, omission, sequence_omission (the grey), jitter
                         (see Delay), motor_…, single, prerecorded, local_deviant, global_deviant, local_global_deviant
        BlockType        standard_oddball, sequential_oddball, motor_oddball, jitter_oddball, standard_control,
                         sequential_control_block, jitter_control, open_loop_prerecorded, local_oddball,
                         global_oddball, many_standards_control, repetition_control
        BlockLabel       name of the block
        BlockNumber      place of the block in the session, from 1 on
        TrialNumber      place of the presentation in its block, from 1 on
        SequenceNumber   place of its sequence in the block, from 1 on
        TrialInSequence  place in its sequence, from 1 on
        ================ ======================================================================================

        A grating that a wheel moves has a presentation for each step. Attributes: `step_ms`, and `steps` of a trial;
        step s of trial k is at (k · steps + s) · step_ms when trials are put one after the other.
        """
        return self.session(split).table(self.cuts(split))

    def redrawn(self, name: str, blocks: tuple[str, ...], scale: float) -> Session:
        """A session of its own, with these kinds of blocks, under a name that tells it from those of the splits."""
        table = self.settings
        numbers = Numbers(scale, table.deviants, table.step_ms)
        randoms = [generator(self.seed, "mismatch", name, kind, str(place)) for place, kind in enumerate(blocks)]
        return Session(name, blocks, numbers, table.steps, randoms)

    def _trial(self, session: Session, cut: Cut, channel: str) -> np.ndarray:
        table, seen = self.settings, session.seen(cut)
        if channel == VISUAL:
            orientation, phase, contrast = (seen[name] for name in ("orientation", "phase", "contrast"))
            rates = grating_rates(orientation, phase, contrast, table.directions, table.phases)
            rates = table.fatigue.applied(rates, table.step_ms) if table.fatigue else rates
        else:
            rates = speed_rates(seen["speed"], table.speeds, FASTEST)
        random = generator(self.seed, "mismatch", session.name, channel, f"{cut.block} {cut.first}")
        return (rates + table.noise * random.standard_normal(rates.shape)).astype(np.float32)


class ChosenStimuli(MismatchStimuli):
    """Trials that begin anywhere in a session; every split has the same."""

    def __init__(self, source: MismatchStimuli, session: Session, cuts: Sequence[Cut]):
        self.settings, self.steps, self.seed = source.settings, source.steps, source.seed
        self._made = lambda split: session
        self._cuts = list(cuts)

    def cuts(self, split: Split) -> list[Cut]:
        return self._cuts
