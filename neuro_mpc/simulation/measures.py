"""What a test measures: accuracy and perplexity on held-out trials, correct letter ratio of generated strings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from neuro_mpc.descriptions.protocol import Test
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.stimuli import Split, Stimuli


@dataclass
class TestResult:
    """Values by name, and the sequences that were generated, (trial, position)."""

    __test__ = False

    values: dict[str, float]
    sequences: np.ndarray | None = field(default=None)


def measure(
    presenter: Presenter, stimuli: Stimuli, test: Test, split: Split, presentation: int, votes: np.ndarray | None = None
) -> TestResult:
    """What `test` measures on the trials of a split, after a number of presentations; `votes` as in `accuracy`
    and `perplexity`. Learning of a stream continues afterwards as if there had been no test."""
    with presenter.aside():
        if test.measure == "correct-letter-ratio":
            return correct_letter_ratio(presenter, stimuli, split, presentation, test.generate)
        if test.measure == "perplexity":
            return perplexity(presenter, stimuli, split, presentation, votes)
        return accuracy(presenter, stimuli, split, presentation, votes)


def no_votes(stimuli: Stimuli, test: Test, split: Split) -> np.ndarray | None:
    """The votes of a measure before any network has voted; None where networks cannot vote."""
    steps = _steps_read(stimuli)
    return {
        "accuracy": lambda: np.zeros((steps, stimuli.size(split), stimuli.classes), np.float32),
        "perplexity": lambda: np.full((steps, stimuli.size(split)), -np.inf),
    }.get(test.measure, lambda: None)()


def of_votes(stimuli: Stimuli, test: Test, split: Split, votes: np.ndarray, networks: int) -> dict[str, float]:
    """The measure of the mean output of these networks."""
    labels = stimuli.labels(split, np.arange(votes.shape[1]))
    if test.measure == "accuracy":
        return {"accuracy": float(_hits(votes, labels).mean())}
    with np.errstate(over="ignore"):
        return {"perplexity": float(np.exp(np.log(networks) - votes[labels >= 0].mean()))}


def accuracy(
    presenter: Presenter, stimuli: Stimuli, split: Split, presentation: int, votes: np.ndarray | None = None
) -> TestResult:
    """Mean loss per trial (`mean_loss`), and the fraction of read-outs whose most probable class is the right one.

    votes   (step, trial, class), to which the outputs are added
    """
    losses, hits = [], []
    for trials, output, loss in _predictions(presenter, stimuli, split, presentation):
        losses.append(loss)
        hits.append(_hits(output, stimuli.labels(split, trials)))
        if votes is not None:
            votes[:, trials] += output
    losses, hits = np.concatenate(losses), np.concatenate(hits)
    return TestResult({"test_loss": mean_loss(losses, hits.size, _steps_read(stimuli)), "accuracy": float(hits.mean())})


def perplexity(
    presenter: Presenter, stimuli: Stimuli, split: Split, presentation: int, votes: np.ndarray | None = None
) -> TestResult:
    """exp of the mean cross-entropy of all targets of a split, each counted once; also loss and accuracy.

    votes   (step, trial) ln of a sum, to which the probabilities of the targets are added
    """
    losses, hits = [], []
    for trials, output, loss in _predictions(presenter, stimuli, split, presentation):
        labels = stimuli.labels(split, trials)
        losses.append(loss)
        hits.append(_hits(output, labels))
        if votes is not None:
            log_output = presenter.neural_state.log_output()[:, : len(trials)]
            log_probability = np.take_along_axis(log_output, np.maximum(labels, 0)[..., None], axis=2)[..., 0]
            votes[:, trials] = np.logaddexp(votes[:, trials], log_probability)
    losses, hits = np.concatenate(losses), np.concatenate(hits)
    with np.errstate(over="ignore"):
        value = float(np.exp(losses.sum(dtype=np.float64) / len(hits)))
    loss = mean_loss(losses, hits.size, _steps_read(stimuli))
    return TestResult({"test_loss": loss, "perplexity": value, "accuracy": float(hits.mean())})


def mean_loss(losses: np.ndarray, targets: int, per_trial: int) -> float:
    """Mean of the losses (trial,) of trials of `per_trial` targets each; where some are missing, a trial counts by its
    share of them, so that what a text is filled up with makes no loss smaller."""
    return float(losses.mean()) * (losses.size * per_trial / targets)


def _steps_read(stimuli: Stimuli) -> int:
    """Steps of a trial that are read."""
    return stimuli.steps if stimuli.read == "every" else 1


def _hits(output: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether the most probable class is the right one, for every read-out that has one."""
    return (output.argmax(axis=2) == labels)[labels >= 0]


def _predictions(
    presenter: Presenter, stimuli: Stimuli, split: Split, presentation: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Batch by batch: numbers of the trials (B,), output (step, B, class), loss (B,)."""
    size, batch = stimuli.size(split), presenter.plan.trials
    for count, start in enumerate(range(0, size, batch)):
        trials = np.arange(start, start + batch) % size  # the last batch is filled up and cut again
        new = min(batch, size - start)
        output, loss = presenter.predict(
            *stimuli.batch(split, trials), f"test {presentation}", count, carrying=stimuli.carries and start > 0
        )
        yield trials[:new], output[:, :new], loss[:new]


def correct_letter_ratio(
    presenter: Presenter, stimuli: Stimuli, split: Split, presentation: int, length: int
) -> TestResult:
    """Fraction of allowed transitions when each letter begins a string and the circuit continues it
    (Li, Qiu & Huang 2024, Eq. 31); the loss is that of held-out strings, where there are any."""
    ratio, sequences = generated_ratio(presenter, stimuli, length, f"generation {presentation}")
    values = {"correct_letter_ratio": ratio}
    if stimuli.size(split):
        values["test_loss"] = accuracy(presenter, stimuli, split, presentation).values["test_loss"]
    return TestResult(values, sequences)


def generated_ratio(presenter: Presenter, stimuli: Stimuli, length: int, purpose: str) -> tuple[float, np.ndarray]:
    """The correct letter ratio of strings that continue each letter, and these strings (trial, position)."""
    letters, batch = np.arange(stimuli.classes), presenter.plan.trials
    parts = [
        presenter.generate(letters[start : start + batch], length, f"{purpose} {start}")
        for start in range(0, len(letters), batch)
    ]
    sequences = np.concatenate(parts)
    return float(allowed(sequences, stimuli).mean()), sequences


def allowed(sequences: np.ndarray, stimuli: Stimuli) -> np.ndarray:
    """Which transitions of strings (…, position) the language allows, bool (…, position − 1)."""
    steps = np.diff(sequences, axis=-1) % stimuli.classes
    return np.isin(steps, np.asarray(stimuli.transitions) % stimuli.classes)
