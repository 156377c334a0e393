"""The circuit of a run file: without the masks, which are variables there, and read with care."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.connections import Connect
from neuro_mpc.descriptions.latex import problem_of
from neuro_mpc.descriptions.toml_text import parse_toml
from neuro_mpc.errors import DescriptionError


def without_masks(circuit: Circuit) -> Circuit:
    """The circuit as a run file describes it, where a mask is a variable: the text has its checksum."""
    tables = circuit.tables()
    for name, projection in circuit.projection.items():
        if isinstance(projection.connect, Connect):
            tables["projection"][name]["connect"] = projection.connect.brief().tables()
    return Circuit.from_tables(tables, circuit.name)


def circuit_of_run(text: str, source: str = "") -> Circuit:
    """The circuit in a run file, perhaps an old or a stranger's: symbols that are refused today are dropped, and no
    file of a mask is opened."""
    tables = parse_toml(text, source)
    _refuse_files(tables, source)
    synapses = tables.get("synapse")
    for synapse in synapses.values() if isinstance(synapses, dict) else ():
        parameters = synapse.get("parameter") if isinstance(synapse, dict) else None
        for parameter in parameters.values() if isinstance(parameters, dict) else ():
            if isinstance(parameter, dict) and problem_of(str(parameter.get("symbol", ""))):
                parameter.pop("symbol", None)
    return Circuit.from_tables(tables, source)


def _refuse_files(tables: Mapping[str, Any], source: str) -> None:
    projections = tables.get("projection")
    for name, projection in projections.items() if isinstance(projections, dict) else ():
        connect = projection.get("connect") if isinstance(projection, dict) else None
        if isinstance(connect, dict) and isinstance(connect.get("mask"), str):
            raise DescriptionError(
                "names a file", source=source, key=f"projection.{name}.connect.mask", expected="no file in a run file"
            )
