"""Run files of strangers: what is no run file is refused before anything is read from it, without a traceback."""

import gzip
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc.cli import REFUSED, app
from neuro_mpc.examination.isolation import DAMAGED, limit_memory, trouble
from neuro_mpc.runfile import reading
from neuro_mpc.runfile.record import RunFile


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run.nc"
    circuit, protocol = nm.load_circuit("mpl"), nm.load_protocol("toy-language")
    with RunFile(path, circuit=circuit, protocol=protocol, seed=0, backend="numpy", threads=1) as file:
        for presentation in range(5):
            file.learning(presentation, 3.0, 1.0, 2.0, 4.0, 1)
        file.snapshot(0, {"input": {"m": np.ones((3, 2))}})
    return path.read_bytes()


def vlen(file):
    file["learning"].createVariable("odd", file.createVLType(np.int32, "vlen"), ("presentation",))


def compound(file):
    kind = file.createCompoundType(np.dtype([("a", "f8"), ("b", "i4")]), "pair")
    file["learning"].createVariable("odd", kind, ("presentation",))


def enum(file):
    kind = file.createEnumType(np.uint8, "kind", {"a": 0})
    file["learning"].createVariable("odd", kind, ("presentation",), fill_value=0)


def text(file):
    file["learning"].createVariable("odd", str, ("presentation",))


def giant(file):
    file.createDimension("huge", 10**12)
    file.createVariable("odd", "f8", ("huge",), chunksizes=(10**6,), compression="zlib")


def long(file):
    file["learning/loss"][3_000_000_000] = 1.0


ODD = [
    (vlen, "learning/odd does not hold numbers"),
    (compound, "learning/odd does not hold numbers"),
    (enum, "learning/odd does not hold numbers"),
    (text, "learning/odd does not hold numbers"),
    (giant, "it declares 8,000,"),
    (long, "it declares 84,0"),
    (lambda file: file.setncattr("circuit", 3), "has no attribute circuit"),
    (lambda file: file.setncattr("protocol", "[" * 5000), "has no attribute protocol"),
    (lambda file: file.delncattr("complete"), "has no attribute complete"),
]


@pytest.mark.parametrize(("change", "problem"), ODD, ids=lambda value: getattr(value, "__name__", None))
def test_what_no_run_file_holds_is_refused(whole, tmp_path, change, problem):
    path = tmp_path / "run.nc"
    path.write_bytes(whole)
    with netCDF4.Dataset(path, "a") as file:
        change(file)
    with pytest.raises(nm.RunFileError, match=problem):
        nm.open_run(path)


def test_what_a_file_cannot_hold_is_told_by_the_careful_reader_too(whole, tmp_path):
    path = tmp_path / "run.nc"
    path.write_bytes(whole)
    assert trouble(path) == ""
    with netCDF4.Dataset(path, "a") as file:
        giant(file)
    with pytest.raises(nm.RunFileError, match="it declares 8,000,"):
        nm.open_run(path, careful=True)
    path.write_bytes(whole[:2000])
    assert trouble(path) == DAMAGED


def nonsense(file):
    file["learning/free_energy"].scale_factor = "x"


@pytest.mark.parametrize(
    "change",
    [
        nonsense,
        lambda file: file["learning"].renameDimension("presentation", "p"),
        lambda file: file["learning"].renameVariable("free_energy", "energy"),
    ],
)
def test_the_command_line_shows_no_traceback_of_a_strange_file(whole, tmp_path, change):
    path = tmp_path / "run.nc"
    path.write_bytes(whole)
    assert CliRunner().invoke(app, ["plot", str(path), "--figure", "learning"]).exit_code == 0
    with netCDF4.Dataset(path, "a") as file:
        change(file)
    result = CliRunner().invoke(app, ["plot", str(path), "--figure", "learning"])
    assert result.exit_code == REFUSED
    assert isinstance(result.exception, SystemExit)
    assert "run.nc" in result.output


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("run-0.nc", "did you mean 'run-1.nc'?"),
        ("mpl", "a run file: mpl is a circuit that comes with the package"),
        ("toy-language", "a run file: toy-language is a protocol that comes with the package"),
    ],
)
def test_what_is_meant_by_a_file_that_is_not_there_is_guessed(tmp_path, name, hint):
    (tmp_path / "run-1.nc").touch()
    with pytest.raises(nm.RunFileError, match="is not there") as caught:
        nm.open_run(tmp_path / name)
    assert caught.value.hint == hint


def test_a_folder_is_called_what_it_is(tmp_path):
    for name in ("seed=0.nc", "seed=1.nc", "seed=2.nc", "seed=3.nc"):
        (tmp_path / name).touch()
    with pytest.raises(nm.RunFileError, match=r"is a folder, not a run file\n.*in it are: seed=0\.nc, .* and 1 more"):
        nm.open_run(tmp_path, careful=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(nm.RunFileError, match="empty is a folder, not a run file$"):
        nm.open_run(tmp_path / "empty")


@pytest.mark.parametrize("name", ["sweep.nc", "all of them.nc"])
@pytest.mark.parametrize("careful", [True, False])
def test_the_sum_of_a_sweep_is_told_by_its_content(tmp_path, name, careful):
    for member in ("seed=0.nc", "seed=1.nc"):
        (tmp_path / member).touch()
    sweep = {each: ("seed", [value]) for each, value in (("complete", 1), ("error", ""), ("file", "seed=0.nc"))}
    xr.Dataset(sweep, {"seed": [0]}).to_netcdf(tmp_path / name)
    told = rf"{name} sums up a sweep, it is no run file\n.*members: seed=0\.nc, seed=1\.nc; xarray"
    with pytest.raises(nm.RunFileError, match=told):
        nm.open_run(tmp_path / name, careful=careful)


@pytest.mark.parametrize("careful", [True, False])
def test_a_file_whose_root_is_damaged_is_no_run_file(tmp_path, careful):
    content = bytearray(gzip.decompress((Path(__file__).parent / "runs" / "plain-1.2.nc.gz").read_bytes()))
    root = int.from_bytes(content[36:44], "little")  # told by the superblock
    assert content[root : root + 4] == b"OHDR"
    content[root + 20] ^= 255
    path = tmp_path / "run.nc"
    path.write_bytes(content)
    with pytest.raises(nm.RunFileError, match=r"run\.nc cannot be read as a run file"):
        nm.open_run(path, careful=careful)


def test_another_file_is_no_sum_of_a_sweep_for_its_name(tmp_path):
    xr.Dataset({"complete": ("seed", [1])}).to_netcdf(tmp_path / "sweep.nc")
    with pytest.raises(nm.RunFileError, match="is not a run file: it has no attribute circuit"):
        nm.open_run(tmp_path / "sweep.nc")
    (tmp_path / "sweep.nc").write_bytes(b"half of one")
    with pytest.raises(nm.RunFileError, match="sums up a sweep"):
        nm.open_run(tmp_path / "sweep.nc")


def test_there_is_no_limit_where_the_system_does_not_tell_the_size_of_a_process(tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit_memory(tmp_path / "not on macOS")
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_run_is_taken_as_it_is_and_the_file_of_one_is_closed_again(example_path, monkeypatch):
    closed, close = [], xr.DataTree.close
    monkeypatch.setattr(xr.DataTree, "close", lambda tree: (closed.append(tree), close(tree)))
    with nm.open_run(example_path) as run:
        with reading.as_run(run) as given:
            assert given is run
        assert not closed
        assert np.isfinite(run["learning/free_energy"].values).all()
    for path in (example_path, str(example_path)):
        with reading.as_run(path) as opened:
            assert opened.encoding["source"] == str(example_path)
        assert closed.pop() is opened
