"""Recorded mismatch sessions: what was put into a file is found."""

import runpy
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from drawn import texts as texts_of
from matplotlib.figure import Figure
from session_files import TABLE, cells, changed, fill

import neuro_mpc as nm
from neuro_mpc import analysis
from neuro_mpc.analysis.mismatch import CONTEXTS
from neuro_mpc.recordings import series, spikes

sessions = pytest.importorskip("sessions", reason="needs pynwb")

pytest_plugins = ("recorded_sessions",)
EVENTS = sessions.shown()
RECIPES = Path(__file__).parents[1] / "analysis"


def planted_in(responses):
    """(trial, unit) of what `sessions` has planted; 0 where flow is coupled."""
    none = np.zeros(sessions.UNITS)
    return np.array(
        [
            none if name == "coupled" else sessions.rates(block.startswith("control"), name)
            for block, name in zip(responses["block"].values, responses["stimulus"].values, strict=True)
        ]
    )


def test_spikes_are_counted_from_the_onset_of_every_event(spiking):
    responses = analysis.recorded(spiking)
    np.testing.assert_allclose(responses, planted_in(responses), rtol=1e-6)
    assert responses.attrs["quantity"] == "spikes"
    assert responses["device_name"].values.tolist() == ["ProbeA"] * 3


def test_events_have_the_names_that_they_have_in_runs(spiking):
    found = cells(analysis.recorded(spiking))
    changes = (*sessions.CHANGES,)
    for context, control in (("standard", "control-1"), ("sequence", "control-2"), ("sensorimotor", "control-4")):
        for name in changes:
            assert found[context, name] == found[control, name] == sessions.EACH
    for delay in ("delay_150", "delay_500", "delay_1000"):
        assert found["duration", delay] == found["control-3", delay] == sessions.EACH
    assert found["standard", "orientation_0"] == found["control-1", "orientation_0"] == sessions.EACH
    assert found["control-1", "orientation_22.5"] == 1
    assert found["sequence", "orientation_0"] == len(changes) * sessions.EACH + 1  # the first one, and one in two
    assert {name for _, name in found} <= {*sessions.NAMES, "coupled"}


def test_after_the_last_presentation_of_a_block_no_grating_comes_in_time(spiking):
    """The last of two usual delays of the block ends it; three quarters of a second pass without a grating before."""
    found = cells(analysis.recorded(spiking, apart=0))
    assert found["duration", "delay_343"] == 3 * sessions.EACH * 2 - 1
    assert found["control-3", "delay_750"] == 4 * sessions.EACH


def test_the_grey_that_ends_a_sequence_is_no_omission(spiking):
    responses = analysis.recorded(spiking)
    omitted = responses.isel(trial=(responses["block"].values == "sequence") & (responses["stimulus"] == "omission"))
    assert set(omitted["trial_type"].values) == {"omission"}
    assert set(omitted["TrialInSequence"].values) == {3}
    assert (omitted["Duration"] == 0.25).all()
    assert "sequence_omission" not in responses["trial_type"].values


def test_every_presentation_can_be_had(imaged):
    responses = analysis.recorded(imaged, "VISp_0", every=True)
    rows = sum(len(table["start_time"]) for table, *_ in EVENTS.values())
    assert responses.sizes["trial"] == rows
    shown = responses.isel(trial=responses["block"].values == "sequence")
    first = shown.isel(trial=slice(5))
    assert first["stimulus"].values.tolist() == [
        "orientation_90", "orientation_45", "orientation_0", "orientation_45", "grey",
    ]  # fmt: skip
    np.testing.assert_allclose(first["onset_time"], EVENTS["Sequence mismatch block"][0]["start_time"][:5])
    np.testing.assert_allclose(first[2], sessions.rates(False, "orientation_0"), rtol=1e-6)


def test_slopes_offsets_and_indices_are_those_that_were_planted(spiking, imaged):
    for found in (analysis.mismatch(spiking, draws=20), analysis.mismatch(str(imaged), draws=20)):
        assert set(found["context"].values) == {"standard", "sequence", "sensorimotor", "duration"}
        planted = found.isel(comparison=found["stimulus"].values != "coupled")
        np.testing.assert_allclose(planted["mean"].sel(measure="slope"), sessions.SLOPE, rtol=1e-5)
        np.testing.assert_allclose(planted["mean"].sel(measure="offset"), sessions.OFFSET, rtol=1e-4)
        halt = found.isel(comparison=(found["context"].values == "standard") & (found["stimulus"].values == "halt"))
        deviant, control = (sessions.rates(is_control, "halt").mean() for is_control in (False, True))
        index = float(halt["mean"].sel(measure="index").values[0])
        assert index == pytest.approx((deviant - control) / (deviant + control), rel=1e-6)


def test_recorded_sessions_have_many_standards_in_their_first_control_block(spiking):
    parts = analysis.adaptation_and_deviance(spiking, draws=20)
    usual, others = "orientation_0", list(sessions.CHANGES)
    context, control = (
        {name: sessions.rates(is_control, name).mean() for name in (usual, *others)} for is_control in (False, True)
    )
    assert parts.attrs["control"] == "control-1"
    np.testing.assert_allclose(parts["mean"].sel(part="adaptation"), control[usual] - context[usual], rtol=1e-6)
    deviance = np.mean([context[name] - control[name] for name in others])
    np.testing.assert_allclose(parts["mean"].sel(part="deviance"), deviance, rtol=1e-6)


def test_frames_of_all_planes_are_averaged_in_the_window(imaged):
    responses = analysis.recorded(imaged)
    flow = responses["stimulus"].values == "coupled"
    expected = np.where(flow[:, None], -1, planted_in(responses))
    np.testing.assert_allclose(responses, np.tile(expected, 2), rtol=1e-6)
    assert responses["population"].values.tolist() == ["VISp_0"] * 3 + ["VISp_1"] * 3
    one = analysis.recorded(imaged, "VISp_1")
    np.testing.assert_array_equal(one, responses[:, 3:])
    # The timestamps of events are a symbolic link to those of dF/F.
    np.testing.assert_allclose(analysis.recorded(imaged, "VISp_1", "events"), 2 * one, rtol=1e-6)
    above = analysis.recorded(imaged, "VISp_1", baseline=(-400, -100))
    single = responses["block"].values == "standard"
    np.testing.assert_allclose(above[single], one[single] + 1, rtol=1e-6)


def test_quality_and_device_choose_units(spiking):
    assert analysis.recorded(spiking, quality=False).sizes["unit"] == 5
    assert analysis.recorded(spiking, "ProbeA", quality=False).sizes["unit"] == 4
    with pytest.raises(nm.RunFileError, match="of 1 units none passes quality control: .*amplitude_cutoff 0"):
        analysis.recorded(spiking, "ProbeB")
    with pytest.raises(nm.RunFileError, match="no unit is of 'ProbeC'\n.*ProbeA, ProbeB"):
        analysis.recorded(spiking, "ProbeC")


def test_where_a_wheel_moves_the_grating_only_events_of_running_mice_count(spiking, imaged):
    everywhere, running = analysis.recorded(spiking), analysis.recorded(spiking, min_speed=9)
    moved = running.isel(trial=np.isin(running["block"], ["sensorimotor", "control-4"]))
    assert moved.sizes["trial"]
    assert (moved["onset_time"] % 60 < 30.01).all()
    at_rest = everywhere.isel(trial=np.isin(everywhere["block"], ["sensorimotor"]))
    assert (at_rest["onset_time"] % 60 > 31).any()
    assert cells(running)["standard", "halt"] == cells(everywhere)["standard", "halt"]
    with pytest.raises(nm.RunFileError, match="there is no running speed"):
        analysis.recorded(imaged, min_speed=1)


def test_events_soon_after_a_deviant_are_left_out_of_contexts(spiking):
    all_events, apart = analysis.recorded(spiking, apart=0), analysis.recorded(spiking, apart=3000)
    assert cells(all_events)["sequence", "orientation_0"] == 2 * len(sessions.CHANGES) * sessions.EACH
    assert cells(apart)["standard", "halt"] == 0  # of presentations 2.4 s apart, all of them deviants
    assert cells(apart)["control-1", "halt"] == sessions.EACH
    moved = analysis.recorded(spiking).sortby("onset_time")
    moved = moved.isel(trial=moved["block"].values == "sensorimotor")
    since = np.diff(moved["onset_time"])
    assert since[moved["stimulus"].values[:-1] != "coupled"].min() >= 2
    flow = moved["onset_time"].values[moved["stimulus"].values == "coupled"]
    assert np.diff(flow).min() >= 2  # of the frames ten a second


def test_blocks_of_files_change_nothing(spiking, imaged, monkeypatch):
    whole = analysis.recorded(spiking), analysis.recorded(imaged)
    monkeypatch.setattr(spikes, "BLOCK_SPIKES", 97)
    monkeypatch.setattr(series, "BLOCK_NUMBERS", 6)
    for path, expected in zip((spiking, imaged), whole, strict=True):
        np.testing.assert_allclose(analysis.recorded(path), expected, rtol=1e-6)


@pytest.mark.parametrize("missing", [np.nan, np.inf])
def test_frames_that_are_missing_are_left_out_of_windows_of_any_length(imaged, tmp_path, monkeypatch, missing):
    place = "processing/VISp_0/dff_timeseries/dff_timeseries/data"

    def with_gaps(file):
        values = file[place][()]
        values[::5] = missing
        file[place][...] = values

    gaps = changed(imaged, tmp_path / "session.nwb", with_gaps)
    options = {"population": "VISp_0", "quantity": "dff", "window": (0, 1500)}
    short = analysis.recorded(gaps, **options)
    assert np.isfinite(short).all()
    monkeypatch.setattr(series, "BLOCK_NUMBERS", 6)
    np.testing.assert_allclose(analysis.recorded(gaps, **options), short, rtol=1e-6)


def test_texts_of_fixed_length_and_rows_of_nothing_are_read(spiking, tmp_path):
    """As Neuropixels sessions write them: bytes, and a blank between blocks."""

    def in_bytes(file):
        for name in ("Standard mismatch block_presentations", "Control block 1_presentations"):
            table = file[f"intervals/{name}"]
            for column in [each for each in table if h5py.check_string_dtype(table[each].dtype)]:
                fill(file, f"intervals/{name}/{column}", table[column].asstr()[()].astype("S40"))
            for column, value in (("TrialType", b""), ("BlockType", b"None or Blank"), ("Orientation", b"None")):
                values = table[column][()]
                values[-1] = value
                table[column][...] = values

    expected = cells(analysis.recorded(spiking))
    expected["standard", "orientation_0"] -= 1
    expected["control-1", "orientation_22.5"] -= 1
    assert cells(analysis.recorded(changed(spiking, tmp_path / "session.nwb", in_bytes))) == +expected


def test_delays_and_directions_are_called_as_they_were_meant(imaged, tmp_path):
    """Tables may hold what a screen of 60 Hz made of 343 ms, or fewer digits of an angle."""

    def as_shown(file):
        for name in ("Duration mismatch block", "Control block 3"):
            delay = file[f"intervals/{name}_presentations/Delay"]
            delay[...] = np.floor(delay[()] * 60) / 60
        angle = file[f"{TABLE}/Orientation"]
        angle[...] = np.floor(angle[()] * 100) / 100

    path = changed(imaged, tmp_path / "session.nwb", as_shown)
    assert cells(analysis.recorded(path)) == cells(analysis.recorded(imaged))


def test_rows_out_of_order_are_put_in_order(imaged, tmp_path):
    def shuffle(file):
        order = np.random.default_rng(0).permutation(len(file[f"{TABLE}/start_time"]))
        for each in file[TABLE].values():
            each[...] = each[()][order]

    path = changed(imaged, tmp_path / "session.nwb", shuffle)
    xr.testing.assert_identical(analysis.recorded(path).drop_attrs(), analysis.recorded(imaged).drop_attrs())


def test_a_run_read_back_from_its_export_is_the_run(known_mismatch, tmp_path):
    path = nm.export(known_mismatch, tmp_path / "session.nwb")
    with nm.open_run(known_mismatch) as run:
        for quantity in ("error", "positive", "negative", "surprise", "adaptation"):
            expected = analysis.mismatch(run, quantity=quantity, draws=20)
            found = analysis.mismatch(path, quantity=quantity, draws=20)
            xr.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        expected = analysis.mismatch_responses(run, "hidden", "belief")
        np.testing.assert_allclose(analysis.recorded(path, "hidden", "belief"), expected, rtol=1e-5, atol=1e-6)
        both = analysis.mismatch([run, path], draws=20)
        assert (both.attrs["over"], both.attrs["number"]) == ("run", 2)


def test_recordings_of_several_animals_are_compared_over_animals(spiking, imaged):
    found = analysis.mismatch([analysis.recorded(spiking), analysis.recorded(imaged)])
    assert found["unit_deviant"].sizes == {"run": 2, "comparison": found.sizes["comparison"], "unit": 6}
    assert np.isnan(found["unit_deviant"][0, :, 3:]).all()
    assert set(CONTEXTS) > set(found["context"].values)


def test_runs_and_recordings_stand_side_by_side_in_axes_of_ones_own(spiking, known_mismatch):
    found = {"a circuit": analysis.mismatch(known_mismatch, draws=20), "a mouse": analysis.mismatch(spiking, draws=20)}
    axes = Figure().add_subplot()
    assert nm.plots.plot_deviance(found, axes=axes) is axes
    assert [label.get_text() for label in axes.get_xticklabels()] == list(CONTEXTS)
    circuit, mouse = (line for line in axes.get_lines() if not line.get_label().startswith("_"))
    assert (circuit.get_label(), mouse.get_label()) == ("a circuit (over trials)", "a mouse (over trials)")
    of_all = found["a mouse"].isel(comparison=found["a mouse"]["stimulus"].values == "all").sel(measure="index")
    np.testing.assert_array_equal(mouse.get_ydata(), of_all["mean"])
    assert len(circuit.get_ydata()) == 6  # with the local and the global context, which no session has
    each = nm.plots.plot_deviance(found, "slope", "standard")
    ticks = [label.get_text() for label in each.get_xticklabels()]
    assert ticks == ["45°", "90°", "halt", "omission", "0°"]
    with pytest.raises(nm.RunFileError, match="did you mean 'slope'"):
        nm.plots.plot_deviance(found, "slpe")
    with pytest.raises(nm.RunFileError, match="context 'visual'\n.*standard, sequence"):
        nm.plots.plot_deviance(found, context="visual")


def test_the_recipe_prints_a_row_for_every_comparison_and_draws_all_sources(
    spiking, known_mismatch, tmp_path, monkeypatch, capsys
):
    def answer(*words):
        monkeypatch.setattr(sys, "argv", ["deviance", *map(str, words), "--out", str(tmp_path / "figure.svg")])
        runpy.run_path(str(RECIPES / "deviance.py"), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    monkeypatch.syspath_prepend(RECIPES)
    *rows, drawn = answer(
        f"seeds={known_mismatch},{known_mismatch}", f"mouse={spiking}", "--draws", 20, "--population", "ProbeA"
    )
    assert any(row.startswith("| mouse | standard | halt | 3 | +0.273 ") for row in rows)
    assert any(row.startswith("| seeds | global | all | 4 | ") for row in rows)
    assert {"seeds (2 runs)", "mouse (over trials)", "deviance index", "slope", "150 ms"} <= set(texts_of(drawn))
    with pytest.raises(SystemExit, match=r"deviance: .*lost.nwb is not there"):
        answer(tmp_path / "lost.nwb")
