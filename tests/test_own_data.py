"""Data of users: the same from Python and every kind of file, from memory or by parts; wrong ones refused by name."""

import json
import os
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.examination import isolation
from neuro_mpc.stimuli import labelled, netcdf_file, series, stored
from neuro_mpc.stimuli.interface import SPLITS

TRIALS, STEPS, UNITS = 30, 5, 3
KINDS = ("netcdf", "zarr", "npz", "packed npz")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The data lie in the current folder, and files are read through in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(netcdf_file, "_trouble", lambda path: isolation.trouble(path, data=True))


def dataset(**changes) -> xr.Dataset:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((TRIALS, STEPS, UNITS)).astype(np.float32)
    values[3, 2] = np.nan
    variables = {
        "x": (("trial", "step", "unit"), values),
        "label": ("trial", np.arange(TRIALS) % 4),
        "symbol": (("trial", "step"), rng.permutation(np.arange(TRIALS * STEPS) % 7).reshape(TRIALS, STEPS) - 1),
        "split": ("trial", np.array((["train"] * 4 + ["test"]) * (TRIALS // 5))),
    }
    return xr.Dataset({**variables, **changes})


def written(data: xr.Dataset, kind: str) -> str:
    """The name of a file of this kind that holds the data."""
    if kind == "netcdf":
        data.to_netcdf("data.nc")
        return "data.nc"
    if kind == "zarr":
        pytest.importorskip("zarr")
        data.to_zarr("data.zarr", zarr_format=2)
        return "data.zarr"
    save = np.savez if kind == "npz" else np.savez_compressed
    save("data.npz", **{name: variable.values for name, variable in data.data_vars.items()})
    return "data.npz"


def loaded(data=None, seed=0, batch=4, circuit="mpl", **keys):
    protocol = nm.Protocol(
        name="own",
        stimulus={"source": "arrays", **keys},
        target={"read": "every"},
        learning={"rate": 0.1, "batch": batch, "epochs": 1},
    )
    return stimuli.load(protocol, nm.load_circuit(circuit), seed, data)


def assert_equal(one, other):
    """Channels, sizes, values and content are those of another source."""
    assert one.channels == other.channels
    for split in SPLITS:
        assert one.size(split) == other.size(split)
        trials = np.random.default_rng(1).permutation(one.size(split))
        for name in one.channels:
            np.testing.assert_array_equal(one.given(split, trials, name), other.given(split, trials, name))
        for part, other_part in zip(one.content(split), other.content(split), strict=True):
            np.testing.assert_array_equal(part, other_part)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_what_python_gives_from_memory_and_by_parts(kind, monkeypatch):
    expected, name = loaded(dataset()), written(dataset(), kind)
    assert_equal(loaded(file=name), expected)
    monkeypatch.setattr(labelled, "HELD_BYTES", 0)
    monkeypatch.setattr(series, "BLOCK", 17)
    from_file = loaded(file=name)
    assert all(each._held is None for each in from_file._series.values())
    assert_equal(from_file, expected)
    monkeypatch.setattr(stored, "SHARE_OF_DISK", 0)  # there is no room for a copy
    monkeypatch.setattr(netcdf_file, "_in_one_piece", lambda *_: None)
    by_library = loaded(file=name)
    assert all(each._stored is None for each in by_library._series.values())
    assert_equal(by_library, expected)


def test_floats_are_values_and_whole_numbers_classes_at_every_step():
    source, data = loaded(dataset()), dataset()
    x, label, symbol = (source.channels[name] for name in ("x", "label", "symbol"))
    assert (x.width, x.kind, x.symbolic, x.missing) == (UNITS, "values", False, True)
    assert (label.width, label.kind, label.symbolic, label.missing) == (4, "classes", True, False)
    assert (symbol.width, symbol.missing) == (6, True)
    test = np.flatnonzero(data["split"].values == "test")
    chosen = np.array([2, 0, 5])
    given = [source.given("test", chosen, name) for name in ("x", "label", "symbol")]
    assert [each.dtype for each in given] == [np.float32, np.int32, np.int32]
    np.testing.assert_array_equal(given[0], data["x"].values[test[chosen]].swapaxes(0, 1))
    np.testing.assert_array_equal(given[1], np.tile(data["label"].values[test[chosen]], (STEPS, 1)))
    np.testing.assert_array_equal(given[2], data["symbol"].values[test[chosen]].T)


def test_dimensions_are_known_by_name_in_any_order_and_all_others_are_units():
    images = np.random.default_rng(0).standard_normal((TRIALS, STEPS, 2, 3))
    data = xr.Dataset({"image": (("epoch", "t", "row", "column"), images)})
    turned = data.transpose("column", "t", "row", "epoch")
    one, other = (loaded(each, trial="epoch", step="t") for each in (data, turned.transpose("t", "epoch", ...)))
    np.testing.assert_array_equal(
        one.given("train", np.arange(4), "image").shape, (STEPS, 4, 6), "units are flattened row by row"
    )
    every = np.arange(one.size("train"))
    shown = one.given("train", every, "image").swapaxes(0, 1)
    assert {each.tobytes() for each in shown} <= {each.tobytes() for each in images.astype("f4").reshape(30, 5, 6)}
    assert other.given("train", every, "image").shape == (STEPS, len(every), 6)


def test_what_lacks_trials_or_steps_holds_for_all_of_them():
    data = dataset(cue=("step", np.arange(STEPS, dtype=float)))
    cue = loaded(data).given("train", np.array([3, 1]), "cue")
    np.testing.assert_array_equal(cue[..., 0], np.tile(np.arange(STEPS)[:, None], 2))
    static = loaded({"x": dataset()["x"][:, 0].drop_vars("step", errors="ignore")})
    assert static.steps == 1


def test_numpy_arrays_have_the_axes_trial_step_and_unit_and_units_have_names():
    data = dataset()
    arrays = {name: variable.values for name, variable in data.data_vars.items()}
    assert_equal(loaded(arrays), loaded(data))
    named = data.assign_coords(unit=["C3", "Cz", "C4"])
    named["label"].attrs["flag_meanings"] = "rest left right both feet"
    source = loaded(named)
    assert source.channels["x"].names == ("C3", "Cz", "C4")
    assert (source.channels["label"].names[-1], source.channels["label"].width) == ("feet", 5)
    masked = {**arrays, "x": np.ma.masked_invalid(arrays["x"])}
    assert_equal(loaded(masked), loaded(data))


def test_fill_values_of_classes_are_missing_and_packed_values_are_unpacked():
    data = dataset()
    data["x"].encoding = {"dtype": "i2", "scale_factor": 0.001, "_FillValue": -32768}
    data["symbol"] = data["symbol"].where(data["symbol"] >= 0)
    data["symbol"].encoding = {"dtype": "i4", "_FillValue": -99}
    data.to_netcdf("packed.nc")
    source = loaded(file="packed.nc")
    trials = np.arange(source.size("test"))
    np.testing.assert_array_equal(
        source.given("test", trials, "symbol"), loaded(dataset()).given("test", trials, "symbol")
    )
    np.testing.assert_allclose(
        source.given("test", trials, "x"), loaded(dataset()).given("test", trials, "x"), atol=6e-4
    )
    with xr.open_dataset("packed.nc") as opened:
        assert_equal(loaded(opened), source)


def test_recordings_are_cut_into_windows_or_streams_in_the_order_of_time():
    recording = {"lfp": np.arange(200.0)[:, None], "state": np.arange(200) // 50}
    windows = loaded(recording, window=10, stride=5, validation=0.1, test=0.2)
    first = windows.given("train", np.arange(windows.size("train")), "lfp")[0, :, 0]
    np.testing.assert_array_equal(first, np.arange(0, 131, 5))
    assert windows.given("validation", np.array([0]), "lfp")[0, 0, 0] == 140
    np.testing.assert_array_equal(windows.given("test", np.array([3]), "lfp")[:, 0, 0], np.arange(175, 185))
    assert windows.given("test", np.array([-1]), "lfp").max() == 199
    streams = loaded(recording, window=10, streams=True, batch=2, validation=0.1)
    assert (streams.streams, streams.carries, streams.size("train")) == (2, True, 14)
    np.testing.assert_array_equal(streams.given("train", np.array([0, 1, 2]), "lfp")[0, :, 0], [0, 70, 10])
    assert not loaded(recording, window=10, streams=True, batch=2, carry=False).carries


def test_the_step_after_a_window_is_known_within_its_split():
    recording = {"lfp": np.arange(200.0)[:, None], "state": np.arange(200) // 50}
    source = loaded(recording, window=10, validation=0.1, test=0.2)
    last = source.size("train") - 1
    np.testing.assert_array_equal(source.following("train", np.array([0, last]), "lfp"), [[[10], [np.nan]]])
    assert source.following("test", np.array([0, 3]), "state").tolist() == [[3, -1]]
    assert (loaded(dataset()).following("train", np.arange(3), "label") == -1).all()


@pytest.mark.parametrize("steps", [1, 5])
def test_what_is_given_can_be_written_to(steps):
    data = {"x": np.ones((30, steps, 2)), "cue": np.ones(30)}
    source = loaded(data)
    for name in data:
        source.given("train", np.arange(1), name)[...] = 0
        assert (source.given("train", np.arange(1), name) == 1).all()


def test_steps_of_a_recording_are_split_by_a_variable_and_windows_stay_within():
    split = np.array(["train"] * 37 + ["test"] * 20 + ["train"] * 43)
    data = xr.Dataset({"x": (("time", "unit"), np.arange(200.0).reshape(100, 2)), "split": ("time", split)})
    source = loaded(data, window=10)
    starts = source.given("train", np.arange(source.size("train")), "x")[0, :, 0] / 2
    np.testing.assert_array_equal(starts, [0, 10, 20, 57, 67, 77, 87])


def test_splits_by_chance_are_those_of_the_seed():
    data = dataset().drop_vars("split")
    sizes = [loaded(data, validation=0.2, test=0.3).size(split) for split in SPLITS]
    assert sizes == [15, 6, 9]
    assert_equal(loaded(data, seed=3), loaded(data, seed=3))
    one, other = (next(loaded(data, seed=seed).content("test")) for seed in (3, 4))
    assert one.tolist() != other.tolist()


def test_memory_does_not_grow_with_the_file(monkeypatch):
    monkeypatch.setattr(labelled, "HELD_BYTES", 0)
    monkeypatch.setattr(series, "BLOCK", 2**16)
    np.savez("large.npz", x=np.ones((400, 50, 200), np.float32))
    loaded(file="large.npz")  # imports what it takes
    tracemalloc.start()
    source = loaded(file="large.npz")
    source.given("train", np.arange(20), "x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e6 < os.path.getsize("large.npz") / 3


def test_trials_of_one_group_are_held_out_together():
    subject = np.repeat(["ann", "bob", "cem", "dan", "eve", "fay"], 5)
    data = dataset(subject=("trial", subject), x=dataset()["x"].assign_coords(trial=range(TRIALS))).drop_vars("split")
    source = loaded(data, group="subject", validation=0.17, test=0.33)
    assert "subject" not in source.channels
    subjects = [set(subject[next(source.content(split))[:, 0]]) for split in SPLITS]
    assert [len(found) for found in subjects] == [3, 1, 2]
    assert len(set.union(*subjects)) == 6
    with pytest.raises(nm.DescriptionError, match="(?s)stimulus.group.*did you mean 'subject'"):
        loaded(data, group="subjet")
    with pytest.raises(nm.DescriptionError, match=r"(?s)symbol: has other dim.*\('trial',\)"):
        loaded(data.drop_vars("subject"), group="symbol")


def test_other_values_have_another_content():
    def content(data):
        return [part.tobytes() for part in loaded(data).content("train")]

    changed = dataset()
    changed["x"].values[-1, -1, -1] += 1
    assert content(dataset()) != content(changed)
    assert content(dataset()) != content(dataset().rename(x="y"))


def test_an_array_of_labels_alone_can_be_an_array_of_python():
    source = loaded(dataset()["x"])
    assert list(source.channels) == ["x"]
    assert list(loaded(dataset()["x"].rename(None)).channels) == ["stimulus"]


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
    "rows of different lengths": (lambda d: {"x": [[1.0], [1.0, 2.0]]}, {}, "data: x: is no array"),
    "no data": (lambda d: None, {}, r"stimulus.file: there are no data.*nm.simulate\(…, data=…\)"),
    "a file of another kind": (lambda d: None, {"file": "data.mat"}, "stimulus.file: is no file of data.*'data.mat'"),
    "a missing file": (lambda d: None, {"file": "data.nc"}, "data files are missing"),
    "a missing store": (lambda d: None, {"file": "data.zarr"}, "data files are missing"),
}


@pytest.mark.parametrize(("data", "keys", "problem"), BROKEN.values(), ids=BROKEN)
def test_wrong_data_are_refused_by_name(data, keys, problem):
    with pytest.raises(nm.DescriptionError, match=f"(?s){problem}"):
        loaded(data(dataset()), **keys)


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


def test_a_netcdf_file_is_read_through_in_another_process_first(monkeypatch):
    monkeypatch.undo()
    dataset().to_netcdf("data.nc")
    os.truncate("data.nc", 4000)
    with pytest.raises(nm.DescriptionError, match="data.nc: cannot be read: it is damaged"):
        loaded(file=os.path.abspath("data.nc"))


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


def test_a_zarr_store_with_foreign_codecs_is_refused_before_it_is_unpacked():
    name = written(dataset(), "zarr")
    metadata = Path(name, "x", ".zarray")
    text = metadata.read_text()
    metadata.write_text(json.dumps({**json.loads(text), "filters": [{"id": "pickle"}]}))
    with pytest.raises(nm.DescriptionError, match="(?s)packed by a codec that is not read here.*found: 'pickle'"):
        loaded(file=name)
    metadata.write_text(text)
    assert loaded(file=name).steps == STEPS
    os.symlink("/etc/hosts", os.path.join(name, "x", "9.9"))
    with pytest.raises(nm.DescriptionError, match="is a link to another file"):
        loaded(file=name)


def test_trials_of_one_step_whose_units_have_several_dimensions_are_told():
    """A dimension of another name may have been meant as steps."""
    values = np.random.default_rng(0).normal(size=(20, 5, 2))
    data = xr.Dataset({"x": (("trial", "samples", "channel"), values), "y": ("trial", np.arange(20) % 2)})
    (told,) = loaded(data).cautions
    assert "each trial of x is one step of 10 units (samples × channel)" in told
    assert loaded(data, step="samples").cautions == ()
