"""Runs as NWB files: what they hold, that they are valid, and what is refused."""

import itertools
import re
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc import analysis, cli
from neuro_mpc.exports.provenance import digest
from neuro_mpc.exports.timeline import Axis, Trace, traces
from neuro_mpc.recordings import events, exported
from neuro_mpc.recordings.blocks import BLOCKS
from neuro_mpc.recordings.nwb_file import opened
from neuro_mpc.stimuli.mismatch_blocks import KINDS

pynwb = pytest.importorskip("pynwb")

pytestmark = pytest.mark.usefixtures("in_this_process")

PAGE = (Path(__file__).parents[1] / "docs" / "recordings.md").read_text(encoding="utf-8")
NOT_ERRORS = ("BEST_PRACTICE_SUGGESTION", "BEST_PRACTICE_VIOLATION")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, in_this_process):
    """Where the code of the page has run."""
    folder = tmp_path_factory.mktemp("recordings")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        names: dict = {}
        for code in re.findall(r"```python\n(.*?)```", PAGE, re.S):
            exec(code, names)
        names["run"].close()
    return folder


@pytest.fixture(scope="module")
def results(folder):
    with closing(nm.open_run(folder / "mismatch.nc")) as run:
        yield analysis.experiment(run, "mismatch").load()


@pytest.fixture(scope="module")
def session(folder):
    with pynwb.NWBHDF5IO(folder / "session.nwb", "r") as file:
        yield file.read()


def inspected(path):
    from nwbinspector import inspect_nwbfile

    return [each for each in inspect_nwbfile(nwbfile_path=path) if each.importance.name not in NOT_ERRORS]


def test_the_inspector_finds_no_errors(folder):
    assert {each.check_function_name for each in inspected(folder / "session.nwb")} <= {"check_subject_exists"}


def test_traces_of_all_trials_follow_each_other(session, results):
    series = session.processing["seen"]["error"]
    step, trial, unit = (results.sizes[name] for name in ("step", "trial", "seen_unit"))
    assert series.data.shape == (step * trial, unit)
    assert series.rate == pytest.approx(1000 / 150)
    expected = results["seen_error"].transpose("trial", "step", "seen_unit").values.reshape(-1, unit)
    np.testing.assert_array_equal(series.data[:], expected)
    assert len(session.processing["seen"]["units"]) == unit


def test_parts_of_the_error_are_what_its_sign_says(session):
    seen = {name: session.processing["seen"][name].data[:] for name in ("error", "positive_error", "negative_error")}
    np.testing.assert_array_equal(seen["positive_error"], seen["error"].clip(min=0))
    np.testing.assert_array_equal(seen["negative_error"], (-seen["error"]).clip(min=0))


def test_stimulus_tables_have_one_row_a_presentation_in_seconds_and_radians(session, results):
    for block_type, (_, label) in BLOCKS.items():
        rows = results.isel(presentation=results["BlockType"].values == block_type)
        if not rows.sizes["presentation"]:
            assert f"{label}_presentations" not in session.intervals
            continue
        table = session.intervals[f"{label}_presentations"].to_dataframe()
        start = rows["presentation_trial"] * results.sizes["step"] + rows["start_step"]
        np.testing.assert_allclose(table["start_time"], np.sort(start.values) * 0.15)
        assert (table["stop_time"] > table["start_time"]).all()
        assert sorted(table["TrialType"]) == sorted(rows["TrialType"].values)
        assert set(np.degrees(table["Orientation"]).round(1)) == set(np.degrees(rows["Orientation"].values).round(1))


def test_trials_say_what_is_compared(session, results):
    table = session.trials.to_dataframe()
    assert table["stimulus"].tolist() == results["stimulus"].values.tolist()
    expected = (np.arange(len(table)) * results.sizes["step"] + results["onset"].values) * 0.15
    np.testing.assert_allclose(table["onset_time"], expected)


def test_provenance_is_that_of_the_run(session, folder):
    rows = session.analysis["provenance"].to_dataframe()
    told = dict(zip(rows["attribute"], rows["text"], strict=True))
    with closing(nm.open_run(folder / "mismatch.nc")) as run:
        assert {name: told[name] for name in ("circuit", "protocol", "neuro_mpc_version")} == {
            name: run.attrs[name] for name in ("circuit", "protocol", "neuro_mpc_version")
        }
    assert told["seed"] == "0"
    assert told["run_sha256"] == digest(folder / "mismatch.nc")


def test_recorded_samples_are_exported_once_it_is_told_how_long_a_step_lasts(example_path, tmp_path):
    with pytest.raises(nm.RunFileError, match="how long a step lasts\n.*step-duration"):
        nm.export(example_path, tmp_path / "session.nwb")
    told = []
    nm.export(example_path, tmp_path / "session.nwb", step_duration=100, progress=lambda *each: told.append(each))
    with pynwb.NWBHDF5IO(tmp_path / "session.nwb", "r") as file, nm.open_run(example_path) as run:
        session, recorded = file.read(), run["neural/hidden/belief"]
        belief = session.processing["hidden"]["belief"]
        expected = recorded.transpose("sample", "trial", "step", "unit").values.reshape(-1, recorded.sizes["unit"])
        np.testing.assert_array_equal(belief.data[:], expected)
        assert belief.rate == 10
        assert session.trials.to_dataframe()["trial_number"].tolist() == [0, 1, 2, 3]
    assert told[-1][0] == told[-1][1] > 0


def test_steps_that_are_not_read_out_are_missing_and_any_rows_can_be_read(example_run):
    values = example_run["neural/output/error"].isel(step=slice(-2, None))
    steps = example_run["neural/hidden"].sizes["step"]
    trace = Trace("output", "error", "", values, Axis(1, 4, steps, 100.0))
    whole = trace.rows(0, trace.axis.rows)
    assert np.isnan(whole.reshape(4, steps, -1)[:, :-2]).all()
    assert not np.isnan(whole.reshape(4, steps, -1)[:, -2:]).any()
    cuts = [0, 3, steps, steps + 1, 3 * steps + 2, trace.axis.rows]
    parts = [trace.rows(start, stop) for start, stop in itertools.pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_of_a_trajectory_its_end_is_exported(example_run):
    belief = example_run["neural/hidden/belief"]
    trajectory = belief.expand_dims(iteration=3, axis=1) * np.array([0.0, 0.5, 1.0])[:, None, None, None]
    axis = Axis(1, belief.sizes["trial"], belief.sizes["step"], 100.0)
    whole = Trace("hidden", "belief", "", trajectory.transpose(..., "unit"), axis).rows(0, axis.rows)
    np.testing.assert_array_equal(whole, Trace("hidden", "belief", "", belief, axis).rows(0, axis.rows))


def test_of_a_trajectory_its_end_is_exported_where_a_unit_or_a_step_has_no_value():
    """Of the first presentation two iterations of three; no error of the first unit, nor at the last step."""
    values = np.arange(2.0 * 3 * 4 * 2 * 5).reshape(2, 3, 4, 2, 5)  # sample, iteration, step, trial, unit
    values[0, 2] = values[..., 0] = values[:, :, -1] = np.nan
    error = xr.DataArray(values, dims=("sample", "iteration", "step", "trial", "unit"))
    axis = Axis(2, 2, 4, 10.0)
    whole = Trace("hidden", "error", "", error, axis).rows(0, axis.rows)
    ends = np.stack([values[0, 1], values[1, 2]]).swapaxes(1, 2)  # sample, trial, step, unit
    np.testing.assert_array_equal(whole, ends.reshape(-1, 5))


def test_iterations_of_causal_inference_follow_each_other_in_time(tmp_path):
    settings = {
        "inference.scheme": "relaxation", "inference.window": 0, "inference.iterations": 4, "stimulus.length": 7,
        "inference.step_duration": 100.0, "learning.presentations": 2, "learning.batch": 3, "stimulus.load": 1.0,
        "recording.samples": [0, -1], "recording.trajectory": True, "test.every": 0, "test.generate": 1,
    }  # fmt: skip
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 5})
    run = nm.simulate(circuit, nm.load_protocol("toy-language", settings), backend="numpy", out=tmp_path / "run.nc")
    with run, pynwb.NWBHDF5IO(nm.export(run, tmp_path / "session.nwb"), "r") as file:
        module = file.read().processing["hidden"]
        every, settled = (module[name].data[:] for name in ("error_iterations", "error"))
        expected = [analysis.traces(run, "hidden", sample)["error"].isel(iteration=slice(1, None)) for sample in (0, 1)]
        rows = [each.transpose("trial", "step", "iteration", "unit").values.reshape(-1, 5) for each in expected]
        np.testing.assert_array_equal(every, np.concatenate(rows))
        np.testing.assert_array_equal(every[3::4], settled)
        series, first = module["error_iterations"], expected[0]["time"].transpose("step", "iteration").values.ravel()
        times = series.starting_time + np.arange(len(first)) / series.rate
        np.testing.assert_allclose(1000 * times, first)
        assert {each.check_function_name for each in inspected(tmp_path / "session.nwb")} <= {"check_subject_exists"}
        [trace] = [each for each in traces(run) if each.name == "belief_iterations"]
        whole = trace.rows(0, trace.axis.rows)
        cuts = [0, 3, 4, 9, trace.axis.steps + 1, 3 * trace.axis.steps + 2, trace.axis.rows]
        parts = [trace.rows(start, stop) for start, stop in itertools.pairwise(cuts)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_what_is_refused(example_path, tmp_path):
    (tmp_path / "there.nwb").write_text("mine")
    with pytest.raises(nm.RunError, match="exists already"):
        nm.export(example_path, tmp_path / "there.nwb", step_duration=100)
    with pytest.raises(nm.RunError, match="as NWB only"):
        nm.export(example_path, tmp_path / "session.mat", step_duration=100)
    with nm.open_run(example_path) as run:
        del run["neural"]
        with pytest.raises(nm.RunFileError, match="holds no neural traces"):
            traces(run)
    assert (tmp_path / "there.nwb").read_text() == "mine"


def test_a_failure_leaves_no_file(example_path, tmp_path, monkeypatch):
    def failing(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(Trace, "rows", failing)
    with pytest.raises(nm.RunError, match="cannot be written"):
        nm.export(example_path, tmp_path / "session.nwb", step_duration=100)
    assert not list(tmp_path.iterdir())


def test_the_command_prints_the_path(example_path, tmp_path):
    arguments = ["export", str(example_path), "--to", str(tmp_path / "session.nwb"), "--step-duration", "100"]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(tmp_path / "session.nwb")
    assert CliRunner().invoke(cli.app, arguments).exit_code == 2


def test_blocks_are_called_as_in_recordings():
    assert {kind.block_type: (name, kind.label) for name, kind in KINDS.items()} == BLOCKS


def test_columns_of_recorded_sessions_say_that_gratings_fill_the_field(session):
    table = next(iter(session.intervals[name] for name in session.intervals if name.endswith("_presentations")))
    assert {name: set(table[name].data[:]) for name in ("DiameterX", "DiameterY", "X", "Y")} == {
        "DiameterX": {360.0}, "DiameterY": {360.0}, "X": {0.0}, "Y": {0.0},
    }  # fmt: skip


def test_the_session_read_back_is_compared_as_the_run_is(folder):
    with nm.open_run(folder / "mismatch.nc") as run:
        expected = analysis.mismatch(run, draws=20)
        xr.testing.assert_allclose(analysis.mismatch(folder / "session.nwb", draws=20), expected, rtol=1e-5, atol=1e-6)


def test_stimulus_tables_alone_name_the_events_as_the_trials_do(folder):
    with opened(folder / "session.nwb") as file:
        asked, named = exported.of_trials(file), events.of_tables(file)
    for block, stimulus, onset in zip(asked.block, asked.stimulus, asked.onset, strict=True):
        same = named.onset[(named.block == block) & (named.stimulus == stimulus)]
        late = 0.043 if stimulus.startswith("delay_") else 0.0  # two steps are shorter than the usual grey of 343 ms
        is_missing = np.isclose(named.onset[named.stimulus == "omission"], onset).any()  # after its delay
        assert np.isclose(same, onset, atol=late + 1e-6).any() or is_missing, (block, stimulus, onset)


@pytest.fixture(scope="module")
def learned(folder):
    """The export of a run that learned of mismatch sessions."""
    return nm.export(folder / "learned.nc", folder / "learned.nwb")


def test_of_learning_the_stimulus_table_is_that_of_its_recorded_trials(folder, learned):
    with nm.open_run(folder / "learned.nc") as run, pynwb.NWBHDF5IO(learned, "r") as file:
        numbers, session = run["stimulus/trial_number"].values, file.read()
        source = nm.stimuli.load(nm.load_trained(run).protocol, nm.load_trained(run).circuit, 0)
        table = source.presentations("train")
        steps = source.steps
        for sample, trial in np.ndindex(numbers.shape):
            rows = table.isel(presentation=table["trial"].values == numbers[sample, trial])
            begin = (sample * numbers.shape[1] + trial) * steps
            for label in set(rows["BlockLabel"].values):
                of_block = rows.isel(presentation=rows["BlockLabel"].values == label)
                written = session.intervals[f"{label}_presentations"].to_dataframe()
                for one in range(of_block.sizes["presentation"]):
                    row = of_block.isel(presentation=one)
                    start = (begin + row["start_step"].item()) * 0.15
                    same = written[np.isclose(written["start_time"], start)]
                    assert same["TrialType"].tolist() == [row["TrialType"].item()]
                    assert same["Orientation"].tolist() == [row["Orientation"].item()]
        tables = [session.intervals[name] for name in session.intervals if name.endswith("_presentations")]
        assert sum(map(len, tables)) == sum(int((table["trial"] == number).sum()) for number in numbers.ravel())
    assert {each.check_function_name for each in inspected(learned)} <= {"check_subject_exists"}


def test_the_session_that_the_page_makes_responds_as_the_page_says(folder):
    means = analysis.mismatch_means(folder / "synthetic.nwb", draws=2)
    names = zip(means["block"].values, means["stimulus"].values, strict=True)
    mean = dict(zip(names, means["mean"].values, strict=True))
    changes = {name: mean["standard", name] / mean["control-1", name] for _, name in mean if ("standard", name) in mean}
    assert changes.pop("orientation_0") == pytest.approx(0.6, abs=0.1)
    assert np.mean(list(changes.values())) == pytest.approx(1.3, abs=0.2)
