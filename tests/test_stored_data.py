"""Data larger than memory: batches are read from where they lie, or from a copy, and are those of the library."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.examination import isolation
from neuro_mpc.stimuli import labelled, netcdf_file, series, stored

TRIALS, STEPS, UNITS = 20, 6, 4


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Nothing is held in memory, and files are read through in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(labelled, "HELD_BYTES", 0)
    monkeypatch.setattr(netcdf_file, "_trouble", lambda path: isolation.trouble(path, data=True))


def values(dims=("trial", "step", "unit"), kind=np.float32) -> xr.Variable:
    sizes = {"trial": TRIALS, "step": STEPS, "unit": UNITS, "other": 2}
    shape = [sizes[name] for name in dims]
    return xr.Variable(dims, np.random.default_rng(0).standard_normal(shape).astype(kind))


def write(variable: xr.Variable, **encoding) -> None:
    """A netCDF file with the channels x and label."""
    along = "trial" if "trial" in variable.dims else "step"
    data = xr.Dataset({"x": variable, "label": (along, np.arange(variable.sizes[along]) % 3)})
    data.to_netcdf("data.nc", encoding={"x": encoding})


def loaded(**keys):
    protocol = nm.Protocol(
        name="own",
        stimulus={"source": "arrays", "file": "data.nc", **keys},
        target={"read": "every"},
        learning={"rate": 0.1, "batch": 2, "epochs": 1},
    )
    return stimuli.load(protocol, nm.load_circuit("mpl"), 0)


def lies_in_its_file(source, channel="x") -> bool:
    return source._series[channel]._stored is not None and source._series[channel]._stored.file.name == "data.nc"


IN_ONE_PIECE = {
    "as it is": (values(), {}),
    "double precision": (values(kind=np.float64), {}),
    "most significant byte first": (values(kind=">f4"), {}),
    "several dimensions of units": (values(("trial", "step", "unit", "other")), {}),
    "no steps": (values(("trial", "unit")), {}),
    "NaN as the mark of missing values": (values(), {"_FillValue": np.nan}),
}
COPIED = {
    "packed": (values(), {"zlib": True, "chunksizes": (3, STEPS, UNITS)}),
    "in chunks": (values(), {"chunksizes": (7, 4, 3)}),
    "steps first": (values(("step", "trial", "unit")), {}),
    "scaled": (values(), {"dtype": "i2", "scale_factor": 0.001, "_FillValue": -999}),
    "another mark": (values(), {"_FillValue": 0.0}),
    "true or false": (xr.Variable(("trial", "step", "unit"), values().values > 0), {}),
}


@pytest.mark.parametrize("kind", [*IN_ONE_PIECE, *COPIED])
def test_batches_are_those_that_the_library_reads(kind, monkeypatch):
    variable, encoding = (IN_ONE_PIECE | COPIED)[kind]
    write(variable, **encoding)
    source = loaded()
    assert lies_in_its_file(source) == (kind in IN_ONE_PIECE)
    assert lies_in_its_file(source, "label")
    assert source._series["x"]._stored is not None
    monkeypatch.setattr(netcdf_file, "_in_one_piece", lambda *_: None)
    monkeypatch.setattr(series, "copy_for", lambda *_: None)
    by_library = loaded()
    assert by_library._series["x"]._stored is None
    trials = np.array([5, 1, 1, 9, 0])
    for channel in ("x", "label"):
        expected = by_library.given("train", trials, channel)
        np.testing.assert_array_equal(source.given("train", trials, channel), expected)
    assert [part.tolist() for part in source.content("test")] == [part.tolist() for part in by_library.content("test")]


@pytest.mark.parametrize("by_library", [False, True])
def test_windows_of_a_recording_are_read_from_where_they_lie(by_library, monkeypatch):
    recording = xr.Variable(("step", "unit"), np.arange(400, dtype=np.float32).reshape(100, 4))
    write(recording)
    if by_library:
        monkeypatch.setattr(netcdf_file, "_in_one_piece", lambda *_: None)
        monkeypatch.setattr(series, "copy_for", lambda *_: None)
    source = loaded(window=5, stride=2)
    shown = source.given("train", np.array([3, 0]), "x")
    np.testing.assert_array_equal(shown[:, 0], recording.values[6:11])
    np.testing.assert_array_equal(shown[:, 1], recording.values[:5])
    np.testing.assert_array_equal(source.following("train", np.array([3]), "x")[0, 0], recording.values[11])
    assert lies_in_its_file(source) != by_library


def test_a_file_that_is_cut_off_while_it_is_read_is_refused():
    write(values())
    source = loaded()
    os.truncate("data.nc", 3000)
    with pytest.raises(nm.DescriptionError, match="data.nc: is shorter than when it was opened"):
        source.given("train", np.arange(10), "x")


@pytest.mark.parametrize(
    ("mounts", "in_memory"),
    [
        ("/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0", True),
        ("tmpfs / tmpfs rw 0 0\n/dev/a /tmp ext4 rw 0 0", False),
        ("tmpfs /tm tmpfs rw 0 0\n/dev/a / ext4 rw 0 0", False),
        ("", False),
    ],
)
def test_a_folder_in_memory_takes_no_copy(mounts, in_memory):
    Path("mounts").write_text(mounts)
    assert stored._is_in_memory("/tmp/any", Path("mounts").absolute()) == in_memory
    assert not stored._is_in_memory("/tmp/any", Path("of another system").absolute())


def test_an_array_lies_in_a_file_that_holds_it_to_the_last_byte():
    Path("numbers").write_bytes(np.arange(8, dtype="f4").tobytes())
    found = stored.in_file(Path("numbers"), 8, np.dtype("f4"), (1, 3, 2))
    np.testing.assert_array_equal(found.runs(np.array([0]), np.array([1]), 2), [[[4, 5], [6, 7]]])
    assert stored.in_file(Path("numbers"), 9, np.dtype("f4"), (1, 3, 2)) is None


def test_a_copy_takes_half_of_the_room_that_is_left_and_no_more(monkeypatch):
    free = {"a": 0, "b": 2 * 4 * 24}
    monkeypatch.setattr(stored.tempfile, "gettempdir", lambda: "a")
    monkeypatch.setattr(stored, "FOR_LARGE_FILES", "b")
    monkeypatch.setattr(stored.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[folder]))
    monkeypatch.setattr(stored.tempfile, "TemporaryFile", lambda dir, **_: SimpleNamespace(name=dir))

    def folder():
        copy = stored.copy_for(np.dtype("f4"), (2, 3, 4))
        return copy and copy.stored().file.name

    assert folder() == "b"
    free["b"] -= 1
    assert folder() is None
    free["a"] = 1000
    assert folder() == "a"
    monkeypatch.setattr(stored, "_is_in_memory", lambda folder: folder == "a")
    free["b"] += 1
    assert folder() == "b"


def test_a_copy_has_no_name_and_needs_room(monkeypatch, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(stored.tempfile, "tempdir", str(folder))
    monkeypatch.setattr(stored, "FOR_LARGE_FILES", str(folder))
    copy = stored.copy_for(np.dtype("f4"), (2, 3, 4))
    assert list(folder.iterdir()) == []
    copy.add(np.arange(12).reshape(1, 3, 4))
    copy.add(np.arange(12, 24).reshape(1, 3, 4))
    found = copy.stored().runs(np.array([1, 0]), np.array([1, 0]), 2)
    np.testing.assert_array_equal(found, [np.arange(16, 24).reshape(2, 4), np.arange(8).reshape(2, 4)])
    assert stored.copy_for(np.dtype("f4"), (10**9, 10**6)) is None
    monkeypatch.setattr(stored, "_is_in_memory", lambda folder: True)
    assert stored.copy_for(np.dtype("f4"), (2, 3, 4)) is None
