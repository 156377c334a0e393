"""Psychometric curve: how often a circuit chooses one of two answers, by the strength of the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.experiments import EXPERIMENTS
from neuro_mpc.descriptions.tables import AtLeastOne
from neuro_mpc.errors import DescriptionError, did_you_mean
from neuro_mpc.experiments.interface import Experiment
from neuro_mpc.experiments.lesion import (
    DIMENSIONS,
    DistinctFractions,
    DistinctOrders,
    Silencing,
    shape,
    silenced,
    unknown_places,
)
from neuro_mpc.experiments.responses import PURPOSE, batches
from neuro_mpc.stimuli import Task

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.simulation.presentation import Presenter
    from neuro_mpc.simulation.trained import Trained

MOST_LEVELS = 1000


class Psychometric(Silencing):
    """How often one answer is chosen, by a value of the trial, while a growing share of units or synapses is silenced.

    against  the channel of this value, which each trial has one of
    counted  the class that is counted, by its name or number; "": the last
    """

    kind: Literal["psychometric"] = "psychometric"
    against: str = "coherence"
    counted: str = ""
    fractions: DistinctFractions = (0.0, 0.2, 0.4)
    orders: DistinctOrders = ("random", "most-variable", "least-variable")
    repeats: AtLeastOne = 5


@EXPERIMENTS.register("psychometric")
class PsychometricExperiment(Experiment):
    """How often one answer is chosen, by the strength of the evidence."""

    table = Psychometric
    settings: Psychometric
    suits_any_task = True

    def results(self, presenter: Presenter, data: Task, trained: Trained) -> xr.Dataset:
        """`choices` (order, fraction, repeat, level), the fraction of answers that are the class which is counted, and
        `trials` (level,), the number of trials with each value of the channel `against`.

        The answer of a trial is the most probable class at the last step at which one is asked for. All lesions see the
        same trials with the same noise. Only random orders are repeated: the others are missing but for the first.

        Attributes: `against`, and the name of the class that is `counted`.
        """
        table = self.settings
        trials = table.shown(data.size(table.split))
        asked = data.wanted(table.split, trials, presenter.plan.circuit.target) >= 0
        value = _value(data, table, trials)
        usable = asked.any(axis=0) & ~np.isnan(value)
        levels, level = np.unique(value[usable], return_inverse=True)
        number, counted = np.bincount(level), _counted(table, data)
        curves = np.full((*shape(table), len(levels)), np.nan)
        for position in silenced(presenter, table):
            chosen = _answers(presenter, data, table, trials, asked)[usable] == counted
            curves[position] = np.bincount(level, chosen) / number
        return _labelled(curves, number, levels, table, data.symbols[counted])

    def problems(self, circuit: Circuit, data: Task) -> Iterator[DescriptionError]:
        table, channels = self.settings, data.source.channels
        yield from unknown_places(table, circuit)
        if table.against not in channels or channels[table.against].width > 1:
            known = [name for name, channel in channels.items() if channel.width == 1]
            yield DescriptionError(
                "is not a channel with one value",
                key="experiment.against",
                found=table.against,
                expected=", ".join(known),
                hint=did_you_mean(table.against, known),
            )
        elif not data.has_classes(circuit.target):
            yield DescriptionError(
                "needs a target of classes", key="experiment.kind", found=f"values in {circuit.target!r}"
            )
        elif table.counted and table.counted not in (*data.symbols, *map(str, range(data.classes))):
            yield DescriptionError(
                "is no class of the target",
                key="experiment.counted",
                found=table.counted,
                expected=", ".join(data.symbols),
                hint=did_you_mean(table.counted, data.symbols),
            )
        else:
            yield from _not_a_level(table, data)


def _not_a_level(table: Psychometric, data: Task) -> Iterator[DescriptionError]:
    """What is wrong with a channel that is not the same in many trials."""
    number = len(np.unique(_value(data, table, table.shown(data.size(table.split)))))
    if number > MOST_LEVELS:
        yield DescriptionError(
            f"has more than {MOST_LEVELS:,} different values, which make no curve",
            key="experiment.against",
            found=table.against,
        )


def _value(data: Task, table: Psychometric, trials: np.ndarray) -> np.ndarray:
    """The value of each trial, (trial,): that of its first step; NaN for none."""
    given = data.source.given(table.split, trials, table.against)[0].reshape(len(trials)).astype(float)
    is_class = data.source.channels[table.against].kind == "classes"
    return np.where(given < 0, np.nan, given) if is_class else given


def _counted(table: Psychometric, data: Task) -> int:
    """The number of the class that is counted."""
    if table.counted in data.symbols:
        return data.symbols.index(table.counted)
    return int(table.counted) if table.counted else data.classes - 1


def _answers(
    presenter: Presenter, data: Task, table: Psychometric, trials: np.ndarray, asked: np.ndarray
) -> np.ndarray:
    """The most probable class, (trial,), at the last step at which one is asked for."""
    chosen = []
    for count, (batch, new) in enumerate(batches(len(trials), presenter.plan.trials)):
        output, _ = presenter.predict(*data.presented(table.split, trials[batch]), PURPOSE, count)
        chosen.append(output.argmax(axis=2)[:, :new])
    last = len(asked) - 1 - asked[::-1].argmax(axis=0)
    return np.concatenate(chosen, axis=1)[last, np.arange(len(trials))]


def _labelled(
    curves: np.ndarray, number: np.ndarray, levels: np.ndarray, table: Psychometric, counted: str
) -> xr.Dataset:
    import xarray as xr

    values = {
        "choices": ((*DIMENSIONS, "level"), curves, {"long_name": f"fraction of answers that are {counted}"}),
        "trials": ("level", number, {"long_name": "number of trials"}),
    }
    coordinates = {
        "order": list(table.orders),
        "fraction": ("fraction", list(table.fractions), {"long_name": f"fraction of {table.of} that are silenced"}),
        "repeat": np.arange(table.repeats),
        "level": ("level", levels, {"long_name": table.against}),
    }
    return xr.Dataset(values, coordinates, {"of": table.of, "against": table.against, "counted": counted})
