"""Where the descriptions of the package are: inside it once installed, beside it in a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from neuro_mpc.descriptions.toml_text import read_toml
from neuro_mpc.errors import DescriptionError, did_you_mean

PACKAGE = Path(__file__).parents[1]
FOLDERS = {"circuit": "models", "protocol": "protocols", "synapse": "models/synapses"}
SWAPPED = "the circuit comes first, then the protocol"


def files(kind: str) -> dict[str, Path]:
    """name → file of every shipped "circuit", "protocol" or "synapse" type, sorted by name."""
    inside, beside = PACKAGE / FOLDERS[kind], PACKAGE.parent / FOLDERS[kind]
    folder = inside if inside.is_dir() else beside
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def shown_path(kind: str, name: str) -> str:
    """How messages call a shipped file, wherever the package is installed: ``models/mpl.toml``."""
    return f"{FOLDERS[kind]}/{name}.toml"


@cache
def _tables(path: Path, source: str) -> dict[str, Any]:
    return read_toml(path, source)


def synapse_type(name: str) -> dict[str, Any] | None:
    """The table of a shipped synapse type; None where there is none of that name."""
    path = files("synapse").get(name)
    return _tables(path, shown_path("synapse", name)) if path else None


def synapse_parameters() -> set[str]:
    """The names of the parameters of all shipped synapse types."""
    tables = [_tables(path, shown_path("synapse", name)) for name, path in files("synapse").items()]
    return {parameter for table in tables for parameter in table["parameter"]}


def initial_values(protocol: str) -> dict[str, Any]:
    """What the shipped protocol of a name states in ``learning.initial``; nothing where there is none of that name."""
    path = files("protocol").get(protocol)
    tables = _tables(path, shown_path("protocol", protocol)) if path else {}
    return tables.get("learning", {}).get("initial", {})


def file_of(kind: str, name: str) -> Path:
    """The shipped file of that name; DescriptionError with the nearest known name where there is none."""
    known = files(kind)
    other = "protocol" if kind == "circuit" else "circuit"
    if name not in known and name in files(other):
        raise DescriptionError(f"{name} is a {other}, not a {kind}", hint=SWAPPED)
    if name not in known:
        hint = did_you_mean(name, known) or f"a path to a TOML file, such as ./{name}.toml"
        raise DescriptionError(f"unknown {kind}", found=name, expected=", ".join(known), hint=hint)
    return known[name]
