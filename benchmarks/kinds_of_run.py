"""Small runs of every kind, to be disturbed: what `simulate` is given for each of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import interrupted
import small_language
from in_process import InProcess

import neuro_mpc as nm
from neuro_mpc.networks import launch
from neuro_mpc.runfile.record import RunFile

SETTINGS = {**interrupted.SETTINGS, "learning.epochs": 8, "test.generate": 2}
DIVERGING = {
    "learning.rate": 2e5,
    "learning.optimizer": "sgd",
    "learning.schedule.kind": "constant",
    "learning.clip": 0.0,
    "learning.backoff": 4,
}


def _language(circuit: str = "mpl", **settings: object) -> dict[str, Any]:
    changes = {name.replace("__", "."): value for name, value in settings.items()}
    protocol = nm.load_protocol("toy-language", SETTINGS | changes)
    return {"circuit": nm.load_circuit(circuit, {"population.hidden.size": 6}), "protocol": protocol}


def _own_data(folder: Path) -> dict[str, Any]:
    """Streams of a recording, the next step of which is predicted."""
    wave = np.sin(np.arange(600) / 5)[:, None].astype(np.float32)
    sizes = {"population.hidden.size": 6, "population.output.readout": "gaussian"}
    channels = {"population.input.channel": "x", "population.output.channel": "x"}
    protocol = nm.Protocol(
        name="own",
        stimulus={"source": "arrays", "window": 10, "streams": True},
        target={"kind": "next", "read": "every"},
        learning={"rate": 0.1, "batch": 4, "epochs": 4},
        test={"every": 5},
        recording={"samples": [0, -1], "synapses_every": 7},
    )
    return {"circuit": nm.load_circuit("mpl", sizes | channels), "protocol": protocol, "data": {"x": wave}}


def _text(folder: Path) -> dict[str, Any]:
    """Streams of words: beliefs are carried on, the rate falls at a plateau, the best synapses are kept."""
    (folder / "text.txt").write_text("\n".join(small_language.TEXT))
    settings = {"stimulus.validation": "text.txt", "learning.epochs": 6, "test.ensemble": 2}
    protocol = nm.changed(small_language.protocol(folder), settings)
    return {"circuit": small_language.language(), "protocol": protocol}


def _experiment(folder: Path) -> dict[str, Any]:
    """The oddball experiment on a trained circuit."""
    Kind(lambda _: _language(), folder).simulate(folder / "trained.nc")
    protocol = nm.load_protocol("oddball", {"experiment.trials": 5, "experiment.position": 2})
    return {"circuit": None, "protocol": protocol, "start": folder / "trained.nc", "seed": 3}


KINDS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "own-data": _own_data,
    "causal": lambda folder: _language(inference__scheme="relaxation", inference__window=0),
    "gated": lambda folder: _language("mpl-gru"),
    "experiment": _experiment,
    "text": _text,
    "backoff": lambda folder: _language(**{name.replace(".", "__"): value for name, value in DIVERGING.items()}),
    "trajectories": lambda folder: _language(
        inference__scheme="relaxation", inference__iterations=5, inference__tolerance=0.0, recording__trajectory=True
    ),
}


@dataclass
class Kind:
    """Runs of a kind, on NumPy; the network is made once, and each child of this process has it as new."""

    arguments: Callable[[Path], dict[str, Any]]
    folder: Path
    _made: list[InProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        given = self.arguments(self.folder)
        self._positional = given.pop("circuit"), given.pop("protocol")
        self._given = given

    def prepare(self) -> None:
        """Makes the network."""
        made: list[InProcess] = []

        def started(plan, *_) -> InProcess:
            made.append(InProcess(plan))
            return made[0]

        stopped = patch.object(RunFile, "__init__", side_effect=KeyboardInterrupt)
        with patch.object(launch, "start", started), stopped, suppress(KeyboardInterrupt):
            self._simulate(self.folder / "made.nc")
        self._made = made

    def simulate(self, out: Path, **options: Any) -> None:
        with patch.object(launch, "start", lambda plan, *_: self._made.pop() if self._made else InProcess(plan)):
            self._simulate(out, **options)

    def _simulate(self, out: Path, **options: Any) -> None:
        nm.simulate(*self._positional, **{"seed": 1, "backend": "numpy", **self._given, **options}, out=out).close()
