"""Generation: strings that the circuit generates, at several moments of its learning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.experiments import EXPERIMENTS, ExperimentTable
from neuro_mpc.descriptions.tables import AtLeastOne, Count, Listed
from neuro_mpc.errors import DescriptionError
from neuro_mpc.experiments.interface import Experiment
from neuro_mpc.experiments.responses import PURPOSE
from neuro_mpc.stimuli import Task

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.simulation.presentation import Presenter
    from neuro_mpc.simulation.trained import Trained

DIMENSIONS = ("presentation", "repeat", "trial", "position")


class Generation(ExperimentTable):
    """Strings that the circuit generates by itself from each letter, before and after learning.

    length         letters to generate
    repeats        strings from each letter, with other noise
    presentations  snapshots of the trained run; by default its first and the one to start from
    """

    kind: Literal["generation"] = "generation"
    length: AtLeastOne = 50
    repeats: AtLeastOne = 4
    presentations: Listed[Count] = ()


@EXPERIMENTS.register("generation")
class GenerationExperiment(Experiment):
    """Strings that the circuit generates, at several moments of its learning."""

    table = Generation
    settings: Generation

    def results(self, presenter: Presenter, data: Task, trained: Trained) -> xr.Dataset:
        """`sequence` (presentation, repeat, trial, position), numbers of the letters, the first one given;
        `allowed`, the same, whether the language allows the transition to a letter (the first: true); and
        `correct_letter_ratio` (presentation, repeat).

        `presentation` is the number learned before. Attributes: `symbols` (a line each), `transitions`.
        """
        table = self.settings
        moments = list(dict.fromkeys(table.presentations or (trained.presentations[0], trained.presentation)))
        sequences = []
        for moment in moments:
            presenter.load(trained.at(moment).parameters_for(presenter.plan.circuit))
            sequences.append([_generated(presenter, data, table.length, repeat) for repeat in range(table.repeats)])
        presenter.load(trained.parameters_for(presenter.plan.circuit))
        return _labelled(np.array(sequences), data, moments)

    def problems(self, circuit: Circuit, data: Task) -> Iterator[DescriptionError]:
        if not data.transitions or data.read != "every":
            yield DescriptionError(
                "the stimulus has no letters to generate",
                key="experiment.kind",
                found="generation",
                expected="a toy language, predicted at every step",
            )


def _generated(presenter: Presenter, data: Task, length: int, repeat: int) -> np.ndarray:
    from neuro_mpc.simulation import measures

    return measures.generated_ratio(presenter, data, length, f"{PURPOSE} {repeat}")[1]


def _labelled(sequences: np.ndarray, data: Task, moments: list[int]) -> xr.Dataset:
    import xarray as xr

    from neuro_mpc.simulation import measures

    allowed = measures.allowed(sequences, data)
    first = np.ones_like(allowed[..., :1])
    long_name = "presentations learned before"
    return xr.Dataset(
        {
            "sequence": (DIMENSIONS, sequences, {"long_name": "number of the letter"}),
            "allowed": (
                DIMENSIONS,
                np.concatenate([first, allowed], axis=-1),
                {"long_name": "whether the language allows the transition to the letter"},
            ),
            "correct_letter_ratio": (
                DIMENSIONS[:2],
                allowed.mean(axis=(2, 3)),
                {"long_name": "fraction of generated transitions that the language allows"},
            ),
        },
        {"presentation": ("presentation", moments, {"long_name": long_name})},
        {
            "symbols": "\n".join(data.symbols),
            "transitions": np.asarray(data.transitions, "i4"),
            "chance": data.chance,
        },
    )
