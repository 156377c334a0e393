"""Any circuit on any data does what the energy says, and a test measures what its outputs say.

A sample on NumPy; `benchmarks/random_circuits.py` shows any number of circuits on any backend.
"""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from in_process import InProcess
from random_circuits import assert_agrees, cases, plan
from tasks import task_of

from neuro_mpc.descriptions.protocol import Test
from neuro_mpc.simulation import measures
from neuro_mpc.stimuli import Stimuli

SAMPLE = settings(
    max_examples=5,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@SAMPLE
@given(cases())
def test_a_circuit_does_what_the_energy_says(case):
    assert_agrees(case, InProcess(plan(case)))


class Labelled(Stimuli):
    """Trials with these labels (step, trial), −1 for none, and nothing to see."""

    def __init__(self, labels, classes):
        self._labels, self.classes = labels, classes
        self.width, self.steps, self.read = 1, len(labels), "every"
        self.symbols = []

    def size(self, split):
        return self._labels.shape[1]

    def stimulus(self, split, trials):
        return np.tile(trials, (self.steps, 1))[..., None]

    def labels(self, split, trials):
        return self._labels[:, trials]


def answering(output, labels, batch, ahead, together):
    """A presenter whose circuit gives these outputs (step, trial, class), `ahead` of them before one is read,
    of at most some presentations together."""
    unread = []

    def begin_predicting(stimulus, target, purpose, counts, *_):
        said = output[:, trials := stimulus["input"][0, :, 0]]
        wanted = labels[:, trials]
        given = np.take_along_axis(said, np.maximum(wanted, 0)[..., None], axis=2)[..., 0]
        assert len(trials) == len(counts) * batch
        assert 1 <= len(counts) <= together
        unread.append(len(counts))
        assert sum(unread) <= ahead

        def loss():
            assert unread.pop(0) == len(counts)
            return np.where(wanted >= 0, -np.log(given), 0).sum(axis=0)

        return loss, SimpleNamespace(output=lambda target: said, log_output=lambda target: np.log(said))

    return SimpleNamespace(
        begin_predicting=begin_predicting,
        predictions_ahead=lambda logarithms: ahead,
        together=together,
        aside=nullcontext,
        plan=SimpleNamespace(trials=batch),
    )


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    st.tuples(*(st.integers(1, most) for most in (5, 9, 4, 4, 3))),
    st.integers(2, 4),
    st.booleans(),
    st.integers(0, 2**16),
)
def test_a_measure_is_that_of_every_target_once(sizes, classes, filled_up, seed):
    steps, trials, batch, ahead, at_once = sizes
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, classes, (steps, trials))
    labels[0, 0] = 0  # one target at least
    outputs = rng.dirichlet(np.ones(classes), (2, steps, trials))
    data = task_of(Labelled(labels, classes))
    data.filled_up = filled_up
    targets = [(step, trial) for step in range(steps) for trial in range(trials) if labels[step, trial] >= 0]
    asked_of = steps if filled_up else len(targets) / len({trial for _, trial in targets})
    for measure in ("accuracy", "perplexity"):
        test = Test(measure=measure)
        votes = {name: each.astype(float) for name, each in measures.no_votes(data, test, "test").items()}
        for output in outputs:
            found = measures.measure(
                answering(output, labels, batch, ahead, at_once), data, test, "test", 0, votes
            ).values
            right = [output[each].argmax() == labels[each] for each in targets]
            surprise = np.mean([-np.log(output[each][labels[each]]) for each in targets])
            assert found["accuracy"] == pytest.approx(np.mean(right))
            assert found["test_loss"] == pytest.approx(asked_of * surprise)
            if measure == "perplexity":
                assert found["perplexity"] == pytest.approx(np.exp(surprise))
        together = measures.of_votes(data, test, "test", votes, len(outputs))[measure]
        mean = outputs.mean(axis=0)
        expected = (
            np.mean([mean[each].argmax() == labels[each] for each in targets])
            if measure == "accuracy"
            else np.exp(np.mean([-np.log(mean[each][labels[each]]) for each in targets]))
        )
        assert together == pytest.approx(expected)
