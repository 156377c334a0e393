"""Recipes of the paper's figures on the toy language: all strings learned, and the next letter by data load."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn import texts

import neuro_mpc as nm
from neuro_mpc.runfile.record import RunFile

pytestmark = pytest.mark.usefixtures("in_this_process")

FOLDER = Path(__file__).parents[1] / "analysis"
UNITS, BATCH, EPOCHS = 5, 10, 6
STRINGS = 30  # 3 presentations an epoch


def run_recipe(monkeypatch, name, *arguments):
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")


def learned(path, seed, generate, ratio, presentations=3 * EPOCHS, measure="correct-letter-ratio"):
    """A run whose hidden energy is e per batch in the first epoch and 1/e of that in each one after it; no loss."""
    settings = {
        "stimulus.load": STRINGS / UNITS,
        "learning.batch": BATCH,
        "test.generate": generate,
        "test.measure": measure,
    }
    circuit = nm.load_circuit("mpl", {"population.hidden.size": UNITS}).sized(26, 26)
    with RunFile(
        path,
        circuit=circuit,
        protocol=nm.load_protocol("toy-language", settings),
        seed=seed,
        backend="numpy",
        threads=1,
    ) as file:
        for presentation in range(presentations):
            hidden = np.exp(1.0 - presentation // 3) / BATCH * (1e6 if presentation % 3 == 1 else 1)
            file.learning(presentation, hidden, hidden, 0.0, hidden, 0)
        file.test(0, {"test_loss": 1.0, measure.replace("-", "_"): 0.5})
        file.evaluation({measure.replace("-", "_"): ratio})
    return path


def test_energies_and_ratios_stand_beside_the_paper(tmp_path, monkeypatch, capsys):
    runs = [learned(tmp_path / f"{seed}.nc", seed, 10, 0.98 + 0.02 * seed) for seed in (0, 1)]
    runs += [learned(tmp_path / "long.nc", 0, 1000, 0.995, presentations=0)]
    run_recipe(monkeypatch, "full_load", *runs, "--out", tmp_path / "figure.svg")
    lines = capsys.readouterr().out.splitlines()
    assert "| 10 | 0.9900 (2 runs) | 1.0000 |" in lines
    assert "| 1,000 | 0.9950 (1 runs) | 0.9998 |" in lines
    assert "| 1 | 1.0 | 7.1 ± 0.5 |" in lines  # the median of an epoch, in which one batch is far off
    assert "| 5 | -3.0 | 2.7 ± 0.1 |" in lines
    shown = texts(tmp_path / "figure.svg")
    assert {"epoch", "energy of a batch (nats)", "letters generated from each letter", "paper"} <= shown


def test_runs_of_another_measure_are_refused(tmp_path, monkeypatch):
    other = learned(tmp_path / "other.nc", 0, 10, 0.5, measure="accuracy")
    with pytest.raises(SystemExit, match='"test.measure": "correct-letter-ratio"'):
        run_recipe(monkeypatch, "full_load", other, "--out", tmp_path / "figure.png")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A circuit that has learned next to nothing."""
    out = tmp_path_factory.mktemp("run") / "run.nc"
    settings = {
        "stimulus.load": 2.0,
        "learning.presentations": 1,
        "learning.batch": 12,
        "test.every": 0,
        "test.generate": 2,
        "recording.samples": [],
    }
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 12})
    nm.simulate(circuit, nm.load_protocol("toy-language", settings), backend="numpy", out=out).close()
    return out


def test_the_next_letter_by_load(trained, tmp_path, monkeypatch, capsys):
    run_recipe(monkeypatch, "next_letter", trained, "--letters", "yz", "--out", tmp_path / "figure.svg")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| load | on allowed letters after y | on allowed letters after z |"
    assert lines[2].startswith("| 2 | 0.")
    shown = texts(tmp_path / "figure.svg")
    assert {"next letter", "probability", "after y, load 2", "after z, load 2"} <= shown


def test_expectations_are_probabilities_and_the_ring_closes(trained, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import next_letter

    found = next_letter.Learned(trained, "yz")
    np.testing.assert_allclose(found.expected.sum(axis=2), 1, rtol=1e-5)
    assert found.expected.std(axis=1).max() > 1e-3  # the noise of each draw is its own
    assert [found.symbols[each] for letter in "yz" for each in found.allowed(letter)] == ["a", "c", "b", "d"]
    np.testing.assert_allclose(found.on_allowed("z"), found.expected[1][:, [1, 3]].sum(axis=1))


def test_unknown_letters_are_refused(trained, tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="knows no ä"):
        run_recipe(monkeypatch, "next_letter", trained, "--letters", "aä", "--out", tmp_path / "figure.png")
