"""Trials of a labelled data set, whatever it was read from: its variables are channels."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from neuro_mpc.descriptions.experiments import OnTrials
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.errors import DescriptionError, did_you_mean
from neuro_mpc.stimuli.axes import Axes, axes_of
from neuro_mpc.stimuli.cuts import Cutting, Shares
from neuro_mpc.stimuli.interface import Channel, Split, Stimuli
from neuro_mpc.stimuli.parting import OWN_SPLIT, Parting
from neuro_mpc.stimuli.series import Series

if TYPE_CHECKING:
    import xarray as xr

WHOLE_TRIALS = Cutting()
MOST_NAMED = 5
HELD_BYTES = 2**28
"""Data up to this size are held in memory, the smallest channels first; batches of larger ones are read from a file."""


class LabelledStimuli(Stimuli):
    """The trials of a data set.

    shares       what is held out, unless the variable `split` says it
    cutting      of recordings
    trial, step  names of the dimensions, "" for the usual ones
    selected     the variables that are channels, () for all but `split` and `group`
    group        the variable whose equal values stay in one split, if there is one
    source       of the data, for messages
    unchanged    raises DescriptionError where the data are no longer what they were; called after every reading
    """

    def __init__(
        self,
        dataset: xr.Dataset,
        protocol: Protocol,
        seed: int,
        *,
        shares: Shares,
        cutting: Cutting = WHOLE_TRIALS,
        trial: str = "",
        step: str = "",
        selected: tuple[str, ...] = (),
        split: str = OWN_SPLIT,
        group: str = "",
        source: str,
        unchanged: Callable[[], None] = lambda: None,
    ):
        parting = Parting(
            shares=shares,
            cutting=cutting,
            split=split,
            seed=seed,
            source=source,
            needed=_needed(protocol),
            group=group,
        )
        parting.refuse_unknown(dataset)
        variables = _variables(dataset, selected, {split, group}, source)
        axes = axes_of(variables, trial, step, source)
        self._series = {name: Series(name, variable, axes, source) for name, variable in variables.items()}
        _refuse_uncut(axes, cutting, self._series, protocol, source)
        self.steps, self.streams, self.carries = cutting.window or axes.steps, cutting.streams, cutting.carry
        self._cuts = parting.cuts(dataset, axes)
        held = _held(self._series)
        for name, series in self._series.items():
            series.examine(name in held, _names(dataset, name, series))
        self.cautions = (
            *_taken_for_units(axes, self._series),
            *_carried_over(self._cuts, self.carries),
            *_without_values(self._series),
        )
        unchanged()
        self._unchanged: Callable[[], None] = (lambda: None) if len(held) == len(self._series) else unchanged

    @property
    def channels(self) -> dict[str, Channel]:
        return {name: series.channel for name, series in self._series.items()}

    def size(self, split: Split) -> int:
        return len(self._cuts[split])

    def given(self, split: Split, trials: np.ndarray, channel: str) -> np.ndarray:
        recordings, starts, _ = self._cuts[split][trials].T
        return self._shown(channel, recordings, starts, self.steps)

    def following(self, split: Split, trials: np.ndarray, channel: str) -> np.ndarray:
        """Nothing, where the next step is not in the same split of the same recording."""
        recordings, starts, ends = self._cuts[split][trials].T
        after = starts + self.steps
        shown = self._shown(channel, recordings, np.where(after < ends, after, starts), 1)
        shown[:, after >= ends] = -1 if shown.dtype.kind == "i" else np.nan
        return shown

    def _shown(self, channel: str, recordings: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
        shown = self._series[channel].shown(recordings, starts, length)
        self._unchanged()
        return shown

    def content(self, split: Split) -> Iterator[np.ndarray]:
        """The cuts of a split, and the digests of all channels, every value of which was read already."""
        yield self._cuts[split]
        for name, series in self._series.items():
            yield np.frombuffer(name.encode() + series.digest, np.uint8)


def meanings(names: Iterable[str]) -> str:
    """The names of classes as the attribute flag_meanings has them: blanks, of whatever kind, part them."""
    return " ".join(re.sub(r"\s", "_", name) for name in names)


def _held(series: dict[str, Series]) -> set[str]:
    """The channels that are held in memory."""
    smallest_first = sorted(series, key=lambda name: series[name].bytes)
    sizes = np.cumsum([series[name].bytes for name in smallest_first])
    return {name for name, size in zip(smallest_first, sizes) if size <= HELD_BYTES}


def _needed(protocol: Protocol) -> tuple[Split, ...]:
    """The splits that a run goes through: an experiment one, and nothing is learned in no presentations."""
    if protocol.experiment is not None:
        return (protocol.experiment.split if isinstance(protocol.experiment, OnTrials) else "train",)
    tested: tuple[Split, ...] = ("test", protocol.test.split)
    return tested if protocol.learning.presentations == 0 else ("train", *tested)


def _variables(dataset: xr.Dataset, selected: tuple[str, ...], others: set[str], source: str) -> dict[str, xr.Variable]:
    """channel → variable."""
    known = list(map(str, dataset.variables))
    for name in selected:
        if name not in known:
            raise DescriptionError(
                "the data have no such variable",
                source=source,
                key="stimulus.channels",
                found=name,
                expected=", ".join(known),
                hint=did_you_mean(name, known),
            )
    names = sorted(selected or (str(name) for name in dataset.data_vars if name not in others))
    if not names:
        raise DescriptionError("the data have no variable that could be a channel", source=source, found=known)
    return {name: dataset[name].variable for name in names}


def _refuse_uncut(axes: Axes, cutting: Cutting, series: dict[str, Series], protocol: Protocol, source: str) -> None:
    """DescriptionError where recordings and the way in which they are to be cut do not fit."""
    place = {"source": protocol.name, "key": "stimulus.window"}
    if not (axes.trial or cutting.window):
        sizes = {name: size for each in series.values() for name, size in each.variable.sizes.items()}
        raise DescriptionError(
            f"{source} has no trials, and is not cut into any",
            found=", ".join(f"{name} ({size:,})" for name, size in sizes.items()),
            expected="a dimension of trials, or a window",
            hint='stimulus.window = 50, the steps of a trial; or stimulus.trial = "…", the name of the dimension',
            **place,
        )
    if cutting.window > axes.steps:
        raise DescriptionError(
            "is longer than a recording", found=cutting.window, expected=f"up to {axes.steps:,} steps", **place
        )
    if cutting.streams and axes.trials > 1:
        raise DescriptionError(
            f"{source} has several recordings, which make no streams",
            source=protocol.name,
            key="stimulus.streams",
            found=f"{axes.trials:,} along {axes.trial!r}",
            expected="one recording",
            hint="stimulus.streams = false: windows",
        )


def _taken_for_units(axes: Axes, series: dict[str, Series]) -> Iterator[str]:
    """For trials of a single step, and for a single recording, whose units have several dimensions: one of them may
    have been meant as steps, or as trials."""
    for name, each in series.items():
        dimensions = axes.units(tuple(map(str, each.variable.dims)))
        if len(dimensions) < 2 or (axes.step and axes.trial):
            continue
        units = f"{each.width:,} units ({' × '.join(dimensions)})"
        taken, key = (
            (f"trial: each step of {name} has {units}", "trial")
            if axes.step
            else (f"step or time: each trial of {name} is one step of {units}", "step")
        )
        yield f"no dimension is called {taken}; if one of them is meant, stimulus.{key} names it"


def _carried_over(cuts: dict[Split, np.ndarray], carries: bool) -> Iterator[str]:
    """For streams that go on with the state of another stretch of their recording."""
    for split, rows in cuts.items():
        if carries and (stretches := len(np.unique(rows[:, 2]))) > 1:
            yield (
                f"streams of the split {split!r} consist of {stretches:,} stretches, such as sessions: each begins in "
                "the state in which the one before it ended; stimulus.carry = false begins every window with silence"
            )


def _without_values(series: dict[str, Series]) -> Iterator[str]:
    """For units that are missing throughout: a neuron that was lost, or a column that was read as none."""
    for name, each in series.items():
        if number := len(each.without_values):
            which = ", ".join(each.without_values[:MOST_NAMED]) + (", …" if number > MOST_NAMED else "")
            units = f"{number:,} of {each.width:,} units of {name}"
            yield f"{units} never {'has' if number == 1 else 'have'} a value ({which}): no input, no error"


def _names(dataset: xr.Dataset, name: str, series: Series) -> tuple[str, ...]:
    """Names of the classes (CF's flag_meanings), or of the units where their only dimension has some."""
    variable = dataset[name].variable
    if series.symbolic:
        meanings = variable.attrs.get("flag_meanings", "")
        names = tuple(meanings.split()) if isinstance(meanings, str) else tuple(map(str, meanings))
        return _by_number(names, variable.attrs.get("flag_values"), {"source": series.source, "key": name})
    units = series.axes.units(tuple(map(str, variable.dims)))
    if len(units) != 1 or units[0] not in dataset.coords or dataset[units[0]].ndim != 1:
        return ()
    return tuple(map(str, dataset[units[0]].values.tolist()))


def _by_number(names: tuple[str, ...], flags: Any, place: Mapping[str, str]) -> tuple[str, ...]:
    """The names in the order of the classes that they mean (CF's flag_values); DescriptionError for other numbers."""
    if flags is None:
        return names
    numbers = np.ravel(flags).tolist()
    if sorted(numbers) != list(range(len(names))):
        raise DescriptionError(
            "has flag_values that do not number the names of its classes from 0 on",
            found=numbers,
            expected=f"0 to {len(names) - 1}, one for each of {', '.join(names)}",
            hint="classes from 0 on, and flag_meanings in their order",
            **place,
        )
    return tuple(names[numbers.index(number)] for number in range(len(names)))
