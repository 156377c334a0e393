"""What a scheme of inference says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from neuro_mpc.descriptions.inference import SCHEMES, Inference
from neuro_mpc.networks.phase import Phase
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.rows import Tiling
from neuro_mpc.rules.derivation import PopulationRules

if TYPE_CHECKING:
    from neuro_mpc.rules.notation import Notation

EFFICIENT_TRIALS = 64
"""Trials of a tile where products go step by step; fewer trials than a presentation has then cost less."""


@dataclass(frozen=True)
class Scheme(ABC):
    """How beliefs are brought to a low free energy: one subclass a scheme, registered by its name in `[inference]`.

    A subclass that is a dataclass has as its fields keys of its table on which generated code depends.

    table               its form of `[inference]`: a subclass of `Inference` with its own keys and what it refuses
    scalars             keys of the table that equations and code name: set before a run, without compiling again
    trial_values        names of numbers that operations keep for each trial, besides the energies
    holds_predictions   the ancestral pass stays as it is, and errors alone are inferred
    windows             beliefs can settle in windows of steps (`Plan.known`), as its phase then says
    weighs_errors       an error of a free population is Π (r − h) by `PopulationRules.weighted`, whose Π can be learned
    split_errors        an error is a function of the rest (`signed_error`), and two populations can share it
    keeps_trajectory    inference can be stopped after each iteration and resumed as if it had not been
    """

    table: ClassVar[type[Inference]]
    scalars: ClassVar[tuple[str, ...]] = ()
    trial_values: ClassVar[tuple[str, ...]] = ()
    holds_predictions: ClassVar[bool] = False
    windows: ClassVar[bool] = False
    weighs_errors: ClassVar[bool] = False
    split_errors: ClassVar[bool] = False
    keeps_trajectory: ClassVar[bool] = False

    @abstractmethod
    def belief(self, rules: PopulationRules, settles: bool) -> str:
        """Brian2 equations of the value units of a free population; see `PopulationRules.belief`.

        settles   trials may stop before the last iteration
        """

    def signed_error(self, rules: PopulationRules) -> tuple[str, Sequence[str]]:
        """The error of a free population in Brian2's language, and the variables of its other units that it names; of a
        scheme that permits `split_errors`."""
        raise NotImplementedError

    def error(self, rules: PopulationRules) -> str:
        """Brian2 equations of the error units of a free population; see `PopulationRules.error`."""
        return rules.felt(*self.signed_error(rules))

    @abstractmethod
    def phase(self, plan: Plan) -> Phase:
        """The phase that infers, from the ancestral pass to the errors that synapses learn from; its tiles are given it
        later."""

    def tile_width(self, plan: Plan, trials: int) -> int:
        """Trials of a tile, of the `trials` that a thread has."""
        return min(trials, EFFICIENT_TRIALS)

    def passes(self, iterations: int) -> int:
        """Passes over all projections that an inference takes."""
        return 2 * iterations

    def iterations(self, planned: int, used: np.ndarray, settles: bool) -> float:
        """Iterations of a presentation, averaged over its trials.

        used   what `iterations_used` says of each trial
        """
        return float(used.mean()) if settles else float(planned)

    # --- what `neuro-mpc show` prints of it ---

    def laws(self, notation: Notation, drive: Callable[[str], str]) -> list[tuple[str, str, str]]:
        """Equations in mathematical notation, (left side, right side, remark) each.

        drive   symbol of a belief → what the next populations' errors do to it
        """
        return []

    def code(self, rules: PopulationRules) -> list[tuple[str, str]]:
        """Brian2 equations to print, (title, equations) each."""
        return []


def scheme_of(plan: Plan) -> Scheme:
    """The scheme of inference that a plan names, with its options."""
    return SCHEMES.get(plan.scheme)(**dict(plan.scheme_options))


def tiling_of(plan: Plan) -> Tiling:
    """Tiles of trials, visited by threads, of the width that suits the plan's scheme."""
    per_thread = -(-plan.trials // plan.threads)
    if plan.limited:  # the batch stops as a whole
        return Tiling(plan.trials, plan.trials)
    return Tiling(plan.trials, scheme_of(plan).tile_width(plan, per_thread))


def tile_widths(plan: Plan, threads: int, workers: int) -> list[int]:
    """Trials of each tile, in the order in which they lie in variables of programs of so many threads that share the
    trials of a plan among so many workers."""
    each = tiling_of(replace(plan.shared(workers), threads=threads))
    return workers * [width for _, width in each.tiles]
