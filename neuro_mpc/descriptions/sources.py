"""Where a protocol's stimuli come from: a table for each source, found by its name. The sources are in `stimuli`."""

from __future__ import annotations

from neuro_mpc.descriptions.plugins import Registry
from neuro_mpc.descriptions.tables import OpenTable

SOURCES: Registry = Registry("stimulus source", "neuro_mpc.stimuli", "neuro_mpc.stimuli")


class StimulusTable(OpenTable):
    """Where the trials come from; `source` chooses the source, and decides which other keys exist.

    The table of a source is a subclass with its name as a literal `source`.

    source  name of the source
    """

    registry = SOURCES
    tag = "source"

    source: str
