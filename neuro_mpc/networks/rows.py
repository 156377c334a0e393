"""Where the arrays of a population lie, and which of their rows an operation works on.

A row is the state of one population at one sequence step in one trial; a *tile* is a block of trials with all their
steps together, small enough to stay in cache:

    row(step, trial) = first_row(tile) + (step − first_step + history) · width(tile) + trial
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from neuro_mpc.networks.statements import Extent, Guard, Pointer, Statement

Steps = tuple[int, int]
"""Steps from … up to …, the last one not among them."""


@dataclass(frozen=True)
class Stretch:
    """Steps `start` … `start + count`, counted from the step of the loop around where they move with it; visited if
    that step is one from `within[0]` up to `within[1]`; of all trials, or of a `single` one."""

    start: int
    count: int
    moves: bool = False
    within: tuple[int, int] | None = None
    single: bool = False

    def shifted(self, steps: int) -> Stretch:
        return replace(self, start=self.start + steps)

    @property
    def rows(self) -> Extent:
        return self.extent(1)

    def extent(self, units: int) -> Extent:
        """A number of elements: of so many units on each row."""
        return Extent(fixed=self.count * units) if self.single else Extent(width=self.count * units)

    def visit(self, *statements: Statement) -> tuple[Statement, ...]:
        """The statements, where these steps are visited."""
        if self.count <= 0:
            return ()
        if self.within is None:
            return statements
        low, high = self.within
        return (Guard("_step", ">=", low, (Guard("_step", "<", high, statements),)),)


@dataclass(frozen=True)
class Visit:
    """What a section goes through: all `steps` of a tile at once or, where it `moves`, some with the loop around.

    first, count  the steps that move with a loop: `count` of them, the first of which is `first` after that of the loop
    passes        how often the loop around is executed
    single        a loop around goes through the trials one by one
    known         how many steps, from that of the loop on (without a loop: from each step on), have errors that are
                  felt; None: all
    """

    trials: int
    steps: int
    moves: bool = False
    first: int = 0
    count: int = 1
    passes: int = 0
    known: int | None = None
    single: bool = False

    def stepwise(self) -> Visit:
        """One step after the other."""
        return replace(self, moves=True, first=0, count=1, passes=self.steps)

    def row_by_row(self) -> Visit:
        """One step after the other, in each one trial after the other."""
        return replace(self.stepwise(), single=True)

    def in_windows(self, known: int) -> Visit:
        """Windows of `known` steps, each of which begins one step after the last."""
        return replace(self, moves=True, first=0, count=known, passes=self.steps - known + 1, known=known)

    def at(self, step: int) -> Visit:
        """A single step of each window."""
        return replace(self, first=step, count=1)

    def stretch(self, first: int, stop: int, ahead: int = 0) -> Stretch:
        """Steps `first` … `stop`: all, or those `ahead` of the steps that move with the loop."""
        return replace(self._of_all_trials(first, stop, ahead), single=self.single)

    def _of_all_trials(self, first: int, stop: int, ahead: int) -> Stretch:
        if not self.moves:
            is_felt = self.known is None or ahead < self.known
            return Stretch(first, stop - first if is_felt else 0)
        start = self.first + ahead
        count = self.count if self.known is None else min(self.count, self.known - start)
        if count <= 0 or first >= stop:
            return Stretch(first, 0)
        if first <= start and stop - start - count + 1 >= self.passes:
            return Stretch(start, count, True)
        if count == 1:
            return Stretch(start, 1, True, (first - start, stop - start))
        assert stop - first == 1  # what is compared at the last step alone
        return Stretch(first, 1, within=(first - start - count + 1, first - start + 1))

    def steps_of(self, rows: Rows) -> Stretch:
        return self.stretch(rows.first_step, rows.stop)


@dataclass(frozen=True)
class Rows:
    """Where the arrays of one population lie: `units` columns; rows for `steps` steps from `first_step`, after
    `history` rows that hold the steps before the first one."""

    units: int
    steps: int
    history: int = 0
    first_step: int = 0

    def elements(self, trials: int) -> int:
        return (self.history + self.steps) * trials * self.units

    def retiled(self, values: np.ndarray, before: Sequence[int], after: Sequence[int]) -> np.ndarray:
        """A variable whose trials lie in tiles of some widths, as it lies in tiles of others."""
        depth, ends = self.history + self.steps, np.cumsum(before)
        parts = np.split(values, ends[:-1] * depth * self.units)
        trials = np.concatenate([part.reshape(depth, width, self.units) for part, width in zip(parts, before)], axis=1)
        return np.concatenate([tile.ravel() for tile in np.split(trials, np.cumsum(after)[:-1], axis=1)])

    @property
    def stop(self) -> int:
        return self.first_step + self.steps

    @property
    def all(self) -> Stretch:
        return Stretch(self.first_step, self.steps)

    def begin(self, steps: Stretch) -> Extent:
        """The first element of some steps."""
        before = steps.start + self.history - self.first_step
        return Extent(
            (self.history + self.steps) * self.units,
            before * self.units,
            self.units * steps.moves,
            self.units * steps.single,
        )

    def size(self, steps: Stretch) -> Extent:
        return steps.extent(self.units)

    def of(self, name: str, steps: Stretch) -> Pointer:
        """A variable from the first of some steps on."""
        return Pointer(name, self.begin(steps))


@dataclass(frozen=True)
class Span:
    """A projection's synapses in time: `post` at step s receives from `pre` at step s − `delay`.

    silent    steps of `post`, counted from the first of the sequence, whose error is not fed back
    erring    the first step of `post` whose error can differ from zero
    """

    post: Rows
    pre: Rows
    delay: int = 0
    silent: int = 0
    erring: int = 0

    @property
    def first(self) -> int:
        """First postsynaptic step that receives anything (from the history, if there is one)."""
        return max(self.post.first_step, self.delay + self.pre.first_step - self.pre.history)

    @property
    def first_within(self) -> int:
        """First postsynaptic step whose error is fed back: its source lies inside the sequence."""
        return max(self.post.first_step, self.delay + self.pre.first_step, self.silent, self.erring)

    @property
    def stop(self) -> int:
        return self.post.stop

    @property
    def reached(self) -> Steps:
        """Steps of `pre` that errors are fed back to."""
        first = self.first_within - self.delay
        return first, max(first, self.stop - self.delay)

    @property
    def first_learned(self) -> int:
        """First postsynaptic step of which anything is learned: something is received, and an error is possible."""
        return max(self.first, self.erring)


@dataclass(frozen=True)
class Tiling:
    """How the trials of a presentation are split; (first trial, number of trials) of each tile.

    Tiles that hold none but the last `idle_trials` (a scalar) are not visited."""

    trials: int
    width: int
    tiles: tuple[tuple[int, int], ...] = field(init=False)

    def __post_init__(self) -> None:
        starts = range(0, self.trials, self.width)
        tiles = tuple((start, min(self.width, self.trials - start)) for start in starts)
        object.__setattr__(self, "tiles", tiles)
