"""A toy language: letters on a ring, where each is one of a few transitions ahead of the letter before.

Li, Qiu & Huang, Phys. Rev. E 109, 044309 (2024): 26 letters, transitions +2 and +4, strings of 11 letters.
"""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.stimulus_tables import ToyLanguage
from neuro_mpc.errors import DescriptionError
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli.interface import Split, Stimuli, one_hot

MOST_LEARNED, MOST_HELD_OUT = 10**7, 1000


class ToyLanguageStimuli(Stimuli):
    """Strings of the language, drawn without replacement; the target is the next letter.

    Learned are M = load · (number of free units) strings; of the others up to 1,000 each are held out for
    test and validation: none where all strings are learned.

    transitions, letters   as in the protocol
    """

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        language: ToyLanguage = protocol.stimulus
        self.transitions, self.letters = language.transitions, language.letters
        self.width = self.classes = language.letters
        self.steps, self.read = language.length - 1, protocol.target.read
        self.symbols = _symbols(language.letters)
        self.predicts_next = self.read == "every"
        learned = _learned(protocol, circuit)
        held_out = min(MOST_HELD_OUT, (language.strings - learned) // 2)
        codes = generator(seed, "toy-language").choice(language.strings, learned + 2 * held_out, replace=False)
        parts = np.split(spelled(codes, language), [learned, learned + held_out])
        self._strings = dict(zip(("train", "test", "validation"), parts, strict=True))

    def size(self, split: Split) -> int:
        return len(self._strings[split])

    def strings(self, split: Split) -> np.ndarray:
        """Numbers of the letters, int (trials, length)."""
        return self._strings[split]

    def stimulus(self, split: Split, trials: np.ndarray) -> np.ndarray:
        return self.shown(self._strings[split][trials])[0]

    def shown(self, strings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Stimulus and target, as `batch` gives them, of any strings (trials, length)."""
        following = strings[:, 1:].T if self.read == "every" else strings[:, -1:].T
        return one_hot(strings[:, :-1].T, self.width), one_hot(following, self.classes)

    def right(self, split: Split, trials: np.ndarray, answers: np.ndarray) -> np.ndarray:
        before = self._strings[split][trials, :-1].T
        steps = answers - (before if self.read == "every" else before[-1:])
        return np.isin(steps % self.letters, np.asarray(self.transitions) % self.letters)

    @property
    def chance(self) -> float:
        return len(self.transitions) / self.letters

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


def _learned(protocol: Protocol, circuit: Circuit) -> int:
    units = sum(circuit.population[name].size for name in circuit.free)
    language, learned = protocol.stimulus, round(protocol.stimulus.load * units)
    most = min(language.strings, MOST_LEARNED)
    if not 1 <= learned <= most:
        raise DescriptionError(
            f"a load of {language.load:g} on {units} free units is {learned} strings",
            source=protocol.name,
            key="stimulus.load",
            found=language.load,
            expected=f"1 to {most} strings: a load of {1 / units:g} to {most / units:g}",
        )
    return learned


def _symbols(letters: int) -> list[str]:
    return list(ascii_lowercase[:letters]) if letters <= 26 else [str(number) for number in range(letters)]
