"""How a trained circuit performs on test trials: with noise, with mean weights, and as networks drawn from it."""

from __future__ import annotations

import numpy as np

from neuro_mpc.descriptions.protocol import Test
from neuro_mpc.runfile.labels import SPIKE_CONTRADICTED
from neuro_mpc.simulation import measures
from neuro_mpc.simulation.baselines import baselines
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.simulation.sampling import contradicted_share, draw_weights
from neuro_mpc.stimuli import Task

Values = dict[str, float | np.ndarray]


def evaluate(presenter: Presenter, task: Task, test: Test, presentation: int) -> Values:
    """Every measure of `test`, on the trials of the split "test", after a number of presentations.

    ``accuracy``               with noise, as the circuit learned
    ``accuracy_mean_weights``  every weight at its mean
    ``accuracy_network``       (network,) of each of `test.ensemble` networks whose weights are drawn once
    ``accuracy_ensemble``      of the mean of the outputs of these networks

    ``accuracy_of_frequent``   of the most frequent class, and of other `baselines`

    ``spike_contradicted``     the share of synapses whose drawn weights vary more than learned, if any

    and likewise for the other measures; a correct letter ratio has no ensemble. Nothing is learned, and the parameters
    stay.
    """
    values: Values = dict(measures.measure(presenter, task, test, "test", presentation).values)
    with presenter.noiseless():
        at_mean = measures.measure(presenter, task, test, "test", presentation).values
    values |= {f"{name}_mean_weights": value for name, value in at_mean.items()}
    values |= baselines(task, perplexity=test.measure == "perplexity")
    return values | _networks(presenter, task, test, presentation) if test.ensemble else values


def _networks(presenter: Presenter, task: Task, test: Test, presentation: int) -> Values:
    votes = measures.no_votes(task, test, "test")
    circuit, parameters, results = presenter.plan.circuit, presenter.parameters(), []
    for network in range(test.ensemble):
        with presenter.fixed_weights(draw_weights(circuit, parameters, presenter.seed, network)):
            results.append(measures.measure(presenter, task, test, "test", presentation, votes).values)
    share = contradicted_share(circuit, parameters)
    values: Values = {SPIKE_CONTRADICTED: share} if share else {}
    values |= {f"{name}_network": np.array([result[name] for result in results]) for name in results[0]}
    if votes is not None:
        of_ensemble = measures.of_votes(task, test, "test", votes, test.ensemble)
        values |= {f"{name}_ensemble": value for name, value in of_ensemble.items()}
    return values
