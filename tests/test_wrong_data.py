"""Data of users that are wrong, damaged or hostile: refused by name."""

import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from own_data import KINDS, STEPS, TRIALS, dataset, loaded, written

import neuro_mpc as nm
from neuro_mpc.examination import isolation
from neuro_mpc.stimuli import labelled

pytestmark = pytest.mark.usefixtures("data_folder")

BROKEN = {
    "an unknown dimension": (lambda d: d, {"step": "stepp"}, "stimulus.step: the data have no such dim.*did you mean"),
    "a dimension that is nearly known": (lambda d: d.rename(trial="trials"), {}, "stimulus.trial.*found: 'no trial'"),
    "no trials": (lambda d: d[["x"]].isel(trial=0), {}, r"stimulus.window: data has no trials.*step \(5\), unit \(3\)"),
    "a long window": (lambda d: d, {"window": 6}, "is longer than a recording.*found: 6.*up to 5 steps"),
    "streams of many": (lambda d: d, {"window": 5, "streams": True}, "several recordings, which make no streams"),
    "other lengths": (
        lambda d: {"x": d["x"].values, "label": d["label"].values[:-1]},
        {},
        r"data: label: has another length along 'trial' than 'x'.*found: '29, in all \(29,\)'.*expected: 30",
    ),
    "a column of labels": (
        lambda d: {"x": d["x"].values, "label": d["label"].values[:, None]},
        {},
        r"label: has another length along 'step'.*try: an array without names has the axes trial, step, unit: ",
    ),
    "other labels": (
        lambda d: {"x": d["x"].assign_coords(trial=range(30)), "label": d["label"].assign_coords(trial=range(1, 31))},
        {},
        "data: label: has other labels along 'trial' than 'x'",
    ),
    "classes from 1 on": (
        lambda d: d.assign(label=d["label"] + 1),
        {},
        r"label: has classes that.*no 0.*\[1, 2, 3, 4\]",
    ),
    "a gap": (lambda d: d.assign(label=d["label"] * 2), {}, r"label: has classes that.*there is no 1.*0 to 3"),
    "negative classes": (lambda d: d.assign(label=d["label"] - 2), {}, "label: has classes out of range.*found: -2"),
    "huge classes": (lambda d: d.assign(label=d["label"] * 10**12), {}, "label: has classes out of range"),
    "classes of many units": (
        lambda d: d.assign(x=d["x"].fillna(0).astype(int)),
        {},
        "x: has whole numbers, which are",
    ),
    "nothing but NaN": (lambda d: d.assign(x=d["x"] * np.nan), {}, "x: has no values.*nothing but NaN"),
    "no class": (lambda d: d.assign(label=d["label"] * 0 - 1), {}, "label: has no values.*nothing but -1"),
    "infinity": (lambda d: d.assign(x=d["x"].fillna(np.inf)), {}, "x: has an infinite value"),
    "beyond single precision": (lambda d: d.assign(x=d["x"].astype(float) * 1e200), {}, "x: has an infinite value, or"),
    "texts": (lambda d: d.assign(label=d["label"].astype(str)), {}, "label: holds texts.*stimulus.channels"),
    "objects": (lambda d: d.assign(label=d["label"].astype(object)), {}, "label: holds objects"),
    "dates": (lambda d: d.assign(label=d["label"].astype("M8[ns]")), {}, "label: holds dates"),
    "an unknown split": (lambda d: d.assign(split=("trial", ["tran"] * 30)), {}, "split: names a split.*'train'"),
    "an empty split": (lambda d: d.assign(split=("trial", ["train"] * 30)), {}, "the split 'test' has no trials"),
    "a split of steps": (lambda d: d.assign(split=("step", ["train"] * 5)), {}, r"split: has other dim.*\('trial',\)"),
    "an empty share": (
        lambda d: d.drop_vars("split").isel(trial=slice(6)),
        {"validation": 0.01},
        "'validation' has no",
    ),
    "shares and a variable": (lambda d: d, {"test": 0.2}, "split: the data say what is held out, and the protocol"),
    "an unknown variable": (lambda d: d, {"channels": ["x", "lable"]}, "stimulus.channels.*did you mean 'label'"),
    "an unknown variable of splits": (lambda d: d, {"split": "parts"}, "stimulus.split: the data have no such"),
    "a variable of other dimensions": (lambda d: d.assign(pi=3.14), {}, "pi: has a dimension neither of trials nor"),
    "no data set": (lambda d: d["x"].values, {}, "data: is no data set.*ndarray.*dict: name of the channel"),
    "the name of a file": (lambda d: "data.nc", {}, "data: is no data set.*'str'.*stimulus.file"),
    "rows of different lengths": (lambda d: {"x": [[1.0], [1.0, 2.0]]}, {}, "data: x: is no array"),
    "no data": (lambda d: None, {}, r"stimulus.file: there are no data.*nm.simulate\(…, data=…\)"),
    "a file of another kind": (lambda d: None, {"file": "data.mat"}, "stimulus.file: is no file of data.*'data.mat'"),
    "a missing file": (lambda d: None, {"file": "data.nc"}, "data files are missing"),
    "a file of one array": (lambda d: None, {"file": "x.npy"}, r"is no file of data.*np.savez\(.*np.load\("),
    "an empty dict": (lambda d: {}, {}, "data: is no data set.*a dict of nothing"),
    "a number for a name": (lambda d: {0: d["x"]}, {}, "data: is no data set.*a dict with the key 0"),
    "a table": (lambda d: pd.DataFrame({"x": [1.0]}), {}, r"data: is no data set.*'DataFrame'.*table.to_numpy\(\)"),
    "a missing store": (lambda d: None, {"file": "data.zarr"}, "data files are missing"),
}


@pytest.mark.parametrize(("data", "keys", "problem"), BROKEN.values(), ids=BROKEN)
def test_wrong_data_are_refused_by_name(data, keys, problem):
    with pytest.raises(nm.DescriptionError, match=f"(?s){problem}"):
        loaded(data(dataset()), **keys)


def test_a_file_that_is_not_there_is_told_with_one_of_a_similar_name():
    dataset().to_netcdf("rhythms.nc")
    with pytest.raises(
        nm.DescriptionError, match="data files are missing(.*\n)*.*did you mean 'rhythms.nc'[?] Else put"
    ):
        loaded(file="rythms.nc")


def test_a_short_recording_says_how_long_it_has_to_be():
    recording = {"x": np.zeros(100)}
    with pytest.raises(
        nm.DescriptionError, match=r"(?s)'validation' has no trials.*found: '10 steps'.*20 steps or more"
    ):
        loaded(recording, window=20)
    with pytest.raises(nm.DescriptionError, match=r"(?s)40 steps or more, 10 in 4 streams.*fewer trials in a batch"):
        loaded(recording, window=10, streams=True, validation=0.1)


@pytest.mark.parametrize("keys", [{"stride": 3}, {"streams": True}, {"window": 5, "streams": True, "stride": 2}])
def test_keys_that_contradict_each_other_are_refused(keys):
    with pytest.raises(nm.DescriptionError, match="stimulus"):
        loaded(dataset(), **keys)


def test_other_sources_take_no_data():
    with pytest.raises(nm.DescriptionError, match="takes no data from Python"):
        nm.check("mpl", "toy-language", data=dataset(), backend="numpy")


@pytest.mark.parametrize("kind", KINDS[:3])
def test_a_file_that_changes_while_it_is_read_is_refused(kind, monkeypatch):
    monkeypatch.setattr(labelled, "HELD_BYTES", 0)
    name = written(dataset(), kind)
    source = loaded(file=name)
    source.given("train", np.arange(2), "x")
    os.utime(name, ns=(1, 1))
    with pytest.raises(nm.DescriptionError, match=f"{name}: changed while it was read"):
        source.given("train", np.arange(2), "x")


def test_a_netcdf_file_that_the_disk_does_not_give_back_is_named(monkeypatch):
    def failing(*_, **__):
        raise RuntimeError("NetCDF: HDF error")  # of netCDF, where a read fails

    dataset().to_netcdf("data.nc")
    monkeypatch.setattr(xr, "open_dataset", failing)
    with pytest.raises(nm.DescriptionError, match=r"data\.nc.* cannot be read: NetCDF: HDF error"):
        loaded(file="data.nc")


def test_a_netcdf_file_is_read_through_in_another_process_first(monkeypatch):
    monkeypatch.undo()
    dataset().to_netcdf("data.nc")
    os.truncate("data.nc", 4000)
    with pytest.raises(nm.DescriptionError, match="data.nc: cannot be read: it is damaged"):
        loaded(file=os.path.abspath("data.nc"))


def test_a_netcdf_file_is_examined_as_data_which_are_packed_closer_than_runs(monkeypatch):
    monkeypatch.setattr(isolation, "trouble_elsewhere", lambda path, data=False: "" if data else "of no run")
    dataset().to_netcdf("data.nc")
    assert loaded(file="data.nc").size("train") == TRIALS * 4 // 5


def test_files_that_lead_elsewhere_or_hold_code_are_refused():
    dataset().to_netcdf("data.nc")
    with h5py.File("data.nc", "a") as file:
        file["leak"] = h5py.ExternalLink("other.h5", "/")
    with pytest.raises(nm.DescriptionError, match="data.nc: cannot be read: /leak is a link to another file"):
        loaded(file="data.nc")
    np.savez("data.npz", x=np.array([{}, {}], object))
    with pytest.raises(nm.DescriptionError, match="data.npz: x: holds objects, which only pickle can read"):
        loaded(file="data.npz")
    Path("old.nc").write_bytes(b"CDF\x01" + bytes(100))
    with pytest.raises(nm.DescriptionError, match="(?s)old.nc: cannot be read.*the format netCDF-4"):
        loaded(file="old.nc")


def test_an_npz_file_that_is_cut_off_or_declares_too_much_is_refused(monkeypatch):
    written(dataset(), "packed npz")
    monkeypatch.setattr("neuro_mpc.stimuli.npz.LARGEST_UNPACKED", 100)
    with pytest.raises(nm.DescriptionError, match="(?s)x: is packed, and too large.*1,800 bytes"):
        loaded(file="data.npz")
    with zipfile.ZipFile("lying.npz", "w") as archive, archive.open("x.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (10**9,)})
    with pytest.raises(nm.DescriptionError, match="x: is cut off"):
        loaded(file="lying.npz")
    Path("data.npz").write_bytes(b"PK no archive")
    with pytest.raises(nm.DescriptionError, match="data.npz: cannot be read"):
        loaded(file="data.npz")


@pytest.mark.parametrize(
    ("keys", "renamed", "hint"),
    [
        ({"step": "frames"}, {"step": "frame"}, "did you mean 'frame'"),
        ({"trial": "subjects"}, {"trial": "subject"}, "did you mean 'subject'"),
        ({}, {"step": "steps"}, "did you mean 'steps'"),
        ({"step": "zzz"}, {"step": "times"}, "did you mean 'times'"),  # one that is nearly a usual name
        ({"step": "zzz"}, {"step": "qqq"}, 'stimulus.step = "…", the name of a dimension'),
    ],
)
def test_a_dimension_that_is_not_there_is_told_with_the_nearest_one(keys, renamed, hint):
    with pytest.raises(nm.DescriptionError, match="the data have no such dimension") as caught:
        loaded(dataset().rename(renamed), **keys)
    assert hint in str(caught.value)
    assert caught.value.found == next(iter(keys.values()), "no step or time")


@pytest.mark.parametrize(
    ("lowest", "highest", "found"),
    [(-2, 1, -2), (-3, 1, -3), (-(2**40), 1, -(2**31)), (0, 2**40, 2**31 - 1), (0, 2**31, 2**31 - 1)],
)
def test_classes_out_of_range_are_refused_and_none_becomes_another(lowest, highest, found):
    label = np.resize(np.array([lowest, highest], np.int64), (30, STEPS))
    with pytest.raises(nm.DescriptionError, match="classes out of range") as caught:
        loaded(dataset().assign(label=(("trial", "step"), label)))
    assert caught.value.found == found
