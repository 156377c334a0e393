"""A circuit of so many populations that its statements are too long for one function in C++."""

from itertools import pairwise

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc.networks.printers import LONGEST_FUNCTION

POPULATIONS = 36
OF_AN_UPDATE = 4_000  # characters of the statements that update one projection, at least
SETTINGS = {
    "precision": "float64",
    "stimulus.letters": 5,
    "stimulus.length": 3,
    "stimulus.load": 0.1,
    "learning.batch": 2,
    "learning.presentations": 2,
    "test.every": 0,
    "test.ensemble": 0,
    "test.generate": 1,
    "recording.synapses_every": 0,
    "recording.samples": [],
}


def chain() -> nm.Circuit:
    free = [f"p{number}" for number in range(POPULATIONS)]
    names = ["input", *free, "output"]
    return nm.Circuit(
        name="chain",
        population={
            "input": nm.Population(role="stimulus"),
            **{name: nm.Population(size=3, activation="tanh(r)") for name in free},
            "output": nm.Population(role="target"),
        },
        projection={
            f"to-{after}": nm.Projection(source=before, target=after, synapse="spike-and-slab")
            for before, after in pairwise(names)
        },
    )


@pytest.mark.compiler
@pytest.mark.slow
def test_a_program_of_several_functions_agrees_with_numpy(tmp_path):
    assert POPULATIONS * OF_AN_UPDATE > LONGEST_FUNCTION
    protocol = nm.load_protocol("toy-language", SETTINGS)
    runs = {
        backend: nm.simulate(chain(), protocol, seed=1, backend=backend, out=tmp_path / f"{backend}.nc")
        for backend in ("cpp", "numpy")
    }
    for name in ("to-p0", "to-p20", "to-output"):
        found, expected = (runs[backend][f"synapses/{name}"] for backend in ("cpp", "numpy"))
        for parameter in ("m", "pi", "Xi"):
            values = expected[parameter].values
            assert found[parameter].values == pytest.approx(values, rel=1e-9, abs=1e-12)
        assert np.abs(np.diff(expected["m"].values, axis=0)).max() > 1e-3
    for run in runs.values():
        run.close()
