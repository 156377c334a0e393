"""The table rule × task: all cells can be run, and what was run is in the table."""

import os
import runpy
import signal
import sys
from pathlib import Path

import pytest

import neuro_mpc as nm
from neuro_mpc.simulation.presentation import Presenter

RECIPE = Path(__file__).parents[1] / "benchmarks" / "rules_and_tasks.py"
MADE = runpy.run_path(str(RECIPE))


def test_every_cell_has_a_circuit_and_a_protocol():
    cells = list(MADE["cells"]())
    assert ("ptb", "gated", "point", "sweeps") in cells
    assert ("ptb", "leaky", "point", "sweeps") not in cells  # without an embedding, no words
    for task, units, synapses in dict.fromkeys(cell[:3] for cell in cells):
        circuit = MADE["circuit_of"](task, units, synapses, "local", MADE["settings_of"](task, units))
        used = {projection.synapse for projection in circuit.projection.values()}
        assert any("spike-and-slab" in name for name in used) == (synapses == "spike-and-slab")
    rules = {(task, rule): MADE["protocol_of"](task, rule, {}) for task, _, _, rule in cells}
    assert rules["ptb", "sweeps"].inference.scheme == "sweeps"
    assert rules["adding", "local"].credit == "local"


@pytest.mark.parametrize(("units", "beliefs"), [("simple", ["embedding", "hidden"]), ("gated", ["cell", "hidden"])])
def test_beliefs_that_relax_are_precise(units, beliefs):
    made = {rule: MADE["circuit_of"]("ptb", units, "point", rule, {}) for rule in ("sweeps", "fixed-prediction")}
    precision = {
        rule: {name: each.get("precision", 1) for name, each in circuit.tables()["population"].items()}
        for rule, circuit in made.items()
    }
    assert [precision["sweeps"][name] for name in beliefs] == [1000, 1000]
    assert precision["sweeps"]["next"] == precision["fixed-prediction"]["next"]
    assert precision["fixed-prediction"]["hidden"] == 1


def test_beliefs_are_as_precise_as_a_task_needs_them():
    settings = MADE["settings_of"]("mnist-pixels", "simple")
    for rule, precision in {"sweeps": 100_000, "fixed-prediction": 1}.items():
        made = MADE["circuit_of"]("mnist-pixels", "simple", "point", rule, settings)
        assert made.tables()["population"]["hidden"].get("precision", 1) == precision


@pytest.mark.parametrize("task", ["digits-rows", "toy-language", "adding", "copying"])
@pytest.mark.parametrize("units", ["simple", "leaky", "gated"])
def test_circuits_fit_the_protocols_of_their_cells(task, units):
    circuit, protocol = MADE["described"](f"{task}/{units}/spike-and-slab/fixed-prediction", {})
    assert nm.check(circuit, protocol, seed=0, backend="numpy").presentations > 0


def test_a_cell_that_was_run_is_in_the_table(tmp_path, monkeypatch, capsys):
    cell = "digits-rows/leaky/spike-and-slab/fixed-prediction"
    short = ["protocol.learning.presentations=2", "circuit.population.hidden.size=5", "protocol.recording.samples=[]"]
    options = ["--out", str(tmp_path), "--backend", "numpy", *(word for each in short for word in ("--set", each))]
    for words in ([cell, *options], ["--out", str(tmp_path), "--table"]):
        monkeypatch.setattr(sys, "argv", [str(RECIPE), *words])
        MADE["main"]()
    shown = capsys.readouterr().out
    with nm.open_run(tmp_path / f"{cell.replace('/', '+')}+0.nc") as run:
        accuracy = float(run["evaluation"].dataset["accuracy"])
    assert f"| digits-rows | leaky | spike-and-slab | fixed-prediction | 1 | accuracy | {accuracy:.4g} |" in shown
    monkeypatch.setattr(sys, "argv", [str(RECIPE), cell, *options, "--set=protocol.learning.rate=1"])
    with pytest.raises(SystemExit, match="2"):
        MADE["main"]()
    assert f"was run with other settings, {' '.join(short)}; another folder: --out" in capsys.readouterr().err
    assert "ptb, published: 125.5, leaky spiking units, e-prop (NeuroSeqBench)" in shown


def test_of_a_cell_that_was_killed_with_its_recipe_a_part_of_the_time_is_known(tmp_path, monkeypatch, capsys):
    cell = "digits-rows/simple/point/local"
    short = {"protocol.learning.presentations": 4, "protocol.recording.samples": []}
    path = MADE["path_of"](cell, 0, tmp_path)

    def stopping(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return begun(*arguments)

    begun = Presenter.begin_learning
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Presenter, "begin_learning", stopping)
        nm.simulate(*MADE["described"](cell, short), seed=0, backend="numpy", out=path)
    options = ["--out", str(tmp_path), "--backend", "numpy", *(f"--set={key}={value}" for key, value in short.items())]
    for words in ([cell, *options], ["--out", str(tmp_path), "--table"]):
        monkeypatch.setattr(sys, "argv", [str(RECIPE), *words])
        MADE["main"]()
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| digits-rows")]
    assert row.split(" | ")[-2].startswith("> ")


def test_a_cell_that_diverges_is_in_the_table_and_not_run_again(tmp_path, monkeypatch, capfd):
    cell = "digits-rows/simple/point/fixed-prediction"
    settings = ["learning.rate=1e9", "learning.optimizer='sgd'", "learning.clip=0", "recording.samples=[]"]
    options = ["--out", str(tmp_path), "--backend", "numpy", *(f"--set=protocol.{each}" for each in settings)]
    for words in ([cell, *options], [cell, *options], ["--out", str(tmp_path), "--table"]):
        monkeypatch.setattr(sys, "argv", [str(RECIPE), *words])
        MADE["main"]()
    shown = capfd.readouterr()
    assert shown.out.count(", diverged\n") == 1
    assert "| digits-rows | simple | point | fixed-prediction | 1 | accuracy | diverged |  | " in shown.out
    assert f"{cell}, seed 0: " in shown.err


def test_a_cell_that_there_is_not_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(RECIPE), "digits-rows/gated/point/none"])
    with pytest.raises(SystemExit):
        MADE["main"]()
    assert "no cell 'digits-rows/gated/point/none'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("learning.rate=1e9", "did you mean 'protocol.learning.rate=1e9'?"),
        ("protocol.learning.rate", "expected: circuit.KEY=VALUE or protocol.KEY=VALUE"),
        ("rate=", "expected: circuit.KEY=VALUE or protocol.KEY=VALUE"),
    ],
)
def test_a_setting_of_nothing_is_refused_before_anything_runs(tmp_path, monkeypatch, capsys, setting, told):
    out = tmp_path / "cells"
    monkeypatch.setattr(sys, "argv", [str(RECIPE), "digits-rows/simple/point/local", f"--out={out}", "--set", setting])
    with pytest.raises(SystemExit, match="2"):
        MADE["main"]()
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_settings_of_all_cells_are_those_of_circuits_and_protocols_and_the_precision_of_beliefs():
    texts = ["circuit.population.hidden.size=5", "belief_precision=10", "protocol.learning.optimizer=sgd"]
    further = MADE["further_settings"](texts)
    assert further == {
        "circuit.population.hidden.size": 5,
        "protocol.learning.optimizer": "sgd",
        "belief_precision": 10,
    }
    circuit, protocol = MADE["described"]("digits-rows/simple/point/sweeps", further)
    assert (
        circuit.tables()["population"]["hidden"] | {"size": 5, "precision": 10}
        == (circuit.tables()["population"]["hidden"])
    )
    assert protocol.learning.optimizer == "sgd"


def test_what_cells_need_is_all_of_them_and_of_nothing_else():
    table = MADE["TABLE"]
    settings = [each for of_task in table["settings"].values() for each in of_task.values()]
    for key in (key for each in (*settings, *table["rule"].values()) for key in each):
        assert key.startswith(("circuit.", "protocol.")) or key == "belief_precision"


def test_what_a_cell_ends_with_is_told_and_the_next_one_runs(tmp_path, monkeypatch, capfd):
    ended = ["digits-rows/simple/point/local", "digits-rows/leaky/point/local"]
    monkeypatch.setattr(sys, "argv", [str(RECIPE), *ended, "--out", str(tmp_path), "--set", "protocol.nothing=1"])
    with pytest.raises(SystemExit, match="1"):
        MADE["main"]()
    told = [line for line in capfd.readouterr().out.splitlines() if "ended with 1" in line]
    assert [line.partition(",")[0] for line in told] == ended
