"""An experiment in a file of its own, that of docs/own-experiments.md: installed as a package, listed and done."""

import re

from beside import ROOT, install, printed

import neuro_mpc as nm

MODULE, PROTOCOL, PROJECT = re.findall(
    r"^```\w+\n(.*?)^```$", (ROOT / "docs" / "own-experiments.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
)
DONE = """
from unittest.mock import patch
from typer.testing import CliRunner
from in_process import started
import neuro_mpc as nm
from neuro_mpc.cli import app
from neuro_mpc.networks import launch

strings = {"stimulus.letters": 6, "stimulus.length": 4, "stimulus.load": 2.0}
settings = {**strings, "learning.presentations": 2, "learning.batch": 10}
described = nm.load_circuit("mpl", {"population.hidden.size": 5}), nm.load_protocol("toy-language", settings)
print(CliRunner().invoke(app, ["list"]).output)
with patch.object(launch, "start", started):
    nm.simulate(*described, backend="numpy", out="run.nc")
    words = "run noise-cost.toml --from run.nc --out cost.nc --backend numpy"
    print(CliRunner().invoke(app, words.split()).output)
"""


def test_an_experiment_of_another_package_is_listed_and_done(tmp_path):
    (tmp_path / "noise_cost.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "noise-cost.toml").write_text(PROTOCOL, encoding="utf-8")
    install(tmp_path, PROJECT)
    told = printed(["-c", DONE], packages=tmp_path, folder=tmp_path)
    assert re.search(r"experiments\n(  .*\n)*  noise-cost +Performance with the noise of the synapses", told)
    with nm.open_run(tmp_path / "cost.nc") as run:
        found = nm.analysis.experiment(run, "noise-cost")
        assert found["noise"].values.tolist() == ["drawn", "none"]
        assert ((found["performance"] >= 0) & (found["performance"] <= 1)).all()
        drawn, none = found["loss"].values
    assert 0 < none != drawn > 0
