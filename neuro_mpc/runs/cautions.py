"""Reasons to read the results of a run with caution, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_tables import BEFORE, INPUT, Population
from neuro_mpc.descriptions.formulas import formula
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.rules.spike import contradiction
from neuro_mpc.simulation.initial import Parameters
from neuro_mpc.simulation.sampling import contradicted_share

if TYPE_CHECKING:
    from neuro_mpc.simulation.trained import Trained

BLIND_PREDICTORS = {
    "mean": "the mean of the training trials",
    "frequent": "the most frequent class",
    "frequencies": "the frequencies of the classes",
}
BLIND = re.compile(rf"(accuracy|mean_squared_error|perplexity)_of_({'|'.join(BLIND_PREDICTORS)})(_.+|)")
"""The names of their measures."""


def of_selection(protocol: Protocol, presentations: int) -> list[str]:
    """For a training whose tests select on the very trials that are evaluated afterwards."""
    test = protocol.test
    if not (protocol.selects and presentations and test.split == "test") or test.measure == "correct-letter-ratio":
        return []
    selection = 'test.keep = "best"' if test.keep == "best" else 'the schedule "plateau"'
    return [
        f'{selection} selects on the split "test", which is evaluated afterwards: its results are too good '
        '(test.split = "validation" keeps the two apart)'
    ]


def of_priors(circuit: Circuit, holds_predictions: bool) -> list[str]:
    """For beliefs that cannot leave what is expected of them, where nothing predicts them and predictions are held."""
    free = [name for name in circuit.free if not circuit.incoming(name) and _is_silent(circuit.population[name])]
    if not (free and holds_predictions):
        return []
    return [
        f"nothing predicts {' and '.join(free)}, whose beliefs therefore stay 0 under fixed prediction "
        '(inference.scheme = "relaxation" infers them)'
    ]


def _is_silent(population: Population) -> bool:
    """Whether a prediction is 0 where the input and the belief before are."""
    prediction = formula(INPUT if population.prediction is None else population.prediction, (INPUT, BEFORE))
    return not prediction.evaluate({INPUT: 0, BEFORE: 0}).any()


def of_data(trained: Trained | None, protocol: Protocol, seed: int, data_sha256: str) -> list[str]:
    """For a run on the task of the one that it starts from, whose data are no longer the same."""
    same_task = trained is not None and (trained.protocol.stimulus, trained.seed) == (protocol.stimulus, seed)
    if trained is None or not same_task or trained.data_sha256 in ("", data_sha256):
        return []
    return [
        f"the data are not those that {trained.name} learned from, by the same [stimulus] and seed: their values, or "
        "which trials are held out, have changed since (data_sha256)"
    ]


def of_baselines(found: Mapping[str, float | np.ndarray]) -> list[str]:
    """For a trained circuit that does worse on the test than a predictor to which nothing is shown.

    found   what `evaluate` finds
    """
    worse = ", ".join(_worse(found))
    if not worse:
        return []
    return [
        f"the circuit does worse than a predictor that sees no stimulus: {worse}; "
        'try learning.rate = "auto", other initial values (learning.initial), or more epochs'
    ]


def _worse(found: Mapping[str, float | np.ndarray]) -> Iterator[str]:
    for name, reached in found.items():
        if (parts := BLIND.fullmatch(name)) is None:
            continue
        measure, predictor, target = parts.groups()
        value = found[f"{measure}{target}"]
        if value < reached if measure == "accuracy" else value > reached:
            of = f" of {target[1:]}" if target else ""
            yield f"{measure.replace('_', ' ')}{of} {value:.4g}, {reached:.4g} by {BLIND_PREDICTORS[predictor]}"


def of_spikes(circuit: Circuit, parameters: Parameters) -> list[str]:
    """For learned variances that the spikes contradict."""
    share = contradicted_share(circuit, parameters)
    consequence = "weights drawn for an ensemble vary more than the circuit with noise"
    hint = "bounds on the parameters keep the two consistent"
    return [f"{contradiction(share)}: {consequence} ({hint})"] if share else []
