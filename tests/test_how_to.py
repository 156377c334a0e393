"""What docs/how-to.md says works."""

import re
from pathlib import Path

import numpy as np
import pytest

import neuro_mpc as nm

pytestmark = pytest.mark.usefixtures("in_this_process")

PAGE = (Path(__file__).parents[1] / "docs" / "how-to.md").read_text(encoding="utf-8")
SMALL = {
    "stimulus.letters": 6,
    "stimulus.transitions": [1, 2],
    "stimulus.length": 4,
    "stimulus.load": 2.0,
    "learning.batch": 6,
    "learning.presentations": 3,
    "learning.rate": 0.5,
    "recording.samples": [],
    "test.ensemble": 0,
}


def test_some_pairs_are_connected(tmp_path):
    (circuit,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    (tmp_path / "own.toml").write_text(f'name = "own"\n{circuit}')
    letters, mask = 6, np.random.default_rng(0).random((6, 64)) < 0.5
    np.savetxt(tmp_path / "told.csv", mask, fmt="%d", delimiter=",")
    protocol = nm.load_protocol("toy-language", {**SMALL, "stimulus.load": 0.25})
    run = nm.simulate(tmp_path / "own.toml", protocol, backend="numpy")
    pairs = {name: run[f"synapses/{name}/connected"].values for name in ("seen", "lateral", "told")}
    np.testing.assert_array_equal(pairs["told"], mask)
    assert 0.4 < pairs["seen"].mean() < 0.6
    assert pairs["lateral"].sum(axis=1).reshape(8, 8)[:2, :2].tolist() == [[4, 6], [6, 9]]
    assert run["synapses/memory"].sizes["pre"] == 1
    assert pairs["seen"].shape == (64, letters)


def test_a_circuit_under_dales_law_learns_digits():
    """A tenth of the answers would be right by chance."""
    circuit = nm.load_circuit("mpl-ei", {"population.excitatory.size": 24, "population.inhibitory.size": 8})
    settings = {
        "learning.epochs": 7,
        "learning.rate": 0.2,
        "test.ensemble": 0,
        "test.every": 0,
        "recording.samples": [],
        "recording.synapses_every": 0,
    }
    run = nm.simulate(circuit, nm.load_protocol("digits-rows", settings), backend="numpy")
    assert run["evaluation/accuracy"] > 0.25
    for name, projection in circuit.projection.items():
        means = run[f"synapses/{name}/m"].values
        sign = -1 if projection.source == "inhibitory" else 1
        assert np.nanmin(sign * means) >= 0
        assert (means[0] != means[-1]).any()


def test_a_sweep_collects_what_a_job_array_ran(tmp_path):
    assert "sweep/seed=$SLURM_ARRAY_TASK_ID.nc" in PAGE
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 6})
    protocol = nm.load_protocol("toy-language", SMALL)
    nm.simulate(circuit, protocol, seed=3, backend="numpy", out=tmp_path / "seed=3.nc").close()
    before = (tmp_path / "seed=3.nc").read_bytes()
    found = nm.sweep(circuit, protocol, {}, [3], backend="numpy", out=tmp_path, workers=1)
    assert found["complete"].values.tolist() == [1]
    assert found["file"].values.tolist() == ["seed=3.nc"]
    assert (tmp_path / "seed=3.nc").read_bytes() == before


@pytest.mark.parametrize("key", re.findall(r"`protocol\.([a-z_.]+)", PAGE))
def test_keys_of_the_page_are_keys(key):
    tables = nm.load_protocol("text", {"stimulus.train": "a.txt"}).tables()
    for part in key.rstrip(".").split("."):
        assert part in tables
        tables = tables[part] if isinstance(tables[part], dict) else {}
