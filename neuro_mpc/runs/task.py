"""The task of a run, in a few lines: the shape of its trials, their number, and the frequency of each class."""

from __future__ import annotations

import numpy as np

from neuro_mpc.stimuli import SPLITS, Split, Task
from neuro_mpc.stimuli.interface import TRIALS_AT_ONCE

MOST_COUNTS = 12


def as_text(data: Task) -> str:
    """Such as ``50 steps × 6 units, 180 + 40 + 80 trials (train + validation + test), 4 classes``."""
    sizes = " + ".join(f"{data.size(split):,}" for split in SPLITS)
    given = ", ".join(_given(data, name) for name in data.circuit.stimuli)
    shape = f"{_counted(data.steps, 'step')}{f' × {given}' if given else ''}"
    asked = ", ".join(_asked(data, name) for name in data.circuit.targets)
    lines = [f"shown    {shape}, {sizes} trials ({' + '.join(SPLITS)}), {asked}"]
    counted: list[Split] = [split for split in SPLITS if data.size(split) and not data.predicts_next]
    with_classes = [name for name in data.circuit.targets if data.has_classes(name)]
    lines += [_classes(data, split, name) for name in with_classes for split in counted]
    lines += [line for name in data.with_missing for split in counted if (line := _without(data, split, name))]
    return "\n".join(lines)


def _without(data: Task, split: Split, target: str) -> str:
    """How many trials of a split ask nothing of a target population; "" where all of them ask something."""
    size = data.size(split)
    blocks = (np.arange(start, min(start + TRIALS_AT_ONCE, size)) for start in range(0, size, TRIALS_AT_ONCE))
    absent = sum(int(_nothing(data.wanted(split, block, target)).sum()) for block in blocks)
    noun = "class" if data.has_classes(target) else "value"
    start = f"         {split}: " + _named(data.circuit.targets, target)
    return f"{start}{absent:,} of {_counted(size, 'trial')} without any {noun}" if absent else ""


def _nothing(wanted: np.ndarray) -> np.ndarray:
    """Which of the trials (step, trial, …) have nothing that is wanted."""
    absent = wanted < 0 if wanted.dtype.kind == "i" else np.isnan(wanted)
    return np.asarray(absent.all(axis=tuple(axis for axis in range(absent.ndim) if axis != 1)))


def _given(data: Task, population: str) -> str:
    width = data.widths[population]
    noun = f"{width:,} symbols" if population in data.symbol_populations else _counted(width, "unit")
    return _named(data.circuit.stimuli, population) + noun


def _asked(data: Task, population: str) -> str:
    width = data.widths[population]
    noun = f"{width:,} classes" if data.has_classes(population) else _counted(width, "value")
    return _named(data.circuit.targets, population) + noun


def _named(populations: tuple[str, ...], population: str) -> str:
    """The name of one of several populations."""
    return f"{population}: " if len(populations) > 1 else ""


def _classes(data: Task, split: Split, target: str) -> str:
    """How often each class is the target of a split's trials: the last one that is asked for in each."""
    wanted = data.wanted(split, np.arange(data.size(split)), target)
    last = len(wanted) - 1 - (wanted[::-1] >= 0).argmax(axis=0)
    labels = np.take_along_axis(wanted, last[None], axis=0)[0]
    names = data.bound[target].names or tuple(map(str, range(data.widths[target])))
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    start = f"         {split}: " + _named(data.circuit.targets, target)
    if len(counts) <= MOST_COUNTS:
        return start + ", ".join(f"{name}: {count:,}" for name, count in zip(names, counts, strict=True))
    least, most = int(counts.argmin()), int(counts.argmax())
    absent = int((counts == 0).sum())
    lowest, highest = (f"{counts[index]:,} ({names[index]})" for index in (least, most))
    extremes = f"from {lowest} to {highest} trials a class"
    return start + extremes + (f", {_counted(absent, 'class', 'classes')} without any" if absent else "")


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"
