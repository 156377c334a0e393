"""How well a circuit performs at present: one number for its answers, one for its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.experiments.responses import PURPOSE, batches
from neuro_mpc.stimuli import Split, Task

if TYPE_CHECKING:
    from neuro_mpc.simulation.presentation import Presenter

LETTERS = 50  # generated from each letter for the correct letter ratio
LABELS = {
    "performance": "fraction of answers that are right, or that the language allows",
    "loss": "loss of the prediction, mean per trial",
    "correct_letter_ratio": "fraction of generated transitions that the language allows",
}


@dataclass(frozen=True)
class Performance:
    """answers (step, trial), whether they are right and whether there is a target (`asked`), output
    (step, trial, class), loss (trial,)."""

    answers: np.ndarray
    right: np.ndarray
    asked: np.ndarray
    output: np.ndarray
    loss: np.ndarray

    @property
    def values(self) -> dict[str, float]:
        """The means over what has a target."""
        from neuro_mpc.simulation import measures

        loss = measures.mean_loss(self.loss, self.asked.sum(axis=0))
        return {"performance": float(self.right[self.asked].mean()), "loss": loss}


def perform(presenter: Presenter, data: Task, split: Split, trials: np.ndarray) -> Performance:
    """The answers to the numbered trials, every time with the same noise."""
    outputs, losses = [], []
    for count, (batch, new) in enumerate(batches(len(trials), presenter.plan.trials)):
        output, loss = presenter.predict(*data.presented(split, trials[batch]), PURPOSE, count)
        outputs.append(output[:, :new])
        losses.append(loss[:new])
    output = np.concatenate(outputs, axis=1)
    answers = output.argmax(axis=2)
    right, asked = data.right(split, trials, answers), data.asked(split, trials)
    return Performance(answers, right, asked, output, np.concatenate(losses))


def measured(presenter: Presenter, data: Task, split: Split, trials: np.ndarray) -> dict[str, float]:
    """Performance and loss; of a language that can be generated, also the correct letter ratio."""
    values = perform(presenter, data, split, trials).values
    if data.transitions and data.read == "every":
        from neuro_mpc.simulation import measures

        values["correct_letter_ratio"] = measures.generated_ratio(presenter, data, LETTERS, PURPOSE)[0]
    return values
