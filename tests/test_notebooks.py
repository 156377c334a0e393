"""The notebooks of the site, cell by cell, in an empty folder: what their text says of their results."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from drawn import texts
from pages import IN_FOLDER, blocks, cells, text_of

pytestmark = pytest.mark.usefixtures("in_this_process")

NOTEBOOKS = {page: page.partition("notebooks/")[2].removesuffix(".md") for page in IN_FOLDER if cells(page)}


HEAD = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  name: python3
"""


@pytest.fixture
def executed(tmp_path, monkeypatch):
    """Executes a notebook; gives the names that it leaves."""
    monkeypatch.chdir(tmp_path)

    def execute(name):
        page, names = f"docs/notebooks/{name}.md", {}
        for cell in cells(page):
            exec(compile(cell, page, "exec"), names)
        return names

    yield execute
    plt.close("all")


def test_every_notebook_is_executed_here():
    tests = Path(__file__).read_text(encoding="utf-8")
    assert all(f'executed("{name}")' in tests for name in NOTEBOOKS.values())


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_notebooks_are_known_to_jupyter_and_to_the_site(page):
    assert text_of(page).startswith(HEAD)


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_pictures_that_cells_draw_say_what_they_show(page):
    for cell in blocks(page, "{code-cell} ipython3"):
        drawn = re.search(r"plt\.subplots|\.draw\(\)", cell)
        assert bool(drawn) == bool(re.match(r'---\nmystnb:\n  image:\n    alt: "[^"]{40,}"\n---\n', cell))


def test_the_first_circuit_learns(executed, capsys):
    names = executed("first-circuit")
    assert float(names["ratio"][0]) < 0.2
    assert float(names["ratio"][-1]) > 0.6
    energy = names["run"]["learning/free_energy"]
    assert float(energy[-5:].mean()) < 0.6 * float(energy[:5].mean())
    assert "Free energy" in capsys.readouterr().out


def test_a_recording_is_predicted_nearly_as_well_as_by_regression(executed):
    evaluation = executed("own-data")["evaluation"]
    error = {name.removeprefix("mean_squared_error"): float(evaluation[name]) for name in evaluation}
    assert error["_of_regression"] < error[""] < 1.3 * error["_of_regression"]
    assert error[""] < 0.4 * min(error["_of_last"], error["_of_mean"])


def test_release_probabilities_are_driven_to_an_end(executed):
    names = executed("own-synapse")
    assert float(names["run"]["learning/correct_letter_ratio"][-1]) > 0.9
    for name in names["circuit"].projection:
        before, after = names["run"][f"synapses/{name}/p"].values[[0, -1]]
        assert ((after < 0.05) | (after > 0.95)).mean() > 0.3 > ((before < 0.05) | (before > 0.95)).mean()
        share = names["nm"].analysis.weights(names["run"], name)["variability"].mean(("post", "pre"))
        assert float(share[-1]) > float(share[0])


def test_inference_moves_energy_from_the_output_to_the_hidden_population(executed):
    names = executed("traces")
    energy = names["energy"]
    assert float(energy.sel(population="hidden")[0]) == pytest.approx(0, abs=1e-6)
    assert float(energy.sel(population="hidden")[-1]) > 0
    assert float(energy.sum("population")[-1]) < float(energy.sum("population")[0])
    assert names["found"].attrs["rank_correlation"] > 0.5


def test_a_forbidden_letter_evokes_more_than_an_allowed_one(executed):
    at = executed("mismatch")["difference"]
    deviant, control = at.sel(condition="deviant"), at.sel(condition="control")
    assert (deviant["low"] > 0).all()
    assert (deviant["low"] > control["high"]).all()


def test_the_figure_with_intervals_is_of_four_seeds(executed):
    names = executed("intervals")
    assert names["mean"].attrs == {"number": 4, "over": "seed", "interval": "t", "level": 0.95}
    assert (names["mean"]["low"] <= names["mean"]["mean"]).all()
    assert "presentations learned" in texts(Path(names["folder"]) / "learning.svg")
