"""Which function conducts an experiment of which kind."""

from __future__ import annotations

import xarray as xr

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.experiment_tables import OnTrials
from neuro_mpc.descriptions.tables import Table
from neuro_mpc.errors import DescriptionError
from neuro_mpc.experiments import ensemble, generation, lesion, oddball, omission
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.simulation.trained import Trained
from neuro_mpc.stimuli import Stimuli

KINDS = {
    "oddball": oddball,
    "omission": omission,
    "lesion": lesion,
    "ensemble": ensemble,
    "generation": generation,
}


def conduct(presenter: Presenter, data: Stimuli, experiment: Table, trained: Trained) -> xr.Dataset:
    """The results of an experiment on the circuit that the presenter holds; its parameters stay."""
    found = KINDS[experiment.kind].conduct(presenter, data, experiment, trained)
    return found.assign_attrs(kind=experiment.kind, **found.attrs)


def refuse_misfit(experiment: Table, circuit: Circuit, data: Stimuli, source: str) -> None:
    """Raises DescriptionError for an experiment that cannot be done with this circuit on these stimuli."""
    if data.streams:
        raise DescriptionError(
            "an experiment needs trials that stand alone; a text goes on from trial to trial",
            source=source,
            key="experiment.kind",
            found=experiment.kind,
            hint="neuro-mpc generate for what a circuit makes of a text",
        )
    if isinstance(experiment, OnTrials) and not data.size(experiment.split):
        problem = f"there are no trials in the split {experiment.split!r}"
        raise DescriptionError(problem, source=source, key="experiment.split", found=experiment.split, hint="train")
    for problem in KINDS[experiment.kind].misfits(experiment, circuit, data):
        problem.source = source
        raise problem
