"""Where trials are cut from recordings: whole recordings, windows, or streams that continue each other.

A *stretch* is part of a recording that belongs to one split: its number, first step, and the step after its last one.
A *cut* is a trial: the number of its recording, its first step, and the end of the stretch.  Both are rows of whole
numbers.
"""

from __future__ import annotations

import numpy as np

WHOLE = np.int64


def windows(stretches: np.ndarray, length: int, stride: int) -> np.ndarray:
    """Cuts (trial, 3) of `length` steps, `stride` apart, each within one of the stretches (stretch, 3)."""
    numbers = np.maximum(0, (stretches[:, 2] - stretches[:, 1] - length) // stride + 1)
    stretch = np.repeat(np.arange(len(stretches)), numbers)
    position = np.arange(len(stretch)) - np.repeat(np.cumsum(numbers) - numbers, numbers)
    recording, first, end = stretches[stretch].T
    return np.stack([recording, first + position * stride, end], axis=1).astype(WHOLE)


def streams(stretches: np.ndarray, length: int, number: int) -> np.ndarray:
    """Cuts (trial, 3) of `number` streams side by side: each batch of as many trials continues the one before it.

    A stretch is parted evenly among the streams; steps that fill no batch are left out.
    """
    parts = [_streams_of(stretch, length, number) for stretch in stretches]
    return np.concatenate([*parts, np.empty((0, 3), WHOLE)])


def _streams_of(stretch: np.ndarray, length: int, number: int) -> np.ndarray:
    recording, first, end = stretch.tolist()
    batches = (end - first) // (number * length)
    batch, stream = np.divmod(np.arange(batches * number), number)
    start = first + (stream * batches + batch) * length
    return np.stack([np.full_like(start, recording), start, np.full_like(start, end)], axis=1).astype(WHOLE)
