"""Recorded mismatch sessions: what was put into a file is found, and what is wrong with one is told by name."""

import runpy
import shutil
import sys
import tracemalloc
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from drawn import texts as texts_of
from matplotlib.figure import Figure

import neuro_mpc as nm
from neuro_mpc import analysis
from neuro_mpc.analysis.mismatch import CONTEXTS
from neuro_mpc.examination import inside
from neuro_mpc.recordings import series, spikes

sessions = pytest.importorskip("sessions", reason="needs pynwb")

RECIPES = Path(__file__).parents[1] / "analysis"
EVENTS = sessions.shown()
END = 5 + max(table["stop_time"].max() for table, *_ in EVENTS.values())
TABLE = "intervals/Standard mismatch block_presentations"
GOOD = {
    "device_name": ["ProbeA", "ProbeA", "ProbeA", "ProbeA", "ProbeB"],
    "decoder_label": ["sua", "sua", "sua", "noise", "mua"],
    "default_qc": ["True", "True", "True", "False", "True"],
    "isi_violations_ratio": [0.0, 0.5, 0.1, 0.0, 0.0],
    "amplitude_cutoff": [0.0, 0.1, 0.01, 0.0, 0.2],
    "presence_ratio": [1.0, 0.8, 0.9, 1.0, 1.0],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sessions")


@pytest.fixture(scope="module")
def spiking(folder):
    """As of Neuropixels: numbers are texts; the mouse runs in the first half of every minute."""
    file = sessions.session(EVENTS, texts=True)
    sessions.add_units(file, EVENTS, **GOOD)
    seconds = np.arange(0, END, 1 / 60)
    sessions.add_running(file, np.where(seconds % 60 < 30, 10.0, 0.0))
    return sessions.written(file, folder / "spiking.nwb")


@pytest.fixture(scope="module")
def imaged(folder):
    """As of a mesoscope: two planes, whose frames are taken at other times."""
    file = sessions.session(EVENTS)
    for number in range(2):
        times = np.arange(0, END, 1 / 9.48) + number / 40
        sessions.add_plane(file, f"VISp_{number}", times, sessions.fluorescence(EVENTS, times))
    return sessions.written(file, folder / "imaged.nwb")


def planted_in(responses):
    """(trial, unit) of what `sessions` has planted; 0 where flow is coupled."""
    none = np.zeros(sessions.UNITS)
    return np.array(
        [
            none if name == "coupled" else sessions.rates(block.startswith("control"), name)
            for block, name in zip(responses["block"].values, responses["stimulus"].values, strict=True)
        ]
    )


def cells(responses):
    return Counter(zip(responses["block"].values.tolist(), responses["stimulus"].values.tolist(), strict=True))


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


def changed(path, to, change):
    shutil.copy(path, to)
    with h5py.File(to, "r+") as file:
        change(file)
    return to


def fill(file, name, values):
    del file[name]
    file[name] = values


def column(name, values):
    """Puts other values into a column of the standard context."""
    return lambda file: fill(file, f"{TABLE}/{name}", np.array(values(file[f"{TABLE}/{name}"][()])))


def texts(name, text):
    def change(file):
        values = file[f"{TABLE}/{name}"].asstr()[()]
        values[3] = text
        fill(file, f"{TABLE}/{name}", values.astype(object))

    return change


def remove(name):
    def change(file):
        del file[name]

    return change


def at_nan(values):
    values[2] = np.nan
    return values


WRONG = {
    "degrees": (column("Orientation", np.degrees), "Orientation .* reaches 89.9.*: these are no radians"),
    "milliseconds": (column("stop_time", lambda s: 1000 * s), "presentations last .* s\n.*not in ms"),
    "delays in ms": (column("Delay", lambda s: 1000 * s), "Delay .* reaches 343 s\n.*not in ms"),
    "no time": (column("start_time", at_nan), "start_time .* has no time in row 2"),
    "names as numbers": (column("TrialType", lambda s: np.arange(len(s))), "TrialType .* holds numbers"),
    "a row less": (column("TrialType", lambda s: s[1:]), "TrialType .* has 14 rows, where the table has 15"),
    "no column": (remove(f"{TABLE}/TrialType"), "'Standard mismatch block_presentations' has no column TrialType"),
    "no table": (remove("intervals"), "no block of a mismatch session\n.*no stimulus table"),
    "no series": (remove("processing"), "there is no dff\n.*no series and no spikes"),
    "no version": (lambda file: file.attrs.pop("nwb_version"), "it has no attribute nwb_version"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_table_is_told_by_name(imaged, tmp_path, name):
    change, message = WRONG[name]
    path = changed(imaged, tmp_path / "session.nwb", change)
    with pytest.raises(nm.RunFileError, match=message) as caught:
        analysis.recorded(path)
    assert str(path) in str(caught.value)


def test_texts_that_are_no_numbers_are_told_and_missing_values_where_they_are_needed(spiking, tmp_path):
    for text, message in (
        ("fast", "contrast .* holds 'fast' in row 3"),
        ("x" * 101, "more than 100 characters"),
        ("x" * 401, "texts of 401 bytes"),
    ):
        path = changed(spiking, tmp_path / "session.nwb", texts("contrast", text))
        with pytest.raises(nm.RunFileError, match=message):
            analysis.recorded(path)
    for text in ("nan", ""):  # a deviant is named by its trial type: its contrast is not needed
        path = changed(spiking, tmp_path / "session.nwb", texts("contrast", text))
        assert cells(analysis.recorded(path)) == cells(analysis.recorded(spiking))

    def without_contrast(file):
        name = "intervals/Control block 1_presentations/contrast"
        fill(file, name, np.array([""] * len(file[name]), object))

    path = changed(spiking, tmp_path / "session.nwb", without_contrast)
    with pytest.raises(nm.RunFileError, match="contrast .* has no value for the presentation at"):
        analysis.recorded(path)


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


@pytest.mark.parametrize("storage", [{}, {"chunks": (4,)}, {"chunks": (4,), "compression": "gzip"}], ids=str)
def test_how_long_texts_are_is_told_before_they_are_read(tmp_path, storage):
    """A text of a million characters, to which every row may refer."""
    path = tmp_path / "texts.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("short", data=["standard", "ä", ""] * 5, dtype=h5py.string_dtype(), **storage)
        file.create_dataset("long", data=["x"] * 11 + ["y" * 10**6], dtype=h5py.string_dtype(), **storage)
        file.create_dataset("none", shape=(9,), dtype=h5py.string_dtype(), **storage)
    with inside.opened(path) as file:
        found = [file.longest_text(name) for name in ("short", "long", "none")]
    assert found == ([None] * 3 if "compression" in storage else [8, 10**6, 0])


def test_a_file_that_was_refused_can_be_mended_where_it_is(imaged, tmp_path):
    path = changed(imaged, tmp_path / "session.nwb", remove(f"{TABLE}/TrialType"))
    with pytest.raises(nm.RunFileError, match="no column TrialType") as caught:
        analysis.recorded(path)
    path.write_bytes(imaged.read_bytes())
    assert cells(analysis.recorded(path)) == cells(analysis.recorded(imaged))
    assert caught.value.__cause__ is not None  # it is still held, with all that led to it


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


SERIES = "processing/VISp_0/dff_timeseries/dff_timeseries"
WRONG_SERIES = {
    "transposed": (lambda f: fill(f, f"{SERIES}/data", f[f"{SERIES}/data"][()].T), r"here they are \(unit, time\)"),
    "out of order": (lambda f: f[f"{SERIES}/timestamps"].__setitem__(7, 0.0), "not in the order of time"),
    "milliseconds": (
        lambda f: fill(f, f"{SERIES}/timestamps", 1e3 * (1e3 + f[f"{SERIES}/timestamps"][()])),
        "no frame .* lies in any window .*\n.*from 1e\\+06 to .* s",
    ),
    "missing": (
        lambda f: f[f"{SERIES}/data"].__setitem__((slice(None), slice(None)), np.nan),
        "no frame of .* lies in any window",
    ),
}


@pytest.mark.parametrize("name", WRONG_SERIES)
def test_what_is_wrong_with_a_series_is_told_by_name(imaged, tmp_path, name):
    change, message = WRONG_SERIES[name]
    with pytest.raises(nm.RunFileError, match=message):
        analysis.recorded(changed(imaged, tmp_path / "session.nwb", change))


def test_units_with_missing_values_are_left_out_with_a_warning(imaged, tmp_path):
    def lose(file):
        file[f"{SERIES}/data"][:, 1] = np.nan

    path = changed(imaged, tmp_path / "session.nwb", lose)
    with pytest.warns(UserWarning, match="1 of 6 units of session.nwb lack values"):
        responses = analysis.recorded(path)
    np.testing.assert_array_equal(responses, analysis.recorded(imaged)[:, [0, 2, 3, 4, 5]])


def test_spikes_in_milliseconds_and_units_of_speed_are_told(spiking, tmp_path):
    def in_ms(file):
        file["units/spike_times"][...] = 1e6 + 1000 * file["units/spike_times"][()]

    def in_knots(file):
        file["processing/running/running_speed/data"].attrs["unit"] = "knots"

    with pytest.raises(nm.RunFileError, match="no unit has a spike in any window .*\n.*they are 1.01e"):
        analysis.recorded(changed(spiking, tmp_path / "ms.nwb", in_ms))
    with pytest.raises(nm.RunFileError, match="running speed is in 'knots'\n.*cm/s, cmps, m/s"):
        analysis.recorded(changed(spiking, tmp_path / "knots.nwb", in_knots), min_speed=1)


def test_other_files_and_windows_are_refused(spiking, tmp_path):
    (tmp_path / "text.nwb").write_text("no recording")
    (tmp_path / "folder.nwb.zarr").mkdir()
    for name, message in (
        ("text.nwb", "no file of HDF5"),
        ("folder.nwb.zarr", "is a folder; .*\n.*hdmf_zarr"),
        ("lost.nwb", "not there"),
    ):
        with pytest.raises(nm.RunFileError, match=message):
            analysis.mismatch(tmp_path / name)
    with pytest.raises(nm.RunFileError, match=r"window = \(300, 0\) is no window"):
        analysis.recorded(spiking, window=(300, 0))


OUTSIDE = "units/spike_times"


def external_storage(file, outside):
    del file[OUTSIDE]
    file.create_dataset(OUTSIDE, shape=(10,), dtype="f8", external=[(str(outside), 0, 80)])


def external_link(file, outside):
    del file[OUTSIDE]
    file[OUTSIDE] = h5py.ExternalLink(str(outside), "/data")


def linked_folder(file, outside):
    """A symbolic link to a group that is in another file."""
    file["elsewhere"] = h5py.ExternalLink(str(outside), "/")
    del file[OUTSIDE]
    file[OUTSIDE] = h5py.SoftLink("/elsewhere/data")


def virtual(file, outside):
    del file[OUTSIDE]
    layout = h5py.VirtualLayout(shape=(10,), dtype="f8")
    layout[:] = h5py.VirtualSource(str(outside), "data", shape=(10,))
    file["units"].create_virtual_dataset("spike_times", layout)


def endless_links(file, outside):
    del file[OUTSIDE]
    file[OUTSIDE] = h5py.SoftLink("/" + OUTSIDE)


def foreign_filter(file, outside):
    del file[OUTSIDE]
    file.create_dataset(OUTSIDE, data=np.arange(1000), scaleoffset=0)


def compound(file, outside):
    del file[OUTSIDE]
    file[OUTSIDE] = np.zeros(3, [("a", "f8"), ("b", "i4")])


def endless_index(file, outside):
    del file["units/spike_times_index"]
    file.create_dataset("units/spike_times_index", shape=(2**44,), dtype="u1", chunks=(2**20,))


def endless_spikes(file, outside):
    del file[OUTSIDE]
    file.create_dataset(OUTSIDE, shape=(2**44,), dtype="f8", chunks=(2**20,))
    fill(file, "units/spike_times_index", np.array([1, 2, 3, 4, 2**44]))


def endless_table(file, outside):
    del file["units/id"]
    file.create_dataset("units/id", shape=(2**44,), dtype="u1", chunks=(2**20,))


def long_texts(file, outside):
    del file["units/device_name"]
    file.create_dataset("units/device_name", shape=(5,), dtype=f"S{2**24}", chunks=(1,))


HOSTILE = {
    endless_index: r"units/spike_times_index has the shape \(17592186044416,\), where there are 5 units",
    endless_spikes: "units/spike_times has the shape .17592186044416,., where up to 2,147,483,648 times are expected",
    endless_table: "the table 'units' has 17,592,186,044,416 rows, more than 1,048,576",
    long_texts: "the column device_name of the table 'units' holds texts of 16,777,216 bytes",
    external_storage: "units/spike_times has its data in another file",
    external_link: "units/spike_times is a link to another file",
    linked_folder: "units/spike_times is a link to another file",
    virtual: "units/spike_times is a virtual dataset",
    endless_links: "units/spike_times is a chain of more than 8 links",
    foreign_filter: "units/spike_times is packed by the filter 6",
    compound: "units/spike_times holds neither numbers nor texts",
}


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_a_recording_reaches_nothing_outside_itself(spiking, tmp_path, change):
    outside = tmp_path / "outside.h5"
    with h5py.File(outside, "w") as file:
        file["data"] = np.arange(10.0)
    outside.chmod(0)
    path = changed(spiking, tmp_path / "session.nwb", lambda file: change(file, outside))
    with pytest.raises(nm.RunFileError, match=HOSTILE[change]):
        analysis.recorded(path, "ProbeA")


def test_ten_hours_at_1_kHz_take_little_memory(imaged, tmp_path):
    """14 GB, of which the file holds nothing: where nothing was written, values are 2."""
    frames = 36_000_000

    def lengthen(file):
        group = file.create_group("processing/field/fast")
        data = group.create_dataset("data", (frames, 100), "f4", chunks=(2000, 100), fillvalue=2.0)
        data.attrs.update(conversion=0.5, offset=0.25, unit="V")
        group.create_dataset("starting_time", data=0.0).attrs["rate"] = 1000.0
        last = file["intervals/Control block 3_presentations"]
        for name in ("start_time", "stop_time"):
            last[name][...] += 35_000

    path = changed(imaged, tmp_path / "session.nwb", lengthen)
    analysis.recorded(path, "field", "fast", apart=50_000)  # what is imported only now
    tracemalloc.start()
    responses = analysis.recorded(path, "field", "fast", window=(-2000, 2000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (responses == 1.25).all()
    assert float(responses["onset_time"].max()) > 35_000
    assert peak < 64e6


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


@pytest.fixture(scope="module")
def known_mismatch(folder):
    """A run file whose results are known."""
    import mismatched

    from neuro_mpc.runfile.record import RunFile

    circuit, protocol = nm.load_circuit("mpl-mismatch"), nm.load_protocol("mismatch")
    path = folder / "run.nc"
    with RunFile(path, circuit=circuit, protocol=protocol, seed=0, backend="numpy", threads=1) as record:
        record.experiment(mismatched.mismatch())
    return path


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
