"""Recipes of analysis/ on a small run of the simulator, and energies that have to agree with its record."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn import texts

import neuro_mpc as nm
from neuro_mpc import analysis

pytestmark = pytest.mark.usefixtures("in_this_process")

FOLDER = Path(__file__).parents[1] / "analysis"
RECIPES = ("variability", "asymmetry", "profiles", "inference", "populations", "selectivity", "surprise")
LABELS = {
    "variability": "unit, most variable first",
    "asymmetry": "asymmetry",
    "profiles": "step",
    "inference": "iteration of inference",
    "populations": "components",
    "selectivity": "unit, most selective first",
    "surprise": "surprise at the target (nats)",
}
SETTINGS = {
    "stimulus.load": 2.0,
    "inference.scheme": "relaxation",
    "inference.iterations": 6,
    "learning.presentations": 3,
    "learning.batch": 12,
    "recording.trajectory": True,
    "recording.trials": 0,
    "test.every": 0,
    "test.generate": 2,
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 12})
    protocol = nm.load_protocol("toy-language", SETTINGS)
    out = tmp_path_factory.mktemp("run") / "run.nc"
    nm.simulate(circuit, protocol, backend="numpy", out=out).close()
    return out


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_prints_numbers_and_draws_its_figure(path, tmp_path, monkeypatch, capsys, name):
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [name, str(path), "--out", str(tmp_path / "figure.svg")])
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    *numbers, drawn = capsys.readouterr().out.splitlines()
    assert len(numbers) > 1
    assert LABELS[name] in texts(drawn)


def test_a_recipe_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", ["surprise", str(tmp_path / "run.nc")])
    with pytest.raises(SystemExit, match="run.nc is not there"):
        runpy.run_path(str(FOLDER / "surprise.py"), run_name="__main__")


def test_every_recipe_of_the_page_is_there_with_its_picture():
    page = (FOLDER.parent / "docs" / "analysis.md").read_text(encoding="utf-8")
    for name in RECIPES:
        assert f"python analysis/{name}.py" in page
        assert (FOLDER.parent / "docs" / "figures" / f"analysis-{name}.png").is_file()


def test_the_energy_along_inference_begins_and_ends_as_recorded(path):
    with nm.open_run(path) as run:
        for sample in (0, -1):
            energy = analysis.inference_energy(run, sample)
            recorded = run["learning"].to_dataset().isel(presentation=sample)
            total = energy.sum(("population", "step")).values
            assert total[0] == pytest.approx(float(recorded["free_energy_start"]), rel=1e-4)
            assert total[-1] == pytest.approx(float(recorded["free_energy"]), rel=1e-4)
            loss = energy.sel(population="output").sum("step")[-1]
            assert float(loss) == pytest.approx(float(recorded["loss"]), rel=1e-4)


def test_the_surprise_is_the_loss_before_inference(path):
    with nm.open_run(path) as run:
        surprise = analysis.surprise(run)
        start = float(run["learning"]["free_energy_start"][-1])
        assert float(surprise.sum("step").mean("trial")) == pytest.approx(start, rel=1e-4)


def test_recorded_traces_keep_their_relations(path):
    with nm.open_run(path) as run:
        traces = analysis.traces(run, "hidden")
        np.testing.assert_allclose(traces["error"], traces["belief"] - traces["prediction"], atol=1e-5)
        np.testing.assert_allclose(traces["rate"], np.maximum(traces["belief"], 0), atol=1e-6)
        assert traces.sizes["iteration"] == SETTINGS["inference.iterations"] + 1
