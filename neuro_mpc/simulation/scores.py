"""What a test finds at one target population: how often classes are right, how far values are from theirs."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from neuro_mpc.descriptions.protocol import Test
from neuro_mpc.simulation.traces import NeuralState
from neuro_mpc.stimuli import Split, Task

Votes = dict[str, np.ndarray]
"""Target population → what networks have said so far, for every trial."""


class Score(ABC):
    """Collects what a target population says of the trials of a split, batch by batch.

    votes   of networks, to which those of this one are added; None where nothing is asked of several
    """

    def __init__(self, task: Task, test: Test, split: Split, target: str, votes: np.ndarray | None = None):
        self.task, self.target, self.votes = task, target, votes
        self.split: Split = split
        self.gives_perplexity = test.measure == "perplexity"

    @property
    def reads_logarithms(self) -> bool:
        """Whether it reads the logarithms of outputs, too."""
        return False

    @abstractmethod
    def add(self, trials: np.ndarray, state: NeuralState, loss: np.ndarray) -> None:
        """The output of a presentation, whose first trials are these, and the loss (trial,) of all targets."""

    @abstractmethod
    def values(self) -> dict[str, float]:
        """The measures of all trials so far."""

    @abstractmethod
    def together(self, networks: int) -> dict[str, float]:
        """The measure of the mean output of the networks that have voted."""

    @property
    @abstractmethod
    def compared(self) -> np.ndarray:
        """Numbers of comparisons in each trial so far (trial,): of steps for classes, of units at steps for values."""


class ClassScore(Score):
    """Whether the most probable class is the right one, and how probable the right one is."""

    def __init__(self, task: Task, test: Test, split: Split, target: str, votes: np.ndarray | None = None):
        super().__init__(task, test, split, target, votes)
        self._hits: list[np.ndarray] = []
        self._compared: list[np.ndarray] = []
        self._losses: list[np.ndarray] = []

    @staticmethod
    def no_votes(task: Task, test: Test, split: Split, target: str) -> np.ndarray:
        """Sums of outputs (step, trial, class), or of the probabilities of the right class (step, trial), as ln."""
        shape = task.steps_shown(target), task.size(split)
        if test.measure == "perplexity":
            return np.full(shape, -np.inf)
        return np.zeros((*shape, task.bound[target].width), np.float32)

    @property
    def _is_loss(self) -> bool:
        """Whether the loss of a trial is the surprise of this population alone."""
        return len(self.task.circuit.targets) == 1 and self.task.circuit.precision_of(self.target) == 1

    @property
    def reads_logarithms(self):
        return self.gives_perplexity and not (self._is_loss and self.votes is None)

    def add(self, trials, state, loss):
        output = state.output(self.target)[:, : len(trials)]
        labels = self.task.wanted(self.split, trials, self.target)
        self._hits.append(_hits(output, labels))
        self._compared.append((labels >= 0).sum(axis=0))
        if not self.gives_perplexity:
            if self.votes is not None:
                self.votes[:, trials] += output
            return
        if self._is_loss:
            self._losses.append(loss)
        if not self.reads_logarithms:
            return
        log_output = state.log_output(self.target)[:, : len(trials)]
        log_probability = np.take_along_axis(log_output, np.maximum(labels, 0)[..., None], axis=2)[..., 0]
        if not self._is_loss:
            self._losses.append(-log_probability[labels >= 0])
        if self.votes is not None:
            self.votes[:, trials] = np.logaddexp(self.votes[:, trials], log_probability)

    def values(self):
        accuracy = {"accuracy": float(np.concatenate(self._hits).mean())}
        if not self.gives_perplexity:
            return accuracy
        with np.errstate(over="ignore"):
            mean = np.concatenate(self._losses).sum(dtype=np.float64) / self.compared.sum()
            return {"perplexity": float(np.exp(mean)), **accuracy}

    def together(self, networks):
        assert self.votes is not None
        labels = self.task.wanted(self.split, np.arange(self.votes.shape[1]), self.target)
        if not self.gives_perplexity:
            return {"accuracy": float(_hits(self.votes, labels).mean())}
        with np.errstate(over="ignore"):
            return {"perplexity": float(np.exp(np.log(networks) - self.votes[labels >= 0].mean()))}

    @property
    def compared(self):
        return np.concatenate(self._compared)


class ValueScore(Score):
    """How far the output is from the values: mean squared error, and the share of their variance that it explains."""

    def __init__(self, task: Task, test: Test, split: Split, target: str, votes: np.ndarray | None = None):
        super().__init__(task, test, split, target, votes)
        self._moments = Moments()
        self._compared: list[np.ndarray] = []

    @staticmethod
    def no_votes(task: Task, test: Test, split: Split, target: str) -> np.ndarray:
        """Sums of outputs (step, trial, unit)."""
        return np.zeros((task.steps_shown(target), task.size(split), task.bound[target].width), np.float32)

    def add(self, trials, state, loss):
        output, values = state.output(self.target)[:, : len(trials)], self.task.wanted(self.split, trials, self.target)
        self._moments.add(output, values)
        self._compared.append((~np.isnan(values)).sum(axis=(0, 2)))
        if self.votes is not None:
            self.votes[:, trials] += output

    def values(self):
        return self._moments.measures()

    def together(self, networks):
        assert self.votes is not None
        moments = Moments()
        moments.add(self.votes / networks, self.task.wanted(self.split, np.arange(self.votes.shape[1]), self.target))
        return moments.measures()

    @property
    def compared(self):
        return np.concatenate(self._compared)


class Moments:
    """Sums over values that are there, unit by unit: their number, mean and squared deviations, and squared errors."""

    def __init__(self) -> None:
        self.count, self.mean, self.spread, self.error = np.zeros((4, 1))

    def add(self, output: np.ndarray, values: np.ndarray) -> None:
        """Further outputs and values (step, trial, unit), NaN for none (Chan, Golub & LeVeque 1983, Eq. 2.1)."""
        values = values.reshape(-1, values.shape[-1]).astype(float)
        present = ~np.isnan(values)
        new = present.sum(axis=0)
        errors = np.where(present, values - output.reshape(values.shape), 0)
        values = np.where(present, values, 0)
        mean = values.sum(axis=0) / np.maximum(new, 1)
        spread = np.where(present, (values - mean) ** 2, 0).sum(axis=0)
        total = np.maximum(self.count + new, 1)
        self.spread = self.spread + spread + (mean - self.mean) ** 2 * self.count * new / total
        self.mean = self.mean + (mean - self.mean) * new / total
        self.count, self.error = self.count + new, self.error + (errors**2).sum(axis=0)

    def measures(self) -> dict[str, float]:
        """`mean_squared_error` over all values, and `explained_variance` 1 − Σ error² / Σ deviation², NaN where the
        values do not vary."""
        spread = self.spread.sum()
        return {
            "mean_squared_error": float(self.error.sum() / self.count.sum()),
            "explained_variance": float(1 - self.error.sum() / spread) if spread else float("nan"),
        }


def kind_of(task: Task, target: str) -> type[ClassScore] | type[ValueScore]:
    """How a target population is judged."""
    return ClassScore if task.has_classes(target) else ValueScore


def _hits(output: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether the most probable class is the right one, for every read-out that has one."""
    return (output.argmax(axis=2) == labels)[labels >= 0]
