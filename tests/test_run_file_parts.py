"""What run files are written with: columns, results, chunks; what is told of their attributes, names and folders."""

import json
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest
import xarray as xr
from kept_runs import FORMATS, unpacked

import neuro_mpc as nm
from neuro_mpc.runfile import catalogue, closing, file_format, netcdf, paths, reading, record
from neuro_mpc.runfile.attributes import LONGEST_SHOWN, attribute, attribute_of
from neuro_mpc.runfile.record import RunFile

CIRCUIT = SimpleNamespace(name="mpl", to_toml=lambda: "")


def new_run(path, step_duration=None, precision="float32"):
    inference = SimpleNamespace(step_duration=step_duration)
    protocol = SimpleNamespace(name="toy", precision=precision, inference=inference, to_toml=lambda: "")
    return RunFile(path, circuit=CIRCUIT, protocol=protocol, seed=7, backend="numpy", threads=1)


@pytest.fixture
def group():
    with netCDF4.Dataset("any.nc", "w", diskless=True) as file:
        yield file.createGroup("inner")


# --- parts ---


def test_rows_are_written_after_a_time_however_few(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(record, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with new_run(tmp_path / "run.nc") as file:
        rows = []
        for seconds in (1.0, 0.75, 0.25, 0.0, 1.875, 0.125):
            now[0] += seconds
            file.learning(len(rows), 1, 2, 3, 4, 5)
            rows.append(len(file._file["learning"].dimensions["presentation"]))
    assert rows == [0, 0, 3, 3, 3, 6]


def test_steps_are_the_last_of_the_sequence_and_have_times_where_a_step_has_a_duration(tmp_path):
    for duration in (None, 2.5):
        with new_run(tmp_path / f"{duration}.nc", duration) as file:
            whole, last = np.zeros((4, 3, 2)), np.zeros((1, 3, 5))
            neural = {"hidden": {"belief": whole}, "output": {"output": last}}
            stimuli, targets = {"x": whole, "second": whole}, {"y": last, "other-one": whole}
            file.sample(6, stimuli, targets, neural, np.array([5, 1, 3]))
        with netCDF4.Dataset(tmp_path / f"{duration}.nc") as file:
            stimulus = file["stimulus"]
            assert stimulus["stimulus_second"].dimensions == ("sample", "step", "trial", "unit_second")
            assert stimulus["stimulus"].dimensions == ("sample", "step", "trial", "unit")
            assert stimulus["target"].dimensions == ("sample", "target_step", "trial", "target_unit")
            assert stimulus["target_other-one"].dimensions[1:] == (
                "target_step_other-one", "trial", "target_unit_other-one",
            )  # fmt: skip
            assert (stimulus["stimulus"].long_name, stimulus["target_other-one"].long_name) == (
                ("stimulus", "target other-one")
            )
            steps = [stimulus["step"], stimulus["target_step"], file["neural/hidden/step"], file["neural/output/step"]]
            assert [each[:].tolist() for each in steps] == [[0, 1, 2, 3], [3], [0, 1, 2, 3], [3]]
            assert stimulus["trial_number"].dtype == np.int64
            for population, times in (("hidden", [0.0, 2.5, 5.0, 7.5]), ("output", [7.5])):
                neural = file[f"neural/{population}"]
                assert ("time" in neural.variables) == (duration is not None)
                if duration:
                    assert (neural["time"][:].tolist(), neural["time"].units) == (times, "ms")
                    assert {
                        each.coordinates
                        for each in neural.variables.values()
                        if "sample" in each.dimensions and each.ndim > 1
                    } == {"time"}


def test_times_are_numbers_of_milliseconds_and_what_is_missing_is_no_number(tmp_path):
    with new_run(tmp_path / "run.nc", 2.5) as file:
        file.sample(
            0, np.zeros((2, 1, 1)), np.zeros((2, 1, 1)), {"hidden": {"belief": np.zeros((2, 1, 1))}}, np.arange(1)
        )
        file.test(0, {"test_loss": 1.0})
        file.test(3, {"accuracy": 0.5})
    with nm.open_run(tmp_path / "run.nc") as run:
        assert (run["neural/hidden/time"].values.tolist(), run["neural/hidden/time"].attrs["units"]) == ([0, 2.5], "ms")
        assert run.encoding["source"] == str(tmp_path / "run.nc")
    with reading.opened_run(tmp_path / "run.nc") as file:
        accuracy = file["learning/accuracy"][:]
        assert not np.ma.isMaskedArray(accuracy)
        np.testing.assert_array_equal(accuracy, [np.nan, 0.5])
    assert not file.isopen()


def test_a_result_is_a_number_or_one_for_each_and_is_replaced(group):
    for value in (0.5, 0.75):
        netcdf.put_result(group, "accuracy", value, "network", "f4", "of all")
        netcdf.put_result(group, "accuracy_network", np.array([value, 1.0]), "network", "f8", "of each")
    assert (float(group["accuracy"][...]), group["accuracy"].dimensions, group["accuracy"].dtype) == (0.75, (), "f4")
    assert (group["accuracy_network"][:].tolist(), group["accuracy_network"].dimensions) == ([0.75, 1.0], ("network",))
    assert (group["accuracy"].units, group["accuracy"].long_name, group["accuracy_network"].dtype) == (
        "1",
        "of all",
        "f8",
    )
    assert np.isnan(group["accuracy"]._FillValue)


def test_a_fixed_array_is_written_once(group):
    for value in (1, 2):
        netcdf.put_fixed(group, "connected", np.full((2, 3), value, "u1"), ("post", "pre"), "what there is")
    assert group["connected"][:].tolist() == [[1] * 3] * 2
    assert (group["connected"].dtype, group["connected"].dimensions) == ("u1", ("post", "pre"))
    assert group["connected"].filters()["zlib"]


def test_a_dataset_is_written_with_names_as_numbers_and_coordinates_in_double_precision(group):
    results = xr.Dataset(
        {
            "some_value": (("kind", "trial"), np.array([[0.1, 0.2]] * 3)),
            "right": ("trial", [True, False]),
            "number": ("trial", [3, 4], {"units": "step", "long_name": "own"}),
        },
        {"kind": ["b", "a", "b"], "time": ("trial", [0.1, 0.3])},
        {"of": "all"},
    )
    netcdf.put_dataset(group, results, "f4")
    assert {name: each.dtype.str[1:] for name, each in group.variables.items()} == {
        "some_value": "f4", "right": "i1", "number": "i4", "kind": "i4", "time": "f8",
    }  # fmt: skip
    assert group["kind"][:].tolist() == [0, 1, 0]
    assert (group["kind"].flag_meanings, group["kind"].flag_values.tolist()) == ("b a", [0, 1])
    assert (group["some_value"].long_name, group["some_value"].units) == ("some value", "1")
    assert (group["number"].long_name, group["number"].units, group.of) == ("own", "step", "all")
    assert all(each.filters()["zlib"] and each.filters()["shuffle"] for each in group.variables.values())
    assert {each.filters()["complevel"] for each in group.variables.values()} == {1}


@pytest.mark.parametrize(
    ("shape", "chunk"),
    [
        ((512, 9819), (13, 9819)),  # 13 · 9819 numbers of 8 bytes are below a mebibyte, 14 are not
        ((2, 3, 2**17), (1, 1, 2**17)),
        ((2, 3, 2**16), (1, 2, 2**16)),
        ((2**17 + 1,), (2**17,)),
        ((5, 0), (5, 1)),
    ],
)
def test_a_chunk_is_as_large_as_a_mebibyte_allows(shape, chunk):
    assert netcdf.chunks(shape) == chunk


def test_columns_that_are_missing_are_named(group):
    file = group.parent
    group.createDimension("row", None)
    for name in ("a", "b"):
        netcdf.create_column(group, name, "f4", "row", "a number")
    netcdf.require_columns(file, "inner", ("a", "b"))
    with pytest.raises(OSError, match="it has no inner/c"):
        netcdf.require_columns(file, "inner", ("a", "c", "d"))
    with pytest.raises(OSError, match="it has no other/a"):
        netcdf.require_columns(file, "other", ("a",))
    assert group["a"].chunking() == [1024]


@pytest.mark.parametrize("problem", [OSError, RuntimeError, KeyboardInterrupt])
def test_a_file_is_closed_after_all_but_what_the_disk_refuses(tmp_path, monkeypatch, problem):
    left = []
    monkeypatch.setattr(closing, "abandon", left.append)
    file = netCDF4.Dataset(tmp_path / "a.nc", "w")
    with pytest.raises(problem), closing.closed_after(file, tmp_path / "a.nc"):
        raise problem
    assert (left == [file], file.isopen()) == ((problem is not KeyboardInterrupt),) * 2
    if file.isopen():
        file.close()
    file = netCDF4.Dataset(tmp_path / "a.nc", "w")
    with closing.closed_after(file, tmp_path / "a.nc"):
        (tmp_path / "a.nc").unlink()  # someone removed it
    assert not file.isopen()


def test_a_reopened_file_that_lacks_a_column_is_closed_and_told(tmp_path):
    new_run(tmp_path / "run.nc").close(complete=False)
    with netCDF4.Dataset(tmp_path / "run.nc.partial", "a") as file:
        file["learning"].renameVariable("loss", "lost")
    protocol = SimpleNamespace(precision="float32", inference=SimpleNamespace(step_duration=None))
    with pytest.raises(nm.RunError, match="it has no learning/loss"):
        RunFile.reopened(tmp_path / "run.nc", protocol=protocol)
    with netCDF4.Dataset(tmp_path / "run.nc.partial", "a"):
        pass  # it is not open any more


# --- what is told ---


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("x" * LONGEST_SHOWN, "x" * LONGEST_SHOWN),
        ("y" * (LONGEST_SHOWN + 1), "y" * LONGEST_SHOWN),
        ("1" * 21, "1" * 21),
    ],
)
def test_an_attribute_that_is_none_is_shown_as_far_as_is_of_use(value, told):
    with pytest.raises(ValueError, match="not a whole number") as caught:
        attribute_of({"seed": value}, "seed")
    assert str(caught.value) == f"{told!r}, not a whole number"
    assert attribute_of({"seed": "+" + "1" * 20}, "seed") == int("1" * 20)
    assert attribute_of({}, "seed", None) is None
    with pytest.raises(ValueError, match="missing, not a whole number"):
        attribute_of({}, "seed")


def test_an_attribute_is_told_with_its_place():
    tree = xr.DataTree.from_dict(
        {"/": xr.Dataset(), "/experiment": xr.Dataset({"x": ((), 1.0, {"chance": "a"})}, attrs={"kind": 3})}
    )
    tree.encoding["source"] = "run.nc"
    for owner, name, told in (
        (tree["experiment"], "kind", "run.nc: the attribute kind of experiment is '3', not a text"),
        (tree["experiment/x"], "chance", "this run: the attribute chance of x is 'a', not a number"),
        (tree, "seed", "run.nc: the attribute seed is missing, not a whole number"),
    ):
        with pytest.raises(nm.RunFileError) as caught:
            attribute(owner, name)
        assert str(caught.value) == told


@pytest.mark.parametrize(
    ("stated", "version"), [("1.0", (1, 0)), ("12.345678", (12, 345678)), ("1.1234567", None), ("1", None), (1.1, None)]
)
def test_a_version_is_two_numbers(stated, version, tmp_path):
    if version:
        assert file_format.version_of(tmp_path, {"format_version": stated}) == version
        assert file_format.as_text(version) == stated
        return
    with pytest.raises(nm.RunFileError, match="not two numbers"):
        file_format.version_of(tmp_path, {"format_version": stated})
    with pytest.raises(nm.RunFileError, match=f"format_version is '{80 * 'x'}', not two numbers"):
        file_format.version_of(tmp_path, {"format_version": 100 * "x"})


@pytest.mark.parametrize("strange", [[], ["a"], ["b", "a"]])
def test_additions_of_a_later_format_are_named(tmp_path, strange):
    current = file_format.as_text()
    versions = current, file_format.as_text((file_format.CURRENT[0], file_format.CURRENT[1] + 1))
    now, later = ({"format_version": version, "neuro_mpc_version": "0.9"} for version in versions)
    groups = ["learning", *strange]
    assert file_format.unread(tmp_path, now, groups) == ""
    assert file_format.unread(tmp_path, {"format_version": versions[1]}, groups) == ""  # another program's
    told = {0: "additions may", 1: "the group a may", 2: "the groups a, b may"}[len(strange)]
    assert told in file_format.unread(tmp_path, later, groups)
    file_format.refuse_newer(tmp_path, now)
    file_format.refuse_unknown(tmp_path, later)
    with pytest.raises(nm.RunFileError, match=f"writes format {current}(.|\n)*neuro_mpc 0.9, which wrote it, or"):
        file_format.refuse_newer(tmp_path, later)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("run.png", "run.nc"), ("run.nc.partial", "run.nc"), ("run.nc.JSON", "run.nc"), ("a.b.txt", "a.b.nc")],
)
def test_a_name_of_another_kind_of_file_is_refused(tmp_path, name, hint):
    with pytest.raises(nm.RunError, match="a run file is netCDF, not") as caught:
        paths.refuse_other_endings(tmp_path / name)
    assert caught.value.hint == str(tmp_path / hint)
    for good in ("run.nc", "run", "run.nc4", "run.0.5"):
        paths.refuse_other_endings(tmp_path / good)


def test_a_disk_without_room_is_told_before_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "free_disk", lambda path: paths.RESERVE_BYTES - 1)
    with pytest.raises(nm.RunError, match="cannot be written: No space left on device, 1.0 MiB are left"):
        paths.check_folder(tmp_path / "run.nc")
    assert paths.RESERVE_BYTES == 2**20  # as docs/reliability.md promises


@pytest.mark.parametrize("number", [0, 1, 3, 4])
def test_three_of_the_files_of_a_folder_are_named(tmp_path, number):
    for index in range(number):
        (tmp_path / f"{index}.nc").touch()
    for other in ("sweep.nc", "notes.txt"):
        (tmp_path / other).touch()
    listed = ", ".join(f"{index}.nc" for index in range(min(number, 3)))
    assert reading._run_files(tmp_path) == listed + (" and 1 more" if number == 4 else "")


@pytest.mark.parametrize("ending", ["partial", "checkpoint"])
def test_the_unfinished_run_is_named_in_the_place_of_its_file(tmp_path, ending):
    (tmp_path / f"run.nc.{ending}").touch()
    with pytest.raises(nm.RunFileError, match="is not there") as caught:
        nm.open_run(tmp_path / "run.nc")
    assert caught.value.hint == f"open {tmp_path}/run.nc.{ending}, its unfinished run"


# --- lists of runs ---


def test_an_entry_says_what_a_run_was_and_how_far_it_came(tmp_path):
    names = ("plain", "full", "experiment")
    for name in names:
        unpacked(f"{name}-{FORMATS[-1]}.nc", tmp_path / f"{name}.nc")
    plain, full, experiment = (catalogue.entry_of(tmp_path, f"{name}.nc") for name in names)
    with netCDF4.Dataset(tmp_path / "plain.nc") as file:
        ratios = np.asarray(file["learning/correct_letter_ratio"][:])
        last = float(file["evaluation/correct_letter_ratio"][...])
    assert plain == catalogue.Entry(
        "plain.nc", circuit="mpl", protocol="toy-language", seed=0, backend="numpy", presentations=6,
        measure="correct_letter_ratio", last=last, best=float(ratios.max()), complete=True,
    )  # fmt: skip
    assert (full.measure, full.presentations, full.experiment, full.trouble) == ("accuracy", 2, "", "")
    assert (experiment.experiment, experiment.measure, experiment.last, experiment.complete) == (
        "inference",
        "",
        None,
        True,
    )


@pytest.mark.parametrize(
    ("measure", "values", "best"),
    [
        ("accuracy", [0.5, 0.75, np.nan, 0.25], 0.75),
        ("perplexity", [9.0, 7.0, np.nan, 8.0], 7.0),
        ("accuracy", [np.nan, np.nan], None),
        ("accuracy", [0.5, np.inf], None),
    ],
)
def test_the_best_test_is_the_largest_or_the_smallest_that_there_is(group, measure, values, best):
    group.createDimension("test", None)
    netcdf.create_column(group, measure, "f8", "test", measure)
    group[measure][:] = values
    assert catalogue._number(catalogue._best(group[measure], measure)) == best
    assert json.dumps(best)


def test_the_attribute_of_a_run_that_cannot_be_listed_is_named(tmp_path):
    unpacked(f"experiment-{FORMATS[-1]}.nc", tmp_path / "run.nc")
    with netCDF4.Dataset(tmp_path / "run.nc", "a") as file:
        file["experiment"].kind = 7
    assert catalogue.entry_of(tmp_path, "run.nc").trouble == "the attribute kind of experiment is '7', not a text"
    with netCDF4.Dataset(tmp_path / "run.nc", "a") as file:
        file.seed = "soon"
    assert catalogue.entry_of(tmp_path, "run.nc").trouble == "the attribute seed is 'soon', not a whole number"
