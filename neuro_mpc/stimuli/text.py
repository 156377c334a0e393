"""Text as a stimulus: token by token, each the target of the one before.

The tokens of a file stand in one row, lines joined by ``<eos>``, and are cut into as many equally long streams as a
presentation has trials (Zaremba, Sutskever & Vinyals, arXiv 1409.2329).  Presentation k shows step k·T … of all the
streams, so that each trial continues where the one before it ended.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal, Self, cast

import numpy as np
from pydantic import Field, model_validator

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_tables import LARGEST
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable
from neuro_mpc.descriptions.tables import Count, problem
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli import text_file
from neuro_mpc.stimuli.files import find, refuse_paths
from neuro_mpc.stimuli.interface import END, SPLITS, UNKNOWN, Split, Stimuli

OWN_FILES = ("a file", "--set protocol.stimulus.train=FILE")
MOST_TOKENS = 2**26  # of a file; each takes some 20 bytes in lists and arrays
WORD = re.compile(r"\S+")  # as str.split, but one at a time: a line may be as long as a file
HELD_OUT = 20  # one line in 20, or one token where there are fewer lines, for each split that has no file
Level = Literal["word", "character", "raw"]


class Text(StimulusTable):
    """A text, one sentence per line, read token by token: the trials of a presentation are parallel streams.

    train, validation, test  files, plain or gzipped; without validation or test, the last twentieths of the lines
                             of the training file (of its tokens, if it has fewer than twenty lines) are held out
    level       what a token is: a "word" (between blanks), a "character" (of lines without the blanks at their ends,
                blank ones left out), or "raw": a character of the file as it is, whose twentieths are held out
    vocabulary  largest number of distinct tokens, the most frequent of the training text; 0: all
    steps       tokens per presentation
    lines       number of lines to learn from, from the first on; 0: all
    checksums   file name → sha256 of its uncompressed content
    carry       whether each presentation starts from the final state of the one before it, rather than from silence

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.Text(train="corpus.txt", level="character").steps
    35
    """

    source: Literal["text"] = "text"
    train: Annotated[str, Field(min_length=1)]
    validation: str = ""
    test: str = ""
    level: Level = "word"
    vocabulary: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    steps: Annotated[int, Field(ge=1, le=100_000)] = 35
    lines: Count = 0
    carry: bool = True
    checksums: dict[str, str] = {}

    @model_validator(mode="after")
    def _names_plain_files(self) -> Self:
        refuse_paths(self.files, self.checksums)
        if self.vocabulary in (1, 2):
            raise problem("leaves no words but <unk> and <eos>", expected="0, or at least 3")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that are given."""
        return tuple(name for name in (self.train, self.validation, self.test) if name)


@SOURCES.register("text")
class TextStimuli(Stimuli):
    """Streams of tokens; the target is the next token.

    vocabulary  token → its number; the tokens of the training text, by falling frequency
    unknown     split → how many of its tokens the vocabulary lacks; they are read as ``<unk>``

    What of the training text does not fill the last presentation is left out; that of the other splits is filled up
    with steps that have no target.
    """

    table = Text
    symbolic = predicts_next = True
    missing = False  # but for what the end of the other splits is filled up with
    filled_up = True

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        table = cast(Text, protocol.stimulus)
        splits = _splits(protocol, table)
        self.vocabulary = vocabulary(splits["train"], table.vocabulary)
        if len(self.vocabulary) > LARGEST:
            raise DescriptionError(
                f"the text has {len(self.vocabulary):,} different tokens",
                source=protocol.name,
                key="stimulus.vocabulary",
                found=table.vocabulary,
                expected=f"up to {LARGEST:,}",
            )
        self.symbols = list(self.vocabulary)
        self.width = self.classes = len(self.symbols)
        self.steps, self.read, self.streams = table.steps, "every", protocol.learning.batch
        self.carries = table.carry
        _refuse_short(protocol, len(splits["train"]), self.steps)
        self._tokens: dict[Split, np.ndarray] = {split: self.numbers(tokens) for split, tokens in splits.items()}
        unknown = self.vocabulary[UNKNOWN]
        self.unknown = {
            split: int((self._tokens[split] == unknown).sum()) - tokens.count(UNKNOWN)
            for split, tokens in splits.items()
        }
        self._columns = {split: self._in_streams(numbers, split) for split, numbers in self._tokens.items()}

    def numbers(self, tokens: Iterable[str]) -> np.ndarray:
        """The numbers of tokens, int32; those that the vocabulary lacks are ``<unk>``."""
        unknown = self.vocabulary[UNKNOWN]
        return np.array([self.vocabulary.get(token, unknown) for token in tokens], np.int32)

    def tokens(self, split: Split) -> np.ndarray:
        """Numbers of all the tokens of a split in the order of the text, int32 (tokens,)."""
        return self._tokens[split]

    @classmethod
    def parted(cls, table: StimulusTable, text: str) -> list[str]:
        level = cast(Text, table).level
        return tokens(text.split("\n") if level == "raw" else [text], level)[:-1]

    @classmethod
    def joined(cls, table: StimulusTable, prompt: str, symbols: Sequence[str]) -> str:
        level = cast(Text, table).level
        if level == "raw":
            return prompt + "".join("\n" if symbol == END else symbol for symbol in symbols)
        if level == "character":
            return super().joined(table, prompt, symbols)
        return " ".join([prompt.strip(), *symbols]).strip().replace(f" {END}", "\n").replace("\n ", "\n").strip()

    def _in_streams(self, numbers: np.ndarray, split: Split) -> np.ndarray:
        """(2, steps of all presentations, streams): each token, and the one after it."""
        length, part = -(-len(numbers) // self.streams), self.streams * self.steps
        if split == "train":
            length = len(numbers) // part * self.steps
        padded_length = -(-length // self.steps) * self.steps
        previous = np.concatenate([[self.vocabulary[END]], numbers[:-1]]) if len(numbers) else numbers
        columns = np.full((2, self.streams, padded_length), -1, np.int32)
        for row, tokens in enumerate((previous, numbers)):
            filled = np.full(self.streams * length, -1, np.int32)
            filled[: len(tokens)] = tokens[: self.streams * length]
            columns[row, :, :length] = filled.reshape(self.streams, length)
        return np.ascontiguousarray(columns.swapaxes(1, 2))

    def size(self, split: Split) -> int:
        return self._columns[split].shape[1] // self.steps * self.streams

    def content(self, split: Split) -> Iterator[np.ndarray]:
        yield self._tokens[split]

    def stimulus(self, split: Split, trials: np.ndarray) -> np.ndarray:
        return self._shown(0, split, trials)

    def labels(self, split: Split, trials: np.ndarray) -> np.ndarray:
        return self._shown(1, split, trials)

    def _shown(self, row: int, split: Split, trials: np.ndarray) -> np.ndarray:
        chunk, stream = np.divmod(trials, self.streams)
        step = np.arange(self.steps)[:, None]
        return self._columns[split][row, chunk * self.steps + step, stream]


def vocabulary(tokens: Iterable[str], most: int) -> dict[str, int]:
    """token → number, by falling frequency, then by the alphabet; ``<unk>`` and ``<eos>`` are always in it.

    most   its largest size; 0: no limit
    """
    counts = Counter(tokens)
    special = [UNKNOWN, END]
    others = sorted(counts.keys() - set(special), key=lambda token: (-counts[token], token))
    frequent = others[: most - len(special)] if most else others
    return {
        token: number
        for number, token in enumerate(sorted([*frequent, *special], key=lambda token: (-counts[token], token)))
    }


def _splits(protocol: Protocol, table: Text) -> dict[Split, list[str]]:
    """split → tokens; those without a file are held out from the end of the training file."""
    paths = find(table.files, protocol.data_dir, "ptb", table.checksums, own_files=OWN_FILES)
    lines = {
        name: _lines(path, table.checksums.get(name), table.level)
        for name, path in zip(table.files, paths, strict=True)
    }
    names: dict[Split, str] = {"test": table.test, "validation": table.validation}
    splits: dict[Split, list[str]] = {split: tokens(lines[name], table.level) for split, name in names.items() if name}
    without: list[Split] = [split for split, name in names.items() if not name]
    by_line = table.level != "raw" and len(lines[table.train]) >= HELD_OUT
    held_out = _held_out_lines if by_line else _held_out_tokens
    splits |= held_out(lines[table.train], table, without)
    return {split: splits[split] for split in SPLITS}


def _lines(path: Path, checksum: str | None, level: Level) -> list[str]:
    """The lines of a file, whose tokens are counted before lists of them are made."""
    lines = text_file.lines(path, checksum, blank=level == "raw")
    if next(islice(_parts(lines, level), MOST_TOKENS, None), None) is not None:
        unit = "words" if level == "word" else "characters"
        raise text_file.too_long(path, f"{MOST_TOKENS:,} {unit} and ends of lines")
    return lines


def _held_out_lines(lines: list[str], table: Text, splits: list[Split]) -> dict[Split, list[str]]:
    parts: dict[Split, list[str]] = {}
    for split in splits:
        end = len(lines) - len(lines) // HELD_OUT
        parts[split], lines = tokens(lines[end:], table.level), lines[:end]
    return {**parts, "train": tokens(lines[: table.lines or None], table.level)}


def _held_out_tokens(lines: list[str], table: Text, splits: list[Split]) -> dict[Split, list[str]]:
    """Of a text that is read as it is, or in a few long lines, which may be a single one."""
    parts: dict[Split, list[str]] = {}
    rest, first = tokens(lines, table.level), len(tokens(lines[: table.lines or None], table.level))
    whole = len(rest)
    for split in splits:  # equal parts of a text as it is; else each is a part of what is left
        end = len(rest) - max(1, (whole if table.level == "raw" else len(rest)) // HELD_OUT)
        parts[split], rest = rest[end:], rest[:end]
    return {**parts, "train": rest[:first]}


def tokens(lines: Iterable[str], level: Level) -> list[str]:
    """The tokens of lines, each line followed by `<eos>`; equal ones are one object, which saves most of the memory."""
    known: dict[str, str] = {}
    return [known.setdefault(token, token) for token in _parts(lines, level)]


def _parts(lines: Iterable[str], level: Level) -> Iterator[str]:
    for line in lines:
        if level == "word":
            yield from (found[0] for found in WORD.finditer(line))
        else:
            yield from line if level == "raw" else line.strip()
        yield END


def _refuse_short(protocol: Protocol, tokens: int, steps: int) -> None:
    presentation = protocol.learning.batch * steps
    if tokens < presentation:
        fits = (
            f"--set protocol.learning.batch={tokens // steps}" if tokens >= steps else "a longer text, or fewer steps"
        )
        raise DescriptionError(
            "the training text does not fill one presentation",
            source=protocol.name,
            key="learning.batch",
            found=f"{tokens:,} tokens that are not held out",
            expected=f"{presentation:,} at least, {protocol.learning.batch} trials of {steps}",
            hint=fits,
        )
