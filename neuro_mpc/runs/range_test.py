"""A learning rate found by trying: the range test behind ``learning.rate = "auto"`` (Smith 2017, IEEE WACV, 464-472).

From the state in which learning is to begin, K batches are learned at each rate of a geometric ladder, with the same
trials and the same noise; then everything is as it was.  With F_k the free energy of presentation k (or its loss, where
predictions are held and errors weighed: these then grow while circuits learn),

    score(rate) = mean of F_k over the last third of the presentations

The ladder is descended from its highest rate.  A rate ends at the first F_k that is not finite, or GROWTH times the one
at rate 0; the descent ends after PATIENCE rates in a row that are worse than the best.  Learning takes the best rate
over SAFETY, since a few presentations do not show what a whole training at that rate would do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.learning import AUTO, Learning
from neuro_mpc.errors import RunError
from neuro_mpc.runs.divergence import lowered_energy

if TYPE_CHECKING:
    from neuro_mpc.runs.preparation import Preparation
    from neuro_mpc.simulation.presentation import Presenter

STEP, LOWEST, HIGHEST = math.sqrt(10), 1e-5, 10.0
LADDER = tuple(float(f"{HIGHEST / STEP**rung:.4g}") for rung in range(1 + round(math.log(HIGHEST / LOWEST, STEP))))
SAFETY = STEP
FEWEST, MOST, SHARE = 10, 25, 8  # presentations at a rate: a share of the training, within bounds
GROWTH, PATIENCE = 4.0, 2


@dataclass(frozen=True)
class RangeTest:
    """What the rates of a ladder did to an energy.

    start    the score of rate 0, with which nothing is learned
    scores   rate → score, of the rates that were tried; infinity where one was ended
    energy   its name in the run file
    """

    start: float
    scores: dict[float, float]
    energy: str = "free_energy"

    @property
    def rate(self) -> float:
        """The rate to learn at. Raises RunError where none that was tried lowers the energy."""
        best = min(self.scores, key=self.scores.__getitem__)
        if not self.scores[best] < self.start:
            tried = f"{min(self.scores):g} to {max(self.scores):g}"
            raise RunError(
                f'learning.rate = "{AUTO}": none of the rates {tried} lowers the {self.energy.replace("_", " ")} '
                f"of {self.start:.4g} in a few presentations",
                hint="a learning.rate of your own, a larger learning.batch, or other initial values",
            )
        return float(f"{best / SAFETY:.4g}")


def presentations(total: int) -> int:
    """Presentations at each rate, before a training of `total` presentations."""
    return min(max(total // SHARE, FEWEST), MOST)


def most_presentations(learning: Learning, total: int) -> int:
    """What the range test of a training takes at most; 0 where there is none."""
    return (len(LADDER) + 1) * presentations(total) if learning.rate == AUTO and total else 0


def range_test(presenter: Presenter, run: Preparation, done: int = 0) -> RangeTest:
    """Tries rates from the state before presentation `done`, to which the presenter returns."""
    state, numbers = presenter.state(), range(done, done + presentations(run.course.total))
    judged = lowered_energy(run.plan) if _weighs_errors(run.plan.circuit) else "free_energy"

    def energies(rate: float) -> Iterator[float]:
        presenter.restore(state)
        for number in numbers:
            batch = run.data.presented("train", run.course.batch_of(number))
            yield presenter.learn(number, *batch, rate, run.course.goes_on(number)).of(judged)

    try:
        unlearned = list(energies(0.0))
        scores = _descended(lambda rate: _tried(energies(rate), unlearned))
        return RangeTest(_score(unlearned), scores, judged)
    finally:
        presenter.restore(state)


def _weighs_errors(circuit: Circuit) -> bool:
    """Whether a precision is learned, or is not 1."""
    return any(each.precision not in (None, 1.0) for each in circuit.population.values())


def _score(energies: Sequence[float]) -> float:
    return float(np.mean(energies[-max(1, len(energies) // 3) :]))


def _tried(energies: Iterator[float], unlearned: Sequence[float]) -> float:
    """The score of a rate; infinity for one that is ended."""
    found = []
    for energy, before in zip(energies, unlearned, strict=False):
        if not energy <= GROWTH * abs(before):  # NaN included; with learned precisions energies may be negative
            return math.inf
        found.append(energy)
    return _score(found)


def _descended(score: Callable[[float], float]) -> dict[float, float]:
    scores: dict[float, float] = {}
    best, worse = math.inf, 0
    for rate in LADDER:
        scores[rate] = score(rate)
        worse = worse + 1 if scores[rate] > best else 0
        best = min(best, scores[rate])
        if worse == PATIENCE:
            break
    return scores
