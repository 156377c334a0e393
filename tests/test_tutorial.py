"""The tutorial: its blocks, run in their order in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pictures import ink

import neuro_mpc as nm

pytestmark = [pytest.mark.slow, pytest.mark.compiler]

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = f'set -e; neuro-mpc() {{ "{sys.executable}" -m neuro_mpc "$@"; }}\n'


def test_the_tutorial_leads_to_its_figure(tmp_path):
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    blocks, printed, python = BLOCK.findall(text), [], ""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    for kind, block in blocks:
        if kind == "toml":
            (tmp_path / "two-layers.toml").write_text(block, encoding="utf-8")
            continue
        python += block if kind == "python" else ""  # what is imported once is there in later blocks
        if kind == "sh" or (kind, block) == blocks[-1]:
            command = ["bash", "-c", COMMAND + block] if kind == "sh" else [sys.executable, "-c", python]
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            printed.append(done.stdout)
    assert [kind for kind, _ in blocks] == ["toml", "sh", "sh", "sh", "python", "python"]
    assert "Δp = (η/B) (5 H₁ q/n + " in printed[0]
    assert "kept between 0.01 and 0.99" in printed[0]
    assert re.search(r"correct letters: 0\.\d\d before, (0\.9\d|1\.00) after learning", printed[-1])
    assert all(ink(tmp_path / name) > 0.02 for name in ("run-learning.png", "variability.png"))
    with nm.open_run(tmp_path / "run.nc") as run:
        assert set(run["synapses"].children) == {"input", "recurrent", "up", "output"}
    assert (ROOT / "docs" / "figures" / "tutorial.png").is_file()
