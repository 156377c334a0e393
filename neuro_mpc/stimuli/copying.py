"""The copying problem: symbols are shown, and named in the same order after a long delay.

Hochreiter & Schmidhuber, Neural Comput. 9, 1735 (1997), in the form of Arjovsky, Shah & Bengio (2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self, cast

import numpy as np
from pydantic import Field, model_validator

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable, number_drawn, refuse_too_many
from neuro_mpc.descriptions.tables import AtLeastOne, Count
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli.interface import SPLITS, STIMULUS, TARGET, Channel, Split, Stimuli, one_hot


class Copying(StimulusTable):
    """Symbols are shown, a blank for each step of the delay, and a go; then each symbol is asked for in its turn.

    symbols      number of different symbols
    length       symbols to be remembered
    delay        steps between the last symbol and the first that is asked for; at the last of them, the go is shown
    trials       number of trials to learn
    validation   number of trials held out for validation
    test         number of trials held out for the test

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.Copying(length=3, delay=94).steps
    100
    """

    source: Literal["copying"] = "copying"
    symbols: Annotated[int, Field(ge=2, le=1000)] = 8
    length: Annotated[int, Field(ge=1, le=1000)] = 3
    delay: Annotated[int, Field(ge=1, le=10_000)] = 94
    trials: AtLeastOne = 20_000
    validation: Count = 1000
    test: Count = 1000

    @model_validator(mode="after")
    def _fits_in_memory(self) -> Self:
        refuse_too_many(self.length * (self.trials + self.validation + self.test), "length × trials")
        return self

    @property
    def steps(self) -> int:
        """Steps of a trial."""
        return 2 * self.length + self.delay


@SOURCES.register("copying")
class CopyingStimuli(Stimuli):
    """Trials of the copying problem, drawn from the seed.

    ======= ============== ======================================================================
    channel units          gives
    ======= ============== ======================================================================
    shown   `symbols` + 2  the symbol, one-hot; a blank, before last; the go, last
    copy    `symbols`      class of the symbol that is asked for, at the last `length` steps
    ======= ============== ======================================================================
    """

    table = Copying

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int):
        self._table = cast(Copying, protocol.stimulus)
        self.steps = self._table.steps
        self._symbols = {split: self._drawn(split, seed) for split in SPLITS}

    def _drawn(self, split: Split, seed: int) -> np.ndarray:
        """(place, trial)"""
        table = self._table
        number = number_drawn(table, split)
        return generator(seed, "copying", split).integers(table.symbols, size=(table.length, number))

    @property
    def channels(self) -> dict[str, Channel]:
        symbols = self._table.symbols
        copy = Channel(symbols, "classes", missing=True, roles=(TARGET,))
        return {"shown": Channel(symbols + 2, roles=(STIMULUS,)), "copy": copy}

    def size(self, split: Split) -> int:
        return self._symbols[split].shape[1]

    def content(self, split: Split) -> Iterator[np.ndarray]:
        yield self._symbols[split]

    def given(self, split: Split, trials: np.ndarray, channel: str) -> np.ndarray:
        table, symbols = self._table, self._symbols[split][:, trials]
        if channel == "copy":
            asked = np.full((self.steps, len(trials)), -1)
            asked[-table.length :] = symbols
            return asked
        shown = np.full((self.steps, len(trials)), table.symbols)  # blanks
        shown[: table.length] = symbols
        shown[-table.length - 1] = table.symbols + 1
        return one_hot(shown, table.symbols + 2)
