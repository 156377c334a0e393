"""The provenance of a run: everything that its numbers depend on, as text, to distinguish runs."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version

import numpy as np

from neuro_mpc import __version__
from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.descriptions.recorded import without_masks
from neuro_mpc.networks import program_cache
from neuro_mpc.networks.compiler import compiler_version
from neuro_mpc.stimuli import Task
from neuro_mpc.stimuli.interface import SPLITS, Split

# Attributes that every run file has by itself.
OWN_ATTRIBUTES = {"circuit", "protocol", "seed", "backend", "threads", "workers", "neuro_mpc_version", "brian2_version"}
TRIALS_COMPARED = 256


def provenance_of(
    *, circuit: Circuit, protocol: Protocol, seed: int, backend: str, threads: int, workers: int, data: Task
) -> dict[str, str]:
    """name → text: circuit and protocol (TOML), seed, backend, threads, workers, data, versions, and the machine.

    The run file has all of it among its attributes.
    """
    texts = {
        "circuit": without_masks(circuit).to_toml(),
        "protocol": protocol.to_toml(),
        "seed": str(seed),
        "backend": backend,
        "threads": str(threads),
        "workers": str(workers),
        "data": _fingerprint(data),
        "data_sha256": _data_digest(data),
        "neuro_mpc_version": __version__,
        "brian2_version": version("brian2"),
        "numpy_version": np.__version__,
        "processor": f"{platform.machine()} {_digest(program_cache.processor().encode())}",
    }
    return texts if backend == "numpy" else {**texts, "compiler": compiler_version()}


def _fingerprint(data: Task) -> str:
    """The sizes of a data set, and a digest of some of its trials, of the training where there are such."""
    sizes: dict[Split, int] = {split: data.size(split) for split in SPLITS}
    filled: list[Split] = [split for split in SPLITS if sizes[split]]
    compared = filled[0] if filled else SPLITS[0]
    trials = np.arange(0, sizes[compared], max(1, sizes[compared] // TRIALS_COMPARED))
    given = [values for each in data.presented(compared, trials) for values in each.values()]
    content = _digest(*map(np.ascontiguousarray, given))
    return f"{' + '.join(map(str, sizes.values()))} trials {content}"


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
