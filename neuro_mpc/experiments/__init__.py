"""What is done to a trained circuit: one file an experiment, its table and its class, registered by its kind."""

from __future__ import annotations

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.experiments import EXPERIMENTS, ExperimentTable, OnTrials
from neuro_mpc.errors import DescriptionError
from neuro_mpc.experiments.interface import Experiment
from neuro_mpc.stimuli import Stimuli

__all__ = ["Experiment", "ExperimentTable", "OnTrials", "experiment_of", "refuse_unsuitable", "register"]

register = EXPERIMENTS.register


def experiment_of(table: ExperimentTable) -> Experiment:
    """The experiment that a table of a protocol describes."""
    return EXPERIMENTS.get(table.kind)(table)


def refuse_unsuitable(table: ExperimentTable, circuit: Circuit, data: Stimuli, source: str) -> None:
    """Raises DescriptionError for an experiment that cannot be done with this circuit on these stimuli."""
    if data.streams:
        raise DescriptionError(
            "an experiment needs independent trials; a text continues from trial to trial",
            source=source,
            key="experiment.kind",
            found=table.kind,
            hint="neuro-mpc generate for what a circuit makes of a text",
        )
    if isinstance(table, OnTrials) and not data.size(table.split):
        problem = f"there are no trials in the split {table.split!r}"
        raise DescriptionError(problem, source=source, key="experiment.split", found=table.split, hint="train")
    for problem in experiment_of(table).problems(circuit, data):
        problem.source = source
        raise problem
