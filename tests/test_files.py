"""Files are written whole: content, then the name, then the folder, and only then goes what they replace."""

import os
from pathlib import Path

import pytest
from interrupted import simulate

import neuro_mpc as nm
from neuro_mpc import files
from neuro_mpc.runfile.paths import partial_path, saved_path


@pytest.fixture
def calls(monkeypatch):
    """What the system was asked for, in turn: ("fsync", path), ("replace", path), ("unlink", path)."""
    made: list[tuple[str, Path]] = []
    fsync, replace, unlink = os.fsync, os.replace, os.unlink

    def recorded_fsync(descriptor):
        made.append(("fsync", Path(os.readlink(f"/proc/self/fd/{descriptor}"))))
        fsync(descriptor)

    def recorded_replace(old, new):
        made.append(("replace", Path(new)))
        replace(old, new)

    def recorded_unlink(path, **options):
        if Path(path).exists():
            made.append(("unlink", Path(path)))
        unlink(path, **options)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    monkeypatch.setattr(os, "unlink", recorded_unlink)
    return made


def assert_whole(calls, path):
    """The file was flushed, renamed, and its folder flushed, in this order."""
    renamed = calls.index(("replace", path))
    kind, flushed = calls[renamed - 1]
    assert kind == "fsync"
    assert flushed.parent == path.parent
    assert flushed.name.startswith(path.name)
    assert calls[renamed + 1] == ("fsync", path.parent)


def test_a_file_is_flushed_before_it_takes_its_name_and_its_folder_after(tmp_path, calls):
    path = tmp_path / "page.html"
    path.write_text("old")
    files.write(path, "new")
    assert_whole(calls, path)
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_run_is_on_the_disk_before_its_checkpoint_is_removed(tmp_path, calls):
    out = tmp_path / "run.nc"
    simulate(out)
    renamed, removed = calls.index(("replace", out)), calls.index(("unlink", saved_path(out)))
    assert calls[renamed - 1 : renamed + 2] == [
        ("fsync", partial_path(out)),
        ("replace", out),
        ("fsync", tmp_path),
    ]
    assert removed > renamed + 1
    assert_whole(calls, saved_path(out))
    assert_whole(calls, partial_path(out))


def test_circuits_protocols_figures_and_reports_are_written_whole(tmp_path, calls):
    run = tmp_path / "run.nc"
    simulate(run)
    nm.save_circuit(nm.load_circuit("mpl"), tmp_path / "circuit.toml")
    nm.save_protocol(nm.load_protocol("toy-language"), tmp_path / "protocol.toml")
    with nm.open_run(run) as opened:
        nm.report(opened, tmp_path / "run.html")
        nm.plots.plot_run(opened, "learning", tmp_path / "learning.png")
    for name in ("circuit.toml", "protocol.toml", "run.html", "learning.png"):
        assert_whole(calls, tmp_path / name)


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.replacement(path) as new:
        new.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a folder or a device"):
        files.write(tmp_path / "pipe", "new")
    assert (tmp_path / "pipe").is_fifo()


def test_leftovers_of_a_killed_process_are_removed_and_nothing_of_others(tmp_path):
    for name in ("run[1].nc.partial.12ab34cd.new", "run1.nc.partial.12ab34cd.new", "run[1].nc.partial"):
        (tmp_path / name).write_text("")
    files.discard_leftovers(tmp_path / "run[1].nc.partial")
    assert sorted(os.listdir(tmp_path)) == ["run1.nc.partial.12ab34cd.new", "run[1].nc.partial"]
