"""The task of a run, in a few lines: the shape of its trials, their number, and the frequency of each class."""

from __future__ import annotations

import numpy as np

from neuro_mpc.stimuli import SPLITS, Split, Stimuli

MOST_COUNTS = 12


def as_text(data: Stimuli) -> str:
    """Such as ``50 steps × 6 units, 180 + 40 + 80 trials (train + validation + test), 4 classes``."""
    sizes = " + ".join(f"{data.size(split):,}" for split in SPLITS)
    units = f"{data.width:,} symbols" if data.symbolic else _counted(data.width, "unit")
    lines = [
        f"shown    {_counted(data.steps, 'step')} × {units}, {sizes} trials ({' + '.join(SPLITS)}), "
        f"{data.classes:,} classes"
    ]
    counted: list[Split] = [split for split in SPLITS if data.size(split) and not data.predicts_next]
    return "\n".join([*lines, *(_classes(data, split) for split in counted)])


def _classes(data: Stimuli, split: Split) -> str:
    """How often each class is the target of a split's trials."""
    labels = data.labels(split, np.arange(data.size(split)))[-1]
    counts = np.bincount(labels[labels >= 0], minlength=data.classes)
    start = f"         {split}: "
    if len(counts) <= MOST_COUNTS:
        return start + ", ".join(f"{name}: {count:,}" for name, count in zip(data.symbols, counts, strict=True))
    least, most = int(counts.argmin()), int(counts.argmax())
    absent = int((counts == 0).sum())
    lowest, highest = (f"{counts[index]:,} ({data.symbols[index]})" for index in (least, most))
    extremes = f"from {lowest} to {highest} trials a class"
    return start + extremes + (f", {_counted(absent, 'class', 'classes')} without any" if absent else "")


def _counted(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"
