"""What is done to a trained circuit: one file an experiment, its table and its class, registered by its kind."""

from __future__ import annotations

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.experiments import EXPERIMENTS, ExperimentTable, OnTrials
from neuro_mpc.errors import DescriptionError
from neuro_mpc.experiments.interface import Experiment
from neuro_mpc.stimuli import Task
from neuro_mpc.stimuli.interface import SPLITS

__all__ = ["Experiment", "ExperimentTable", "OnTrials", "experiment_of", "refuse_unsuitable", "register"]

register = EXPERIMENTS.register


def experiment_of(table: ExperimentTable) -> Experiment:
    """The experiment that a table of a protocol describes."""
    return EXPERIMENTS.get(table.kind)(table)


def refuse_unsuitable(table: ExperimentTable, circuit: Circuit, data: Task, source: str) -> None:
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
        there = " or ".join(split for split in SPLITS if data.size(split))
        raise DescriptionError(problem, source=source, key="experiment.split", found=table.split, hint=there)
    experiment = experiment_of(table)
    classic = len(circuit.stimuli) == len(circuit.targets) == 1 and data.has_classes(circuit.target)
    if not (classic or experiment.suits_any_task):
        raise DescriptionError(
            f"the experiment {table.kind} needs a circuit with one stimulus, and one target of classes",
            source=source,
            key="experiment.kind",
            found=", ".join((*circuit.stimuli, *circuit.targets)),
        )
    for problem in experiment.problems(circuit, data):
        problem.source = source
        raise problem
