"""A mismatch session: blocks laid out in steps, and trials cut from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli import wheel
from neuro_mpc.stimuli.mismatch_blocks import KINDS, Numbers, Presentation, in_steps

if TYPE_CHECKING:
    import xarray as xr

FREQUENCY = 0.04
"""Spatial frequency of the gratings (cycles per degree)."""


class Block:
    """The presentations of a block, one after the other.

    start, stop, end  (presentation,) its first step, the first one after it, and the first one after its delay
    group             (presentation,) number of the sequence that it belongs to, or of itself
    begins, ends      (group,) its first step, and the first one after its last delay
    orientation, phase, contrast   (step,) of what is seen; degrees
    speed             (step,) of running (cm/s)
    is_coupled        whether a wheel moves the grating
    """

    def __init__(self, kind: str, numbers: Numbers, random: np.random.Generator):
        self.kind, self.label, self.block_type = kind, KINDS[kind].label, KINDS[kind].block_type
        self.presentations, self.step_ms = KINDS[kind].made(numbers, random), numbers.step_ms
        shown, gap = (
            np.array([in_steps(getattr(each, name), self.step_ms) for each in self.presentations])
            for name in ("duration", "delay")
        )
        self.end = np.cumsum(shown + gap)
        self.start = self.end - shown - gap
        self.stop = self.start + shown
        is_first = self.column("element") == 1
        self.group = np.cumsum(is_first) - 1
        self.begins, self.ends = self.start[is_first], self.end[np.append(np.flatnonzero(is_first)[1:], 0) - 1]
        self.speed = wheel.speeds(random, int(self.end[-1]), self.step_ms)
        self.is_coupled = bool(self.column("coupled").any())
        self.onset_phase = np.zeros(len(self.start))
        self._lay_out(random if KINDS[kind].wheel == "open" else None)

    def column(self, name: str) -> np.ndarray:
        """A property of every presentation."""
        return np.array([getattr(each, name) for each in self.presentations])

    def fitting(self, first: int, steps: int) -> int:
        """The first group that does not end within so many steps of the beginning of a group."""
        return int(np.searchsorted(self.ends, self.begins[first] + steps, "right"))

    def _lay_out(self, recorded_before: np.random.Generator | None) -> None:
        """What is seen at each step.

        recorded_before   a stream for the wheel that moves the grating in the place of the mouse's own
        """
        steps = len(self.speed)
        moved_by = self.speed if recorded_before is None else wheel.speeds(recorded_before, steps, self.step_ms)
        turned = wheel.phases(moved_by, self.step_ms)
        self.orientation, self.phase, self.contrast = (np.zeros(steps) for _ in range(3))
        for number, (each, start, stop) in enumerate(zip(self.presentations, self.start, self.stop, strict=True)):
            drifts = np.arange(stop - start) * 360 * each.frequency * self.step_ms / 1000
            # Uncoupled, a grating begins where the wheel has left it.
            begins = turned[start - 1] if self.is_coupled and start else 0.0
            phase = turned[start:stop] if each.coupled else (begins + drifts) % 360
            self.orientation[start:stop], self.contrast[start:stop] = each.orientation, each.contrast
            self.phase[start:stop], self.onset_phase[number] = phase, phase[0]


@dataclass(frozen=True)
class Cut:
    """A trial: the groups of a block, from one on, that fit into its steps as a whole; then grey.

    block  number in the session
    first  number of its first group
    """

    block: int
    first: int


class Session:
    """Blocks in the order of a session, and trials of a number of steps that follow each other in them."""

    def __init__(
        self, name: str, kinds: tuple[str, ...], numbers: Numbers, steps: int, randoms: list[np.random.Generator]
    ):
        self.name = name
        self.blocks = [Block(kind, numbers, random) for kind, random in zip(kinds, randoms, strict=True)]
        self.steps, self.step_ms = steps, numbers.step_ms
        self._refuse_too_long()
        self.cuts = [cut for number in range(len(kinds)) for cut in self._cuts(number)]

    def _refuse_too_long(self) -> None:
        """DescriptionError for a group that no trial would hold as a whole."""
        for block in self.blocks:
            longest = int((block.ends - block.begins).max())
            if longest > self.steps:
                raise DescriptionError(
                    f"a trial is shorter than a sequence of the block {block.kind!r}",
                    key="stimulus.steps",
                    found=self.steps,
                    expected=f"{longest} or more",
                )

    def _cuts(self, number: int) -> list[Cut]:
        block, cuts, first = self.blocks[number], [], 0
        while first < len(block.begins):
            cuts.append(Cut(number, first))
            first = block.fitting(first, self.steps)
        return cuts

    def window(self, cut: Cut) -> tuple[Block, int, int]:
        """The block of a trial, its first step in the block, and the first one after its last group."""
        block = self.blocks[cut.block]
        return block, int(block.begins[cut.first]), int(block.ends[block.fitting(cut.first, self.steps) - 1])

    def seen(self, cut: Cut) -> dict[str, np.ndarray]:
        """orientation, phase, contrast and speed at each step of a trial, (step,)."""
        block, start, stop = self.window(cut)
        values = {name: np.zeros(self.steps) for name in ("orientation", "phase", "contrast", "speed")}
        for name, steps in values.items():
            shown = getattr(block, name)[start:stop]
            steps[: len(shown)] = shown
        return values

    def table(self, cuts: list[Cut]) -> xr.Dataset:
        """The stimulus table of trials, one row a presentation; see `MismatchStimuli.presentations`."""
        import xarray as xr  # takes a second to import

        parts = [self._rows(number, cut) for number, cut in enumerate(cuts)]
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        variables = {name: ("presentation", values) for name, values in columns.items()}
        return xr.Dataset(variables, attrs={"step_ms": self.step_ms, "steps": self.steps})

    def _rows(self, trial: int, cut: Cut) -> dict[str, np.ndarray]:
        block, start, stop = self.window(cut)
        rows = np.arange(*np.searchsorted(block.start, (start, stop)))
        shown: list[Presentation] = [block.presentations[row] for row in rows]
        same = {
            "trial": trial,
            "SpatialFrequency": FREQUENCY,
            "BlockNumber": cut.block + 1,
            "BlockLabel": block.label,
            "BlockType": block.block_type,
        }
        return {
            **{name: np.full(len(rows), value) for name, value in same.items()},
            "start_step": block.start[rows] - start,
            "stop_step": block.stop[rows] - start,
            "Orientation": np.radians([each.orientation for each in shown]),
            "contrast": np.array([each.contrast for each in shown]),
            "TemporalFrequency": np.array([each.frequency for each in shown]),
            "phase": np.radians(block.onset_phase[rows]),
            "Duration": np.array([each.duration for each in shown]) / 1000,
            "Delay": np.array([each.delay for each in shown]) / 1000,
            "TrialType": np.array([each.trial_type for each in shown]),
            "TrialNumber": rows + 1,
            "SequenceNumber": block.group[rows] + 1,
            "TrialInSequence": np.array([each.element for each in shown]),
        }
