"""The report of an experiment: its numbers come first, and nothing is missed of a learning that it did not do."""

import pytest
import xarray as xr
from conftest import circuit_text, description
from test_experiment_analysis import MADE
from test_report import Page

import neuro_mpc as nm
from neuro_mpc.reports import experiments, pictures, report
from neuro_mpc.runfile.record import RunFile


@pytest.fixture
def kept(tmp_path):
    """The file of an experiment of a kind, opened."""
    opened = []

    def keep(kind):
        path = tmp_path / f"{kind}.nc"
        circuit = description("example", circuit_text(["hidden"], 8, 8, 4, "softmax"))
        with RunFile(
            path, circuit=circuit, protocol=description(kind, ""), seed=0, backend="numpy", threads=1
        ) as record:
            record.experiment(MADE[kind]())
        opened.append(nm.open_run(path))
        return opened[-1]

    yield keep
    for run in opened:
        run.close()


@pytest.fixture
def no_other_figures(monkeypatch):
    monkeypatch.setattr(pictures, "CHAPTERS", {pictures.EXPERIMENT: list(MADE)})
    monkeypatch.setattr(pictures, "FIGURES", {name: pictures.FIGURES[name] for name in MADE})


@pytest.mark.parametrize("kind", MADE)
def test_the_page_is_about_the_experiment(kept, no_other_figures, kind):
    page = report.rendered(kept(kind))
    words = " ".join(Page(page).texts)
    assert f'alt="{pictures.TITLES[kind]}' in page
    assert "Not shown" not in words
    assert 'id="results"' not in page
    assert '"#results"' not in page
    assert page.index("<h2>Experiment") < page.index("<h2>Configuration")


def test_a_larger_error_is_told_with_its_interval(kept):
    ((_, head, rows),) = experiments.tables(kept("oddball"))
    found = {row[0]: dict(zip(head, row)) for row in rows}
    assert head == ["", "before", "at", "after"]
    assert found["deviant, hidden"]["at"] == "+2.000 (+2.000 to +2.000)"
    assert found["deviant, output"]["after"] == "+4.000 (+4.000 to +4.000)"
    assert found["control, output"]["at"] == "+0.000 (+0.000 to +0.000)"


def test_what_there_is_no_number_of_is_a_dash():
    nothing = xr.Dataset({name: float("nan") for name in ("mean", "low", "high")})
    assert experiments._interval(nothing) == "—"


def test_a_figure_that_fails_is_told(kept, no_other_figures, monkeypatch):
    def failing(run):
        raise ZeroDivisionError("by zero")

    monkeypatch.setitem(pictures.FIGURES, "oddball", failing)
    words = " ".join(Page(report.rendered(kept("oddball"))).texts)
    assert "cannot be drawn: ZeroDivisionError: by zero" in words


def test_a_lesion_has_a_row_for_each_order(kept):
    ((caption, head, rows),) = experiments.tables(kept("lesion"))
    assert caption.startswith("Allowed answers")
    assert head[1:] == ["0", "0.25", "0.5", "0.75", "1"]
    assert ["random", "1.000", "0.750", "0.500", "0.250", "0.000"] in rows


def test_an_ensemble_in_numbers(kept):
    ((caption, _, rows),) = experiments.tables(kept("ensemble"))
    assert caption.startswith("8 networks")
    assert ["single networks, mean", "0.8500"] in rows
    assert ["agreement of two networks", "0.7500"] in rows


def test_without_an_experiment_there_are_no_numbers_of_one(example_run):
    assert experiments.tables(example_run) == []
    assert not experiments.is_experiment(example_run)
