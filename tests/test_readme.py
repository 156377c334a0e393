"""What README.md and the pages of a circuit and a synapse type of one's own show is what the project does."""

import re
import tomllib
from pathlib import Path

import neuro_mpc as nm
from neuro_mpc.descriptions import expressions
from neuro_mpc.descriptions.loading import shipped

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CIRCUITS = (ROOT / "docs" / "circuits.md").read_text(encoding="utf-8")
SYNAPSES = (ROOT / "docs" / "guides" / "own-synapse.md").read_text(encoding="utf-8")
TOML = re.compile(r"```toml\n(.*?)```", re.DOTALL)
CIRCUIT, SYNAPSE = (tomllib.loads(TOML.findall(page)[0]) for page in (CIRCUITS, SYNAPSES))


def test_the_circuit_is_the_one_shipped():
    assert tomllib.loads((ROOT / "models" / "mpl.toml").read_text(encoding="utf-8")) == CIRCUIT


def test_the_synapse_type_works_in_that_circuit():
    projections = {
        name: {**{key: value for key, value in table.items() if key != "initial"}, "synapse": "unreliable"}
        for name, table in CIRCUIT["projection"].items()
    }
    circuit = nm.Circuit(**{**CIRCUIT, **SYNAPSE, "projection": projections})
    assert set(circuit.synapse["unreliable"].parameter) == {"a", "p"}


def test_every_function_of_expressions_is_named():
    assert f"`{' '.join(sorted(expressions.FUNCTIONS))}`" in SYNAPSES


def test_every_shipped_synapse_type_is_named():
    assert all(f"`{name}`" in SYNAPSES for name in shipped("synapse"))


def test_the_readme_is_short():
    """What the project is, a picture, two commands, three links; everything else has its page."""
    assert len(README.splitlines()) <= 30


def test_ci_runs_the_test_command():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    (line,) = re.findall(r"`(.* && pytest)`", README)
    assert "pip install -e '.[test]'" in line
    assert '    pip install --quiet --disable-pip-version-check -e ".[$3]"' in script
    assert "environment python3.11 ci lint,docs,test" in script
    assert script[-1] == "exec pytest"
