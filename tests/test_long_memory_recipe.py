"""The recipe of long memory: tasks are panels, circuits are curves, values are those of the run files."""

import sys

import numpy as np
import pytest
from beside import RECIPES

import neuro_mpc as nm
from neuro_mpc.plots import style

SHORT = {
    "stimulus.delay": 2,
    "stimulus.trials": 80,
    "stimulus.validation": 20,
    "stimulus.test": 20,
    "learning.epochs": 2,
    "learning.batch": 40,
    "test.every": 0,
    "test.every_epochs": 1,
    "test.ensemble": 0,
    "recording.samples": [],
}

WITHOUT_EPOCHS = {key: value for key, value in SHORT.items() if "epochs" not in key} | {"learning.presentations": 3}


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.syspath_prepend(RECIPES)
    import long_memory

    monkeypatch.setitem(long_memory.TASKS, ("copying", None), ("three symbols", "copying"))
    return long_memory


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Two seeds, a run that is tested by mean weights, one that learns no whole epochs."""
    folder = tmp_path_factory.mktemp("runs")
    kinds = [(0, SHORT), (1, SHORT), (0, SHORT | {"test.weights": "mean"}), (0, WITHOUT_EPOCHS)]
    circuit, found = nm.load_circuit("mpl", {"population.hidden.size": 4}), []
    for number, (seed, settings) in enumerate(kinds):
        found.append(folder / f"{number}.nc")
        protocol = nm.load_protocol("copying", settings)
        nm.simulate(circuit, protocol, seed=seed, backend="numpy", out=found[-1])
    return found


def test_runs_are_told_apart_by_what_they_learned_and_how_they_are_tested(recipe, paths):
    (panel,) = recipe.panels([nm.open_run(path).load() for path in paths[:3]])
    assert (panel.title, panel.measure, panel.published) == ("three symbols", "accuracy", [("chance", 0.125)])
    assert {label: len(runs) for label, runs in panel.groups.items()} == {"mpl": 2, "mpl, tested by mean weights": 1}
    assert recipe._label({"name": "mpl"}, {"stimulus": {"permute": True}, "test": {}}) == "mpl, permuted"


def test_curves_are_of_the_tests_after_each_epoch(recipe, paths):
    with nm.open_run(paths[0]) as run:
        curve = recipe.curve(run, "accuracy")
        np.testing.assert_array_equal(curve["epoch"], [1, 2])
        np.testing.assert_array_equal(curve, run["learning"]["accuracy"].values[1:])
        evaluation = run["evaluation"].dataset
        expected = tuple(float(evaluation[name]) for name in ("accuracy", "accuracy_mean_weights"))
        assert recipe.of_test(run, "accuracy") == expected


def test_test_trials_are_drawn_right_of_the_curves_and_published_values_where_they_are_near(recipe, paths):
    with style.applied():
        (panel,) = found = recipe.panels([nm.open_run(path).load() for path in paths[:2]])
        panel.published = [("near", panel.groups["mpl"][0]["learning"]["accuracy"].values[-1]), ("far", 90.0)]
        (axes,) = recipe.draw(found).axes
    markers = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "None"]
    assert markers == [value for run in panel.groups["mpl"] for value in recipe.of_test(run, "accuracy")]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mpl", "near"]


def test_a_run_without_epochs_is_an_error_that_says_what_to_set(recipe, paths, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["long_memory.py", str(paths[3]), "--out", str(tmp_path / "a.png")])
    with pytest.raises(SystemExit):
        recipe.main()
    said = capsys.readouterr().err
    assert "3.nc learned no whole epochs" in said
    assert "learning.epochs" in said
    assert not (tmp_path / "a.png").exists()
