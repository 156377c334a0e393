"""What every experiment on a trained circuit offers to a run.

Tables of experiments are needed where nothing is simulated, to list them or to read a protocol: their modules import
xarray and the simulation where these are used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.experiments import ExperimentTable
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli import Task

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.simulation.presentation import Presenter
    from neuro_mpc.simulation.trained import Trained


class Experiment(ABC):
    """What is done to a trained circuit, as its table in a protocol describes it.

    table     of the protocol, with the kind of the experiment
    settings  the table of this experiment
    suits_any_task  it can be done with any number of stimuli and targets; otherwise with one stimulus and one target of
              classes, as which `data` then offers both
    """

    table: ClassVar[type[ExperimentTable]]
    suits_any_task: ClassVar[bool] = False

    def __init__(self, settings: ExperimentTable):
        self.settings = settings

    @abstractmethod
    def results(self, presenter: Presenter, data: Task, trained: Trained) -> xr.Dataset:
        """The results for the circuit that the presenter holds; its parameters are unchanged afterwards."""

    def problems(self, circuit: Circuit, data: Task) -> Iterator[DescriptionError]:
        """Why it cannot be done with this circuit on these stimuli; by default, it suits every task."""
        return iter(())
