"""What is wrong with a recorded session is told by name."""

import numpy as np
import pytest
from session_files import TABLE, cells, changed, fill, remove

import neuro_mpc as nm
from neuro_mpc import analysis

sessions = pytest.importorskip("sessions", reason="needs pynwb")

pytest_plugins = ("recorded_sessions",)


def column(name, values):
    """Puts other values into a column of the standard context."""
    return lambda file: fill(file, f"{TABLE}/{name}", np.array(values(file[f"{TABLE}/{name}"][()])))


def texts(name, text):
    def change(file):
        values = file[f"{TABLE}/{name}"].asstr()[()]
        values[3] = text
        fill(file, f"{TABLE}/{name}", values.astype(object))

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
    "no table": (
        remove("intervals"),
        "no block of a mismatch session: no stimulus table in intervals\n  try: the file of a mismatch session",
    ),
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


def test_a_file_that_was_refused_can_be_mended_where_it_is(imaged, tmp_path):
    path = changed(imaged, tmp_path / "session.nwb", remove(f"{TABLE}/TrialType"))
    with pytest.raises(nm.RunFileError, match="no column TrialType") as caught:
        analysis.recorded(path)
    path.write_bytes(imaged.read_bytes())
    assert cells(analysis.recorded(path)) == cells(analysis.recorded(imaged))
    assert caught.value.__cause__ is not None  # it is still held, with all that led to it


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
