"""What a protocol shows: one table for each source of stimuli. Data only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from neuro_mpc.descriptions.circuit import LARGEST
from neuro_mpc.descriptions.tables import AtLeastOne, Count, Positive, Table, listed, problem

MOST_STRINGS = 2**62


class ToyLanguage(Table):
    """Strings of letters on a ring, where each letter is a transition ahead of the one before.

    load  M / N: strings learned per free unit
    """

    source: Literal["toy-language"] = "toy-language"
    letters: Annotated[int, Field(ge=2, le=1000)] = 26
    transitions: listed(int) = (2, 4)
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


class Digits(Table):
    """The 8 × 8 digits that come with scikit-learn, `pixels_per_step` of the 64 pixels at a step."""

    source: Literal["digits"] = "digits"
    pixels_per_step: Annotated[int, Field(ge=1, le=64)] = 8

    @field_validator("pixels_per_step")
    @classmethod
    def _divides(cls, pixels: int) -> int:
        if 64 % pixels:
            raise problem("does not divide the 64 pixels of a digit", expected="1, 2, 4, 8, 16, 32 or 64")
        return pixels


class Idx(Table):
    """Labelled images in the IDX format of MNIST, `pixels_per_step` of their pixels at a step.

    validation  trials taken from the end of the training set
    permute     show the pixels in a fixed random order
    subset      learn the first so many of the remaining training trials; 0: all
    classes     labels are 0 … classes − 1
    checksums   file name → sha256 of its uncompressed content
    """

    source: Literal["idx"] = "idx"
    train_images: str = "train-images-idx3-ubyte"
    train_labels: str = "train-labels-idx1-ubyte"
    test_images: str = "t10k-images-idx3-ubyte"
    test_labels: str = "t10k-labels-idx1-ubyte"
    pixels_per_step: AtLeastOne = 28
    validation: Count = 5000
    permute: bool = False
    subset: Count = 0
    classes: Annotated[int, Field(ge=2, le=256)] = 10
    checksums: dict[str, str] = {}

    @model_validator(mode="after")
    def _names_plain_files(self) -> Self:
        _plain(self.files, self.checksums)
        return self

    @property
    def files(self) -> tuple[str, str, str, str]:
        """Names of the four files."""
        return self.train_images, self.train_labels, self.test_images, self.test_labels


class Text(Table):
    """Text, one sentence per line, read token by token: as many streams as a presentation has trials, side by side.

    train, validation, test  files, plain or gzipped; without validation or test, the last twentieths of the lines
                             of the training file are held out for them
    level       a token is a "word" (between blanks) or a "character"
    vocabulary  most tokens that are told apart, the most frequent of the training text; 0: all
    steps       tokens of a presentation
    lines       learn from the first so many lines; 0: all
    carry       each presentation begins with the state in which the one before it ended, not with silence
    """

    source: Literal["text"] = "text"
    train: Annotated[str, Field(min_length=1)]
    validation: str = ""
    test: str = ""
    level: Literal["word", "character"] = "word"
    vocabulary: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    steps: Annotated[int, Field(ge=1, le=100_000)] = 35
    lines: Count = 0
    carry: bool = True
    checksums: dict[str, str] = {}

    @model_validator(mode="after")
    def _names_plain_files(self) -> Self:
        _plain(self.files, self.checksums)
        if self.vocabulary in (1, 2):
            raise problem("leaves no words besides <unk> and <eos>", expected="0, or at least 3")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that are there."""
        return tuple(name for name in (self.train, self.validation, self.test) if name)


def _plain(files: tuple[str, ...], checksums: Mapping[str, str]) -> None:
    """Refuses names of files that are paths, and checksums of other files."""
    for name in files:
        if not name or any(mark in name for mark in "/\\\0"):
            raise problem(f"{name!r} is not the name of a file", hint="give the folder as data_dir")
    for name in checksums:
        if name not in files:
            raise problem(f"a checksum for {name!r}, which is not used", expected=", ".join(files))
