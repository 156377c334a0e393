"""A training that diverges: how it is noticed, where it shows, and how it continues with smaller steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.descriptions.arithmetic import evaluated
from neuro_mpc.descriptions.circuit_tables import BEFORE
from neuro_mpc.descriptions.formulas import formula
from neuro_mpc.errors import RunError
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.schemes.interface import scheme_of
from neuro_mpc.rules.variables import current_name
from neuro_mpc.simulation.energies import Energies
from neuro_mpc.simulation.presentation import Presenter

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.runfile.record import RunFile

# Energies fall while a circuit learns. Single batches may have any energy where the variance of an input is small; one
# that stays this many times above the first one for PATIENCE presentations in a row will not come back.
LARGEST_GROWTH, LARGEST_GROWTH_WITH_BACKOFF = 1e6, 100.0
PATIENCE = 10
LEAST_FACTOR = 2.0**-20
LARGEST_FINAL_GROWTH = 10.0  # of the energy over a training that stayed finite
# Beliefs at which an activation has to have a value, inputs of compartments at which a prediction has to have slopes.
PROBED = np.linspace(-3, 3, 13)
HINT = (
    "a smaller learning.rate, learning.clip or inference.rate, smaller initial values, or "
    "learning.backoff = 50, which halves the rate automatically; what was recorded before can be read"
)
HINT_BEFORE_LEARNING = (
    "smaller initial values or smaller stimuli, since nothing was learned yet; "
    "where inference iterates, a smaller inference.rate"
)


class Diverged(RunError):
    """The free energy or the parameters are not finite, or the energy stays out of all proportion."""


def lowered_energy(plan: Plan) -> str:
    """What learning lowers, by its name in the run file.

    Where predictions are held, it is the loss: the errors of free populations are its derivatives there, which grow
    with the precision of what they come from while it falls."""
    return "loss" if scheme_of(plan).holds_predictions else "free_energy"


def scale(energy: float) -> float:
    """What a change of an energy is large or small against: its size, or 1. It is negative where precisions are
    learned and high."""
    return max(1.0, abs(float(np.nan_to_num(energy))))


class DivergenceMonitor:
    """Checks the energies of every presentation, and the parameters whenever they are read.

    lowered  name of the energy that learning lowers
    largest  the largest one that is tolerated
    high     presentations in a row with a larger one
    """

    def __init__(self, presenter: Presenter, lowered: str = "free_energy", backs_off: bool = False):
        self._presenter, self.lowered, self.largest, self.high = presenter, lowered, 0.0, 0
        self._growth = LARGEST_GROWTH_WITH_BACKOFF if backs_off else LARGEST_GROWTH

    def energies(self, presentation: int, energies: Energies, last: int | None = None) -> None:
        """Raises Diverged for energies that show it, with the population where it is worst.

        last   the presentation that left the neural state, where it is a later one
        """
        if not self.largest:
            self.largest = self._growth * scale(energies.start)
        lowered = energies.of(self.lowered)
        self.high = self.high + 1 if lowered > self.largest else 0
        if not math.isfinite(energies.total):
            name = self.lowered if not math.isfinite(lowered) else "free_energy"
            raise self._diverged(name, energies.of(name), presentation, last)
        if self.high >= PATIENCE:
            raise self._diverged(self.lowered, lowered, presentation, last)

    def _diverged(self, name: str, energy: float, presentation: int, last: int | None) -> Diverged:
        self.high = 0
        undefined = self._undefined_activation()
        if undefined:
            hint = "an activation that is finite for every belief, such as log(1 + relu(r))"
        elif undefined := self._undefined_slope():
            hint = "a prediction whose slopes are finite everywhere, such as sigmoid(leak) in place of exp(-1/leak)"
        else:
            hint = HINT if presentation else HINT_BEFORE_LEARNING
        # The populations of an earlier presentation are no longer known: what is wrong spreads in those after it.
        later = "" if undefined or last in (None, presentation) else f" by presentation {last}, the last one shown"
        return Diverged(
            f"the {_text(name)} became {energy:.3g} in presentation {presentation}: "
            f"{undefined or self._where()}{later}",
            hint=hint,
        )

    def parameters(self, presentation: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Raises Diverged for arrays that are not finite."""
        # The compiled program computes as if there were no NaN, so that one need not reach the energies.
        if names := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
            raise Diverged(
                f"after {presentation} presentations, there are infinities or NaN in {', '.join(names[:5])}",
                hint=HINT,
            )

    def _undefined_activation(self) -> str:
        """The activation that has no value for some beliefs, of a population whose errors are not finite."""
        populations = self._presenter.plan.circuit.population
        for name, error in self._presenter.neural_state.largest_errors().items():
            activation = populations[name].activation if name in populations else None
            if activation is None or np.isfinite(error):
                continue
            with np.errstate(all="ignore"):
                values = formula(activation, ["r"]).evaluate({"r": PROBED})
            if not (finite := np.isfinite(np.broadcast_to(values, PROBED.shape))).all():
                return f"the activation of {name}, {activation}, is not finite at r = {PROBED[~finite][-1]:g}"
        return ""

    def _undefined_slope(self) -> str:
        """The prediction that has no slope for some input, of a population whose errors are not finite."""
        plan = self._presenter.plan
        for name, error in self._presenter.neural_state.largest_errors().items():
            text = plan.circuit.population[name].prediction if name in plan.circuit.population else None
            if text is None or np.isfinite(error):
                continue
            parts = {**dict.fromkeys(plan.circuit.compartments(name)), BEFORE: None}
            currents = {part: BEFORE if part == BEFORE else current_name(part) for part in parts}
            for slope in plan.rules.populations[name].predicted.slopes:
                for part in parts:
                    with np.errstate(all="ignore"):
                        inputs = {current: PROBED if part == each else 1.0 for each, current in currents.items()}
                        values = np.broadcast_to(evaluated(slope.derivative.text, inputs), PROBED.shape)
                    if not (finite := np.isfinite(values)).all():
                        return (
                            f"the prediction of {name}, {text}, has no finite slope at {part} = {PROBED[~finite][-1]:g}"
                        )
        return ""

    def _where(self) -> str:
        largest = self._presenter.neural_state.largest_errors()
        if names := [name for name, error in largest.items() if not np.isfinite(error)]:
            return f"the errors of {', '.join(names)} are not finite"
        worst = max(largest, key=lambda name: largest[name])
        return f"the largest error is {largest[worst]:.3g}, in {worst}"


def growth_warning(before: np.ndarray, after: np.ndarray, lowered: str = "free_energy") -> str:
    """The warning for a training whose last energies are far above the first one; "" where they are not.

    before, after   energies of all presentations before and after inference, of which learning lowers the one named
    """
    if len(after) < 2:
        return ""
    first, last = float(before[0]), float(np.median(after[-PATIENCE:]))
    if not last > LARGEST_FINAL_GROWTH * scale(first):
        return ""
    return (
        f"the {_text(lowered)} rose from {first:.3g} to {last:.3g}: the training diverged, though it stayed finite; "
        'try learning.rate = "auto", a smaller learning.rate or learning.clip, or learning.backoff = 50'
    )


def _text(energy: str) -> str:
    return energy.replace("_", " ")


class Backoff:
    """Remembers the last good state of a training, and goes back to it.

    every   presentations after which it does; 0: never
    state   the last good one: presentations learned before it, and its arrays; None: there is none
    factor  of the learning rate; halved whenever the training goes back
    record  where to record: what comes after the last good state is deferred until the next one
    """

    def __init__(self, every: int, record: RunFile):
        self.every, self._file = every, record
        self._deferred: list[Callable[[], None]] = []
        self.state: tuple[int, dict[str, np.ndarray]] | None = None
        self.factor = 1.0
        self.record = DeferredRecord(record, self._deferred) if every else record

    def is_time(self, presentation: int) -> bool:
        """Whether a state is to be remembered before `presentation`."""
        return self.every > 0 and presentation % self.every == 0

    def remember(self, presentation: int, arrays: dict[str, np.ndarray]) -> None:
        """A good state; what was recorded before it stays."""
        if self.every:
            self.confirm()
            self.state = presentation, arrays

    def go_back(self, problem: Diverged) -> tuple[int, dict[str, np.ndarray]]:
        """The last good state, with half the rate; raises `problem` where there is none, or after many halvings."""
        if self.state is None or self.factor <= LEAST_FACTOR:
            self.confirm()
            raise problem
        self._deferred.clear()
        self.factor /= 2
        self._file.changed(self.state[0], [f"learning rate × {self.factor:g}, because {problem.problem}"])
        return self.state

    def confirm(self) -> None:
        """Records what was deferred."""
        while self._deferred:
            self._deferred.pop(0)()

    def flush(self) -> None:
        """Flushes the run file to the disk."""
        self._file.flush()

    def warn(self, lowered: str) -> None:
        """Writes a warning to the file where the energy that learning lowers ended far above the first one."""
        if warning := growth_warning(*self._file.energies(lowered), lowered):
            self._file.warned(warning)


class DeferredRecord:
    """Takes what a training writes to its run file, as calls to make later."""

    def __init__(self, record: RunFile, calls: list[Callable[[], None]]):
        self._record, self._calls = record, calls

    def symbols(self, names: Sequence[str]) -> None:
        self._calls.append(partial(self._record.symbols, names))

    def connected(self, projection: str, mask: np.ndarray) -> None:
        self._calls.append(partial(self._record.connected, projection, mask))

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

    def answers(self, answers: xr.Dataset) -> None:
        self._calls.append(partial(self._record.answers, answers))

    def warned(self, warning: str) -> None:
        self._calls.append(partial(self._record.warned, warning))
