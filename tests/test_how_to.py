"""What docs/how-to.md says works."""

import re
from pathlib import Path

import pytest

import neuro_mpc as nm
from neuro_mpc.descriptions.toml_text import parse_toml

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


def test_bounds_keep_the_signs_of_dale():
    (synapses,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    tables = nm.load_circuit("mpl", {"population.hidden.size": 6}).tables()
    tables["synapse"] = parse_toml(synapses)["synapse"]
    for name, projection in tables["projection"].items():
        projection["synapse"] = "inhibitory" if name == "recurrent" else "excitatory"
        projection.pop("initial", None)
    circuit = nm.Circuit.from_tables(tables)
    run = nm.simulate(circuit, nm.load_protocol("toy-language", SMALL), backend="numpy")
    means = {name: run[f"synapses/{name}"]["w"].values for name in circuit.projection}
    assert all((values[0] != values[-1]).any() for values in means.values())
    assert (means["recurrent"] <= 0).all()
    assert (means["input"] >= 0).all()
    assert (means["output"] >= 0).all()


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
