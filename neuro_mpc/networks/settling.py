"""What ends the inference of a trial, and how long its steps are: operations on the energies of all trials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neuro_mpc.networks.operations import ITERATION, PER_TRIAL, WIDTH, Operation, of_trials
from neuro_mpc.networks.rows import Rows
from neuro_mpc.networks.statements import BreakUnless, Call, Scalar

UNTIL_NONE_MOVES = BreakUnless(Call("any_trial", PER_TRIAL, WIDTH))
ENERGIES = of_trials("loss"), of_trials("energy_hidden")
LAST_ENERGY, ITERATIONS_USED = of_trials("energy_last"), of_trials("iterations_used")


@dataclass(frozen=True)
class Settle(Operation):
    """Stop the trials whose energy changed by less than `tolerance` times itself since the last iteration, or all of
    the tile once the sum of their hidden energies passed `energy_limit`; end the loop when none moves.

    moving   variables that hold whether a trial moves, one value per unit and step
    """

    moving: tuple[tuple[str, Rows], ...]

    def lower(self, visit):
        limits = Scalar("tolerance"), Scalar("energy_limit")
        state = *ENERGIES, ENERGIES[-1], LAST_ENERGY, ITERATIONS_USED
        yield Call("settle_trials", ITERATION, *limits, *state, PER_TRIAL, WIDTH)
        yield from _fill(self.moving)
        yield UNTIL_NONE_MOVES


@dataclass(frozen=True)
class Backtrack(Operation):
    """Set what each trial multiplies its last `change` with, its gain: a trial whose energy did not rise continues with
    a somewhat longer step, one whose energy rose takes back half of its last step.

    stage     "start": before the first step, "step": before each step, "end": trials that rose take their step back
    length    variable that holds the length of each trial's step
    gains     variables that hold a trial's gain, one value per unit and step
    rounding  what an energy may rise by, relative to itself
    """

    stage: str
    length: str
    gains: tuple[tuple[str, Rows], ...]
    tau: float
    rounding: float

    def lower(self, visit):
        state = LAST_ENERGY, of_trials(self.length), ITERATIONS_USED
        if self.stage == "start":
            return [Call("start_lengths", Scalar("inference_dt"), self.tau, *state, WIDTH)]
        judged = self.rounding, *ENERGIES, *state, PER_TRIAL, WIDTH
        if self.stage == "end":
            return [Call("last_gains", *judged), *_fill(self.gains)]
        return [Call("next_gains", ITERATION, Scalar("tolerance"), *judged), *_fill(self.gains), UNTIL_NONE_MOVES]


def _fill(variables: Iterable[tuple[str, Rows]]) -> Iterable[Call]:
    """Each trial's number for all its steps and units."""
    for name, rows in variables:
        yield Call("fill_trials", PER_TRIAL, rows.of(name, rows.all), rows.steps, WIDTH, rows.units)
