"""A source of stimuli in a file of its own, that of docs/own-stimuli.md: installed as a package, and imported."""

import re
import sys
from unittest.mock import patch

import numpy as np
import pytest
from beside import ROOT, install, printed
from in_process import started

import neuro_mpc as nm
from neuro_mpc.descriptions.sources import SOURCES
from neuro_mpc.networks import launch

MODULE, PROTOCOL, PROJECT = re.findall(
    r"^```\w+\n(.*?)^```$", (ROOT / "docs" / "own-stimuli.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
)
SHOWN = """
import os, signal
from unittest.mock import patch
from typer.testing import CliRunner
from in_process import started
import neuro_mpc as nm
from neuro_mpc.cli import app
from neuro_mpc.networks import launch
from neuro_mpc.runs.progress import SilentProgress

class Interrupting(SilentProgress):
    def update(self, presentation, free_energy):
        if presentation == 6:
            os.kill(os.getpid(), signal.SIGINT)

for words in ("list", "check mpl bars.toml --backend numpy", "check mpl bars.toml --set protocol.stimulus.nois=1"):
    print(CliRunner().invoke(app, words.split()).output)
described = nm.load_circuit("mpl", {"population.hidden.size": 5}), nm.load_protocol("bars.toml")
with patch.object(launch, "start", started):
    try:
        nm.simulate(*described, backend="numpy", out="run.nc", progress=Interrupting())
    except KeyboardInterrupt:
        print("interrupted")
    nm.simulate(*described, backend="numpy", out="run.nc", resume=True)
print("learned by", nm.load_trained("run.nc").protocol.stimulus.source)
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "moving_bars.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "bars.toml").write_text(PROTOCOL, encoding="utf-8")
    return tmp_path


def test_a_source_of_another_package_is_listed_checked_run_and_resumed(folder):
    install(folder, PROJECT)
    told = printed(["-c", SHOWN], packages=folder, folder=folder)
    assert re.search(r"moving-bars +Bars on a ring of units", told)
    assert "for 12 presentations" in told
    assert "protocol.stimulus.nois: unknown key" in told
    assert "did you mean 'noise'?" in told
    assert told.endswith("interrupted\nlearned by moving-bars\n")
    with nm.open_run(folder / "run.nc") as run:
        assert np.isfinite(run["learning/free_energy"]).sum() == 12


def test_an_imported_source_is_run_and_one_that_is_missing_is_named(folder, monkeypatch):
    assert "moving-bars" not in SOURCES.names()
    with patch.dict(SOURCES._plugins):
        monkeypatch.syspath_prepend(folder)
        import moving_bars  # noqa: F401

        circuit = nm.load_circuit("mpl", {"population.hidden.size": 5})
        protocol = nm.load_protocol(
            folder / "bars.toml", {"learning.presentations": 2, "target.read": "every", "test.measure": "accuracy"}
        )
        with patch.object(launch, "start", started):
            run = nm.simulate(circuit, protocol, backend="numpy", out=folder / "run.nc")
        assert run["learning/accuracy"].shape == (2,)
        assert nm.load_trained(folder / "run.nc").protocol == protocol
    monkeypatch.delitem(sys.modules, "moving_bars")
    with pytest.raises(nm.DescriptionError, match=r"(?s)run.nc: stimulus.source.*found: 'moving-bars'.*install the"):
        nm.load_trained(folder / "run.nc")
