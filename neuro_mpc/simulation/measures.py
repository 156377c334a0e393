"""What a test measures: read-outs of held-out trials, and the correct letter ratio of generated strings."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from neuro_mpc.descriptions.protocol import Test
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.simulation.scores import Votes, kind_of
from neuro_mpc.simulation.traces import NeuralState
from neuro_mpc.stimuli import Split, Task


@dataclass
class TestResult:
    """Values by name, and the sequences that were generated, (trial, position)."""

    __test__ = False

    values: dict[str, float]
    sequences: np.ndarray | None = field(default=None)


def measure(
    presenter: Presenter, task: Task, test: Test, split: Split, presentation: int, votes: Votes | None = None
) -> TestResult:
    """What `test` measures on the trials of a split, after a number of presentations; `votes` of networks, to which
    those of this one are added. Learning of a stream continues afterwards as if there had been no test."""
    with presenter.aside():
        if test.measure == "correct-letter-ratio":
            return correct_letter_ratio(presenter, task, split, presentation, test.generate)
        return read_out(presenter, task, test, split, presentation, votes)


def no_votes(task: Task, test: Test, split: Split) -> Votes | None:
    """The votes of a measure before any network has voted; None where networks cannot vote."""
    if test.measure == "correct-letter-ratio":
        return None
    return {name: kind_of(task, name).no_votes(task, test, split, name) for name in task.circuit.targets}


def of_votes(task: Task, test: Test, split: Split, votes: Votes, networks: int) -> dict[str, float]:
    """The measures of the mean output of these networks."""
    return _named(
        task,
        {name: kind_of(task, name)(task, test, split, name, votes[name]).together(networks) for name in votes},
    )


def read_out(
    presenter: Presenter, task: Task, test: Test, split: Split, presentation: int, votes: Votes | None = None
) -> TestResult:
    """Mean loss per trial (`test_loss`), and what `scores` finds at every target population.

    Of classes ``accuracy``, the fraction of read-outs whose most probable class is the right one, and where it is asked
    for ``perplexity``, exp of the mean cross-entropy of all targets, each counted once; of values
    ``mean_squared_error`` and ``explained_variance``. Those of further target populations have its name after theirs.
    """
    scores = {
        name: kind_of(task, name)(task, test, split, name, votes[name] if votes else None)
        for name in task.circuit.targets
    }
    losses, logarithms = [], [name for name, score in scores.items() if score.reads_logarithms]
    for trials, loss, outputs in predictions(presenter, task, split, presentation, logarithms):
        losses.append(loss)
        for score in scores.values():
            score.add(trials, outputs, loss)
    compared = np.sum([score.compared for score in scores.values()], axis=0)
    whole = sum(map(task.steps_read, scores)) if task.filled_up else 0
    loss = mean_loss(np.concatenate(losses), compared, whole)
    return TestResult({"test_loss": loss, **_named(task, {name: score.values() for name, score in scores.items()})})


def _named(task: Task, values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The measures of the first target population under their names, those of others with its name after theirs."""
    first, *others = values
    return dict(values[first]) | {
        f"{measure}_{name}": value for name in others for measure, value in values[name].items()
    }


def mean_loss(losses: np.ndarray, compared: np.ndarray, whole: int = 0) -> float:
    """Mean of the losses (trial,) of trials with so many comparisons each (trial,), as learning tells it: each is a sum
    over what is asked in a trial. Trials in which nothing is asked do not count.

    whole  comparisons of a trial that is not filled up; then each counts by its share of them, so that what a text is
           filled up with makes no loss smaller
    """
    factor = losses.size * whole / compared.sum() if whole else losses.size / np.count_nonzero(compared)
    return float(losses.mean()) * float(factor)


def predictions(
    presenter: Presenter, task: Task, split: Split, presentation: int, logarithms: Collection[str] = ()
) -> Iterator[tuple[np.ndarray, np.ndarray, NeuralState]]:
    """Some batches at a time: numbers of the trials (B,), loss (B,), and the state that holds the outputs of all
    targets, of some with their `logarithms`. Later batches are shown while the first of them are read."""
    size, batch = task.size(split), presenter.plan.trials
    ahead, shown = presenter.predictions_ahead(logarithms), deque()
    counts, together = range(-(-size // batch)), min(presenter.together, ahead)
    for first in range(0, len(counts), together):
        chosen = counts[first : first + together]
        start, stop = chosen.start * batch, chosen.stop * batch
        trials = np.arange(start, stop) % size  # the last batch is filled up and cut again
        given, carrying = task.presented(split, trials), task.carries and start > 0
        begun = presenter.begin_predicting(*given, f"test {presentation}", chosen, carrying, logarithms)
        shown.append((trials[: size - start], begun))
        if len(shown) == ahead // together:
            yield _said(*shown.popleft())
    while shown:
        yield _said(*shown.popleft())


def _said(
    trials: np.ndarray, begun: tuple[Callable[[], np.ndarray], NeuralState]
) -> tuple[np.ndarray, np.ndarray, NeuralState]:
    loss, outputs = begun
    return trials, loss()[: len(trials)], outputs


def correct_letter_ratio(presenter: Presenter, task: Task, split: Split, presentation: int, length: int) -> TestResult:
    """Fraction of allowed transitions when each letter begins a string and the circuit continues it
    (Li, Qiu & Huang 2024, Eq. 31); the loss is that of held-out strings, where there are any."""
    ratio, sequences = generated_ratio(presenter, task, length, f"generation {presentation}")
    values = {"correct_letter_ratio": ratio}
    if task.size(split):
        values["test_loss"] = read_out(presenter, task, Test(), split, presentation).values["test_loss"]
    return TestResult(values, sequences)


def generated_ratio(presenter: Presenter, stimuli: Task, length: int, purpose: str) -> tuple[float, np.ndarray]:
    """The correct letter ratio of strings that continue each letter, and these strings (trial, position)."""
    letters, batch = np.arange(stimuli.classes), presenter.plan.trials
    parts = [
        presenter.generate(letters[start : start + batch], length, f"{purpose} {start}")
        for start in range(0, len(letters), batch)
    ]
    sequences = np.concatenate(parts)
    return float(allowed(sequences, stimuli).mean()), sequences


def allowed(sequences: np.ndarray, stimuli: Task) -> np.ndarray:
    """Which transitions of strings (…, position) the language allows, bool (…, position − 1)."""
    steps = np.diff(sequences, axis=-1) % stimuli.classes
    return np.isin(steps, np.asarray(stimuli.transitions) % stimuli.classes)
