"""Where a protocol's stimuli come from: a table for each source, found by its name. The sources are in `stimuli`."""

from __future__ import annotations

from neuro_mpc.descriptions.plugins import Registry
from neuro_mpc.descriptions.tables import OpenTable, problem

MOST_NUMBERS = 2**28

SOURCES: Registry = Registry("stimulus source", "neuro_mpc.stimuli", "neuro_mpc.stimuli")


class StimulusTable(OpenTable):
    """Where the trials come from; `source` chooses the source, and decides which other keys exist.

    The table of a source is a subclass with its name as a literal `source`.

    source  name of the source
    """

    registry = SOURCES
    tag = "source"

    source: str


def number_drawn(table: StimulusTable, split: str) -> int:
    """The trials of a split, of a source that draws as many as its keys `trials`, `validation` and `test` say."""
    return getattr(table, "trials" if split == "train" else split)


def refuse_too_many(numbers: int, product: str) -> None:
    """Refuses a table of a source that would draw more numbers than memory should hold; `product` says of what."""
    if numbers > MOST_NUMBERS:
        raise problem(
            f"{numbers:,} numbers are more than memory should hold", expected=f"up to {MOST_NUMBERS:,}: {product}"
        )
