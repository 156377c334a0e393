"""docs/python.md: its blocks, run in their order in an empty folder."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_page_leads_from_nothing_to_a_figure_and_into_the_network(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE):
        exec(block, names)
    plt.close("all")
    assert (tmp_path / "circuit.png").read_bytes().startswith(b"\x89PNG")
    assert (ROOT / "docs" / "figures" / "python-circuit.png").is_file()
    printed = capsys.readouterr().out
    assert printed.startswith("two-levels on digits-by-rows\n\nResults\n")
    assert "err = r - h" in printed
    assert float(names["run"]["evaluation/accuracy"]) > 0.3  # ten classes
    energy = np.array(names["energy"])
    assert (np.diff(energy) < 0).all()
    assert dict(names["beliefs"].sizes) == {"step": 8, "trial": 1, "unit": 40}
    assert float(names["certain"].std()) > 0
    assert (names["net"]["up_synapses", "p"] == pytest.approx(0.99)).all()


def test_the_error_of_the_page_is_that_of_python():
    import neuro_mpc as nm

    with pytest.raises(nm.DescriptionError) as caught:
        nm.Projection(source="row", taget="lower", synapse="point")
    assert "Projection.taget: unknown key" in str(caught.value)
    assert "did you mean 'target'?" in str(caught.value)
