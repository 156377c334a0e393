"""Omission: an expected stimulus is missing."""

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
from neuro_mpc.stimuli import Task

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.simulation.presentation import Presenter
    from neuro_mpc.simulation.trained import Trained


class Omission(OnTrials):
    """An expected stimulus is missing: zero input, and, where the next stimulus is the target, no target.

    position  first step without a stimulus, counted from 0
    duration  number of steps without a stimulus
    """

    kind: Literal["omission"] = "omission"
    position: AtLeastOne = 5
    duration: AtLeastOne = 1
    trials: Count = 200


@EXPERIMENTS.register("omission")
class OmissionExperiment(Experiment):
    """An expected stimulus is missing."""

    table = Omission
    settings: Omission

    def results(self, presenter: Presenter, data: Task, trained: Trained) -> xr.Dataset:
        """The `responses` to the trials (standard), and to those without a stimulus at some steps (omitted).

        Where the next stimulus is the target, an omitted one is missing as target, too: the output errors
        are then the negative of what was expected. The attribute `onset` is the first step the absence touches.
        """
        table = self.settings
        trials = table.shown(data.size(table.split))
        stimulus, target = data.batch(table.split, trials)
        omitted = slice(table.position, table.position + table.duration)
        without = stimulus.copy()
        without[omitted] = 0
        without_target = target.copy()
        if data.predicts_next:
            first = 1 + data.steps - len(target)  # a target that is read out once has the last step alone
            expected = without_target[max(table.position - first, 0) : max(omitted.stop - first, 0)]
            expected[~np.isnan(expected)] = 0
        conditions = {"standard": (stimulus, target), "omitted": (without, without_target)}
        onset = table.position - data.predicts_next
        return responses(presenter, data, conditions, trials).assign_attrs(
            position=table.position, duration=table.duration, onset=onset
        )

    def problems(self, circuit: Circuit, data: Task) -> Iterator[DescriptionError]:
        table = self.settings
        last = data.steps - table.duration
        if table.position > last:
            yield DescriptionError(
                "ends after the sequence",
                key="experiment.position",
                found=table.position,
                expected=f"1 to {last} for {table.duration} of {data.steps} steps",
            )
