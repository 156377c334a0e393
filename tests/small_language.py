"""A small text, a circuit that reads its words, and a run of both."""

from __future__ import annotations

from pathlib import Path

import neuro_mpc as nm

SYMBOLS, STEPS, TRIALS = 7, 6, 4
SMALL = {"population.hidden.size": 5, "population.embedding.size": 3}
TEXT = ["the dog runs", "the cat sleeps", "the bird sings well", "a dog sings"] * 10


def language(name="mpl-language-small", **changes):
    return nm.load_circuit(name, {**SMALL, **changes})


def protocol(folder=None, **settings):
    chosen = {
        "stimulus.checksums": {},
        "stimulus.lines": 0,
        "stimulus.steps": STEPS,
        "stimulus.train": "text.txt",
        "stimulus.validation": "",
        "stimulus.test": "",
        "learning.batch": TRIALS,
        "learning.epochs": 2,
        "test.every": 3,
        "test.every_epochs": 0,
        "precision": "float64",
        "recording.samples": [0],
        **{name.replace("__", "."): each for name, each in settings.items()},
    }
    return nm.load_protocol("ptb-small", chosen | ({"data_dir": str(folder)} if folder else {}))


def learn(folder: Path) -> Path:
    """A run of the small text, which lies in the folder."""
    nm.simulate(language(), protocol(folder, test__ensemble=2), backend="numpy", out=folder / "run.nc").close()
    return folder / "run.nc"
