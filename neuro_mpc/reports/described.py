"""The circuit and the protocol of a run as tables of texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from neuro_mpc.descriptions.connections import near
from neuro_mpc.runfile import access
from neuro_mpc.runfile.attributes import FOUND_RATE

PROVENANCE = {
    "seed": "seed",
    "backend": "backend",
    "threads": "threads",
    "workers": "processes that shared batches",
    "precision": "precision",
    "created": "created",
    "data": "data",
    "start_run": "started from",
    "start_changed": "changed since",
    "start_presentation": "started from presentation",
    "neuro_mpc_version": "neuro_mpc",
    "brian2_version": "Brian2",
    "numpy_version": "NumPy",
    "compiler": "compiler",
    "processor": "processor",
    FOUND_RATE: "learning rate that was found",
    "changes": "changes during the run",
}
MOST_PAIRS = 2**26
"""Pairs of units of which it is looked at whether they are neighbours."""
OTHERS = ("name", "description", "projection", "population", "synapse")


def circuit_tables(circuit: Mapping) -> list[tuple[str, list[str], list[list[str]]]]:
    """(caption, head, rows) of populations, projections and synapse types."""
    populations, projections, synapses = (_tables(circuit, name) for name in ("population", "projection", "synapse"))
    used = [table.get("synapse") for table in projections.values()]
    return [
        (
            "Populations",
            ["name", "role", "units", "activation"],
            [
                [
                    name,
                    table.get("role", "free"),
                    _text(table.get("size", "")),
                    table.get("activation", _read(table)),
                ]
                for name, table in populations.items()
            ],
        ),
        (
            "Projections",
            ["name", "from", "to", "delay", "synapses", "type"],
            [
                [
                    name,
                    table.get("from", ""),
                    table.get("to", ""),
                    _text(table.get("delay", 0)),
                    _count(table, populations),
                    table.get("synapse", ""),
                ]
                for name, table in projections.items()
            ],
        ),
        (
            "Synapse types",
            ["name", "mean μ", "variance v", "parameters"],
            [
                [
                    name,
                    _text(table.get("mean", "")),
                    _text(table.get("variance", 0)),
                    ", ".join(_tables(table, "parameter")),
                ]
                for name, table in synapses.items()
                if name in used
            ],
        ),
    ]


def protocol_tables(protocol: Mapping) -> list[tuple[str, list[tuple[str, str]]]]:
    """(section, [(key, value) …]) of each table of a protocol."""
    alone = [
        (key, _text(value)) for key, value in protocol.items() if not isinstance(value, Mapping) and key not in OTHERS
    ]
    tables = [(name, list(_flat(table))) for name, table in protocol.items() if isinstance(table, Mapping)]
    return [(name, rows) for name, rows in [("protocol", alone), *tables] if rows]


def provenance(run: xr.DataTree) -> list[tuple[str, str]]:
    """What the run was made with."""
    known = [(label, _text(run.attrs[name])) for name, label in PROVENANCE.items() if name in run.attrs]
    return [("run file", access.source(run)), *known]


def _tables(circuit: Mapping, name: str) -> dict[str, Mapping]:
    """The named tables of a circuit; nothing else, whatever the file says."""
    tables = circuit.get(name)
    if not isinstance(tables, Mapping):
        return {}
    return {key: table for key, table in tables.items() if isinstance(table, Mapping)}


def _read(population: Mapping) -> str:
    return f"read out: {population['readout']}" if "readout" in population else ""


def _count(projection: Mapping, populations: Mapping) -> str:
    """How many synapses a projection has, or is expected to have; "" where the file does not say it."""
    if "tied" in projection:
        return f"those of {_text(projection['tied'])}"
    ends = [populations.get(str(projection.get(end)), {}) for end in ("to", "from")]
    if not all(type(end.get("size")) is int for end in ends):
        return ""
    connect = projection.get("connect", "all")
    try:
        return _of_pairs(connect, *ends) if isinstance(connect, Mapping) else _of_all(connect, *ends)
    except (TypeError, ValueError, KeyError, AttributeError):  # a file that no run has written
        return ""


def _of_all(connect: object, post: Mapping, pre: Mapping) -> str:
    return f"{post['size'] if connect == 'one-to-one' else post['size'] * pre['size']:,}"


def _of_pairs(connect: Mapping, post: Mapping, pre: Mapping) -> str:
    """Of a table that says which pairs are connected."""
    pairs = post["size"] * pre["size"]
    if "random" in connect:
        return f"about {round(connect['random'] * pairs):,}"
    if "mask" in connect:
        return f"{sum(row.count('1') for row in connect['mask']):,}"
    if "share" in connect:
        return f"{round(connect['share'] * pairs):,}"
    if pairs > MOST_PAIRS:
        return ""
    grid, other = (tuple(end.get("shape") or (end["size"],)) for end in (post, pre))
    return f"{np.count_nonzero(near(grid, other, connect['local'])):,}"


def _flat(table: Mapping, path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", _text(value)


def in_a_line(value: object) -> str:
    """A value, also one that is a table, in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {text}" for key, text in _flat(value))
    return _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(_text, value)) or "—" if isinstance(value, (list, tuple)) else str(value)
