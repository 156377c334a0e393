"""Ensemble: networks drawn from the learned distributions, one by one and together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from neuro_mpc.descriptions.experiments import EXPERIMENTS, OnTrials
from neuro_mpc.experiments.interface import Experiment
from neuro_mpc.experiments.performance import LABELS, Performance, perform
from neuro_mpc.stimuli import Split, Task

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.simulation.presentation import Presenter
    from neuro_mpc.simulation.trained import Trained

NAMES = {
    **LABELS,
    "agreement": "fraction of trials and steps at which two networks give the same answer",
    "vote": "performance of the most frequent answer of the first networks",
    "mean_output": "performance of the mean output of the first networks",
    "share": "fraction of the networks that give the most frequent answer",
    "vote_right": "whether the most frequent answer is right",
}


class Ensemble(OnTrials):
    """Networks whose weights are drawn, once each, from the learned distributions.

    networks  number of networks
    """

    kind: Literal["ensemble"] = "ensemble"
    networks: Annotated[int, Field(ge=1, le=10_000)] = 50


@EXPERIMENTS.register("ensemble")
class EnsembleExperiment(Experiment):
    """Networks drawn from the learned distributions, one by one and together."""

    table = Ensemble
    settings: Ensemble

    def results(self, presenter: Presenter, data: Task, trained: Trained) -> xr.Dataset:
        """Of every network `performance`, `loss` (network,) and `agreement` with the others (network, other); of
        the first networks together `vote` and `mean_output` (size,); of the vote of all its `share` and whether
        it is right, `vote_right` (step, trial).

        Attributes: what the performance has `counted`, its `chance`, and for comparison that with noise (`noise`)
        and with every weight at its mean (`mean_weights`). Of answers that are equally frequent, that of the first
        class counts.
        """
        from neuro_mpc.simulation.sampling import draw_weights

        table = self.settings
        trials = table.shown(data.size(table.split))
        noisy = perform(presenter, data, table.split, trials)
        with presenter.noiseless():
            mean = perform(presenter, data, table.split, trials)
        references = {"noise": noisy.values["performance"], "mean_weights": mean.values["performance"]}
        poll = _Poll(data, table.split, trials)
        circuit, parameters = presenter.plan.circuit, presenter.parameters()
        for network in range(table.networks):
            with presenter.fixed_weights(draw_weights(circuit, parameters, presenter.seed, network)):
                poll.add(perform(presenter, data, table.split, trials))
        return poll.results().assign_attrs(counted=data.counted, chance=data.chance, **references)


class _Poll:
    """The answers of the networks, and those of all together."""

    def __init__(self, data: Task, split: Split, trials: np.ndarray):
        self.data, self.trials = data, trials
        self.split: Split = split
        self.answers, self.values, self.vote, self.mean_output = [], [], [], []
        self.output, self.votes = np.zeros((), np.float32), np.zeros((), int)

    def add(self, performance: Performance) -> None:
        self.answers.append(performance.answers)
        self.values.append(performance.values)
        self.output = self.output + performance.output
        self.votes = self.votes + (performance.answers[..., None] == np.arange(self.data.classes))
        self.vote.append(self._right(self.votes)[performance.asked].mean())
        self.mean_output.append(self._right(self.output)[performance.asked].mean())

    def _right(self, score: np.ndarray) -> np.ndarray:
        """Which trials and steps the class of the highest score (step, trial, class) gets right."""
        return self.data.right(self.split, self.trials, score.argmax(axis=2))

    def results(self) -> xr.Dataset:
        import xarray as xr

        answers = np.stack(self.answers)
        asked = self.data.asked(self.split, self.trials)
        agreement = [(answers == network)[:, asked].mean(axis=1) for network in answers]
        number, steps = len(answers), np.arange(self.data.steps)[-answers.shape[1] :]
        values = {name: ("network", [values[name] for values in self.values]) for name in self.values[0]}
        values |= {
            "agreement": (("network", "other"), agreement),
            "vote": ("size", self.vote),
            "mean_output": ("size", self.mean_output),
            "share": (("step", "trial"), np.where(asked, self.votes.max(axis=2) / number, np.nan)),
            "vote_right": (("step", "trial"), self._right(self.votes) & asked),
        }
        coordinates = {
            "size": ("size", np.arange(1, number + 1), {"long_name": "number of networks"}),
            "step": steps,
            "trial": self.trials,
        }
        labelled = {name: (*entry, {"long_name": NAMES[name]}) for name, entry in values.items()}
        return xr.Dataset(labelled, coordinates)
