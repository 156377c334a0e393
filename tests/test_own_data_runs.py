"""Runs on own data: one run file however the data are given, and other data are noticed."""

import shlex
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from in_process import started
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc import cli
from neuro_mpc.examination import isolation
from neuro_mpc.networks import launch
from neuro_mpc.stimuli import labelled, netcdf_file

CIRCUIT = """
name = "small"
population.x = { role = "stimulus" }
population.hidden = { size = 3, activation = "tanh(r)" }
population.y = { role = "target", readout = "gaussian" }
projection.in = { from = "x", to = "hidden", synapse = "point" }
projection.memory = { from = "hidden", to = "hidden", delay = 1, synapse = "point" }
projection.out = { from = "hidden", to = "y", synapse = "point" }
"""
PROTOCOL = """
name = "own"
stimulus = { source = "arrays", file = "data.nc" }
target = { read = "every" }
learning = { rate = 0.1, batch = 5, epochs = 2 }
recording = { samples = [-1] }
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Circuit, protocol and data lie in the current folder; runs are in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "start", started)
    monkeypatch.setattr(netcdf_file, "_trouble", lambda path: isolation.trouble(path, data=True))
    Path("small.toml").write_text(CIRCUIT)
    Path("own.toml").write_text(PROTOCOL)
    written().to_netcdf("data.nc")


def written(seed=0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, 20, 4, 2)).astype(np.float32)
    y[2, 1] = np.nan
    return xr.Dataset({"x": (("trial", "step", "in"), x), "y": (("trial", "step", "out"), y)})


def content(path):
    """Attributes, but for the time, and variables of every group."""
    with nm.open_run(path) as run:
        del run.attrs["created"]
        return {node.path: node.to_dataset().load() for node in run.subtree}


def test_python_toml_and_command_line_give_one_run_file(monkeypatch):
    options = {"backend": "numpy", "seed": 2}
    nm.simulate("small.toml", "own.toml", out="file.nc", **options).close()
    monkeypatch.setattr(labelled, "HELD_BYTES", 0)
    nm.simulate("small.toml", "own.toml", out="parts.nc", **options).close()
    Path("data.nc").rename("moved.nc")
    data = written()
    arrays = {name: variable.values for name, variable in data.data_vars.items()}
    for name, given in {"dataset": data, "labelled": dict(data.data_vars), "arrays": arrays}.items():
        nm.simulate("small.toml", "own.toml", out=f"{name}.nc", data=given, **options).close()
    Path("moved.nc").rename("data.nc")
    command = "run small.toml own.toml --out cli.nc --backend numpy --seed 2"
    done = CliRunner().invoke(cli.app, shlex.split(command))
    assert done.exit_code == 0, done.output
    expected = content("file.nc")
    assert np.isfinite(expected["/evaluation"]["mean_squared_error"])
    for name in ("parts", "dataset", "labelled", "arrays", "cli"):
        found = content(f"{name}.nc")
        assert set(found) == set(expected)
        for path in expected:
            xr.testing.assert_identical(found[path], expected[path])


def test_other_data_are_noticed_on_resuming_and_by_a_run_that_starts_from_another():
    nm.simulate("small.toml", "own.toml", backend="numpy", out="run.nc").close()
    written(1).to_netcdf("data.nc")
    with pytest.raises(nm.RunError, match="(?s)run.nc is complete, and of another run.*data_sha256 was"):
        nm.simulate("small.toml", "own.toml", backend="numpy", out="run.nc", resume=True)
    with pytest.warns(UserWarning, match="the data are not those that run.nc learned from"):
        nm.simulate(None, "own.toml", start="run.nc", backend="numpy")


def test_a_trained_circuit_is_shown_data_of_which_none_are_to_be_learned():
    nm.simulate("small.toml", "own.toml", backend="numpy", out="run.nc").close()
    new = written(1).assign(split=("trial", np.array(["test"] * 20, object)))
    options = {"start": "run.nc", "data": new, "backend": "numpy"}
    inference = nm.load_protocol("inference", {"experiment.trials": 0})
    tested = nm.load_protocol("own.toml", {"learning.epochs": None, "learning.presentations": 0})
    with pytest.warns(UserWarning, match="the data are not those that run.nc learned from"):
        shown = nm.simulate(None, inference, **options)
    with pytest.warns(UserWarning, match="the data are not those that run.nc learned from"):
        score = nm.simulate(None, tested, **options)
    assert shown.attrs["data"].startswith("0 + 0 + 20 trials ")
    y = new["y"].transpose("step", "trial", "out").values
    error = shown["experiment/y_error"].values
    np.testing.assert_allclose(error, np.nan_to_num(y - shown["experiment/y_output"].values), atol=1e-6)
    assert score["learning"].sizes["presentation"] == 0
    assert 0 < float(score["evaluation/mean_squared_error"]) < 10
    with pytest.raises(
        nm.DescriptionError, match=r"(?s)'train' has no trials.*try: more data, of which some are for train"
    ):
        nm.simulate(None, "own.toml", **options)


def test_a_file_that_changes_ends_the_run_that_reads_it(monkeypatch):
    monkeypatch.setattr(labelled, "HELD_BYTES", 0)
    given = labelled.LabelledStimuli.given
    calls = []

    def touched(self, split, trials, channel):
        calls.append(channel)
        if len(calls) == 12:
            written(1).to_netcdf("new.nc")
            Path("new.nc").replace("data.nc")
        return given(self, split, trials, channel)

    monkeypatch.setattr(labelled.LabelledStimuli, "given", touched)
    with pytest.raises(nm.DescriptionError, match="data.nc: changed while it was read"):
        nm.simulate("small.toml", "own.toml", backend="numpy", out="run.nc")
    assert not Path("run.nc").exists()


def test_streams_carry_their_state_and_predict_the_next_step():
    wave = np.sin(np.arange(600) / 5)[:, None].astype(np.float32)
    circuit = nm.changed(nm.load_circuit("small.toml"), {"population.y.channel": "x"})
    stimulus = {"source": "arrays", "window": 10, "streams": True}
    settings = {"stimulus": stimulus, "target.kind": "next", "learning.epochs": 4}
    protocol = nm.changed(nm.load_protocol("own.toml"), settings)
    task = nm.check(circuit, protocol, data={"x": wave}, backend="numpy").task
    assert "10 steps × 1 unit, 40 + 5 + 10 trials" in task
    run = nm.simulate(circuit, protocol, data={"x": wave}, backend="numpy")
    evaluation = run["evaluation"]
    assert float(evaluation["mean_squared_error_of_regression"]) < 0.01
    assert float(evaluation["mean_squared_error_of_last"]) < float(evaluation["mean_squared_error_of_mean"])


@pytest.mark.parametrize("at_once", [1, 2])
def test_members_of_a_sweep_are_given_the_data_of_python(tmp_path, at_once):
    data = written()
    data["split"] = "trial", np.array(["train", "validation", "test", "train"] * 5, object)
    options = {"backend": "numpy", "data": data}
    protocol = nm.load_protocol("own.toml", {"stimulus.file": "", "learning.epochs": 1, "recording.samples": []})
    rates = {"protocol.learning.rate": [0.1, 0.2]}
    found = nm.sweep("small.toml", protocol, rates, [0], out="swept", workers=at_once, **options)
    alone = nm.simulate("small.toml", nm.changed(protocol, {"learning.rate": 0.2}), **options)
    assert found["mean_squared_error"].values[1, 0] == alone["evaluation/mean_squared_error"]
    digests = {nm.open_run(path).attrs["data_sha256"] for path in Path("swept").glob("rate=*.nc")}
    assert digests == {alone.attrs["data_sha256"]}
    options["data"] = data.assign(x=2 * data["x"])
    with pytest.raises(nm.RunError, match="(?s)is of another run.*data_sha256 was"):
        nm.sweep("small.toml", protocol, rates, [0], out="swept", workers=1, **options)


def test_data_that_no_other_process_can_be_given_are_told():
    class Array(list):  # of this function: another process cannot know it
        pass

    with pytest.raises(nm.RunError, match="(?s)data: dict cannot be handed to another process.*workers=1"):
        nm.sweep(
            "small.toml",
            "own.toml",
            {},
            [0, 1],
            out="swept",
            workers=2,
            backend="numpy",
            data={name: Array(values.values.tolist()) for name, values in written().data_vars.items()},
        )


def test_a_check_counts_trials_that_ask_nothing():
    data = written()
    data["y"][:5] = np.nan
    data["split"] = "trial", np.repeat(["train", "validation", "test"], [10, 5, 5])
    protocol = nm.load_protocol("own.toml", {"stimulus.file": ""})
    task = nm.check("small.toml", protocol, data=data, backend="numpy").task
    assert "train: 5 of 10 trials without any value" in task
    assert "test: " not in task


def test_what_starts_from_a_run_of_arrays_is_given_them_again():
    protocol = nm.load_protocol("own.toml", {"stimulus.file": ""})
    run = nm.simulate("small.toml", protocol, data=written(), backend="numpy")
    with pytest.raises(nm.DescriptionError, match="whatever starts from it is given them again, by data=…"):
        nm.network(None, protocol, start=run)
