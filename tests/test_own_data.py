"""Data of users: what they mean, the same from Python and every kind of file, from memory or by parts."""

import os
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from own_data import KINDS, STEPS, TRIALS, UNITS, assert_equal, dataset, loaded, written

import neuro_mpc as nm
from neuro_mpc.stimuli import labelled, netcdf_file, npz, series, stored

pytestmark = pytest.mark.usefixtures("data_folder")


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


@pytest.mark.parametrize("steps", [1, 5])
def test_what_is_given_can_be_written_to(steps):
    data = {"x": np.ones((30, steps, 2)), "cue": np.ones(30)}
    source = loaded(data)
    for name in data:
        source.given("train", np.arange(1), name)[...] = 0
        assert (source.given("train", np.arange(1), name) == 1).all()


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


def test_units_without_any_value_are_told():
    whole = dataset()
    assert loaded(whole).cautions == ()  # NaN here and there
    some = whole["x"].where(whole["trial"] != 4)
    assert loaded(whole.assign(x=some)).cautions == ()
    lost = whole["x"].where(xr.DataArray([True, False, True], dims="unit"))
    assert loaded(whole.assign(x=lost)).cautions == ("1 of 3 units of x never has a value (1): no input, no error",)
    named = lost.assign_coords(unit=["u7", "u9", "u12"]).where(lambda x: x["unit"] != "u12")
    (told,) = loaded(whole.assign(x=named)).cautions
    assert told == "2 of 3 units of x never have a value (u9, u12): no input, no error"


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


def test_trials_of_one_step_whose_units_have_several_dimensions_are_told():
    """A dimension of another name may have been meant as steps."""
    values = np.random.default_rng(0).normal(size=(20, 5, 2))
    data = xr.Dataset({"x": (("trial", "samples", "channel"), values), "y": ("trial", np.arange(20) % 2)})
    (told,) = loaded(data).cautions
    assert "each trial of x is one step of 10 units (samples × channel)" in told
    assert loaded(data, step="samples").cautions == ()


def test_a_recording_whose_units_have_several_dimensions_is_told():
    """A dimension of another name may have been meant as trials."""
    values = np.random.default_rng(0).normal(size=(20, 60, 2))
    data = xr.Dataset({"x": (("session", "time", "channel"), values)})
    (told,) = loaded(data, window=5).cautions
    assert "each step of x has 40 units (session × channel); if one of them is meant, stimulus.trial names it" in told
    assert loaded(data, window=5, trial="session").cautions == ()


def test_arrays_with_labels_keep_them_whichever_of_them_has_them():
    values = np.zeros((TRIALS, STEPS, 3), np.float32)
    dims = ("trial", "step", "sensor")
    named = xr.DataArray(
        values, dims=dims, coords={"sensor": ["left", "right", "wheel"], "day": ("trial", [0] * TRIALS)}
    )
    source = loaded({"bare": xr.DataArray(values, dims=dims), "named": named, "plain": values[..., :2]})
    assert source.channels["named"].names == source.channels["bare"].names == ("left", "right", "wheel")
    assert source.channels["plain"].names == ()
    assert set(source.channels) == {"bare", "named", "plain"}


def test_values_that_took_the_place_of_whole_numbers_are_told():
    named = dataset()
    named["x"] = named["label"].astype(float) / 2
    named["x"].encoding["dtype"] = np.dtype("i2")  # as `copy(data=…)` leaves it
    with pytest.raises(nm.DescriptionError, match="x: has values between whole numbers") as caught:
        loaded(named)
    assert caught.value.hint == 'if they are values: data["x"].drop_encoding()'
    assert loaded(named.drop_encoding()).channels["x"].kind == "values"


def test_names_of_classes_are_those_of_their_flag_values():
    named = dataset()
    named["label"].attrs.update(flag_meanings="left both rest right", flag_values=np.array([1, 3, 0, 2]))
    assert loaded(named).channels["label"].names == ("rest", "left", "right", "both")
    named["label"].attrs["flag_values"] = np.array([1, 2, 3, 4])
    with pytest.raises(nm.DescriptionError, match="label: has flag_values that do not number"):
        loaded(named)


def test_what_a_mask_hides_is_missing():
    values = np.ma.masked_equal(np.arange(1.0, TRIALS * STEPS + 1).reshape(TRIALS, STEPS, 1), 7.0)
    classes = np.ma.masked_equal(np.arange(TRIALS * STEPS).reshape(TRIALS, STEPS) % 4, 3)
    source = loaded({"x": values, "c": classes})
    assert (source.channels["x"].missing, source.channels["c"].missing) == (True, True)
    trials = np.arange(source.size("train"))
    x, c = (source.given("train", trials, name) for name in ("x", "c"))
    number = np.nan_to_num(x[..., 0], nan=7.0) - 1
    np.testing.assert_array_equal(c, np.where(number % 4 == 3, -1, number % 4))
    assert np.isnan(x).sum() == (number == 6).sum()


def test_what_a_mask_hides_is_missing_in_arrays_that_can_hold_no_mark_of_it():
    hidden = np.arange(TRIALS * STEPS).reshape(TRIALS, STEPS) % 3 == 0
    moves = np.ma.masked_array(~hidden, mask=hidden)  # true or false, and true where they are not hidden
    classes = np.ma.masked_array(np.where(hidden, 0, 200).astype(np.uint8) // 200, mask=hidden)
    source = loaded({"moves": moves, "c": np.ma.where(hidden, classes, np.uint8(0)).astype(np.uint8)})
    trials = np.arange(source.size("train"))
    moves, c = (source.given("train", trials, name) for name in ("moves", "c"))
    np.testing.assert_array_equal(np.isnan(moves[..., 0]), c == -1)
    assert 0 < (c == -1).mean() < 1
    assert set(moves[~np.isnan(moves)]) == {1.0}


def test_arrays_have_as_many_axes_as_numpy_can_name():
    nine = np.zeros((TRIALS, STEPS, *[1] * 7), np.float32)
    assert loaded({"x": nine}).channels["x"].width == 1
    with pytest.raises(nm.DescriptionError, match="is no array of trials"):
        loaded({"x": nine[..., None]})
    with pytest.raises(nm.DescriptionError, match="is no array of trials"):
        loaded({"x": np.float32(1)})


@pytest.mark.parametrize("kind", ["netcdf", "zarr"])
@pytest.mark.parametrize("units", ["seconds", "days since 2020-01-01"])
def test_numbers_whose_unit_is_one_of_time_stay_numbers(kind, units):
    data = dataset()
    data["x"].attrs["units"] = units
    assert_equal(loaded(file=written(data, kind)), loaded(dataset()))


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_in_the_order_of_fortran_are_the_same(kind):
    data = dataset()
    data["x"] = (data["x"].dims, np.asfortranarray(data["x"].values))
    assert_equal(loaded(file=written(data, kind)), loaded(dataset()))


def test_headers_of_npz_files_of_the_second_version_are_read():
    data = {name: each.values for name, each in dataset().data_vars.items()}
    with zipfile.ZipFile("data.npz", "w") as archive:
        archive.writestr("notes.txt", "no array")
        for name, values in data.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, values, version=(2, 0))
    assert_equal(loaded(file="data.npz"), loaded(data))


@pytest.mark.parametrize("kind", KINDS[2:])
def test_an_array_is_unpacked_up_to_the_limit_and_mapped_however_large(kind, monkeypatch):
    name, largest = written(dataset(), kind), TRIALS * STEPS * UNITS * 4  # of labels there are fewer
    for limit in (largest, largest - 1):
        monkeypatch.setattr(npz, "LARGEST_UNPACKED", limit)
        if kind == "npz" or limit == largest:
            mapped = isinstance(npz.arrays(Path(name))["x"], np.memmap)
            assert mapped == (kind == "npz")
            continue
        with pytest.raises(nm.DescriptionError, match="(?s)is packed, and too large.*np.savez in place"):
            loaded(file=name)


def test_an_npz_file_is_cut_off_where_its_last_byte_is_missing():
    with zipfile.ZipFile("data.npz", "w") as archive:
        for missing in (0, 1):
            with archive.open(f"{missing}.npy", "w") as member:
                header = {"descr": "<f4", "fortran_order": False, "shape": (3,)}
                np.lib.format.write_array_header_1_0(member, header)
                member.write(np.arange(3, dtype="<f4").tobytes()[: 12 - missing])
    with pytest.raises(nm.DescriptionError, match="1: is cut off") as caught:
        npz.arrays(Path("data.npz"))
    header = 128
    assert (caught.value.found, caught.value.expected) == (header + 11, f"{header + 12} bytes")
