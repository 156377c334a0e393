"""Where the trials of a protocol come from: one file a source, its table and its class, registered by its name.

The tables, `Adding`, `Arrays`, `Copying`, `Csv`, `Cues`, `Decision`, `Digits`, `Idx`, `ImageFolder`, `ImagePatches`,
`Mismatch`, `NeuroGym`, `Text`, `ToyLanguage` and those of other packages, are attributes of this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli.interface import SPLITS, Channel, Split, Stimuli, one_hot
from neuro_mpc.stimuli.task import Given, Task

if TYPE_CHECKING:
    from neuro_mpc.stimuli.adding import Adding  # noqa: F401
    from neuro_mpc.stimuli.arrays import Arrays  # noqa: F401
    from neuro_mpc.stimuli.copying import Copying  # noqa: F401
    from neuro_mpc.stimuli.csv_file import Csv  # noqa: F401
    from neuro_mpc.stimuli.cues import Cues  # noqa: F401
    from neuro_mpc.stimuli.decision import Decision  # noqa: F401
    from neuro_mpc.stimuli.digits import Digits  # noqa: F401
    from neuro_mpc.stimuli.idx import Idx  # noqa: F401
    from neuro_mpc.stimuli.image_folder import ImageFolder  # noqa: F401
    from neuro_mpc.stimuli.image_patches import ImagePatches  # noqa: F401
    from neuro_mpc.stimuli.mismatch import Mismatch  # noqa: F401
    from neuro_mpc.stimuli.neurogym import NeuroGym  # noqa: F401
    from neuro_mpc.stimuli.text import Text  # noqa: F401
    from neuro_mpc.stimuli.toy_language import ToyLanguage  # noqa: F401

__all__ = [
    "SPLITS",
    "Channel",
    "Given",
    "Split",
    "Stimuli",
    "StimulusTable",
    "Task",
    "load",
    "load_task",
    "one_hot",
    "register",
]

register = SOURCES.register


def __getattr__(name: str) -> type[StimulusTable]:
    """The table of this name (PEP 562): sources are imported once one is asked for."""
    tables = _tables() if name[:1].isupper() else {}
    if name not in tables:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return tables[name]


def __dir__() -> list[str]:
    return sorted({*__all__, *_tables()})


def _tables() -> dict[str, type[StimulusTable]]:
    """Name of the class → table of every source."""
    return {table.__name__: table for table in StimulusTable.forms()}


def load(protocol: Protocol, circuit: Circuit, seed: int, data: Any = None) -> Stimuli:
    """The stimuli of a protocol for a circuit (sized or not); DescriptionError where they cannot be had.

    data   arrays of Python that a source takes in place of those of a file
    """
    source = SOURCES.get(protocol.stimulus.source)
    if data is None:
        return source(protocol, circuit, seed)
    if not source.takes_data:
        raise DescriptionError(
            "takes no data from Python",
            source=protocol.name,
            key="stimulus.source",
            found=protocol.stimulus.source,
            hint='stimulus.source = "arrays"',
        )
    return source(protocol, circuit, seed, data)


def load_task(protocol: Protocol, circuit: Circuit, seed: int, data: Any = None) -> Task:
    """What a protocol gives to each population of a circuit; the arguments and errors are those of `load`."""
    return Task(protocol, circuit, load(protocol, circuit, seed, data))
