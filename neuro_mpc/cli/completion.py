"""What a shell completes: names of circuits and protocols, and the keys of settings."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer

import neuro_mpc as nm

if TYPE_CHECKING:
    from neuro_mpc.descriptions.tables import Table


def circuits(incomplete: str) -> list[tuple[str, str]]:
    """Names of shipped circuits, with a line about each; where none fits, the shell offers files."""
    return _shipped("circuit", incomplete)


def protocols(incomplete: str) -> list[tuple[str, str]]:
    """Names of shipped protocols, with a line about each; where none fits, the shell offers files."""
    return _shipped("protocol", incomplete)


def settings(context: typer.Context, incomplete: str) -> list[str]:
    """The keys, each with "=", of the circuit and the protocol that the command line names."""
    loaders = {"circuit": nm.load_circuit, "protocol": nm.load_protocol}
    # The parser stops at an option without its value: arguments are not yet given their names.
    named = zip(["protocol"] if context.params.get("start") else loaders, context.args)
    keys: list[str] = []
    for kind, name in named:
        with suppress(nm.NeuroMPCError):  # a shell has no place for an error
            keys += [f"{key}=" for key in _keys(kind, loaders[kind](name))]
    return [key for key in keys if key.startswith(incomplete)]


def _shipped(kind: str, incomplete: str) -> list[tuple[str, str]]:
    from neuro_mpc.descriptions.loading import shipped

    return [(name, text) for name, text in shipped(kind).items() if name.startswith(incomplete)]


def _keys(path: str, table: "Table") -> Iterator[str]:
    """The dotted keys of a table, those with values of their own and those at their defaults."""
    from neuro_mpc.descriptions.tables import Table

    for name, field in type(table).model_fields.items():
        value: Any = getattr(table, name)
        key = f"{path}.{field.alias or name}"
        if isinstance(value, Table):
            yield from _keys(key, value)
        elif isinstance(value, Mapping) and any(isinstance(each, Table) for each in value.values()):
            for inner, each in value.items():
                yield from _keys(f"{key}.{inner}", each)
        else:
            yield key
