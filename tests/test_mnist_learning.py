"""The recipe of the paper's figure 1: curves, tables and a figure from run files, without Brian2."""

import sys

import numpy as np
import pytest
import xarray as xr
from beside import RECIPES, printed_by_recipe
from drawn import texts

import neuro_mpc as nm
from neuro_mpc.plots import style
from neuro_mpc.runfile.record import RunFile

TESTED = (0, 200, 2000)  # presentations: 0, 1 and 10 epochs of the paper


@pytest.fixture
def recipe(monkeypatch):
    """The modules of the recipe."""
    monkeypatch.syspath_prepend(RECIPES)
    import mnist_learning
    import mnist_runs

    return mnist_learning, mnist_runs


@pytest.fixture
def runs(tmp_path):
    """Two seeds of MPL by the exact rule, one by the released rule, and one of PC."""
    described = [("mpl", 0, "exact"), ("mpl", 1, "exact"), ("mpl", 0, "as-released"), ("pc", 0, "exact")]
    return [write(tmp_path / f"{k}.nc", *each) for k, each in enumerate(described)]


def write(path, name, seed, rule, measure="accuracy", learned=TESTED[-1]):
    circuit = nm.load_circuit(name).sized(28, 10)
    protocol = nm.load_protocol("mnist-rows-paper", {"inference.variance_feedback": rule})
    with RunFile(path, circuit=circuit, protocol=protocol, seed=seed, backend="cpp", threads=1) as file:
        for k, presentation in enumerate(TESTED):
            file.test(presentation, {"test_loss": 1.0, measure: 0.1 + 0.4 * k + 0.02 * seed})
            file.snapshot(presentation, parameters(circuit, 10.0**-k))
        for presentation in range(learned):
            file.learning(presentation, 3.0, 1.0, 2.0, 4.0, 100)
        file.evaluation({"accuracy": 0.9 + 0.02 * seed, "accuracy_network": np.array([0.8, 0.9])})
    return path


def parameters(circuit, size):
    return {
        projection: {
            each: np.full(circuit.shape(projection), -size if each == "m" else size)
            for each in circuit.synapse[table.synapse].parameter
        }
        for projection, table in circuit.projection.items()
    }


def opened(paths, mnist_runs):
    return mnist_runs.grouped([nm.open_run(path).load() for path in paths])


def test_runs_of_different_seeds_are_one_curve(recipe, runs):
    _, mnist_runs = recipe
    groups = opened(runs, mnist_runs)
    assert {kind.label(groups): len(members) for kind, members in groups.items()} == {
        "MPL, exact rule": 2,
        "MPL, released rule": 1,
        "PC": 1,
    }
    curves = [mnist_runs.accuracy(run) for run in next(iter(groups.values()))]
    epoch, mean, deviation = mnist_runs.over_runs(curves)
    np.testing.assert_allclose(epoch, [0, 1, 10])
    np.testing.assert_allclose(mean, [11, 51, 91], rtol=1e-6)
    np.testing.assert_allclose(deviation, np.sqrt(2), rtol=1e-4)


def test_means_are_those_of_all_runs_that_got_there(recipe):
    _, mnist_runs = recipe
    long, short = (
        xr.DataArray(values, {"epoch": epochs}, "epoch")
        for values, epochs in (([1.0, 3.0, 5.0, 9.0], [0, 1, 2, 3]), ([3.0, 7.0, 7.0], [0, 0.9, 1]))
    )
    epoch, mean, deviation = mnist_runs.over_runs([long, short])
    np.testing.assert_allclose(epoch, [0, 1, 2, 3])
    np.testing.assert_allclose(mean, [2, 5, 5, 9])
    np.testing.assert_allclose(deviation, [np.sqrt(2), np.sqrt(8), 0, 0])


def test_statistics_are_sizes_of_means(recipe, runs):
    _, mnist_runs = recipe
    (run,) = next(iter(opened(runs[:1], mnist_runs).values()))
    for parameter in ("m", "pi", "Xi"):
        found = mnist_runs.statistic(run, "input", parameter)
        np.testing.assert_allclose(found, [1, 0.1, 0.01], rtol=1e-6)
        np.testing.assert_allclose(found["epoch"], [0, 1, 10])
    assert float(mnist_runs.energy(run).mean()) == pytest.approx(128 * 1 + 2)  # errors of a batch summed, loss averaged


def test_tables_stand_beside_the_paper(recipe, runs):
    _, mnist_runs = recipe
    lines = mnist_runs.tables(opened(runs, mnist_runs)).splitlines()
    names = "epochs learned | MPL, exact rule | MPL, released rule | PC | MPL, paper | PC, paper"
    assert lines[0] == f"| {names} |"
    assert "| 1 | 51.0 ± 1.4 | 50.0 | 50.0 | 27.7 ± 2.0 | 61.6 ± 5.5 |" in lines
    assert "| 100 |  |  |  | 91.4 ± 0.7 | 89.8 ± 3.0 |" in lines
    assert "| MPL, exact rule | 10 | 2 | 91.0 ± 1.4 |  |  | 85.0 ± 5.8 |" in lines


def test_runs_that_learned_longer_are_not_averaged_with_the_others(recipe, tmp_path):
    _, mnist_runs = recipe
    paths = [
        write(tmp_path / f"{seed}.nc", "mpl", seed, "exact", learned=learned) for seed, learned in ((0, 2000), (1, 300))
    ]
    lines = mnist_runs.evaluation_table(opened(paths, mnist_runs)).splitlines()[2:]
    assert lines == [
        "| MPL, exact rule | 1.5 | 1 | 92.0 |  |  | 85.0 ± 7.1 |",
        "| MPL, exact rule | 10 | 1 | 90.0 |  |  | 85.0 ± 7.1 |",
    ]


def test_the_figure_has_a_row_for_each_circuit_of_distributions(recipe, runs):
    mnist_learning, mnist_runs = recipe
    with style.applied():
        for paths, panels in ((runs, 8), (runs[3:], 2)):
            figure = mnist_learning.draw(opened(paths, mnist_runs))
            assert len(figure.axes) == panels
            assert all(axes.get_xlabel() and axes.get_ylabel() for axes in figure.axes)
            figure.canvas.draw()
    assert figure.axes[0].get_ylabel() == "test accuracy (%)"


def test_the_command_draws_and_prints_without_brian2(runs, tmp_path):
    said = printed_by_recipe("mnist_learning", str(runs[0]), "--out", str(tmp_path / "figure.svg"))
    assert "MPL, paper" in said
    assert texts(tmp_path / "figure.svg") >= {"test accuracy (%)", "MPL, paper"}


def test_what_cannot_be_drawn_is_told(recipe, runs, tmp_path, monkeypatch, capsys):
    mnist_learning, _ = recipe
    without = write(tmp_path / "other.nc", "mpl", 0, "exact", "correct_letter_ratio")
    for path, problem in ((tmp_path / "missing.nc", "is not there"), (without, '"test.measure": "accuracy"')):
        monkeypatch.setattr(sys, "argv", ["mnist_learning.py", str(path), "--out", str(tmp_path / "f.png")])
        with pytest.raises(SystemExit) as caught:
            mnist_learning.main()
        assert caught.value.code == 2
        assert problem in capsys.readouterr().err
