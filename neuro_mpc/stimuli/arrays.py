"""Data of one's own: labelled arrays from a netCDF, Zarr or NPZ file, or from Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from pydantic import model_validator

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.sources import SOURCES
from neuro_mpc.descriptions.tables import Listed
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli import data_file
from neuro_mpc.stimuli.cuts import Cuts
from neuro_mpc.stimuli.files import refuse_paths
from neuro_mpc.stimuli.labelled import LabelledStimuli
from neuro_mpc.stimuli.parting import OWN_SPLIT
from neuro_mpc.stimuli.positional import as_dataset
from neuro_mpc.stimuli.signature import Signature

if TYPE_CHECKING:
    import xarray as xr


class Arrays(Cuts):
    """Arrays of your own, by the names of their dimensions: trials, steps, and all others, which are units.

    file      netCDF (.nc), Zarr (.zarr) or NPZ (.npz); "" if Python gives the data: nm.simulate(…, data=…)
    channels  the variables that are read; empty: all. Whole numbers are classes (-1: none), floats are values (NaN:
              nothing there)
    trial     the dimension of trials; "": "trial"
    step      the dimension of steps; "": "step" or "time"
    split     the variable that says which trials are held out, or which steps of a recording: names of splits, or
              numbers with flag_meanings
    group     a variable, such as the subject of each trial or the session of each step: trials, or steps of a
              recording, with the same value are held out together, and no window crosses from one value to the next

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.stimuli.Arrays(file="recording.nc", channels=["eeg", "choice"]).split
    'split'
    """

    source: Literal["arrays"] = "arrays"
    file: str = ""
    channels: Listed[str] = ()
    trial: str = ""
    step: str = ""
    split: str = OWN_SPLIT
    group: str = ""

    @model_validator(mode="after")
    def _names_a_file(self) -> Self:
        refuse_paths((self.file,) if self.file else (), {})
        return self


@SOURCES.register("arrays")
class ArrayStimuli(LabelledStimuli):
    """Trials of a file, or of what Python gives in its place."""

    table = Arrays
    takes_data = True

    def __init__(self, protocol: Protocol, circuit: Circuit, seed: int, data: Any = None):
        table = cast(Arrays, protocol.stimulus)
        dataset, source, signature = _opened(table, protocol, data)
        super().__init__(
            dataset,
            protocol,
            seed,
            shares=table,
            cutting=table.cutting(protocol.learning.batch),
            trial=table.trial,
            step=table.step,
            selected=table.channels,
            split=table.split,
            group=table.group,
            source=source,
            unchanged=signature.refuse_change if signature else lambda: None,
        )


def _opened(table: Arrays, protocol: Protocol, data: Any) -> tuple[xr.Dataset, str, Signature | None]:
    """The data set, where it is from, and what tells whether that changes."""
    named: Any = {"trial": table.trial, "step": table.step, "recording": table.window > 0}
    if data is not None:
        dataset = as_dataset(data, **named, source="data")
        file = dataset.encoding.get("source")
        path = Path(file) if isinstance(file, (str, os.PathLike)) and os.fspath(file) else None
        return dataset, "data", Signature(path) if path and path.exists() else None
    if not table.file:
        raise DescriptionError(
            "there are no data",
            source=protocol.name,
            key="stimulus.file",
            expected="a netCDF, Zarr or NPZ file",
            hint='stimulus.file = "data.nc", or in Python nm.simulate(…, data=…); a run file holds no '
            "arrays, only their checksum: whatever starts from it is given them again, by data=…",
        )
    path = data_file.found(table.file, protocol.data_dir)
    signature = Signature(path)
    return data_file.opened(path, **named), str(path), signature
