"""What is compared in a mismatch experiment: the same stimulus in a context, and in the block that controls for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neuro_mpc.stimuli.mismatch_blocks import ON, Presentation, in_steps
from neuro_mpc.stimuli.mismatch_session import Block, Cut, Session

CONTROLS = {
    "standard": "control-1",
    "sequence": "control-2",
    "sensorimotor": "control-4",
    "duration": "control-3",
}
"""Context → the block in which the same stimuli are shown without it."""
NEUTRAL = (*CONTROLS.values(), "many-standards")
"""Blocks of which only those stimuli are compared that contexts have, too."""
PLACES = {"sequence": 3, "local": 5, "global": 5}
"""Context of sequences → the place at which one is compared."""


@dataclass(frozen=True)
class Event:
    """A presentation that is compared, in a trial that begins earlier.

    stimulus  what it is, by the same name in all blocks
    kind      its trial type
    onset     the step of the trial at which it is seen, or missed
    """

    cut: Cut
    block: str
    stimulus: str
    kind: str
    onset: int


def events(session: Session, history: int, after: int, number: int, random: np.random.Generator) -> Iterator[Event]:
    """Of every stimulus in every block of a session as many as are asked for, or as there are, at random.

    history  steps before the onset, at least; a control has as many as the context it controls for
    after    steps from the onset on

    Where a wheel moves the grating, an event is one while the mouse runs: a mouse at rest sees the same as a halt.
    """
    lengths: dict[str, int] = {}
    in_context: set[str] = set()
    for place, block in sorted(enumerate(session.blocks), key=lambda each: each[1].kind in NEUTRAL):
        asked = lengths.get(block.kind, history)
        found = [each for each in _all(place, block, session.steps, asked) if each.onset + after <= session.steps]
        if found and block.kind in CONTROLS:
            lengths[CONTROLS[block.kind]] = min(each.onset for each in found)
            in_context |= {each.stimulus for each in found}
        if in_context and block.kind in NEUTRAL:
            found = [each for each in found if each.stimulus in in_context]
        for stimulus in sorted({(each.stimulus, each.kind) for each in found}):
            same = [each for each in found if (each.stimulus, each.kind) == stimulus]
            yield from (same[index] for index in sorted(random.permutation(len(same))[:number]))


def _all(place: int, block: Block, steps: int, history: int) -> Iterator[Event]:
    for row, presentation in enumerate(block.presentations):
        onset = int(block.start[row]) + _delay_until_deviance(block, presentation)
        if presentation.element != PLACES.get(block.kind, presentation.element) or onset >= len(block.speed):
            continue
        first = int(np.searchsorted(block.begins, onset - history, "right")) - 1
        is_felt = not block.is_coupled or block.speed[onset] > 0
        if is_felt and first >= 0 and block.group[row] < block.fitting(first, steps):
            name, kind = stimulus_of(block.kind, presentation), presentation.trial_type
            yield Event(Cut(place, first), block.kind, name, kind, onset - int(block.begins[first]))


def stimulus_of(block: str, shown: Presentation) -> str:
    """What is shown, by a name that is the same in a context and in its control."""
    if not shown.contrast:
        return "omission"
    if block in ("duration", "control-3"):
        return f"delay_{shown.delay:g}"
    if block == "repetition":
        return f"repetition_{shown.element}"
    if shown.coupled:
        return "coupled"
    return f"orientation_{shown.orientation:g}" if shown.frequency else "halt"


def _delay_until_deviance(block: Block, shown: Presentation) -> int:
    """Steps from the onset of a presentation to what is unusual: the next one too early, or not yet there."""
    if not stimulus_of(block.kind, shown).startswith("delay_"):
        return 0
    return in_steps(shown.duration, block.step_ms) + min(
        in_steps(shown.delay, block.step_ms), in_steps(ON, block.step_ms)
    )
