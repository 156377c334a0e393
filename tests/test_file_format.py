"""The format of run files: kept files are as docs/run-file.md says; what a newer file holds is told, not guessed."""

import json
import re
import shutil
import warnings

import netCDF4
import numpy as np
import pytest
from kept_runs import FOLDER, FORMATS, simulate, simulate_full, unpacked
from pages import text_of

import neuro_mpc as nm
from neuro_mpc.runfile import catalogue, checkpoint, file_format
from neuro_mpc.runfile.paths import saved_path
from neuro_mpc.runfile.reading import attributes, opened_run

pytestmark = pytest.mark.usefixtures("in_this_process")

PAGE = text_of("docs/run-file.md")
NAMED = {word for quoted in re.findall(r"`([^`]+)`", PAGE) for word in re.split(r"[ ,()]+", quoted)}
OWN_NAMES = ("synapses", "precision", "neural")  # groups of groups that are named by the circuit


@pytest.fixture
def kept(tmp_path):
    return unpacked(f"plain-{FORMATS[-1]}.nc", tmp_path / "run.nc")


def stated(path, **attributes):
    """Changes attributes of the root; None removes one."""
    with netCDF4.Dataset(path, "a") as file:
        for name, value in attributes.items():
            file.delncattr(name) if value is None else file.setncattr(name, value)


def names_in(path) -> set[str]:
    """Every name in a file: groups, dimensions, variables and attributes; those that the circuit gives left out."""
    with netCDF4.Dataset(path) as file:
        return set(_names(file))


def _names(group):
    if group.path != "/experiment":  # whose class says what it holds
        yield from (*group.dimensions, *group.variables)
    yield from group.ncattrs()
    for name, inner in group.groups.items():
        if group.name not in OWN_NAMES:
            yield (
                f"/{name}/<{'projection' if name == 'synapses' else 'population'}>" if name in OWN_NAMES else f"/{name}"
            )
        yield from _names(inner)


def laid_out(path) -> dict[str, tuple]:
    """Variable → its dimensions, type, chunks, filters, value of what is missing, and attributes."""
    with netCDF4.Dataset(path) as file:
        return {
            f"{group.path}/{name}": _layout(group, each)
            for group in _groups(file)
            for name, each in group.variables.items()
        }


def _groups(group):
    yield group
    for inner in group.groups.values():
        yield from _groups(inner)


def _layout(group, variable) -> tuple:
    sizes = [(name, variable.get_dims()[place].isunlimited()) for place, name in enumerate(variable.dimensions)]
    attributes = {name: str(variable.getncattr(name)) for name in variable.ncattrs()}
    return sizes, variable.shape, variable.dtype.str, variable.chunking(), variable.filters(), attributes


def is_on_the_page(name: str) -> bool:
    endings = (each.removeprefix("…") for each in NAMED if each.startswith("…_"))
    return name in NAMED or any(name.endswith(ending) for ending in endings)


@pytest.mark.parametrize("name", sorted(path.name.removesuffix(".gz") for path in FOLDER.glob("*.gz")))
def test_every_name_in_a_kept_file_is_on_the_page(name, tmp_path):
    found = names_in(unpacked(name, tmp_path / "run.nc"))
    assert len(found) > 25
    assert not [each for each in sorted(found) if not is_on_the_page(each)]


def test_what_is_written_has_the_names_of_the_kept_file_of_its_version(tmp_path):
    """A new name is an addition: it takes another version of the format, and `tests/kept_runs.py` writes its files."""
    simulate_full(tmp_path / "run.nc")
    assert file_format.as_text() == FORMATS[-1]
    kept = unpacked(f"full-{FORMATS[-1]}.nc", tmp_path / "kept.nc")
    assert names_in(tmp_path / "run.nc") == names_in(kept)
    assert laid_out(tmp_path / "run.nc") == laid_out(kept)
    with netCDF4.Dataset(tmp_path / "run.nc") as written, netCDF4.Dataset(kept) as before:
        for name in laid_out(kept):
            np.testing.assert_allclose(
                *(np.ma.filled(file[name][...].astype(float), -7.0) for file in (written, before)),
                rtol=1e-3, atol=1e-4, err_msg=name,
            )  # fmt: skip


def test_the_page_and_the_code_name_the_same_version_and_groups():
    assert f"**{file_format.as_text()}**" in PAGE
    assert f"`{checkpoint.MARK.decode().strip()}`" in PAGE
    assert {each.split("/")[1] for each in NAMED if each.startswith("/")} == file_format.GROUPS


@pytest.mark.parametrize("version", FORMATS)
@pytest.mark.filterwarnings("error")
def test_a_file_of_every_format_is_read_without_a_warning(version, tmp_path):
    with nm.open_run(unpacked(f"plain-{version}.nc", tmp_path / "run.nc")) as run:
        run.load()
        assert run.attrs.get(file_format.VERSION, "1.0") == version
        assert run["learning"].to_dataset()["free_energy"].values[0] == pytest.approx(13.470485)


def test_additions_of_a_later_version_are_told_and_all_else_is_read(kept):
    stated(kept, format_version="1.12", neuro_mpc_version="0.9.0")
    with netCDF4.Dataset(kept, "a") as file:
        file.createGroup("spikes").createVariable("count", "i4")
    with warnings.catch_warnings(record=True) as told, nm.open_run(kept) as run:
        assert "free_energy" in run["learning"]
    assert {each.filename for each in told} == {__file__}  # who reads is told, not the reader
    assert [str(each.message) for each in told] == [
        f"{kept} is a run file of format 1.12, and this version of neuro_mpc knows 1.2: the group spikes may not be "
        "analysed, drawn or reported; all else means what it did (neuro_mpc 0.9.0, which wrote it)"
    ]
    with pytest.warns(UserWarning, match="of format 1.12"):
        assert nm.load_trained(kept).presentation == 6
    with pytest.warns(UserWarning, match="of format 1.12"), opened_run(kept) as file:  # as lists and sweeps read it
        assert "free_energy" in file["learning"].variables


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (
            "2.0",
            r"is a run file of format 2\.0; this version of neuro_mpc reads formats up to 1\n  try: neuro_mpc 0\.9\.0,",
        ),
        ("newest", "the attribute format_version is 'newest', not two numbers, such as 1.2"),
        (np.float64(1.1), r"the attribute format_version is '1\.1', not two numbers"),
        ("", "the attribute format_version is '', not two numbers"),
    ],
)
def test_a_format_that_is_not_known_is_refused_wherever_a_run_is_read(kept, version, told):
    stated(kept, format_version=version, neuro_mpc_version="0.9.0")
    for read in (nm.open_run, nm.load_trained, nm.summary):
        with pytest.raises(nm.RunFileError, match=told):
            read(kept)
    entry = catalogue.entry_of(kept.parent, kept.name)
    assert "format" in entry.trouble
    assert json.dumps(entry.trouble)


def test_what_another_program_calls_a_format_is_none_of_ours(kept):
    stated(kept, format_version=3, neuro_mpc_version=None, circuit=None)
    with pytest.raises(nm.RunFileError, match="is not a run file: it has no attribute circuit"):
        nm.open_run(kept)


@pytest.mark.parametrize("version", ["1.3", "2.0"])
def test_an_unfinished_run_of_a_later_format_is_not_continued(tmp_path, version, monkeypatch):
    out = tmp_path / "run.nc"
    unpacked(f"plain-{FORMATS[-1]}.checkpoint", saved_path(out))
    saved = checkpoint.read(saved_path(out))
    partial = tmp_path / "records.nc"
    saved.write_records(partial)
    stated(partial, format_version=version, neuro_mpc_version="0.9.0")
    monkeypatch.setattr(checkpoint.Checkpoint, "write_records", lambda self, path: shutil.copy(partial, path))
    with (
        warnings.catch_warnings(),
        pytest.raises(nm.RunFileError, match=f"of format {version}; this version .* writes"),
    ):
        warnings.simplefilter("ignore")
        simulate(out, resume=True, accept_changes=True)


def test_a_complete_run_of_an_unknown_format_is_not_taken_for_this_one(kept):
    stated(kept, format_version="2.0")
    with pytest.raises(nm.RunFileError, match="is a run file of format 2.0"):
        attributes(kept)
    with pytest.raises(nm.RunFileError, match="is a run file of format 2.0"):
        simulate(kept, resume=True)
