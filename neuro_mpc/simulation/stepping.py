"""Presentations in single phases, for who looks at a circuit while it works."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from neuro_mpc.simulation.presentation import Presenter


class SteppedPresenter(Presenter):
    """A presenter whose phases are run one by one."""

    _settled = False  # whether inference ran since the last prediction
    _believed: Callable[[], np.ndarray] = staticmethod(lambda: np.zeros(1))  # energy of that prediction

    def show(self, stimuli: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray], count: int) -> None:
        """Set what populations are given, and the key of the noise of presentation `count`; nothing runs."""
        self._show(stimuli, targets, count)

    def ancestral_pass(self) -> None:
        """Beliefs become the predictions, step by step."""
        self._believed = self._energies.of_predictions(self.program)
        self._phases(predicting=True)
        self._settled = False

    def settle(self, iterations: int) -> None:
        """Infer on from the present beliefs."""
        self.program.set(iterations=iterations)
        self._phases(inferring=True)
        self._settled = True

    def adapt(self, presentation: int, rate: float) -> None:
        """One step of learning; where learning follows each step of a presentation, after the inference of each."""
        self._set_learning(presentation, rate)
        if self.plan.stepwise:
            self._learn_by_step(presentation)
            self._settled = True
        else:
            self._phases(learning=True)

    def refresh(self) -> None:
        """Moments of the weights from the parameters."""
        self._phases(refreshing=True)

    def set_flags(self) -> None:
        """Let the next phases set all of their flags, since some may have been set otherwise."""
        self._flags.clear()

    def use_moments(self) -> None:
        """Let the next phases read moments that were set."""
        self._packed.clear()

    def energies(self) -> tuple[np.ndarray, np.ndarray]:
        """Energy of the errors of free populations and loss of the output, of every trial; predictions that are
        believed make no errors, whose precision counts all the same."""
        hidden, loss, at_start = self.program.get("energy_hidden", "loss", "loss_start")
        return (hidden, loss) if self._settled else (np.full_like(hidden, self._believed()), at_start)
