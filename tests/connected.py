"""A circuit of which only some pairs of units are connected."""

from __future__ import annotations

import numpy as np

import neuro_mpc as nm

MASK = np.random.default_rng(4).random((8, 6)) < 0.4
MASK[5] = False  # a unit without any input


def circuit(up="all", again="all", synapse="spike-and-slab", **population) -> nm.Circuit:
    """Two populations of 6 and 8 units, the second recurrent."""
    arrows = {
        "in": ("input", "low", 0, "gaussian", "all"),
        "up": ("low", "high", 0, synapse, up),
        "again": ("high", "high", 1, "spike-and-slab", again),
        "out": ("high", "output", 0, "gaussian", "all"),
    }
    keys = ("from", "to", "delay", "synapse", "connect")
    return nm.Circuit(
        name="two",
        population={
            "input": {"role": "stimulus"},
            "low": {"size": 6, "activation": "tanh(r)"},
            "high": {"size": 8, "activation": "tanh(r)"},
            "output": {"role": "target"},
            **population,
        },
        projection={name: dict(zip(keys, arrow)) for name, arrow in arrows.items()},
    )
