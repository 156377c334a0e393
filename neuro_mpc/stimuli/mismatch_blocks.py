"""The blocks of mismatch sessions: what is shown in each, and in which order.

Design and numbers of the OpenScope sessions on predictive processing (arXiv 2504.09614; recorded in DANDI 001637).
Local against global deviants follow Wacongne et al. 2012, J. Neurosci. 32:3665, in design; their numbers, those of the
many-standards control and of the trains of repetitions are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

STANDARD, OMISSION, HALT, SINGLE, GREY = "standard", "omission", "halt", "single", "sequence_omission"
DRIFT = 2.0
"""Temporal frequency of a drifting grating (Hz)."""
ON = 343.0
"""Duration of a presentation, and of the grey after it (ms)."""
ELEMENT = 250.0
"""Duration of an element of a sequence (ms)."""
DIRECTIONS = tuple(22.5 * number for number in range(14))
DELAYS = (150.0, 343.0, 500.0, 750.0, 914.0, 1000.0, 1500.0)
LONGEST_TRAIN = 7
"""Presentations of one direction in a row, at most, in the repetition block."""
APART = 2000.0
"""Least time between the onsets of deviants in a coupled block (ms)."""


@dataclass(frozen=True)
class Presentation:
    """One presentation of a grating; times in ms, angles in degrees.

    delay      of grey, after it
    element    its place in its sequence, from 1 on; 1 without sequences
    coupled    the wheel moves the grating, from step to step
    """

    trial_type: str = STANDARD
    orientation: float = 0.0
    contrast: float = 1.0
    frequency: float = DRIFT
    duration: float = ON
    delay: float = ON
    element: int = 1
    coupled: bool = False


@dataclass(frozen=True)
class Numbers:
    """How many there are of what; a block draws their order from its own random stream.

    scale     factor on all numbers of presentations; at least one is left of each
    deviants  of each kind, at scale 1
    step_ms   duration of a step, that of the frames of a coupled grating
    """

    scale: float
    deviants: int
    step_ms: float

    def of(self, number: float) -> int:
        return max(round(number * self.scale), 1)

    @property
    def of_deviants(self) -> int:
        return self.of(self.deviants) if self.deviants else 0


@dataclass(frozen=True)
class Kind:
    """A kind of block.

    label       of the recorded block
    block_type  in its stimulus table
    made        the presentations, in order, from the numbers and a random stream
    wheel       "closed": the mouse moves the grating; "open": a wheel that was recorded before does
    """

    label: str
    block_type: str
    made: Callable[[Numbers, np.random.Generator], list[Presentation]]
    wheel: str = ""


def changes(prefix: str = "") -> tuple[Presentation, ...]:
    """The deviants of the sensory and the sensorimotor context."""
    return (
        Presentation(f"{prefix}orientation_45", orientation=45),
        Presentation(f"{prefix}orientation_90", orientation=90),
        Presentation(f"{prefix}{HALT}", frequency=0),
        Presentation(f"{prefix}{OMISSION}", contrast=0),
    )


def standard(numbers: Numbers, random: np.random.Generator) -> list[Presentation]:
    """A grating again and again; rarely its orientation differs, it stands still, or it is missing."""
    return _rarely(Presentation(), changes(), numbers, random)


def duration(numbers: Numbers, random: np.random.Generator) -> list[Presentation]:
    """A grating again and again; rarely the next one is early or late, or one is missing."""
    jittered = [Presentation("jitter", delay=delay) for delay in (150, 500, 1000)]
    return _rarely(Presentation(), (*jittered, Presentation(OMISSION, contrast=0)), numbers, random)


def sequence(numbers: Numbers, random: np.random.Generator) -> list[Presentation]:
    """90°, 45°, 0°, 45° and grey, again and again; rarely the third element is another one."""
    whole = numbers.of(1248)
    each = [deviant for deviant in changes() for _ in range(numbers.of_deviants)]
    thirds = [*each, *[Presentation()] * max(whole - len(each), 0)]
    shown = []
    for number in random.permutation(len(thirds)):
        elements = (Presentation(orientation=90), Presentation(orientation=45), thirds[number])
        last = (Presentation(orientation=45), Presentation(GREY, contrast=0))
        shown += [
            replace(each, duration=ELEMENT, delay=0, element=1 + place) for place, each in enumerate((*elements, *last))
        ]
    return shown


def coupled(minutes: float, deviants: int | None, trial_type: str) -> Callable[..., list[Presentation]]:
    """A grating that a wheel moves, for a time; rarely, and for 343 ms, it does not: as often as fits, 2 s apart.

    deviants  of each kind at scale 1, whatever the contexts have; None: as many as those
    """

    def made(numbers: Numbers, random: np.random.Generator) -> list[Presentation]:
        number = numbers.of_deviants if deviants is None else numbers.of(deviants)
        kinds = changes("motor_")
        frames = int(minutes * 60_000 * numbers.scale / numbers.step_ms)
        apart = max(int(APART / numbers.step_ms), 1)
        places = _apart(frames, apart, number * len(kinds), random)
        # Where fewer fit than are asked for, there are as many of each kind but for one.
        each = [kind for place, kind in enumerate(kinds) for _ in range(place, len(places), len(kinds))]
        order = dict(zip(places, random.permutation(len(places)), strict=True))
        frame = Presentation(trial_type, duration=numbers.step_ms, delay=0, frequency=0, coupled=True)
        shown, step = [], 0
        while step < frames:
            deviant = order.get(step)
            shown.append(frame if deviant is None else replace(each[deviant], delay=0))
            step += 1 if deviant is None else in_steps(ON, numbers.step_ms)
        return shown

    return made


def singles(each: int, **timing: float) -> Callable[..., list[Presentation]]:
    """14 directions, a halt and an omission, shuffled, of each equally many."""

    def made(numbers: Numbers, random: np.random.Generator) -> list[Presentation]:
        directions = [Presentation(SINGLE, orientation=direction) for direction in DIRECTIONS]
        kinds = [*directions, Presentation(HALT, frequency=0), Presentation(OMISSION, contrast=0)]
        return _shuffled([replace(kind, **timing) for kind in kinds], numbers.of(each), random)

    return made


def delays(numbers: Numbers, random: np.random.Generator) -> list[Presentation]:
    """The same grating after all kinds of delays, or missing."""
    kinds = [Presentation(SINGLE, delay=delay) for delay in DELAYS]
    return _shuffled([*kinds, Presentation(OMISSION, contrast=0)], numbers.of(46), random)


def many_standards(numbers: Numbers, random: np.random.Generator) -> list[Presentation]:
    """14 directions by turns, equally often on average, never the same twice in a row."""
    moves = random.integers(1, len(DIRECTIONS), numbers.of(34 * len(DIRECTIONS)))
    return [Presentation(SINGLE, orientation=DIRECTIONS[at]) for at in np.cumsum(moves) % len(DIRECTIONS)]


def repetition(numbers: Numbers, random: np.random.Generator) -> list[Presentation]:
    """Trains of two to `LONGEST_TRAIN` presentations of one direction, then of another."""
    shown, directions = [], (0.0, 45.0, 90.0, 135.0)
    moves = random.integers(1, len(directions), numbers.of(160))
    for at, length in zip(
        np.cumsum(moves) % len(directions), random.integers(2, LONGEST_TRAIN + 1, len(moves)), strict=True
    ):
        shown += [Presentation(SINGLE, orientation=directions[at], element=1 + place) for place in range(length)]
    return shown


def local_global(frequent: str) -> Callable[..., list[Presentation]]:
    """Sequences of five short gratings: A A A A A or A A A A B, of which one is frequent (80 %), the other rare."""
    kinds = {"AAAAA": ("standard", "global_deviant"), "AAAAB": ("local_deviant", "local_global_deviant")}

    def made(numbers: Numbers, random: np.random.Generator) -> list[Presentation]:
        rare = next(name for name in kinds if name != frequent)
        names = [frequent] * numbers.of(240) + [rare] * numbers.of(60)
        shown = []
        for number in random.permutation(len(names)):
            name = names[number]
            last = Presentation(kinds[name][name == rare], orientation=90.0 * (name == "AAAAB"))
            places = enumerate((*[Presentation()] * 4, last))
            shown += [
                replace(each, duration=100, delay=100 if place < 4 else 300, element=1 + place)
                for place, each in places
            ]
        return shown

    return made


KINDS = {
    "standard": Kind("Standard mismatch block", "standard_oddball", standard),
    "sequence": Kind("Sequence mismatch block", "sequential_oddball", sequence),
    "sensorimotor": Kind("Sensory-motor mismatch block", "motor_oddball", coupled(26, None, STANDARD), "closed"),
    "duration": Kind("Duration mismatch block", "jitter_oddball", duration),
    "local": Kind("Local regularity block", "local_oddball", local_global("AAAAA")),
    "global": Kind("Global regularity block", "global_oddball", local_global("AAAAB")),
    "control-1": Kind("Control block 1", "standard_control", singles(34)),
    "control-2": Kind("Control block 2", "sequential_control_block", singles(70, duration=ELEMENT, delay=0)),
    "control-3": Kind("Control block 3", "jitter_control", delays),
    "control-4": Kind("Control block 4", "open_loop_prerecorded", coupled(6.4, 8, "prerecorded"), "open"),
    "many-standards": Kind("Many-standards block", "many_standards_control", many_standards),
    "repetition": Kind("Repetition block", "repetition_control", repetition),
}


def in_steps(ms: float, step_ms: float) -> int:
    """The nearest number of steps, and one at least for what lasts at all; halves are rounded up."""
    return max(int(ms / step_ms + 0.5), 1) if ms else 0


def _rarely(
    usual: Presentation, deviants: tuple[Presentation, ...], numbers: Numbers, random: np.random.Generator
) -> list[Presentation]:
    """Deviants among 2274 presentations, in any order."""
    each = [deviant for deviant in deviants for _ in range(numbers.of_deviants)]
    return _shuffled([*each, *[usual] * max(numbers.of(2274) - len(each), 0)], 1, random)


def _shuffled(kinds: list[Presentation], times: int, random: np.random.Generator) -> list[Presentation]:
    return [kinds[number % len(kinds)] for number in random.permutation(len(kinds) * times)]


def _apart(length: int, apart: int, number: int, random: np.random.Generator) -> list[int]:
    """So many places, or as many as were found, in random order, no two nearer to each other or to an end."""
    places: list[int] = []
    for place in random.permutation(np.arange(apart, max(length - apart, apart))):
        if len(places) == number:
            break
        if all(abs(place - other) >= apart for other in places):
            places.append(int(place))
    return places
