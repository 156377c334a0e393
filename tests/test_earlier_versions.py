"""A run file of version 0.1, of format 1.0, is read, drawn, reported, generated from and continued as one of today.

`runs/plain-1.0.nc.gz` was written by 0.1 (mpl, 6 hidden units, toy language of 8 letters, NumPy); so was the checkpoint
beside it, after 3 of the 6 presentations of the same run.
"""

from contextlib import closing

import netCDF4
import numpy as np
import pytest
from kept_runs import FORMATS, simulate, unpacked

import neuro_mpc as nm
from neuro_mpc import analysis

# What 0.1 says of this circuit and generates with it.
SHA256 = "a330fa09af9c496d17c21919216b7d361ad56aa4164fb94d065d29e8e28b6273"
GENERATED = "abchccc"

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return unpacked("plain-1.0.nc", tmp_path_factory.mktemp("kept") / "run.nc")


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


@pytest.mark.parametrize("version", FORMATS)
def test_a_checkpoint_is_resumed_to_the_file_of_the_run_that_was_not_stopped(version, tmp_path):
    """On the processor that wrote both, to the bit; others differ in the last ones."""
    unpacked(f"plain-{version}.checkpoint", tmp_path / "run.nc.checkpoint")
    expected = numbers(unpacked(f"plain-{version}.nc", tmp_path / "whole.nc"))
    simulate(tmp_path / "run.nc", resume=True, accept_changes=True)
    resumed = numbers(tmp_path / "run.nc")
    assert resumed.keys() == expected.keys()
    for name, values in expected.items():
        assert resumed[name].shape == values.shape
        if values.dtype.kind == "f":
            np.testing.assert_allclose(resumed[name], values, rtol=1e-3, err_msg=name)


def numbers(path) -> dict[str, np.ndarray]:
    with netCDF4.Dataset(path) as file:
        return {
            f"{group.path}/{name}": np.asarray(values[...])
            for group in groups(file)
            for name, values in group.variables.items()
        }


def groups(group):
    yield group
    for inner in group.groups.values():
        yield from groups(inner)
