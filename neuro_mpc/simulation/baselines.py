"""What simple predictors reach on the trials of a test, so that the measure of a circuit means something.

``mean``        of the values of the training trials; of classes, the most ``frequent`` one, and for the perplexity
                their ``frequencies``
``last``        the value one step earlier
``regression``  linear, by least squares on the training trials, from the last steps of all that is shown and can have
                reached the target population by then; none, where its very values can have
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from neuro_mpc.descriptions import graph
from neuro_mpc.simulation.least_squares import LeastSquares, lagged
from neuro_mpc.simulation.scores import Moments
from neuro_mpc.stimuli import Split, Task, one_hot
from neuro_mpc.stimuli.interface import TRIALS_AT_ONCE

LAGS, MOST_INPUTS = 5, 1000
"""Steps that the regression sees, as long as they are no more than so many numbers."""
MOST_TRAINED = 2**17
"""Training trials that predictors learn from; of more, so many at equal distances: all take longer than a run."""


@dataclass(frozen=True)
class Batch:
    """Some trials, at the steps at which a target population is compared.

    wanted   values (step, trial, unit), NaN for none, or classes (step, trial), -1 for none
    earlier  what the channel of the target is one step earlier, likewise
    inputs   what the last steps are of what is shown, (step, trial, input), or none where that would be too much
    """

    wanted: np.ndarray
    earlier: Callable[[], np.ndarray]
    inputs: Callable[[], np.ndarray]


Batches = Callable[[], Iterable[Batch]]


def baselines(task: Task, split: Split = "test", perplexity: bool = False) -> dict[str, float]:
    """The measures of every predictor, such as ``accuracy_of_frequent``; those of further target populations have its
    name after theirs. Nothing, where a language allows several answers, or there are no trials.

    perplexity   that of classes is asked for, too
    """
    if task.transitions or not (task.size("train") and task.size(split)):
        return {}
    found: dict[str, float] = {}
    for target in task.circuit.targets:
        of = partial(of_classes, perplexity=perplexity) if task.has_classes(target) else of_values
        learned, tested = _spread(task.size("train"), MOST_TRAINED), np.arange(task.size(split))
        train = partial(_batches, task, "train", learned, target)
        test = partial(_batches, task, split, tested, target)
        suffix = "" if target == task.circuit.target else f"_{target}"
        measures = of(train, test, task.bound[target].width)
        found |= {f"{name}{suffix}": value for name, value in measures.items()}
    return found


def of_values(train: Batches, test: Batches, units: int) -> dict[str, float]:
    """The mean squared error and the explained variance of each predictor."""
    mean, there = _mean(train(), units)
    regression = _regression(train(), units, lambda batch: np.where(there, batch.wanted, 0))
    moments: dict[str, Moments] = {}
    for batch in test():
        earlier = batch.earlier()
        predictions = {
            "mean": np.broadcast_to(mean, batch.wanted.shape),
            "last": np.where(np.isnan(earlier), mean, earlier),
        }
        if regression is not None:
            predictions["regression"] = batch.inputs() @ regression
        for name, predicted in predictions.items():
            moments.setdefault(name, Moments()).add(predicted, batch.wanted)
    return {
        f"{measure}_of_{name}": value for name, each in moments.items() for measure, value in each.measures().items()
    }


def of_classes(train: Batches, test: Batches, classes: int, perplexity: bool = False) -> dict[str, float]:
    """The accuracy of each predictor; that of the regression on one value for each class names the largest."""
    counts = _counts(train(), classes)
    regression = _regression(train(), classes, lambda batch: _encoded(batch.wanted, classes))
    hits: dict[str, list[np.ndarray]] = {}
    for batch in test():
        answers = {"frequent": np.full(batch.wanted.shape, counts.argmax())}
        if regression is not None:
            answers["regression"] = (batch.inputs() @ regression).argmax(axis=2)
        for name, answer in answers.items():
            hits.setdefault(name, []).append((answer == batch.wanted)[batch.wanted >= 0])
    found = {f"accuracy_of_{name}": float(np.concatenate(each).mean()) for name, each in hits.items()}
    if perplexity:
        found["perplexity_of_frequencies"] = _perplexity(counts, _counts(test(), classes))
    return found


def _counts(batches: Iterable[Batch], classes: int) -> np.ndarray:
    """How often each class is wanted."""
    counts = np.zeros(classes, int)
    for batch in batches:
        counts += np.bincount(batch.wanted[batch.wanted >= 0], minlength=classes)
    return counts


def _perplexity(seen: np.ndarray, wanted: np.ndarray) -> float:
    """Of the classes that are wanted, by the frequencies of those that were seen, each of them once more than it was:
    one that was never seen is possible, too (Laplace's rule of succession)."""
    probability = (seen + 1) / (seen + 1).sum()
    return float(np.exp(-(wanted @ np.log(probability)) / wanted.sum()))


def _mean(batches: Iterable[Batch], units: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each unit, 0 where it has no value; and whether it has any."""
    total, count = np.zeros(units), np.zeros(units)
    for batch in batches:
        total += np.nansum(batch.wanted, axis=(0, 1), dtype=float)
        count += (~np.isnan(batch.wanted)).sum(axis=(0, 1))
    return total / np.maximum(count, 1), count > 0


def _regression(batches: Iterable[Batch], outputs: int, values: Callable[[Batch], np.ndarray]) -> np.ndarray | None:
    """Weights (input, output), from where all outputs are there; None where there are no inputs, or that is nowhere."""
    fit: LeastSquares | None = None
    for batch in batches:
        inputs = batch.inputs()
        if not inputs.shape[2]:
            return None
        wanted = values(batch)
        present = ~np.isnan(wanted).any(axis=2)
        fit = fit or LeastSquares(inputs.shape[2], outputs)
        fit.add(inputs[present], wanted[present])
    return fit.weights() if fit and fit.rows else None


def _encoded(classes: np.ndarray, number: int) -> np.ndarray:
    """A one for each class, (step, trial, class); NaN where there is none."""
    encoded = one_hot(classes, number)
    encoded[classes < 0] = np.nan
    return encoded


def _spread(size: int, most: int) -> np.ndarray:
    """All of so many trials, or `most` of them at equal distances."""
    chosen = min(size, most)
    return np.arange(chosen) * size // chosen


def _batches(task: Task, split: Split, chosen: np.ndarray, target: str) -> Iterator[Batch]:
    delays = _delays(task, target)
    for start in range(0, len(chosen), TRIALS_AT_ONCE):
        trials = chosen[start : start + TRIALS_AT_ONCE]
        wanted = task.wanted(split, trials, target)
        yield Batch(
            wanted,
            partial(_earlier, task, split, trials, len(wanted), target),
            partial(_inputs, task, split, trials, len(wanted), delays),
        )


def _earlier(task: Task, split: Split, trials: np.ndarray, steps: int, target: str) -> np.ndarray:
    """What the channel of a target population gives one step before each of so many last steps."""
    return task.earlier(split, trials, target)[-steps:]


def _delays(task: Task, target: str) -> dict[str, int]:
    """The fewest steps after which what each stimulus population shows has reached a target population; of those from
    which it is reached. None at all, where they show it the answer."""
    circuit = task.circuit
    senders = {
        name: [(each.source, each.delay) for each in circuit.incoming(name).values()] for name in circuit.population
    }
    reached = graph.distances(senders, target)
    delays = {name: reached[name] for name in circuit.stimuli if name in reached}
    return {} if any(task.shows(name, target) and not delay for name, delay in delays.items()) else delays


def _inputs(task: Task, split: Split, trials: np.ndarray, steps: int, delays: Mapping[str, int]) -> np.ndarray:
    """The last steps of stimulus populations, each so many steps late, up to each of so many last steps of a trial, and
    a one; of none, where that is too much."""
    width = sum(task.widths[name] for name in delays)
    lags = min(LAGS, MOST_INPUTS // max(width, 1))
    if not (width and lags):
        return np.empty((steps, len(trials), 0))
    stimuli, _ = task.presented(split, trials)
    shown = [
        _late(one_hot(stimuli[name], task.widths[name]) if name in task.symbol_populations else stimuli[name], delay)
        for name, delay in delays.items()
    ]
    recent = np.concatenate(shown, axis=2)[-(steps + lags - 1) :]
    return lagged(recent, lags)[-steps:]


def _late(shown: np.ndarray, delay: int) -> np.ndarray:
    """(step, trial, unit), some steps later, and silence before."""
    delay = min(delay, len(shown))
    return np.concatenate([np.zeros_like(shown[:delay]), shown[: len(shown) - delay]])
