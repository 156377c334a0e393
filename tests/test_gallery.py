"""The gallery: every recipe with a picture; and the recipe that compares the two rules."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn import texts

import neuro_mpc as nm
from neuro_mpc.runfile.record import RunFile

ROOT = Path(__file__).parents[1]
HELPERS = {"recipe", "curves", "mnist_runs", "language_runs", "language_densities", "canonical"}  # what recipes share
UNPICTURED = {"language_transformer"}  # draws nothing by itself
TEXT = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
RECIPES = sorted({path.stem for path in (ROOT / "analysis").glob("*.py")} - HELPERS)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_stands_in_the_gallery_with_its_picture(name):
    entries = [entry for entry in TEXT.split("\n**[") if f"    python analysis/{name}.py " in entry]
    assert len(entries) == 1
    if name in UNPICTURED:
        return
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", entries[0])
    assert pictures
    assert f"--out docs/{pictures[0]}" in entries[0]
    for picture in pictures:
        assert (ROOT / "docs" / picture).read_bytes().startswith(b"\x89PNG")
        assert f" docs/{picture}" in entries[0]


def test_helpers_are_no_recipes():
    for name in HELPERS:
        assert "__main__" not in (ROOT / "analysis" / f"{name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_links_between_pages_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in link:
            assert ((ROOT / page).parent / link).exists(), link


def run_of(path, rule, seed, spike, **settings):
    """A run whose synapses all end with this probability of a spike, and without width."""
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 5}).sized(26, 26)
    protocol = nm.load_protocol("toy-language", {"inference.variance_feedback": rule, **settings})
    shapes = {name: circuit.shape(name) for name in circuit.projection}
    with RunFile(path, circuit=circuit, protocol=protocol, seed=seed, backend="numpy", threads=1) as record:
        for presentation, pi, width in ((0, 0.25, 0.1), (10, spike, 0.0)):
            values = {"m": 2.0, "pi": pi, "Xi": width}
            record.snapshot(
                presentation,
                {name: {key: np.full(shape, each) for key, each in values.items()} for name, shape in shapes.items()},
            )
    return str(path)


def compare(monkeypatch, *arguments):
    monkeypatch.syspath_prepend(ROOT / "analysis")
    monkeypatch.setattr(sys, "argv", ["determinism", *map(str, arguments)])
    runpy.run_path(str(ROOT / "analysis" / "determinism.py"), run_name="__main__")


def test_the_rules_are_compared_over_seeds(tmp_path, monkeypatch, capsys):
    exact = [run_of(tmp_path / f"e{seed}.nc", "exact", seed, 0.25) for seed in (0, 1)]
    released = [run_of(tmp_path / f"r{seed}.nc", "as-released", seed, 0.0) for seed in (0, 1)]
    compare(monkeypatch, *exact, *released, "--out", tmp_path / "figure.svg")
    lines = capsys.readouterr().out.splitlines()
    # A spike of 1/4 leaves v / (μ² + v) = π; without spike and width, the weight is certain.
    assert any(re.match(r"\| exact rule \| output \| 0 .*\| 0 \(0 to 0\) \| 0.25 ", line) for line in lines)
    assert any(re.match(r"\| released rule \| output \| 0 .*\| 1.00 .*\| 0 \(0 to 0\) ", line) for line in lines)
    assert sum("output − recurrent" in line for line in lines) == 2
    shown = texts(tmp_path / "figure.svg")
    assert {"exact rule", "released rule"} <= {text.partition(",")[0] for text in shown}


def test_runs_of_other_settings_are_not_compared(tmp_path, monkeypatch, capsys):
    runs = [run_of(tmp_path / f"{rate}.nc", "exact", 0, 0.1, **{"learning.rate": rate}) for rate in (0.1, 0.2)]
    with pytest.raises(SystemExit):
        compare(monkeypatch, *runs, "--out", tmp_path / "figure.png")
    assert "differ in more than the rule and the seed" in capsys.readouterr().err
