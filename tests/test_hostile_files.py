"""Run files that reach outside, or ask for more than their size holds, are refused before netCDF opens them."""

import hashlib
import os
import random
import re
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
from hostile import (
    REFUSED,
    SECRET,
    changed,
    external_link,
    external_storage,
    many_groups,
    nested_groups,
    outside_files,
    symbol_that_reads_a_file,
)
from interrupted import simulate

import neuro_mpc as nm
from neuro_mpc.examination import structure
from neuro_mpc.examination.isolation import blocks, trouble_elsewhere
from neuro_mpc.runfile import checkpoint, netcdf
from neuro_mpc.runfile.paths import lock_path, partial_path, saved_path
from neuro_mpc.runfile.reading import attributes
from neuro_mpc.runs.training import Training


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A complete run file."""
    path = tmp_path_factory.mktemp("whole") / "run.nc"
    simulate(path)
    return path


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    path = outside_files(folder)
    for each in folder.iterdir():
        os.utime(each, (1e9, 1e9))
    return path


COUNTED = ("many_chunks", "large_declaration")  # by netCDF, which does not read by opening


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__name__)
def test_what_reaches_outside_or_asks_for_too_much_is_refused_by_name(whole, tmp_path, outside, change, monkeypatch):
    path = changed(whole, tmp_path / "run.nc", change, random.Random(1), outside)
    with pytest.raises(nm.RunFileError, match=REFUSED[change]):
        nm.open_run(path)
    if change.__name__ not in COUNTED:
        monkeypatch.setattr(netCDF4, "Dataset", None)  # it is not even opened by netCDF
        with pytest.raises(nm.RunFileError, match=REFUSED[change]):
            attributes(path)
    assert outside.read_bytes() == SECRET


def test_a_file_that_was_refused_can_be_mended_where_it_is(whole, tmp_path, outside):
    path = changed(whole, tmp_path / "run.nc", external_link, random.Random(1), outside)
    with pytest.raises(nm.RunFileError, match="link to another file") as caught:
        nm.open_run(path)
    path.write_bytes(whole.read_bytes())
    nm.open_run(path).close()
    with h5py.File(path) as file:  # and nothing keeps it open
        assert "learning" in file
    assert caught.value.__cause__ is not None  # the error is still held, with all that led to it


def test_dimensions_that_contradict_each_other_are_told(whole, tmp_path, outside):
    def one_number_for_two(file, *_):
        snapshot = next(each for each in file["synapses"].values())["snapshot"]
        file["learning/presentation"].attrs["_Netcdf4Dimid"] = snapshot.attrs["_Netcdf4Dimid"]

    path = changed(whole, tmp_path / "run.nc", one_number_for_two, random.Random(0), outside)
    for read in (nm.open_run, attributes):
        with pytest.raises(nm.RunFileError, match="netCDF cannot make sense of its dimensions"):
            read(path)


def test_a_second_attribute_of_one_name_is_refused(tmp_path):
    """By that name the first one is found, and netCDF may find the other."""
    path = tmp_path / "twice.nc"
    with h5py.File(path, "w") as file:
        file.attrs.update(first_one=1, other_one=2)
    structure.examine(path)
    path.write_bytes(path.read_bytes().replace(b"other_one", b"first_one"))
    with pytest.raises(ValueError, match="^/ has attributes of the same name$"):
        structure.examine(path)


def test_a_sound_file_is_examined_and_read(whole):
    assert trouble_elsewhere(whole) == ""
    with nm.open_run(whole) as run:
        assert run["learning"].sizes["presentation"] == 20


def test_blocks_cover_an_array_once_in_whole_chunks():
    covered = np.zeros((7, 10, 6), int)
    for block in blocks(covered.shape, (1, 4, 6), 30):
        covered[block] += 1
        assert covered[block].size <= 30
        assert block[1].start % 4 == 0
    assert (covered == 1).all()
    assert list(blocks((), (), 10)) == [()]


def test_a_file_is_examined_once_in_each_of_its_states(whole, tmp_path, outside, monkeypatch):
    path = tmp_path / "run.nc"
    path.write_bytes(whole.read_bytes())
    nm.open_run(path).close()
    with monkeypatch.context() as patched:
        patched.setattr(structure, "examine", None)
        nm.open_run(path).close()
    changed(whole, path, external_link, random.Random(1), outside)
    for _ in range(2):
        with pytest.raises(nm.RunFileError, match=REFUSED[external_link]):
            nm.open_run(path)


def test_an_attribute_is_open_only_while_it_is_examined(whole, monkeypatch):
    """HDF5 looks through all that are, for each object: time would grow as the square of the number of variables."""
    held, refuse = [], structure._Examination._refuse_foreign_dimensions

    def counting(examination, *attribute):
        held.append(h5py.h5f.get_obj_count(examination._file, h5py.h5f.OBJ_ATTR))
        return refuse(examination, *attribute)

    monkeypatch.setattr(structure._Examination, "_refuse_foreign_dimensions", counting)
    structure.examine(whole)
    assert len(held) > 10
    assert set(held) == {1}


@pytest.fixture
def halfway(tmp_path, monkeypatch):
    """A run that ended with an error after some presentations, and its checkpoint."""
    path = tmp_path / "run.nc"

    def fail(*_):
        raise nm.RunError("ended")

    with monkeypatch.context() as patched:
        patched.setattr(Training, "_evaluate", fail)
        with pytest.raises(nm.RunError, match="ended"):
            simulate(path)
    assert saved_path(path).is_file()
    return path


def forge(saved: Path, change, outside: Path) -> None:
    """Changes the run file in a checkpoint, and puts the parts together with new sizes and sha256."""
    content = saved.read_bytes()
    records, arrays, header, _, mark = checkpoint.FOOTER.unpack(content[-checkpoint.FOOTER.size :])
    inner = saved.with_suffix(".inner")
    inner.write_bytes(content[:records])
    with h5py.File(inner, "r+") as file:
        change(file, random.Random(0), outside)
    forged = inner.read_bytes() + content[records : records + arrays + header]
    size = inner.stat().st_size
    inner.unlink()
    footer = checkpoint.FOOTER.pack(size, arrays, header, hashlib.sha256(forged).digest(), mark)
    saved.write_bytes(forged + footer)


def ratio_elsewhere(file, chance, outside):
    file.require_group("evaluation").create_dataset(
        "correct_letter_ratio", shape=(1,), dtype="f4", external=[(str(outside), 0, 4)]
    )


def test_a_forged_checkpoint_writes_nowhere_else(halfway, outside):
    forge(saved_path(halfway), ratio_elsewhere, outside)
    partial_path(halfway).unlink()
    with pytest.raises(nm.RunFileError, match="evaluation/correct_letter_ratio has its data in another file"):
        simulate(halfway, resume=True)
    assert outside.read_bytes() == SECRET
    assert not partial_path(halfway).exists()
    assert not halfway.exists()


@pytest.mark.parametrize("name", [partial_path, saved_path, lock_path], ids=lambda each: each.__name__)
@pytest.mark.parametrize("link", [os.symlink, os.link], ids=lambda each: each.__name__)
def test_links_at_the_names_that_a_run_writes_to_lead_nowhere(tmp_path, outside, name, link):
    out = tmp_path / "run.nc"
    link(outside, name(out))
    for options in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(nm.RunError, match=f"{name(out).name} is a link to another file"):
            simulate(out, **options)
    assert outside.read_bytes() == SECRET


@pytest.mark.parametrize("content", [b"", b"CDF\x01" + bytes(100), None], ids=["empty", "netCDF-3", "cut short"])
def test_a_damaged_file_is_not_told_to_be_complete(whole, tmp_path, content):
    path = tmp_path / "run.nc"
    path.write_bytes(whole.read_bytes()[:12_000] if content is None else content)
    with pytest.raises(nm.RunFileError, match="run.nc cannot be read as a run file"):
        simulate(path, resume=True)


def test_a_file_of_an_unfinished_run_is_not_told_to_be_complete(halfway):
    saved_path(halfway).unlink()
    partial_path(halfway).rename(halfway)
    with pytest.raises(nm.RunError, match="is not the file of a complete run"):
        simulate(halfway, resume=True)


@pytest.mark.parametrize(
    "seed", [np.array([1, 2, 3]), "-1e400", 1.5, "9" * 5000], ids=["array", "text", "float", "long"]
)
def test_a_seed_that_is_no_number_is_told_by_name(whole, tmp_path, seed):
    def reseed(file, *_):
        file.attrs["seed"] = seed

    path = changed(whole, tmp_path / "run.nc", reseed, random.Random(0), tmp_path)
    with nm.open_run(path) as run, pytest.raises(nm.RunFileError, match="the attribute seed is .*, not a whole number"):
        nm.load_trained(run)


@pytest.mark.parametrize("numbers", [[np.nan, np.inf], [0.0, 0.5], 3.0, None], ids=["nan", "half", "scalar", "none"])
def test_snapshots_without_numbers_of_presentations_are_told_by_name(whole, tmp_path, numbers):
    def renumber(file, *_):
        del file["synapses/recurrent/presentation"]
        if numbers is not None:
            file["synapses/recurrent"].create_dataset("presentation", data=np.array(numbers))

    path = changed(whole, tmp_path / "run.nc", renumber, random.Random(0), tmp_path)
    with nm.open_run(path) as run, pytest.raises(nm.RunFileError, match="recurrent/presentation is not a whole number"):
        nm.load_trained(run)


def test_the_careful_reader_has_limits(whole, tmp_path, outside):
    for change in (many_groups, nested_groups, external_storage):
        path = changed(whole, tmp_path / "run.nc", change, random.Random(1), outside)
        assert REFUSED[change] in trouble_elsewhere(path)


def test_every_file_is_opened_by_way_of_its_examination():
    package = Path(netcdf.__file__).parents[1]
    existing = re.compile(r"""netCDF4\.Dataset\((?![^)]*, "w")""")  # with "w" it is a new one
    opening = [path.name for path in package.rglob("*.py") if existing.search(path.read_text(encoding="utf-8"))]
    assert opening == ["opening.py"]


def test_a_symbol_that_is_refused_now_does_not_keep_a_run_from_being_read(whole, tmp_path):
    path = changed(whole, tmp_path / "run.nc", symbol_that_reads_a_file, random.Random(0), Path("/etc/passwd"))
    with nm.open_run(path) as run:
        assert "input{/etc" in run.attrs["circuit"]
        trained = nm.load_trained(run)
        assert trained.circuit.synapse["spike-and-slab"].parameter["Xi"].symbol is None
        assert trained.circuit.synapse["spike-and-slab"].parameter["pi"].symbol == "\\pi"
        with pytest.raises(nm.DescriptionError, match="symbol"):
            nm.Circuit.from_toml(run.attrs["circuit"])
