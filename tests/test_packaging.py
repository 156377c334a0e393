"""The distribution: what the wheel and the source archive hold, and what an import costs."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from hatchling import build

import neuro_mpc as nm

ROOT = Path(__file__).parents[1]
HEAVY = ("brian2", "matplotlib", "netCDF4", "numpy", "pydantic", "scipy", "sklearn", "sympy", "xarray")


def shipped_files() -> set[str]:
    """The circuits, synapse types and protocols of this checkout, by path from its root."""
    paths = [*(ROOT / "models").rglob("*.toml"), *(ROOT / "protocols").rglob("*.toml")]
    found = {path.relative_to(ROOT).as_posix() for path in paths}
    assert {"models/mpl.toml", "models/synapses/spike-and-slab.toml", "protocols/toy-language.toml"} <= found
    return found


def printed_by(code: str, **options) -> str:
    """What a new Python prints when it runs `code`."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a new Python has loaded after `statement`."""
    listing = "print(*{name.partition('.')[0] for name in sys.modules})"
    return set(printed_by(f"import sys\n{statement}\n{listing}").split())


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / build.build_wheel(str(tmp_path))) as archive:
        yield archive


@pytest.fixture
def sdist(tmp_path, monkeypatch):
    """The unpacked source archive."""
    monkeypatch.chdir(ROOT)
    name = build.build_sdist(str(tmp_path))
    with tarfile.open(tmp_path / name) as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # which Python has from 3.11.4 on
        archive.extractall(tmp_path)
    return tmp_path / name.removesuffix(".tar.gz")


def test_the_wheel_holds_package_circuits_and_protocols(wheel):
    names = set(wheel.namelist())
    assert {"neuro_mpc/__init__.py", "neuro_mpc/cli/__init__.py", "neuro_mpc/py.typed"} <= names
    assert {f"neuro_mpc/{path}" for path in shipped_files()} <= names


def test_the_wheel_installs_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"neuro_mpc", f"neuro_mpc-{nm.__version__}.dist-info"}


def test_a_wheel_from_the_source_archive_holds_the_same(wheel, sdist, tmp_path, monkeypatch):
    monkeypatch.chdir(sdist)
    target = tmp_path / "again"
    target.mkdir()
    with zipfile.ZipFile(target / build.build_wheel(str(target))) as again:
        assert set(again.namelist()) == set(wheel.namelist())


def test_an_editable_install_only_points_to_the_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / build.build_editable(str(tmp_path))) as archive:
        assert not [name for name in archive.namelist() if name.startswith("neuro_mpc/")]
        assert archive.read("_neuro_mpc.pth").decode().strip() == str(ROOT)


def test_an_unpacked_wheel_finds_what_it_ships(wheel, tmp_path):
    wheel.extractall(tmp_path / "site")
    loads = "nm.load_circuit('mpl'); nm.load_protocol('toy-language')"
    code = f"import neuro_mpc as nm; {loads}; print(nm.__file__)"
    place = printed_by(code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path / "site")})
    assert Path(place.strip()).is_relative_to(tmp_path)


def test_the_import_loads_nothing_heavy():
    assert loaded_by("import neuro_mpc").isdisjoint(HEAVY)


def test_the_command_line_loads_nothing_heavy():
    assert loaded_by("import neuro_mpc.cli").isdisjoint(HEAVY)


def test_the_plots_do_without_brian2():
    assert "brian2" not in loaded_by("import neuro_mpc; neuro_mpc.plot_run; neuro_mpc.open_run")


@pytest.mark.parametrize("name", nm.__all__)
def test_every_public_name_is_there(name):
    assert getattr(nm, name) is getattr(nm, name)
    assert name in dir(nm)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        _ = nm.simulat
