"""Random numbers: every stream is a function of one seed and of the names of what it is for."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def generator(seed: int, *names: str) -> np.random.Generator:
    """The random stream of a seed and names: the same on every machine, different for different names."""
    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])
