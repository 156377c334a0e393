"""What learning was shown: the presentations of its recorded trials, made from the seed, as no run file holds them."""

from __future__ import annotations

import numpy as np
import xarray as xr

from neuro_mpc import stimuli
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.recorded import circuit_of_run
from neuro_mpc.descriptions.sources import SOURCES
from neuro_mpc.runfile import access
from neuro_mpc.runfile.attributes import attribute


def presentations_learned(run: xr.DataTree) -> xr.Dataset | None:
    """The stimulus table of all recorded trials, with their numbers over all samples in `presentation_trial`; None
    where the run recorded none, or its source keeps no such table."""
    group = access.group(run, "stimulus")
    if group is None or "trial_number" not in group.dataset:
        return None
    source = access.describe(run, "protocol").get("stimulus", {}).get("source", "")
    if source not in SOURCES.names() or SOURCES.get(source).presentations is stimuli.Stimuli.presentations:
        return None  # its data need not be there
    name = access.source(run)
    protocol = Protocol.from_toml(attribute(run, "protocol"), f"the protocol of {name}")
    circuit = circuit_of_run(attribute(run, "circuit"), f"the circuit of {name}")
    table = stimuli.load(protocol, circuit, attribute(run, "seed")).presentations("train")
    if table is None:
        return None
    numbers = access.variable(group, "trial_number").transpose("sample", "trial").values.ravel()
    rows = [np.flatnonzero(table["trial"].values == number) for number in numbers.tolist()]
    place = np.repeat(np.arange(len(numbers)), list(map(len, rows)))
    shown = table.isel(presentation=np.concatenate([np.zeros(0, int), *rows]))
    return shown.drop_vars("trial").assign(presentation_trial=("presentation", place))
