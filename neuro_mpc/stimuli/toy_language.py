"""A toy language: letters on a ring, where each is one of a few transitions ahead of the letter before.

Li, Qiu & Huang, Phys. Rev. E 109, 044309 (2024): 26 letters, transitions +2 and +4, strings of 11 letters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from string import ascii_lowercase
from typing import Annotated, Literal, Self, cast

import numpy as np
from pydantic import Field, model_validator

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable
from neuro_mpc.descriptions.tables import Listed, Positive, problem
from neuro_mpc.errors import DescriptionError
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli.interface import Split, Stimuli, one_hot

MOST_STRINGS, MOST_LEARNED, MOST_HELD_OUT = 2**62, 10**7, 1000


class ToyLanguage(StimulusTable):
    """Strings of letters on a ring, each letter an allowed transition ahead of the one before.

    letters      number of letters on the ring
    transitions  steps on the ring that the language allows
    length       length of a string; all but its last letter are shown, all but its first are targets
    load  M / N: strings learned per free unit

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.ToyLanguage(letters=6, length=4).strings
    48
    """

    source: Literal["toy-language"] = "toy-language"
    letters: Annotated[int, Field(ge=2, le=1000)] = 26
    transitions: Listed[int] = (2, 4)
    length: Annotated[int, Field(ge=2, le=1000)] = 11
    load: Positive = 10.0

    @model_validator(mode="after")
    def _has_countable_strings(self) -> Self:
        residues = {step % self.letters for step in self.transitions}
        if not residues or len(residues) < len(self.transitions):
            raise problem("the transitions are not different steps on the ring", expected="such as [2, 4]")
        if math.log2(self.letters) + (self.length - 1) * math.log2(len(residues)) >= math.log2(MOST_STRINGS):
            raise problem("the language has 2**62 strings or more", hint="a shorter length or fewer transitions")
        return self

    @property
    def strings(self) -> int:
        """Number of all strings of the language: letters · transitions^(length − 1)."""
        return self.letters * len(self.transitions) ** (self.length - 1)


@SOURCES.register("toy-language")
class ToyLanguageStimuli(Stimuli):
    """Strings of the language, drawn without replacement; the target is the next letter.

    Learned are M = load · (number of free units) strings; of the others up to 1,000 each are held out for
    test and validation, none if all strings are learned.

    transitions, letters   as in the protocol
    """

    table = ToyLanguage
    generates = True
    missing = False

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        language = cast(ToyLanguage, protocol.stimulus)
        self.transitions, self.letters = language.transitions, language.letters
        self.width = self.classes = language.letters
        self.steps, self.read = language.length - 1, protocol.target.steps_given
        self.symbols = _symbols(language.letters)
        self.predicts_next = self.read == "every"
        number = _strings_to_learn(protocol, circuit)
        held_out = min(MOST_HELD_OUT, (language.strings - number) // 2)
        codes = generator(seed, "toy-language").choice(language.strings, number + 2 * held_out, replace=False)
        parts = np.split(spelled(codes, language), [number, number + held_out])
        self._strings = dict(zip(("train", "test", "validation"), parts, strict=True))

    def size(self, split: Split) -> int:
        return len(self._strings[split])

    def strings(self, split: Split) -> np.ndarray:
        return self._strings[split]

    def content(self, split: Split) -> Iterator[np.ndarray]:
        yield self._strings[split]

    def stimulus(self, split: Split, trials: np.ndarray) -> np.ndarray:
        return self.shown(self._strings[split][trials])[0]

    def shown(self, strings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        following = strings[:, 1:].T if self.read == "every" else strings[:, -1:].T
        return one_hot(strings[:, :-1].T, self.width), one_hot(following, self.classes)

    def right(self, split: Split, trials: np.ndarray, answers: np.ndarray) -> np.ndarray:
        previous = self._strings[split][trials, :-1].T
        steps = answers - (previous if self.read == "every" else previous[-1:])
        return np.isin(steps % self.classes, np.asarray(self.transitions) % self.classes)

    @property
    def chance(self) -> float:
        return len(self.transitions) / self.classes

    def labels(self, split: Split, trials: np.ndarray) -> np.ndarray:
        following = self._strings[split][trials, 1:].T
        return following if self.read == "every" else following[-1:]


def spelled(codes: np.ndarray, language: ToyLanguage) -> np.ndarray:
    """The strings (…, length) of their numbers 0 … strings − 1.

    The digits of a number in base (number of transitions) choose the transitions, the rest the first letter.
    """
    base, rest = len(language.transitions), np.asarray(codes)
    letters = np.empty((*rest.shape, language.length), np.int64)
    for position in range(language.length - 1, 0, -1):
        rest, digit = np.divmod(rest, base)
        letters[..., position] = np.asarray(language.transitions)[digit]
    letters[..., 0] = rest
    return np.cumsum(letters, axis=-1) % language.letters


def _strings_to_learn(protocol: Protocol, circuit: Circuit) -> int:
    units = sum(circuit.size_of(name) for name in circuit.free)
    language = cast(ToyLanguage, protocol.stimulus)
    number = round(language.load * units)
    most = min(language.strings, MOST_LEARNED)
    if not 1 <= number <= most:
        raise DescriptionError(
            f"a load of {language.load:g} on {units} free units is {number} strings",
            source=protocol.name,
            key="stimulus.load",
            found=language.load,
            expected=f"1 to {most} strings: a load of {1 / units:g} to {most / units:g}",
        )
    return number


def _symbols(letters: int) -> list[str]:
    return list(ascii_lowercase[:letters]) if letters <= 26 else [str(number) for number in range(letters)]
