"""A task: what each population of a circuit is given by the channels of a source, and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Literal, TypeGuard

import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol, ReadOut
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli.binding import bound_channels, key_of_target
from neuro_mpc.stimuli.interface import Split, Stimuli, one_hot

Given = dict[str, np.ndarray]
"""Population → values (step, trial, unit) or numbers of symbols (step, trial)."""


class Task(Stimuli):
    """The populations of a circuit, each with the channel of a source that it is given.

    To experiments on a circuit with one stimulus and one target it is what a source with these two channels is.

    bound    population → its channel
    """

    def __init__(self, protocol: Protocol, circuit: Circuit, source: Stimuli):
        self.source, self.circuit = source, circuit
        self._names = bound_channels(protocol, circuit, source.channels)
        self._read_outs = {name: protocol.target.of(name) for name in circuit.targets}
        self.bound = {name: source.channels[channel] for name, channel in self._names.items()}
        self.steps, self.streams, self.carries = source.steps, source.streams, source.carries
        self.cautions, self.filled_up = source.cautions, source.filled_up
        self.transitions, self.predicts_next = source.transitions, source.predicts_next or self._is_next()
        self.read = "last" if all(each.read == "last" for each in self._read_outs.values()) else "every"
        _refuse_steps(protocol, self._read_outs, self.steps)
        self.width = self.bound[circuit.stimuli[0]].width if circuit.stimuli else 0
        self.classes = self.bound[circuit.target].width
        names = self.bound[circuit.target].names
        self.symbols = list(names) if names else [str(number) for number in range(self.classes)]
        self.symbolic = bool(self.symbol_populations)

    def _is_next(self) -> bool:
        """Whether the target is what the stimulus is one step later."""
        names = [self._names[name] for name in (*self.circuit.stimuli, self.circuit.target)]
        return self._read_outs[self.circuit.target].kind == "next" and names[0] == names[-1]

    # --- what the network has to know ---

    @property
    def widths(self) -> dict[str, int]:
        """Population → units that its channel gives it."""
        return {name: channel.width for name, channel in self.bound.items()}

    @property
    def symbol_populations(self) -> tuple[str, ...]:
        """Populations that are given numbers of symbols."""
        return tuple(name for name, channel in self.bound.items() if channel.symbolic)

    @property
    def last_read(self) -> tuple[str, ...]:
        """Target populations that are compared at the last step alone."""
        return tuple(name for name, each in self._read_outs.items() if each.read == "last")

    @property
    def with_missing(self) -> tuple[str, ...]:
        """Target populations that may lack a target at some steps or units."""
        return tuple(name for name in self._read_outs if self._may_miss(name))

    def _may_miss(self, target: str) -> bool:
        read_out = self._read_outs[target]
        shifted = read_out.kind == "next" and not self.source.gives_next
        return self.bound[target].missing or shifted or read_out.where is not None or _is_list(read_out.read)

    # --- trials ---

    def size(self, split: Split) -> int:
        return self.source.size(split)

    def content(self, split: Split) -> Iterator[np.ndarray]:
        return self.source.content(split)

    def strings(self, split: Split) -> np.ndarray:
        return self.source.strings(split)

    def shown(self, strings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.source.shown(strings)

    def presented(self, split: Split, trials: np.ndarray) -> tuple[Given, Given]:
        """What stimulus populations, and what target populations are given in the numbered trials.

        Values are float32 (step, trial, unit), missing ones of a target NaN, of a stimulus zero; of a population that
        is given symbols, their numbers (step, trial), −1 for none.
        """
        stimuli = {name: self._stimulus(split, trials, name) for name in self.circuit.stimuli}
        targets = {name: self._dense(name, self.wanted(split, trials, name)) for name in self.circuit.targets}
        return stimuli, targets

    def batch(self, split: Split, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the first stimulus and the first target population, of classes, are given, float32 (step, trial, unit),
        also where a program is told numbers of symbols: a one for each, NaN where there is no target."""
        name = self.circuit.stimulus
        stimulus = self._stimulus(split, trials, name)
        stimulus = one_hot(stimulus, self.widths[name]) if name in self.symbol_populations else stimulus
        return stimulus, self._one_hot(self.circuit.target, self.labels(split, trials))

    def stimulus(self, split: Split, trials: np.ndarray) -> np.ndarray:
        return self._stimulus(split, trials, self.circuit.stimulus)

    def labels(self, split: Split, trials: np.ndarray) -> np.ndarray:
        return self.wanted(split, trials, self.circuit.target)

    def right(self, split: Split, trials: np.ndarray, answers: np.ndarray) -> np.ndarray:
        return self.source.right(split, trials, answers) if self.transitions else super().right(split, trials, answers)

    @property
    def chance(self) -> float:
        return self.source.chance if self.transitions else super().chance

    def wanted(self, split: Split, trials: np.ndarray, target: str) -> np.ndarray:
        """What a target population is compared with, (step or 1, trial): numbers of classes, −1 for none, or values
        (step or 1, trial, unit), NaN for none."""
        read_out, channel = self._read_outs[target], self._names[target]
        values = self.source.given(split, trials, channel)
        if read_out.kind == "next":
            values = np.concatenate([values[1:], self.source.following(split, trials, channel)])
        if read_out.where is not None:
            asked = _is_asked(self.source.given(split, trials, read_out.where))
            steps = min(len(values), len(asked))  # a source may give the last step alone
            values = _without(values[-steps:], ~asked[-steps:])
        if _is_list(read_out.read):
            is_read = np.isin(np.arange(len(values)), read_out.read)
            values = _without(values, np.broadcast_to(~is_read[:, None], values.shape[:2]))
        return values[-1:] if read_out.read == "last" else values

    def shows(self, stimulus: str, target: str) -> bool:
        """Whether a stimulus population is shown, at the same step, what a target population is compared with."""
        return self._names[stimulus] == self._names[target] and self._read_outs[target].kind != "next"

    def earlier(self, split: Split, trials: np.ndarray, target: str) -> np.ndarray:
        """What the channel of a target population gives one step before each that is compared, as `wanted`."""
        values = self.source.given(split, trials, self._names[target])
        if self._read_outs[target].kind == "next":
            return values
        before = np.full_like(values[:1], -1 if values.dtype.kind == "i" else np.nan)
        return np.concatenate([before, values[:-1]])

    def _stimulus(self, split: Split, trials: np.ndarray, population: str) -> np.ndarray:
        values = self.source.given(split, trials, self._names[population])
        channel = self.bound[population]
        if channel.kind == "values":
            return np.nan_to_num(values, copy=False, nan=0.0) if channel.missing else values
        return values if channel.symbolic else one_hot(values, channel.width)

    def _dense(self, target: str, values: np.ndarray) -> np.ndarray:
        """Classes as one unit each, where the population is not given their numbers."""
        channel = self.bound[target]
        return values if channel.kind == "values" or channel.symbolic else self._one_hot(target, values)

    def _one_hot(self, target: str, classes: np.ndarray) -> np.ndarray:
        """A one for each class, (step, trial, class); NaN where a target population lacks one."""
        encoded = one_hot(classes, self.bound[target].width)
        if target in self.with_missing:
            encoded[classes < 0] = np.nan
        return encoded

    # --- what is measured ---

    def has_classes(self, target: str) -> bool:
        """Whether a target population is compared with classes."""
        return self.bound[target].kind == "classes"

    def has_target(self, split: Split, trials: np.ndarray) -> bool:
        """Whether anything is asked in any of the numbered trials."""
        wanted = (self.wanted(split, trials, name) for name in self.circuit.targets)
        return any((values >= 0).any() if values.dtype.kind == "i" else (~np.isnan(values)).any() for values in wanted)

    def steps_read(self, target: str) -> int:
        """Steps of a trial at which a target population is compared, where nothing is missing."""
        read = self._read_outs[target].read
        return len(read) if _is_list(read) else 1 if read == "last" else self.steps

    def steps_shown(self, target: str) -> int:
        """Steps of a target population's output."""
        return 1 if self._read_outs[target].read == "last" else self.steps

    @cached_property
    def measure(self) -> Literal["accuracy", "mean-squared-error"]:
        """What a test measures unless the protocol says: for classes their accuracy, for values their error."""
        return "accuracy" if self.has_classes(self.circuit.target) else "mean-squared-error"


def _is_list(read: str | tuple[int, ...]) -> TypeGuard[tuple[int, ...]]:
    return isinstance(read, tuple)


def _is_asked(mask: np.ndarray) -> np.ndarray:
    """At which steps of which trials a mask (step, trial, …) is there and not 0, (step, trial)."""
    there = mask > 0 if mask.dtype.kind == "i" else (mask != 0) & ~np.isnan(mask)  # -1: there is no class
    return np.asarray(there.reshape(*mask.shape[:2], -1).any(axis=-1))


def _without(values: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The values (step, trial, …) without those at some steps and trials."""
    values = values.copy()
    values[missing] = -1 if values.dtype.kind == "i" else np.nan
    return values


def _refuse_steps(protocol: Protocol, read_outs: Mapping[str, ReadOut], steps: int) -> None:
    for name, read_out in read_outs.items():
        if _is_list(read_out.read) and read_out.read[-1] >= steps:
            raise DescriptionError(
                "reads a step that a trial does not have",
                source=protocol.name,
                key=key_of_target(protocol, name, "read"),
                found=read_out.read[-1],
                expected=f"0 to {steps - 1}",
            )
