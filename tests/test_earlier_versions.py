"""A run file of version 0.1 is read, drawn, reported, generated from and continued as one of today.

`runs/toy-language-0.1.nc.gz` was written by 0.1 (mpl, 6 hidden units, toy language of 8 letters, NumPy).
"""

import gzip
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc import analysis

KEPT = Path(__file__).parent / "runs" / "toy-language-0.1.nc.gz"
# What 0.1 says of this circuit and generates with it.
SHA256 = "a330fa09af9c496d17c21919216b7d361ad56aa4164fb94d065d29e8e28b6273"
GENERATED = "abchccc"

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("kept") / "run.nc"
    path.write_bytes(gzip.decompress(KEPT.read_bytes()))
    return path


@pytest.fixture(scope="module")
def run(path):
    with closing(nm.open_run(path, careful=True)) as opened:
        yield opened


def test_it_is_read(run):
    assert run.attrs["neuro_mpc_version"] == "0.1.0"
    assert run["learning"].sizes["presentation"] == 6
    np.testing.assert_allclose(run["learning/free_energy"][[0, -1]], [13.470485, 14.018842])
    assert "correct letter ratio, after learning" in str(nm.summary(run))


def test_its_circuit_is_the_one_that_was_trained(path):
    trained = nm.load_trained(path)
    assert (trained.presentation, trained.presentations) == (6, (0, 3, 5, 6))
    assert trained.sha256 == SHA256


def test_its_synapses_are_analysed(run):
    measures = analysis.summary(run)
    assert list(measures["projection"].values) == ["input", "recurrent", "output"]
    assert float(measures["unspiked"][0, 0]) == pytest.approx(5 / 48)  # of π below 0.01


def test_it_is_drawn_and_reported(run, path, tmp_path):
    assert [each.name for each in nm.plot_run(run, "learning", out=tmp_path)] == ["run-learning.png"]
    page = nm.report(run, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "mpl on toy-language" in page
    assert page.count("<img") >= 5


def test_it_generates_what_it_generated(path):
    assert nm.generate(path, "abc", length=4) == [GENERATED]


def test_a_run_starts_from_it(path, tmp_path):
    protocol = nm.load_protocol(
        "toy-language",
        {
            "stimulus.letters": 8,
            "stimulus.transitions": [1, 2],
            "stimulus.length": 6,
            "learning.batch": 4,
            "learning.presentations": 1,
            "inference.iterations": 2,
            "test.every": 0,
        },
    )
    run = nm.simulate(None, protocol, start=path, backend="numpy", out=tmp_path / "next.nc")
    with closing(run):
        assert run.attrs["start_sha256"] == SHA256
        with closing(nm.open_run(path)) as earlier:
            for name in ("m", "pi", "Xi"):
                before, after = earlier[f"synapses/recurrent/{name}"][-1], run[f"synapses/recurrent/{name}"][0]
                np.testing.assert_array_equal(before, after)
