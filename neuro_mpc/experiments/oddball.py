"""Oddball: a forbidden letter in a string of a learned language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.experiments import EXPERIMENTS, OnTrials
from neuro_mpc.descriptions.tables import AtLeastOne, Count
from neuro_mpc.errors import DescriptionError
from neuro_mpc.experiments.interface import Experiment
from neuro_mpc.experiments.responses import responses
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli import Task

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.simulation.presentation import Presenter
    from neuro_mpc.simulation.trained import Trained


class Oddball(OnTrials):
    """A letter that the language forbids, in strings that were never learned.

    Every string is shown, with the same noise, unchanged (standard), with another letter that is allowed there
    (control, where the language has one) and with a forbidden one (deviant).

    position    position of the deviant in the string, counted from 0
    offset      steps on the ring from the standard letter to the deviant, 0 shows the standard again;
                by default, any forbidden letter at random
    afterwards  "resume": the string continues as before; "follow": it continues from the deviant by the same
                transitions, so that the transition to the deviant is the only forbidden one
    """

    kind: Literal["oddball"] = "oddball"
    position: AtLeastOne = 5
    offset: int | None = None
    afterwards: Literal["resume", "follow"] = "resume"
    trials: Count = 200


@EXPERIMENTS.register("oddball")
class OddballExperiment(Experiment):
    """A forbidden letter in strings that were never learned."""

    table = Oddball
    settings: Oddball

    def results(self, presenter: Presenter, data: Task, trained: Trained) -> xr.Dataset:
        """The `responses` to the strings, to those with another allowed letter, and to those with a forbidden one;
        also `letter` (condition, trial) at the deviant's position, and whether it is `forbidden` (trial,).

        The attributes `position` and `onset` are the deviant's place in the string and the step at which it is
        compared with the prediction.
        """
        table = self.settings
        trials = table.shown(data.size(table.split))
        strings = data.strings(table.split)[trials]
        conditions = shown_strings(strings, data, table, generator(presenter.seed, "oddball"))
        inputs = {name: data.shown(sequences) for name, sequences in conditions.items()}
        dataset = responses(presenter, data, inputs, trials)
        letters = np.stack([sequences[:, table.position] for sequences in conditions.values()])
        steps = (letters[-1] - strings[:, table.position - 1]) % data.classes
        forbidden = ~np.isin(steps, np.asarray(data.transitions) % data.classes)
        return dataset.assign(
            letter=(("condition", "trial"), letters, {"long_name": "letter at the position of the deviant"}),
            forbidden=("trial", forbidden, {"long_name": "whether the language forbids the deviant"}),
        ).assign_attrs(position=table.position, onset=table.position - 1, afterwards=table.afterwards)

    def problems(self, circuit: Circuit, data: Task) -> Iterator[DescriptionError]:
        table = self.settings
        if not data.transitions or data.read != "every":
            yield DescriptionError(
                "the stimulus has no letters that are forbidden and predicted at every step",
                key="experiment.kind",
                found="oddball",
                hint="omission, which suits every task",
            )
        elif not table.position <= data.steps - 1:
            yield DescriptionError(
                "is not within the string, with a letter after it",
                key="experiment.position",
                found=table.position,
                expected=f"1 to {data.steps - 1}",
            )
        elif table.offset is None and len(data.transitions) == data.classes:
            yield DescriptionError(
                "the language forbids no letter",
                key="experiment.kind",
                found="oddball",
                expected="fewer transitions than letters",
            )


def shown_strings(strings: np.ndarray, data: Task, table: Oddball, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """condition → strings (trial, length)."""
    previous, standard = (strings[:, table.position + shift] for shift in (-1, 0))
    allowed = (previous[:, None] + np.asarray(data.transitions)) % data.classes
    replacements = {}
    if allowed.shape[1] > 1:
        replacements["control"] = _another(np.ones_like(allowed), allowed, standard, rng)
    if table.offset is not None:
        replacements["deviant"] = (standard + table.offset) % data.classes
    else:
        every = np.broadcast_to(np.arange(data.classes), (len(strings), data.classes))
        forbidden = ~(every[:, :, None] == allowed[:, None, :]).any(axis=2)
        replacements["deviant"] = _another(forbidden, every, standard, rng)
    return {"standard": strings} | {
        name: _replaced(strings, letter, data.classes, table) for name, letter in replacements.items()
    }


def _another(possible: np.ndarray, letters: np.ndarray, standard: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of the possible letters (trial, choice), at random, that is not the standard one: (trial,)."""
    score = np.where(possible & (letters != standard[:, None]), rng.random(letters.shape), -1)
    return np.take_along_axis(letters, score.argmax(axis=1)[:, None], axis=1)[:, 0]


def _replaced(strings: np.ndarray, letter: np.ndarray, letters: int, table: Oddball) -> np.ndarray:
    changed = strings.copy()
    if table.afterwards == "follow":
        changed[:, table.position :] += (letter - strings[:, table.position])[:, None]
        return changed % letters
    changed[:, table.position] = letter
    return changed
