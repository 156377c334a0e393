"""What is done to a trained circuit: a table for each experiment, found by its kind. They are in `experiments`."""

from __future__ import annotations

from typing import Literal

import numpy as np

from neuro_mpc.descriptions.plugins import Registry
from neuro_mpc.descriptions.tables import Count, OpenTable

EXPERIMENTS: Registry = Registry("experiment", "neuro_mpc.experiments", "neuro_mpc.experiments")


class ExperimentTable(OpenTable):
    """An experiment on a trained circuit; `kind` chooses it, and decides which other keys exist.

    The table of an experiment is a subclass with its name as a literal `kind`.

    kind  name of the experiment
    """

    registry = EXPERIMENTS
    tag = "kind"

    kind: str


class OnTrials(ExperimentTable):
    """What all experiments that show stimuli share.

    split   whose trials are shown
    trials  number of these trials, from the first on; 0: all
    """

    split: Literal["test", "validation", "train"] = "test"
    trials: Count = 0

    def shown(self, size: int) -> np.ndarray:
        """The numbers of the trials that are shown, of the `size` trials of the split."""
        return np.arange(size)[: self.trials or None]
