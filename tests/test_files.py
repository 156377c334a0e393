"""Files are written whole: content, then the name, then the folder, and only then goes what they replace."""

import errno
import hashlib
import os
import re
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest
import xarray as xr
from interrupted import in_child, simulate

import neuro_mpc as nm
from neuro_mpc.networks import program_cache
from neuro_mpc.runfile import checkpoint
from neuro_mpc.runfile.paths import partial_path, saved_path
from neuro_mpc.sweeps import combined
from neuro_mpc.system import files


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


def test_circuits_protocols_figures_and_reports_are_written_whole(tmp_path, calls, one_figure):
    run = tmp_path / "run.nc"
    simulate(run)
    nm.save_circuit(nm.load_circuit("mpl"), tmp_path / "circuit.toml")
    nm.save_protocol(nm.load_protocol("toy-language"), tmp_path / "protocol.toml")
    with nm.open_run(run) as opened:
        nm.report(opened, tmp_path / "run.html")
        nm.plots.plot_run(opened, "learning", tmp_path / "learning.png")
    for name in ("circuit.toml", "protocol.toml", "run.html", "learning.png"):
        assert_whole(calls, tmp_path / name)


def test_the_combined_file_of_a_sweep_is_written_whole(tmp_path, calls):
    combined.write(xr.Dataset({"loss": ("seed", [0.5, 0.25])}), tmp_path / "sweep.nc")
    assert_whole(calls, tmp_path / "sweep.nc")


def test_a_program_is_on_the_disk_before_it_takes_its_place(tmp_path, calls, monkeypatch):
    scratch, program = tmp_path / "building", tmp_path / "program"
    scratch.mkdir()
    for name in ("main", "manifest.json", "needless.o"):
        (scratch / name).write_text(name)
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda old, new: (calls.append(("rename", Path(new))), rename(old, new)))
    program_cache.install(scratch, program)
    renamed = calls.index(("rename", program))
    flushed = {path.name for kind, path in calls[:renamed] if kind == "fsync"}
    assert flushed == {"building", *os.listdir(program)}
    assert calls[renamed + 1] == ("fsync", tmp_path)


class Disk:
    """What a power cut leaves of a folder: of files what was flushed last; of names those flushed last, or today's."""

    def __init__(self, folder: Path):
        self.folder, self.contents, self.names = folder, {}, {}

    def flush(self, path: Path) -> None:
        if path == self.folder:
            self.names = self.inodes()
        elif path.is_file():
            self.contents[path.stat().st_ino] = path.read_bytes()

    def inodes(self) -> dict[str, int]:
        return {each.name: each.stat().st_ino for each in self.folder.iterdir()}

    def left(self) -> list[dict[str, bytes]]:
        return [
            {name: self.contents.get(inode, b"") for name, inode in names.items()}
            for names in (self.names, self.inodes())
        ]


def test_a_power_cut_at_any_moment_leaves_a_whole_run_or_a_whole_checkpoint(tmp_path, monkeypatch):
    out, disk, states = tmp_path / "run.nc", Disk(tmp_path), []
    fsync, replace, unlink = os.fsync, os.replace, os.unlink

    def recorded(call):
        def made(first, *rest, **options):
            path = Path(os.readlink(f"/proc/self/fd/{first}")) if call is fsync else None
            states.extend(disk.left())
            call(first, *rest, **options)
            if path is not None:
                disk.flush(path)
            states.extend(disk.left())

        return made

    for name, call in (("fsync", fsync), ("replace", replace), ("unlink", unlink)):
        monkeypatch.setattr(os, name, recorded(call))
    simulate(out)
    final, saved = out.read_bytes(), saved_path(out).name
    begun = next(number for number, state in enumerate(states) if number % 2 == 0 and saved in state)  # flushed names
    assert len(states[begun:]) > 10
    assert all(state.get(out.name) == final or is_checkpoint(state.get(saved, b"")) for state in states[begun:])
    assert states[-1][out.name] == final


def is_checkpoint(content: bytes) -> bool:
    size = checkpoint.FOOTER.size
    digest = hashlib.sha256(content[:-size]).digest()
    return len(content) > size and checkpoint.FOOTER.unpack(content[-size:])[3] == digest


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


def test_what_a_killed_process_left_of_a_file_is_removed_by_the_next_that_writes_it(tmp_path):
    path, other = tmp_path / "page[1].html", tmp_path / "page1.html"

    def killed():
        with files.replacement(path) as new, files.replacement(other):
            new.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(killed) == -signal.SIGKILL
    (left,) = tmp_path.glob("page1.html.*.new")
    with files.replacement(path):  # that of a process which still writes stays
        files.write(path, "whole")
    elsewhere = tmp_path / left.name.replace("page1", "page[1]").replace(files._machine(), "another")
    elsewhere.write_text("half")
    files.write(path, "new")
    assert sorted(os.listdir(tmp_path)) == sorted([path.name, left.name, elsewhere.name])


@pytest.mark.parametrize(("number", "fails"), [(errno.EIO, True), (errno.ENOSPC, True), (errno.EINVAL, False)])
def test_a_folder_that_the_disk_does_not_take_is_told_and_one_that_cannot_be_flushed_is_not(
    tmp_path, monkeypatch, number, fails
):
    def fsync(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=re.escape(os.strerror(number))) if fails else nullcontext():
        files.flush_folder(tmp_path)
