"""Attributes of a run file that every run has: descriptions, versions, time."""

from __future__ import annotations

import importlib.metadata
from datetime import UTC, datetime

from neuro_mpc import __version__
from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.runfile import file_format


def root_attributes(circuit: Circuit, protocol: Protocol) -> dict[str, str]:
    """The attributes of the whole file that its descriptions and the installed versions give."""
    return {
        "Conventions": "CF-1.11",
        file_format.VERSION: file_format.as_text(),
        "title": f"neuro_mpc run of {circuit.name} on {protocol.name}",
        "circuit": circuit.to_toml(),
        "protocol": protocol.to_toml(),
        "precision": protocol.precision,
        file_format.WRITER: __version__,
        "brian2_version": _brian2_version(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _brian2_version() -> str:
    try:
        return importlib.metadata.version("brian2")  # importing Brian2 only for its number takes seconds
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
