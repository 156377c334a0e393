"""A training that diverges: how it is noticed, where it shows, and how it goes on with smaller steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from neuro_mpc.descriptions.expressions import evaluate, parse
from neuro_mpc.errors import RunError
from neuro_mpc.runfile.record import RunFile
from neuro_mpc.simulation.presentation import Energies, Presenter

# Energies fall while a circuit learns. Single batches may have any energy where the variance of an input is small; one
# that is so many times that of the beginning in so many presentations in a row will not come back.
LARGEST_GROWTH, LARGEST_GROWTH_WITH_RETREAT = 1e6, 100.0
PATIENCE = 10
LEAST_FACTOR = 2.0**-20
BLOWN_UP = 10.0  # times the energy of the beginning, at the end of a training that never became infinite
PROBED = np.linspace(-3, 3, 13)  # beliefs at which an activation has to have a value
ADVICE = (
    "a smaller learning.rate, learning.clip or inference.rate, smaller initial values, or "
    "learning.backoff = 50, which halves the rate by itself; what was recorded before can be read"
)


class Diverged(RunError):
    """The free energy or the parameters are not finite, or the energy stays out of all proportion."""


class Watch:
    """Looks at the energies of every presentation, and at the parameters whenever they are read.

    largest  the largest free energy that is put up with
    high     presentations in a row with a larger one
    """

    def __init__(self, presenter: Presenter, retreats: bool = False):
        self._presenter, self.largest, self.high = presenter, 0.0, 0
        self._growth = LARGEST_GROWTH_WITH_RETREAT if retreats else LARGEST_GROWTH

    def energies(self, presentation: int, energies: Energies) -> None:
        """Raises Diverged for energies that tell so, with the population where it shows."""
        if not self.largest:
            self.largest = self._growth * max(1.0, np.nan_to_num(energies.start))
        self.high = self.high + 1 if energies.total > self.largest else 0
        if not np.isfinite(energies.total) or self.high >= PATIENCE:
            self.high = 0
            undefined = self._undefined_activation()
            raise Diverged(
                f"the free energy became {energies.total:.3g} in presentation {presentation}: "
                f"{undefined or self._where()}",
                hint="an activation that is finite for every belief, such as log(1 + relu(r))" if undefined else ADVICE,
            )

    def parameters(self, presentation: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Raises Diverged for arrays that are not finite."""
        # The compiled program computes as if there were no NaN, so that one need not reach the energies.
        if bad := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
            raise Diverged(
                f"after {presentation} presentations, there are infinite numbers or NaN in {', '.join(bad[:5])}",
                hint=ADVICE,
            )

    def _undefined_activation(self) -> str:
        """The activation that has no value for some beliefs, of a population whose errors are not finite."""
        populations = self._presenter.plan.circuit.population
        for name, error in self._presenter.largest_errors().items():
            activation = populations[name].activation if name in populations else None
            if activation is None or np.isfinite(error):
                continue
            with np.errstate(all="ignore"):
                values = evaluate(parse(activation, ["r"]), {"r": PROBED})
            if not (finite := np.isfinite(np.broadcast_to(values, PROBED.shape))).all():
                return f"the activation of {name}, {activation}, is not finite at r = {PROBED[~finite][-1]:g}"
        return ""

    def _where(self) -> str:
        largest = self._presenter.largest_errors()
        if bad := [name for name, error in largest.items() if not np.isfinite(error)]:
            return f"the errors of {' and '.join(bad)} are not finite"
        worst = max(largest, key=largest.get)
        return f"the largest error is {largest[worst]:.3g}, in {worst}"


def growth_warning(before: np.ndarray, after: np.ndarray) -> str:
    """What to know of a training whose last energies are far above the first one; "" where they are not.

    before, after   energies of all presentations before and after inference
    """
    if len(after) < 2:
        return ""
    first, last = max(float(before[0]), 1.0), float(np.median(after[-PATIENCE:]))
    if not last > BLOWN_UP * first:
        return ""
    return (
        f"the free energy rose from {first:.3g} to {last:.3g}: the learning diverged, though it stayed finite; "
        "try a smaller learning.rate or learning.clip, or learning.backoff = 50"
    )


class Retreat:
    """Remembers the last good state of a training, every so many presentations (0: never), and goes back to it.

    good    presentations learned before it, and its arrays; None: there is none
    factor  of the learning rate; halved whenever the training goes back
    record  where to record: what comes after the last good state waits until there is another
    """

    def __init__(self, every: int, record: RunFile):
        self._every, self._file, self._waiting = every, record, []
        self.good: tuple[int, dict[str, np.ndarray]] | None = None
        self.factor = 1.0
        self.record = _Waiting(record, self._waiting) if every else record

    def is_time(self, presentation: int) -> bool:
        """Whether a state is to be remembered before `presentation`."""
        return self._every > 0 and presentation % self._every == 0

    def remember(self, presentation: int, arrays: dict[str, np.ndarray]) -> None:
        """A good state; what was recorded before it stays."""
        if self._every:
            self.confirm()
            self.good = presentation, arrays

    def go_back(self, problem: Diverged) -> tuple[int, dict[str, np.ndarray]]:
        """The last good state, with half the rate; raises `problem` where there is none, or after many halvings."""
        if self.good is None or self.factor <= LEAST_FACTOR:
            self.confirm()
            raise problem
        self._waiting.clear()
        self.factor /= 2
        self._file.changed(self.good[0], [f"learning rate × {self.factor:g}, because {problem.problem}"])
        return self.good

    def confirm(self) -> None:
        """Records what waited."""
        while self._waiting:
            self._waiting.pop(0)()

    def flush(self) -> None:
        """Makes what is recorded last."""
        self._file.flush()

    def warn(self) -> None:
        """Keeps a warning in the file where the energies ended far above their beginning."""
        if warning := growth_warning(*self._file.energies()):
            self._file.warned(warning)


class _Waiting:
    """What a training writes to its run file, later."""

    def __init__(self, record: RunFile, calls: list[Callable[[], None]]):
        self._record, self._calls = record, calls

    def symbols(self, names: Sequence[str]) -> None:
        self._calls.append(partial(self._record.symbols, names))

    def snapshot(self, presentation: int, parameters: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        self._calls.append(partial(self._record.snapshot, presentation, parameters))

    def learning(self, presentation: int, **values: float) -> None:
        self._calls.append(partial(self._record.learning, presentation, **values))

    def sample(self, presentation: int, *arrays: object) -> None:
        self._calls.append(partial(self._record.sample, presentation, *arrays))

    def test(self, presentation: int, values: Mapping[str, float]) -> None:
        self._calls.append(partial(self._record.test, presentation, values))

    def generated(self, presentation: int, sequences: np.ndarray, **names: object) -> None:
        self._calls.append(partial(self._record.generated, presentation, sequences, **names))

    def evaluation(self, values: Mapping[str, float | np.ndarray]) -> None:
        self._calls.append(partial(self._record.evaluation, values))
