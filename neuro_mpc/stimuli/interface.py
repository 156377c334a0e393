"""What every source of stimuli offers to a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from neuro_mpc.descriptions.sources import StimulusTable

if TYPE_CHECKING:
    import xarray as xr

    from neuro_mpc.descriptions.circuit import Circuit
    from neuro_mpc.descriptions.protocol import Protocol

Split = Literal["train", "validation", "test"]
UNKNOWN, END = "<unk>", "<eos>"
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
TRIALS_AT_ONCE = 256
STIMULUS, TARGET = "stimulus", "target"
"""The two channels of a source that shows a stimulus and asks for a class."""


@dataclass(frozen=True)
class Channel:
    """What a source offers to populations of a circuit under one name.

    width     units; of classes, their number
    kind      "values": a number for each unit; "classes": the number of a class
    symbolic  populations are given the number of the class, in place of one unit for each
    missing   there may be steps without a class, or units without a value
    names     of the classes, or of the units; empty: they are numbered
    roles     roles of the populations to which it can be given
    """

    width: int
    kind: Literal["values", "classes"] = "values"
    symbolic: bool = False
    missing: bool = False
    names: tuple[str, ...] = ()
    roles: tuple[str, ...] = (STIMULUS, TARGET)


class Stimuli(ABC):
    """Trials of a task: T steps of a stimulus each, and the class to be named at every step or at the last.

    A source is made from its protocol, the circuit (sized or not) and the seed of the run. One that offers other
    channels than a stimulus and a class overrides `channels` and `given`; it needs `steps`, `size` and `content`,
    and neither `width`, `classes`, `read`, `stimulus` nor `labels`.

    table      of the protocol, with the name of the source
    generates  strings can be generated, letter by letter: of such a source every letter is a class and a unit
    takes_data its argument `data` takes data of Python in place of a file

    width    units of the stimulus
    classes  units of the target
    steps    T
    read     "every" or "last"
    symbols  names of the classes
    transitions    steps on the ring of symbols that a language allows; empty: no such language
    predicts_next      the target of a step is the stimulus of the next one
    symbolic stimulus and target are numbers of symbols, one at each step, in place of one value for each unit
    streams  trials shown side by side, each batch continuing where the last one ended; 0: trials are independent
    carries  a batch of streams begins with the state in which the one before it ended
    missing  some steps of the training trials may have no class
    filled_up  the last trials of the other splits are filled up with steps that have none
    cautions  reasons to doubt that the data are read as they were meant
    gives_next  it knows the step after the last of a trial, too (see `following`)
    """

    table: ClassVar[type[StimulusTable]]
    generates: ClassVar[bool] = False
    takes_data: ClassVar[bool] = False

    width: int
    classes: int
    steps: int
    read: Literal["every", "last"]
    symbols: list[str]
    transitions: tuple[int, ...] = ()
    predicts_next: bool = False
    symbolic: bool = False
    streams: int = 0
    carries: bool = False
    missing: bool = True
    filled_up: bool = False
    cautions: tuple[str, ...] = ()
    gives_next: bool = False

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        raise NotImplementedError

    @abstractmethod
    def size(self, split: Split) -> int:
        """Number of trials of a split; it may be 0."""

    @property
    def channels(self) -> dict[str, Channel]:
        """What populations can be given, by name."""
        names = tuple(self.symbols)
        kind = "classes" if self.symbolic else "values"
        return {
            STIMULUS: Channel(self.width, kind, self.symbolic, roles=(STIMULUS,)),
            TARGET: Channel(self.classes, "classes", self.symbolic, self.missing, names, (TARGET,)),
        }

    def given(self, split: Split, trials: np.ndarray, channel: str) -> np.ndarray:
        """What a channel gives in the B numbered trials: values float32 (T, B, width), NaN for none; classes int
        (T, B), −1 for none. A source that heeds `target.read` itself may give the last step alone."""
        return self.stimulus(split, trials) if channel == STIMULUS else self.labels(split, trials)

    def following(self, split: Split, trials: np.ndarray, channel: str) -> np.ndarray:
        """What a channel gives in the step after the last, a single step; by default nothing is there."""
        last = self.given(split, trials, channel)[-1:]
        return np.full_like(last, -1 if last.dtype.kind == "i" else np.nan)

    def stimulus(self, split: Split, trials: np.ndarray) -> np.ndarray:
        """float32 (T, B, width) of the B numbered trials; of symbols int (T, B), −1 for none."""
        raise NotImplementedError(f"{type(self).__name__} has no stimulus of this name")

    def labels(self, split: Split, trials: np.ndarray) -> np.ndarray:
        """Numbers of the right classes, int (T, B), or (1, B) where only the last step is read; −1: no target."""
        raise NotImplementedError(f"{type(self).__name__} has no classes of this name")

    def asked(self, split: Split, trials: np.ndarray) -> np.ndarray:
        """Where there is a target, bool (T or 1, B): only these answers are right or wrong."""
        return self.labels(split, trials) >= 0

    def right(self, split: Split, trials: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Which of the answers (T or 1, B) are right, bool; where a language allows several, each of them."""
        return answers == self.labels(split, trials)

    def strings(self, split: Split) -> np.ndarray:
        """Numbers of the letters, int (trials, length), of a source that `generates`."""
        raise NotImplementedError(f"{type(self).__name__} has no strings")

    def shown(self, strings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stimulus and target, as `batch` gives them, of any strings (trials, length), where it `generates`."""
        raise NotImplementedError(f"{type(self).__name__} has no strings")

    @classmethod
    def parted(cls, table: StimulusTable, text: str) -> list[str]:
        """The symbols of a text that a trained circuit is to read: its characters."""
        return list(text.strip())

    @classmethod
    def joined(cls, table: StimulusTable, prompt: str, symbols: Sequence[str]) -> str:
        """A prompt and the symbols by which a trained circuit continues it, as text."""
        return prompt + "".join("\n" if symbol == END else symbol for symbol in symbols)

    def presentations(self, split: Split) -> xr.Dataset | None:
        """The stimulus table of all trials of a split, a row a presentation (see `MismatchStimuli`), of a source that
        keeps one: exported recordings hold it."""
        return None

    def content(self, split: Split) -> Iterator[np.ndarray]:
        """All that the trials of a split are made of, to tell data apart; their batches, where it is not stored."""
        for start in range(0, self.size(split), TRIALS_AT_ONCE):
            yield from self.batch(split, np.arange(start, min(start + TRIALS_AT_ONCE, self.size(split))))

    @property
    def counted(self) -> str:
        """What `right` counts."""
        return "allowed answers" if self.transitions else "right answers"

    @property
    def chance(self) -> float:
        """Probability that an answer by chance is right."""
        return 1 / self.classes

    def batch(self, split: Split, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stimulus (T, B, width) and one-hot target (T or 1, B, classes) of the numbered trials, float32;
        of symbols their numbers, (T, B) and (T or 1, B)."""
        labels = self.labels(split, trials)
        return self.stimulus(split, trials), labels if self.symbolic else one_hot(labels, self.classes)


def one_hot(numbers: np.ndarray, width: int) -> np.ndarray:
    """float32 (…, width) with a one at each of the numbers (…); none where the number is −1."""
    encoded = np.zeros((*numbers.shape, width), np.float32)
    flat = numbers.ravel()
    (some,) = np.nonzero(flat >= 0)
    encoded.reshape(-1, width)[some, flat[some]] = 1
    return encoded
