"""The run file: what is written is what is read, and what was synced survives a kill."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest

from neuro_mpc.errors import RunError, RunFileError
from neuro_mpc.examination.opening import chunking, variables
from neuro_mpc.runfile import file_format
from neuro_mpc.runfile.finished import Finished
from neuro_mpc.runfile.netcdf import chunks
from neuro_mpc.runfile.record import BLOCK_ROWS, RunFile, open_run

CIRCUIT = SimpleNamespace(name="mpl", to_toml=lambda: 'name = "mpl"\ndescription = "π and Ξ"\n')
INFERENCE = SimpleNamespace(step_duration=None)
PROTOCOL = SimpleNamespace(name="toy", precision="float64", inference=INFERENCE, to_toml=lambda: 'name = "toy"\n')


def new_run(path, protocol=PROTOCOL, **options):
    return RunFile(path, circuit=CIRCUIT, protocol=protocol, seed=7, backend="numpy", threads=1, **options)


def test_attributes_tell_what_was_run(tmp_path):
    with new_run(tmp_path / "run.nc", extra_attributes={"noise_seed": 3}):
        pass
    with open_run(tmp_path / "run.nc") as run:
        assert run.attrs["circuit"] == CIRCUIT.to_toml()
        assert run.attrs["protocol"] == PROTOCOL.to_toml()
        assert (run.attrs["seed"], run.attrs["backend"], run.attrs["precision"]) == (7, "numpy", "float64")
        assert run.attrs["complete"] == 1
        assert run.attrs["noise_seed"] == 3
        assert {"neuro_mpc_version", "brian2_version", "Conventions"} <= set(run.attrs)


def test_long_descriptions_are_kept_whole(tmp_path):
    text = 'description = "' + "Ξ" * 200_000 + '"\n'
    protocol = SimpleNamespace(name="long", precision="float32", inference=INFERENCE, to_toml=lambda: text)
    new_run(tmp_path / "run.nc", protocol).close()
    with open_run(tmp_path / "run.nc") as run:
        assert run.attrs["protocol"] == text


def test_a_run_that_goes_on_has_the_format_of_what_goes_on_and_all_changes_and_warnings(tmp_path):
    path = tmp_path / "run.nc"
    begun = new_run(path)
    begun._file.setncattr(file_format.VERSION, "1.0")
    begun.changed(3, ["seed was 1, is 7"], {"seed": "8", "backend": "cython"})
    begun.warned("first")
    begun.flush()
    partial = begun.partial.read_bytes()
    begun.close()
    path.unlink()
    begun.partial.write_bytes(partial)
    again = RunFile.reopened(path, protocol=PROTOCOL)
    again.changed(5, ["one", "two"], {"threads": "2"})
    again.warned("second")
    again.close()
    with open_run(path) as run:
        lines = [
            "after 3 presentations: seed was 1, is 7",
            *(f"after 5 presentations: {word}" for word in ("one", "two")),
        ]
        assert run.attrs["changes"].splitlines() == lines
        assert run.attrs["warning"].splitlines() == ["first", "second"]
        assert [run.attrs[name] for name in ("seed", "backend", "threads")] == [8, "cython", 2]
        assert run.attrs[file_format.VERSION] == file_format.as_text()


def test_a_block_of_rows_is_written_as_soon_as_it_is_full(tmp_path):
    with new_run(tmp_path / "run.nc") as file:
        for k in range(BLOCK_ROWS):
            file.learning(k, 3.0 * k, k, 2.0 * k, 4.0 * k, 100)
        with netCDF4.Dataset(tmp_path / "run.nc.partial") as written:
            assert written["learning"].dimensions["presentation"].size == BLOCK_ROWS


def test_rows_beyond_a_block_are_read_in_order(tmp_path):
    count = 2 * BLOCK_ROWS + 3
    with new_run(tmp_path / "run.nc") as file:
        for k in range(count):
            file.learning(k, 3.0 * k, k, 2.0 * k, 4.0 * k, 100 + k)
    with open_run(tmp_path / "run.nc") as run:
        learning = run["learning"]
        assert learning["free_energy"].dims == ("presentation",)
        np.testing.assert_array_equal(learning["presentation"], np.arange(count))
        np.testing.assert_array_equal(learning["free_energy"], 3.0 * np.arange(count))
        np.testing.assert_array_equal(learning["loss"], 2.0 * np.arange(count))
        np.testing.assert_array_equal(learning["free_energy_start"], 4.0 * np.arange(count))
        np.testing.assert_array_equal(learning["iterations"], 100 + np.arange(count))
        assert learning["free_energy"].encoding["chunksizes"] == (1024,)


def test_a_test_without_a_measure_reads_as_missing(tmp_path):
    with new_run(tmp_path / "run.nc") as file:
        file.test(0, {"test_loss": 3.0})
        file.test(50, {"test_loss": 1.0, "accuracy": 0.5})
    with open_run(tmp_path / "run.nc") as run:
        np.testing.assert_array_equal(run["learning/test"], [0, 50])
        np.testing.assert_array_equal(run["learning/test_presentation"], [0, 50])
        np.testing.assert_array_equal(run["learning/test_loss"], [3.0, 1.0])
        np.testing.assert_array_equal(run["learning/accuracy"], [np.nan, 0.5])


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_snapshots_keep_every_bit_of_the_precision(tmp_path, precision):
    first, last = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(precision)
    protocol = SimpleNamespace(name="toy", precision=precision, inference=INFERENCE, to_toml=lambda: "")
    with new_run(tmp_path / "run.nc", protocol) as file:
        file.snapshot(0, {"input": {"m": first, "pi": first}, "recurrent": {"w": first}})
        file.snapshot(10, {"input": {"m": last, "pi": last}, "recurrent": {"w": last}})
    with open_run(tmp_path / "run.nc") as run:
        m = run["synapses/input/m"]
        assert m.dims == ("snapshot", "post", "pre")
        assert m.dtype == precision
        np.testing.assert_array_equal(m, [first, last])
        np.testing.assert_array_equal(run["synapses/recurrent/w"].coords["presentation"], [0, 10])


def test_samples_have_names_of_their_dimensions(tmp_path):
    rng = np.random.default_rng(0)
    stimulus, target = rng.random((6, 4, 3)), rng.random((1, 4, 5))
    belief, output = rng.normal(size=(6, 4, 8)), rng.random((1, 4, 5))
    neural = {"hidden": {"belief": belief}, "output": {"output": output}}
    with new_run(tmp_path / "run.nc") as file:
        file.sample(0, stimulus, target, neural, np.array([9, 8, 7, 6]))
        later = {"hidden": {"belief": 2 * belief}, "output": {"output": output}}
        file.sample(30, stimulus, target, later, np.arange(4))
    with open_run(tmp_path / "run.nc") as run:
        assert run["neural/hidden/belief"].dims == ("sample", "step", "trial", "unit")
        np.testing.assert_array_equal(run["neural/hidden/belief"], [belief, 2 * belief])
        np.testing.assert_array_equal(run["neural/output/step"], [5])
        np.testing.assert_array_equal(run["stimulus/target"], [target, target])
        np.testing.assert_array_equal(run["stimulus/target_step"], [5])
        np.testing.assert_array_equal(run["stimulus/trial_number"], [[9, 8, 7, 6], [0, 1, 2, 3]])
        np.testing.assert_array_equal(run["neural/hidden/presentation"], [0, 30])


def test_trajectories_of_unequal_length_are_padded_with_missing(tmp_path):
    rng = np.random.default_rng(0)
    short, long = rng.normal(size=(2, 3, 2, 4)), rng.normal(size=(5, 3, 2, 4))
    stimulus, noise = rng.random((3, 2, 1)), rng.normal(size=(3, 2, 4))
    with new_run(tmp_path / "run.nc") as file:
        for k, belief in enumerate((short, long)):
            file.sample(k, stimulus, stimulus, {"hidden": {"belief": belief, "noise": noise}}, np.arange(2))
    with open_run(tmp_path / "run.nc") as run:
        belief = run["neural/hidden/belief"]
        assert belief.dims == ("sample", "iteration", "step", "trial", "unit")
        np.testing.assert_array_equal(belief[0, :2], short)
        assert belief[0, 2:].isnull().all()
        np.testing.assert_array_equal(belief[1], long)
        assert run["neural/hidden/noise"].dims == ("sample", "step", "trial", "unit")


def test_a_smaller_batch_after_a_larger_one_reads_as_missing(tmp_path):
    with new_run(tmp_path / "run.nc") as file:
        for trials in (3, 2, 4):
            block = np.full((5, trials, 2), trials)
            file.sample(trials, block, block, {"hidden": {"error": block.astype(float)}}, np.arange(trials))
    with open_run(tmp_path / "run.nc") as run:
        present = run["neural/hidden/error"].isel(step=0, unit=0).notnull().sum("trial")
        np.testing.assert_array_equal(present, [3, 2, 4])


def test_generation_names_symbols_and_transitions(tmp_path):
    sequences = np.array([[0, 2], [1, 1]])
    with new_run(tmp_path / "run.nc") as file:
        file.generated(0, sequences, symbols=["a", "b", "c"], transitions=[2, 4])
        file.generated(20, sequences[::-1])
    with open_run(tmp_path / "run.nc") as run:
        group = run["generation"]
        assert group["sequence"].dims == ("test", "trial", "position")
        np.testing.assert_array_equal(group["sequence"], [sequences, sequences[::-1]])
        np.testing.assert_array_equal(group["test"], [0, 20])
        assert group.attrs["symbols"].split("\n") == ["a", "b", "c"]
        np.testing.assert_array_equal(group.attrs["transitions"], [2, 4])


def test_every_variable_has_units_and_a_long_name(example_run):
    for group in example_run.subtree:
        for variable in group.variables.values():
            assert variable.attrs["units"] == "1"
            assert variable.attrs["long_name"]


def test_the_rows_of_tests_are_labelled_by_their_presentations(example_path):
    with netCDF4.Dataset(example_path) as file:
        learning = file["learning"]
        assert learning["test_loss"].coordinates == "test_presentation"
        assert "coordinates" not in learning["test_presentation"].ncattrs()


def test_of_every_variable_the_library_holds_no_more_than_two_chunks(tmp_path):
    """By itself it holds 16 MiB of each: the memory of a run of 10⁶ presentations grew by 30 MB."""
    file = new_run(tmp_path / "run.nc")
    file.test(0, {"accuracy": 0.5})
    file.snapshot(0, {"in": {"m": np.zeros((3, 600_000))}})
    file.sample(0, np.zeros((2, 3, 4)), np.zeros((2, 3, 1)), {"hidden": {"r": np.zeros((2, 3, 5))}}, np.arange(3))
    names = held(file)
    assert {"/learning/free_energy", "/learning/accuracy", "/synapses/in/m", "/neural/hidden/r"} <= names
    file.close(complete=False)
    file = RunFile.reopened(tmp_path / "run.nc", protocol=PROTOCOL)
    assert held(file) == names
    file.close()


def held(record):
    """The names of the variables of a file that is written, of which the library holds two chunks each."""
    found = set()
    for variable in variables(record._file):
        if chunk := chunking(variable):
            assert variable.get_var_chunk_cache()[0] == 2 * np.prod(chunk) * variable.dtype.itemsize, variable.name
            found.add(f"{variable.group().path}/{variable.name}")
    return found


def test_the_same_run_has_the_same_content(tmp_path):
    def content(path):
        with new_run(path) as file:
            file.learning(0, 1, 2, 3, 4, 5)
            file.snapshot(0, {"input": {"m": np.eye(3)}})
        with open_run(path) as run:
            run.load()
        run.attrs.pop("created")
        return run

    assert content(tmp_path / "a.nc").identical(content(tmp_path / "b.nc"))


def test_an_exception_leaves_a_readable_partial_file(tmp_path):
    with pytest.raises(ZeroDivisionError), new_run(tmp_path / "run.nc") as file:
        file.learning(0, 1, 2, 3, 4, 5)
        raise ZeroDivisionError
    with pytest.raises(RunFileError, match=r"run\.nc\.partial"):
        open_run(tmp_path / "run.nc")
    with open_run(tmp_path / "run.nc.partial") as run:
        assert run.attrs["complete"] == 0
        np.testing.assert_array_equal(run["learning/free_energy"], [1])


KILLED = """
import sys, time
import numpy as np
from types import SimpleNamespace
from neuro_mpc.runfile.record import BLOCK_ROWS, RunFile

text = SimpleNamespace(
    name="x", precision="float32", inference=SimpleNamespace(step_duration=None), to_toml=lambda: ""
)
run = RunFile(sys.argv[1], circuit=text, protocol=text, seed=0, backend="numpy", threads=1)
run.snapshot(0, {"input": {"m": np.full((30, 20), 0.5)}})
for k in range(3 * BLOCK_ROWS):
    run.learning(k, k, 0, 0, 0, 1)
run.test(k + 1, {"accuracy": 0.25})
run.learning(k + 1, -1, 0, 0, 0, 1)
print("synced", flush=True)
time.sleep(60)
"""


def test_a_killed_run_leaves_every_synced_block(tmp_path):
    path = tmp_path / "run.nc"
    writer = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout.readline() == "synced\n"
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
    assert not path.exists()
    with open_run(f"{path}.partial") as run:
        assert run.attrs["complete"] == 0
        np.testing.assert_array_equal(run["learning/free_energy"], np.arange(3 * BLOCK_ROWS))
        np.testing.assert_array_equal(run["learning/accuracy"], [0.25])
        np.testing.assert_array_equal(run["synapses/input/m"], np.full((1, 30, 20), 0.5))


def test_nothing_is_replaced_unasked(tmp_path):
    path = tmp_path / "run.nc"
    new_run(path).close()
    with pytest.raises(RunError, match="overwrite=True"):
        new_run(path)
    new_run(path, overwrite=True).close(complete=False)
    with open_run(path) as kept:
        assert kept.attrs["complete"] == 1
    path.unlink()
    with pytest.raises(RunError, match="unfinished run"):
        new_run(path)


def test_folders_that_cannot_take_the_file_are_refused(tmp_path, monkeypatch):
    with pytest.raises(RunError, match="is not there"):
        new_run(tmp_path / "nowhere" / "run.nc")
    with pytest.raises(RunError, match="is a folder"):
        new_run(tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(RunError, match="not writable"):
        new_run(tmp_path / "run.nc")
    assert not list(tmp_path.iterdir())


def test_other_files_are_no_run_files(tmp_path):
    with pytest.raises(RunFileError, match="is not there"):
        open_run(tmp_path / "run.nc")
    (tmp_path / "text.nc").write_text("not netCDF")
    with pytest.raises(RunFileError, match="cannot be read"):
        open_run(tmp_path / "text.nc")
    netCDF4.Dataset(tmp_path / "other.nc", "w").close()
    with pytest.raises(RunFileError, match="no attribute circuit, protocol, complete"):
        open_run(tmp_path / "other.nc")


@pytest.mark.parametrize("shape", [(512, 9819), (100, 100, 128, 100), (3,), (1, 0), (10_000_000,)])
def test_chunks_stay_below_a_mebibyte_and_inside_the_array(shape):
    chunk = chunks(shape)
    assert np.prod(chunk) * 8 <= 2**20
    assert all(1 <= part <= max(size, 1) for part, size in zip(chunk, shape))


def test_a_file_that_declares_more_than_it_can_hold_is_refused(tmp_path):
    new_run(tmp_path / "run.nc").close()
    with netCDF4.Dataset(tmp_path / "run.nc", "a") as file:
        file.createDimension("huge", 10**12)
        file.createVariable("zeros", "f8", ("huge",), chunksizes=(1000,), compression="zlib")
    with pytest.raises(RunFileError, match="declares 8,000,000,000,"):
        open_run(tmp_path / "run.nc")


def test_a_damaged_file_can_be_opened_with_care(tmp_path):
    path = tmp_path / "run.nc"
    new_run(path).close()
    with open_run(path, careful=True) as run:
        assert run.attrs["complete"] == 1
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(RunFileError, match="damaged"):
        open_run(path, careful=True)


def test_a_complete_run_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "run.nc"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(RunFileError, match=r"run\.nc is damaged"):
        Finished.read(path)
