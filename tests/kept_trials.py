"""What the trials of each source add up to, kept as it was: the same seed gives the same trials in every version.

    python tests/kept_trials.py

writes it to `tests/kept_trials.json`: for a new source, or where trials change because they were wrong.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

import neuro_mpc as nm
from neuro_mpc import stimuli

FILE = Path(__file__).with_name("kept_trials.json")
FEW = {"trials": 30, "validation": 10, "test": 20}
SHORT = {"contexts": [], "controls": [], "step_ms": 50.0, "steps": 60, "scale": 0.02}

# Name → protocol, circuit, and settings of the stimulus.
SOURCES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "adding": ("adding", "pc", {**FEW, "steps": 9}),
    "copying": ("copying", "pc", {**FEW, "symbols": 4, "length": 3, "delay": 5}),
    "cues": ("cue-combination", "cue-combination", {"number": 50}),
    "decision": ("decision", "pc", {**FEW, "ring": 6, "memory": 2, "decision": 2, "fixation": 3}),
    "digits": ("digits-rows", "mpl", {"learned": 50}),
    "patches": ("rao-ballard-surround", "rao-ballard-surround", {"number": 20}),
    "letters": ("toy-language", "mpl", {"letters": 7, "length": 5, "load": 0.5}),
    "fatigue": (
        "mismatch",
        "pc",
        {**SHORT, "contexts": ["standard"], "noise": 0.1, "speeds": 1, "fatigue": {"use": 0.3, "recovery": 800.0}},
    ),
    **{
        name: ("mismatch", "pc", {**SHORT, "contexts": [name], "directions": 6, "phases": 3})
        for name in ("standard", "sequence", "sensorimotor", "duration", "local", "global")
    },
    **{
        name: ("mismatch", "pc", {**SHORT, "controls": [name], "deviants": 50, "steps": 98})
        for name in ("control-1", "control-2", "control-3", "control-4", "many-standards", "repetition")
    },
}


def made(name: str, seed: int) -> stimuli.Stimuli:
    """The source of this name, with few trials."""
    protocol, circuit, settings = SOURCES[name]
    described = nm.load_protocol(protocol, {f"stimulus.{key}": value for key, value in settings.items()})
    assert isinstance(described, nm.Protocol)
    return stimuli.load(described, nm.load_circuit(circuit), seed)


def sums(name: str) -> dict[str, list[float]]:
    """Split and channel, or column of a stimulus table → number of values, sum, sum weighted by place, and norm."""
    source = made(name, 3)
    splits: tuple[stimuli.Split, ...] = ("train", "validation", "test")
    found: dict[str, list[float]] = {}
    for split in splits:
        for channel in source.channels if source.size(split) else ():
            found[f"{split} {channel}"] = _sums(source.given(split, np.arange(source.size(split)), channel))
    if (table := source.presentations("train")) is not None:
        found |= {f"column {column}": _sums(values.values) for column, values in table.items()}
    return found


def _sums(values: np.ndarray) -> list[float]:
    if values.dtype.kind not in "iuf":
        values = np.array([zlib.crc32(str(text).encode()) for text in values]) / 2**32
    numbers = np.nan_to_num(values.astype(float).ravel(), nan=-7.0)
    weighted = float(numbers @ np.cos(np.arange(numbers.size)))
    return [numbers.size, *(float(f"{number:.9g}") for number in (numbers.sum(), weighted, np.linalg.norm(numbers)))]


if __name__ == "__main__":
    rows = json.dumps({name: sums(name) for name in SOURCES}).replace("], ", "],\n  ").replace("}, ", "},\n ")
    FILE.write_text(rows + "\n")
