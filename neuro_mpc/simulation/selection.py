"""What tests decide: the learning rate after a plateau, and the parameters that learning ends with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.runfile.labels import LOWER_IS_BETTER
from neuro_mpc.simulation.initial import Parameters

SEPARATOR = "/"
PREFIX = "best"


class Selection:
    """Follows the tests of a training.

    factor        of the learning rate: multiplied by that of the schedule at each test no better than the best
    best          value of the best test so far; NaN before the first
    presentation  presentations learned before it
    parameters    those of the best test, where learning ends with them
    """

    def __init__(self, protocol: Protocol):
        self._measure = (protocol.test.measure or "accuracy").replace("-", "_")
        self._falls = protocol.learning.schedule.factor if protocol.learning.schedule.kind == "plateau" else 1.0
        self._keeps = protocol.test.keep == "best"
        self.factor, self.best, self.presentation = 1.0, np.nan, -1
        self.parameters: Parameters | None = None

    def observe(self, presentation: int, values: Mapping[str, float], parameters: Callable[[], Parameters]) -> None:
        """The values of a test after a number of presentations; `parameters` reads the circuit's."""
        value = values[self._measure]
        sign = -1 if self._measure in LOWER_IS_BETTER else 1
        if np.isnan(self.best) or sign * value > sign * self.best:
            self.best, self.presentation = value, presentation
            self.parameters = parameters() if self._keeps else None
        else:
            self.factor *= self._falls

    def progress(self) -> dict[str, float]:
        """The numbers to resume from, for a checkpoint."""
        return {"plateau_factor": self.factor, "best": self.best, "best_presentation": self.presentation}

    def arrays(self) -> dict[str, np.ndarray]:
        """The best parameters as flat arrays by name, for a checkpoint."""
        return {
            SEPARATOR.join((PREFIX, projection, name)): array.ravel()
            for projection, values in (self.parameters or {}).items()
            for name, array in values.items()
        }

    def restore(
        self, progress: Mapping[str, float], arrays: Mapping[str, np.ndarray], shape: Callable[[str], tuple[int, int]]
    ) -> None:
        """Resumes from a checkpoint's numbers and arrays; `shape` is that of the parameters of a
        projection, or of learned precisions."""
        self.factor, self.best = progress["plateau_factor"], progress["best"]
        self.presentation = int(progress["best_presentation"])
        parameters: Parameters = {}
        for key, array in arrays.items():
            owner, _, name = key.removeprefix(PREFIX + SEPARATOR).rpartition(SEPARATOR)
            parameters.setdefault(owner, {})[name] = array.reshape(shape(owner))
        self.parameters = parameters or None


def is_selected(name: str) -> bool:
    """Whether an array of a checkpoint is one of the best parameters."""
    return name.startswith(PREFIX + SEPARATOR)
