"""docs/own-data.md: its examples, run in their order in an empty folder, by TOML and by Python."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from in_process import started
from pictures import ink
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc import cli, stimuli
from neuro_mpc.descriptions.toml_text import parse_toml
from neuro_mpc.examination import isolation
from neuro_mpc.networks import launch
from neuro_mpc.stimuli import netcdf_file

pytestmark = pytest.mark.slow
PAGE = (Path(__file__).parents[1] / "docs" / "own-data.md").read_text(encoding="utf-8")
TUTORIAL, RULES = PAGE.split("## What the arrays mean")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """What the page makes: the names of Python, and what its commands print, in a folder of its own."""
    folder, names, printed = tmp_path_factory.mktemp("own-data"), {}, []
    files = iter(re.findall(r"`([\w-]+\.toml)`:$", TUTORIAL, re.MULTILINE))
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setattr(launch, "start", started)
        patched.setattr(netcdf_file, "_trouble", lambda path: isolation.trouble(path, data=True))
        for kind, block in BLOCK.findall(TUTORIAL):
            if kind == "toml":
                Path(next(files)).write_text(block, encoding="utf-8")
            elif kind == "python":
                exec(block, names)
            for line in block.splitlines() if kind == "sh" else ():
                done = CliRunner().invoke(cli.app, shlex.split(line)[1:])
                assert done.exit_code == 0, done.output
                printed.append(done.output)
    return folder, names, printed


def in_folder(folder, name):
    with nm.open_run(folder / name) as run:
        return {node.path: node.to_dataset().load() for node in run.subtree}, run.attrs["data_sha256"]


def least_squares(task) -> float:
    """The mean squared error on the test trials of what NumPy learns from the present and the last step."""
    parts = []
    for split in ("train", "test"):
        stimuli, targets = task.presented(split, np.arange(task.size(split)))
        force, motion = stimuli["force"].astype(float), targets["motion"].astype(float)
        before = np.concatenate([0 * force[:1], force[:-1]])
        rows = np.concatenate([force, before, np.ones_like(force[..., :1])], axis=2)
        parts.append((rows.reshape(-1, 9), motion.reshape(-1, 2)))
    (x, y), (tested, wanted) = parts
    return float(((tested @ np.linalg.lstsq(x, y, rcond=None)[0] - wanted) ** 2).mean())


def test_a_regression_of_a_linear_system_reaches_least_squares(followed):
    folder, names, printed = followed
    circuit, protocol = nm.load_circuit(folder / "arm.toml"), nm.load_protocol(folder / "reach.toml")
    best = least_squares(stimuli.load_task(protocol, circuit, 0, names["dataset"]))
    reach = names["reach"]["evaluation"]
    assert float(reach["mean_squared_error"]) < 1.05 * best
    assert float(reach["mean_squared_error_of_regression"]) == pytest.approx(best, rel=0.02)
    assert "10 steps × 4 units, 280 + 40 + 80 trials (train + validation + test), 2 values" in printed[0]


def test_four_rhythms_are_told_apart(followed):
    folder, names, _ = followed
    assert float(names["rhythms"]["evaluation/accuracy"]) > 0.9
    assert ink(folder / "rhythms-learning.png") > 0.02


def test_a_session_of_each_split_is_predicted_better_than_by_its_mean(followed):
    _, names, _ = followed
    task = stimuli.load_task(names["protocol"], names["leaky"], 0, names["sessions"])
    windows = {length: (length - 50) // 10 + 1 for length in names["lengths"].values()}
    assert sorted(task.size(split) for split in stimuli.SPLITS) == sorted(windows.values())
    evaluation = names["bins"]["evaluation"]
    assert float(evaluation["mean_squared_error"]) < 0.8 * float(evaluation["mean_squared_error_of_mean"])
    assert np.isfinite(names["k"]).all()


def test_what_was_learned_predicts_a_session_that_none_was_learned_from(followed):
    _, names, _ = followed
    before, later = (names[run]["evaluation"] for run in ("bins", "score"))
    assert names["score"].attrs["data"].startswith("0 + 0 + 10 trials")
    assert float(later["explained_variance"]) == pytest.approx(float(before["explained_variance"]), abs=0.15)
    wanted = names["later"].reshape(10, 50, 40)[
        :, 1:
    ]  # the next bin; of the last one of a window that of the next window
    shown = names["inferred"]["experiment"]
    error = shown["next_error"].transpose("trial", "step", ...).values[:, :-1]
    predicted = shown["next_output"].transpose("trial", "step", ...).values[:, :-1]
    np.testing.assert_allclose(error, wanted - predicted, atol=1e-4)
    assert names["further"]["learning"].sizes["presentation"] > 0


@pytest.mark.parametrize("name", ["reach", "rhythms"])
def test_files_and_arrays_of_python_give_the_same_run(followed, name):
    folder, names, _ = followed
    groups, digest = in_folder(folder, f"{name}.nc")
    run = names[name]
    assert run.attrs["data_sha256"] == digest
    assert {node.path for node in run.subtree} == set(groups)
    assert all(node.to_dataset().equals(groups[node.path]) for node in run.subtree)


def test_the_examples_of_rules_are_protocols():
    for _, block in BLOCK.findall(RULES):
        table = parse_toml(block)["stimulus"]
        protocol = nm.changed(nm.load_protocol("digits-rows"), {"stimulus": table})
        assert protocol.stimulus.source == table["source"]
