"""A perceptual decision: random dots move to the left or to the right; after a memory period the direction is named.

Britten, Shadlen, Newsome & Movshon, J. Neurosci. 12, 4745 (1992); ring of direction-selective inputs, coherences and
periods as in PerceptualDecisionMaking-v0 of NeuroGym (Molano-Mazón et al. 2022).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal, Self, cast

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable, number_drawn, refuse_too_many
from neuro_mpc.descriptions.tables import AtLeastOne, Count, Listed, NotNegative, problem
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli.interface import SPLITS, STIMULUS, TARGET, Channel, Split, Stimuli

LEFT, RIGHT = "left", "right"
BASELINE, SPAN = 0.5, 200.0
"""Input of a ring unit without motion; percent of coherence that change the input of a unit by one."""

Steps = Annotated[int, Field(ge=0, le=10_000)]
Coherence = Annotated[float, Field(ge=0, le=100)]


def _different(values: tuple[float, ...]) -> tuple[float, ...]:
    if not values or len(set(values)) < len(values):
        raise problem("is empty or has an entry twice", expected="one or more different entries")
    return values


class Decision(StimulusTable):
    """Random dots move to the left or to the right: which? A trial is fixation, stimulus, memory, and decision.

    ring         units on a ring, unit k preferring the direction 360° k / ring; 0° is to the right
    coherences   of the motion (%), each as probable as the others, in either direction
    noise        standard deviation of the input of each ring unit at each step of the stimulus; the motion changes this
                 input by cos(difference of directions) · coherence / 200, from 0.5
    fixation     steps before the stimulus
    stimulus     steps of the stimulus
    memory       steps between stimulus and decision, over which the evidence has to be remembered
    decision     steps at which the choice is asked for
    trials       number of trials to learn
    validation   number of trials held out for validation
    test         number of trials held out for the test

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> task = nm.stimuli.Decision(coherences=[0, 12.8], memory=5)
    >>> task.steps, round(task.ideal(12.8), 3)
    (17, 0.874)
    """

    source: Literal["decision"] = "decision"
    ring: Annotated[int, Field(ge=2, le=10_000)] = 16
    coherences: Annotated[Listed[Coherence], AfterValidator(_different)] = (0.0, 6.4, 12.8, 25.6, 51.2)
    noise: NotNegative = 0.5
    fixation: Steps = 1
    stimulus: Annotated[int, Field(ge=1, le=10_000)] = 10
    memory: Steps = 0
    decision: Annotated[int, Field(ge=1, le=10_000)] = 1
    trials: AtLeastOne = 2000
    validation: Count = 200
    test: Count = 1000

    @model_validator(mode="after")
    def _fits_in_memory(self) -> Self:
        numbers = (self.trials + self.validation + self.test) * self.stimulus * self.ring
        refuse_too_many(numbers, "trials × steps of the stimulus × units of the ring")
        return self

    @property
    def steps(self) -> int:
        """Steps of a trial."""
        return self.fixation + self.stimulus + self.memory + self.decision

    def ideal(self, coherence: float) -> float:
        """Probability that an observer who makes the best of a whole stimulus is right.

        Φ(d), where d = c/200 · √(T Σ_k cos² θ_k) / σ: coherence c, T steps, noise σ, preferred directions θ_k.
        """
        if not self.noise:
            return 1.0 if coherence else 0.5
        power = float(np.square(_tuning(self.ring)).sum())
        return 0.5 * math.erfc(-coherence / SPAN * math.sqrt(self.stimulus * power) / self.noise / math.sqrt(2))


@SOURCES.register("decision")
class DecisionStimuli(Stimuli):
    """Trials of a perceptual decision, drawn from the seed.

    ======== ======= ==================================================================================
    channel  units   gives
    ======== ======= ==================================================================================
    fixation 1       1 until the decision, then 0
    ring     `ring`  the motion, with noise, during the stimulus; else 0
    go       1       1 at the steps of the decision, else 0: also a mask, `target.where = "go"`
    choice   2       at the steps of the decision the class of the direction, left or right; else none.
                     Without coherence, either by chance
    coherence 1      of the trial, signed (%): above 0 to the right; a value to analyse by, or to estimate
    ======== ======= ==================================================================================
    """

    table = Decision

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        self._table = cast(Decision, protocol.stimulus)
        self.steps = self._table.steps
        self._trials = {split: _drawn(self._table, split, seed) for split in SPLITS}

    @property
    def channels(self) -> dict[str, Channel]:
        return {
            "fixation": Channel(1, roles=(STIMULUS,)),
            "ring": Channel(self._table.ring, roles=(STIMULUS,)),
            "go": Channel(1, roles=(STIMULUS,)),
            "choice": Channel(2, "classes", missing=True, names=(LEFT, RIGHT), roles=(TARGET,)),
            "coherence": Channel(1, roles=(TARGET,)),
        }

    def size(self, split: Split) -> int:
        return number_drawn(self._table, split)

    def content(self, split: Split) -> Iterator[np.ndarray]:
        yield from self._trials[split]

    def given(self, split: Split, trials: np.ndarray, channel: str) -> np.ndarray:
        table, (motion, right, coherence) = self._table, self._trials[split]
        given = np.zeros((self.steps, len(trials), self.channels[channel].width), np.float32)
        if channel == "ring":
            given[table.fixation : table.fixation + table.stimulus] = motion[:, trials]
        elif channel == "coherence":
            given[:] = coherence[trials, None]
        elif channel == "choice":
            given = np.full((self.steps, len(trials)), -1)
            given[-table.decision :] = right[trials]
        else:
            given[slice(-table.decision, None) if channel == "go" else slice(-table.decision)] = 1
        return given


def _drawn(table: Decision, split: Split, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Motion (step of the stimulus, trial, unit), whether to the right, int (trial,), and signed coherence (trial,)."""
    number = number_drawn(table, split)
    random = generator(seed, "decision", split)
    right = random.integers(2, size=number)
    coherence = (2 * right - 1) * random.choice(table.coherences, number)
    noise = random.standard_normal((table.stimulus, number, table.ring), np.float32)
    motion = BASELINE + coherence[:, None] / SPAN * _tuning(table.ring) + table.noise * noise
    return motion.astype(np.float32), right, coherence.astype(np.float32) + np.float32(0)


def _tuning(ring: int) -> np.ndarray:
    """Cosine of the difference between the preferred direction of each unit and the right."""
    return np.cos(2 * np.pi * np.arange(ring) / ring)
