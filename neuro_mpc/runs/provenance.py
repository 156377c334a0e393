"""The provenance of a run: everything that its numbers depend on, as text, to distinguish runs."""

from __future__ import annotations

import hashlib
import platform
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version

import numpy as np

from neuro_mpc import __version__
from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.recorded import without_masks
from neuro_mpc.errors import DescriptionError
from neuro_mpc.networks import program_cache
from neuro_mpc.networks.compiler import compiler_version
from neuro_mpc.stimuli import Task
from neuro_mpc.stimuli.interface import SPLITS

# Attributes that every run file has by itself.
OWN_ATTRIBUTES = {"circuit", "protocol", "seed", "backend", "threads", "neuro_mpc_version", "brian2_version"}
SHOWN_LINES = 8
TRIALS_COMPARED = 256


def provenance_of(
    *, circuit: Circuit, protocol: Protocol, seed: int, backend: str, threads: int, data: Task
) -> dict[str, str]:
    """name → text: circuit and protocol (TOML), seed, backend, threads, data, versions, and the machine.

    The run file has all of it among its attributes.
    """
    texts = {
        "circuit": without_masks(circuit).to_toml(),
        "protocol": protocol.to_toml(),
        "seed": str(seed),
        "backend": backend,
        "threads": str(threads),
        "data": _fingerprint(data),
        "data_sha256": _data_digest(data),
        "neuro_mpc_version": __version__,
        "brian2_version": version("brian2"),
        "numpy_version": np.__version__,
        "processor": f"{platform.machine()} {_digest(program_cache.processor().encode())}",
    }
    return texts if backend == "numpy" else {**texts, "compiler": compiler_version()}


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs, a line each: ``protocol.learning.rate was 0.1, is 0.5``."""
    return [
        line
        for name in dict.fromkeys([*before, *now])
        for line in _differences(name, before.get(name, "nothing"), now.get(name, "nothing"))
    ]


def as_lines(lines: list[str]) -> str:
    """The first of the differences, indented, for an error."""
    selected = lines[:SHOWN_LINES]
    if len(lines) > SHOWN_LINES:
        selected.append(f"and {len(lines) - SHOWN_LINES} more")
    return "".join(f"\n    {line}" for line in selected)


def _differences(name: str, before: str, now: str) -> Iterator[str]:
    if before == now:
        return
    if name not in ("circuit", "protocol"):
        yield f"{name} was {before}, is {now}"
        return
    try:
        old, new = (dict(_flat(name, _tables(name, text))) for text in (before, now))
    except (ValueError, RecursionError):  # from a file that is damaged, or a stranger's
        yield f"{name} cannot be read"
        return
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            yield f"{key} was {old.get(key, 'missing')!r}, is {new.get(key, 'missing')!r}"


def _tables(name: str, text: str) -> dict[str, object]:
    """The tables of a circuit or a protocol, with the defaults of keys that an earlier version did not write."""
    tables, kind = tomllib.loads(text), Circuit if name == "circuit" else Protocol
    with suppress(DescriptionError):  # of a source that is not installed, or a stranger's
        tables = tomllib.loads(kind.from_tables(tables, name).to_toml())
    return tables


def _flat(path: str, table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{path}.{name}", value)
        else:
            yield f"{path}.{name}", value


def _fingerprint(data: Task) -> str:
    """The sizes of a data set, and a digest of some of its trials."""
    sizes = [data.size(split) for split in SPLITS]
    trials = np.arange(0, sizes[0], max(1, sizes[0] // TRIALS_COMPARED))
    given = [values for each in data.presented("train", trials) for values in each.values()]
    content = _digest(*map(np.ascontiguousarray, given))
    return f"{' + '.join(map(str, sizes))} trials {content}"


def _data_digest(data: Task) -> str:
    """A digest of all trials of all splits and of the names of the symbols; runs of 0.1 have only the fingerprint."""
    digest = hashlib.sha256("\n".join(data.symbols).encode())
    for split in SPLITS:
        for part in data.content(split):
            digest.update(f"{split} {part.dtype.str} {part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _digest(*parts: bytes | np.ndarray) -> str:
    return hashlib.sha256(b"".join(map(bytes, parts))).hexdigest()[:12]
