"""Runs that are killed, interrupted, refused: what is left can be read, and going on gives the very same run."""

import json
import os
import resource
import shutil
import signal
import subprocess

import numpy as np
import pytest
from interrupted import REFUSED, content, in_child, interrupted, simulate

import neuro_mpc as nm
from neuro_mpc.examination import isolation
from neuro_mpc.networks import launch, program_cache
from neuro_mpc.runfile import checkpoint, paths
from neuro_mpc.runfile.checkpoint import Checkpoint, Checkpoints
from neuro_mpc.runfile.lock import writing
from neuro_mpc.runfile.paths import partial_path, saved_path
from neuro_mpc.runfile.record import RunFile
from neuro_mpc.runs import destination
from neuro_mpc.runs.training import Training
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.system import files

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that can be forked and killed"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The file of a run that nobody disturbed."""
    path = tmp_path_factory.mktemp("whole") / "run.nc"
    assert in_child(lambda: simulate(path)) == 0
    with nm.open_run(path) as run:
        assert (run["learning"].free_energy > 0).all()
        assert (run["synapses/input/m"][0] != run["synapses/input/m"][-1]).all()
    return path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "run.nc"


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a run killed after 11 of its 20 presentations."""
    folder = tmp_path_factory.mktemp("killed")
    assert interrupted(lambda: simulate(folder / "run.nc"), Presenter, "begin_learning", 10) == -signal.SIGKILL
    return folder


@pytest.fixture
def halfway(killed, out):
    """A copy of that run."""
    shutil.copytree(killed, out.parent, dirs_exist_ok=True)
    return out


def assert_readable(out):
    for path in (out, partial_path(out), saved_path(out)):
        if path.exists():
            with nm.open_run(path) as run:
                run.load()


def assert_resumes_to(out, uninterrupted, **options):
    assert in_child(lambda: simulate(out, resume=True, **options)) == 0
    assert content(out) == content(uninterrupted)
    assert [path.name for path in out.parent.iterdir()] == ["run.nc"]


KILLS = [
    ("at the first presentation", Presenter, "learn_observed", 1, 0.0),
    ("learning", Presenter, "begin_learning", 8, 0.001),
    ("testing", Training, "_test", 3, 0.005),
    ("recording", RunFile, "snapshot", 3, 0.002),
    ("syncing", RunFile, "_sync", 20, 0.001),
    ("saving", Checkpoints, "save", 9, 0.0005),
    ("renaming", files, "flush_folder", 5, 0.0),
    ("evaluating", Training, "_evaluate", 1, 0.01),
    ("closing", RunFile, "close", 1, 0.001),
]


@pytest.mark.parametrize(
    ("owner", "name", "turn", "delay"), [kill[1:] for kill in KILLS], ids=[kill[0] for kill in KILLS]
)
def test_a_killed_run_goes_on_to_the_very_same_file(out, uninterrupted, owner, name, turn, delay):
    assert interrupted(lambda: simulate(out), owner, name, turn, delay=delay) == -signal.SIGKILL
    assert_readable(out)
    assert_resumes_to(out, uninterrupted)


def test_a_run_killed_while_it_is_resumed_can_still_be_resumed(halfway, uninterrupted):
    again = lambda: simulate(halfway, resume=True)  # noqa: E731
    for owner, name in ((Checkpoint, "write_records"), (RunFile, "_reopen"), (Presenter, "restore")):
        assert interrupted(again, owner, name) == -signal.SIGKILL
        assert_readable(halfway)
    assert interrupted(again, Presenter, "begin_learning", 4) == -signal.SIGKILL
    assert checkpoint.read(saved_path(halfway)).presentation == 14
    assert_resumes_to(halfway, uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_checkpoint_however_rare_they_are(out, uninterrupted, number):
    rare = lambda: simulate(out, checkpoint_every=1e6)  # noqa: E731
    assert interrupted(rare, Presenter, "begin_learning", 8, number) == -signal.SIGINT % 128
    assert checkpoint.read(saved_path(out)).presentation == 9
    with nm.open_run(partial_path(out)) as run:
        assert run["learning"].sizes["presentation"] == 9
    assert_resumes_to(out, uninterrupted)


def test_a_run_that_was_never_saved_starts_from_the_beginning(out, uninterrupted):
    never = lambda: simulate(out, checkpoint_every=np.inf)  # noqa: E731
    assert interrupted(never, Presenter, "begin_learning", 8) == -signal.SIGKILL
    assert not saved_path(out).exists()
    assert_resumes_to(out, uninterrupted)


def test_resuming_nothing_begins(out, uninterrupted):
    assert_resumes_to(out, uninterrupted)


def test_a_complete_run_has_nothing_to_go_on_with(uninterrupted):
    before = uninterrupted.stat().st_mtime_ns
    simulate(uninterrupted, resume=True)
    assert uninterrupted.stat().st_mtime_ns == before
    with pytest.raises(nm.RunError, match="complete, and of another run\n.*seed was 1, is 2"):
        simulate(uninterrupted, resume=True, seed=2)


def test_another_run_is_refused_with_what_differs_and_goes_on_if_told(halfway):
    other = {"learning.rate": 0.25, "test.generate": 4}
    with pytest.raises(nm.RunError) as refused:
        simulate(halfway, other, resume=True, seed=5)
    assert "seed was 1, is 5" in str(refused.value)
    assert "protocol.learning.rate was 0.5, is 0.25" in str(refused.value)
    assert "protocol.test.generate was 3, is 4" in str(refused.value)
    with pytest.raises(nm.RunError, match="data was 32 .* is 40 "):
        simulate(halfway, {"stimulus.load": 5.0}, resume=True)
    simulate(halfway, {"learning.rate": 0.25}, resume=True, accept_changes=True)
    with nm.open_run(halfway) as run:
        assert run.attrs["changes"] == "after 11 presentations: protocol.learning.rate was 0.5, is 0.25"
        assert run["learning"].sizes["presentation"] == 20
        assert "rate = 0.25" in run.attrs["protocol"]


@pytest.mark.parametrize("by", ["its instructions", "the one that OpenBLAS is told"])
def test_a_checkpoint_of_another_processor_is_refused_and_goes_on_if_told(halfway, monkeypatch, by):
    if by == "its instructions":
        offered = program_cache.processor()
        monkeypatch.setattr(program_cache, "processor", lambda: f"{offered} another")
    else:
        monkeypatch.setenv("OPENBLAS_CORETYPE", "Another")
    with pytest.raises(nm.RunError, match=r"is of another run\n +processor was \S+ \w{12}, is \S+ \w{12}\n.*try:"):
        simulate(halfway, resume=True)
    simulate(halfway, resume=True, accept_changes=True)
    with nm.open_run(halfway) as run:
        assert run.attrs["changes"].startswith("after 11 presentations: processor was ")


def test_an_unfinished_run_is_not_replaced_unasked(halfway):
    with pytest.raises(nm.RunError, match="left from an unfinished run\n  try: resume=True"):
        simulate(halfway)
    partial_path(halfway).unlink()
    with pytest.raises(nm.RunError, match="run.nc.checkpoint is left"):
        simulate(halfway)
    simulate(halfway, overwrite=True)
    assert not saved_path(halfway).exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-100],
        lambda content: content[:20],
        lambda content: b"",
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: content[:5000] + b"\0\1\2" + content[5003:],
    ],
)
def test_a_damaged_checkpoint_is_noticed(halfway, damage):
    path = saved_path(halfway)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(nm.RunFileError, match="damaged"):
        simulate(halfway, resume=True)
    with nm.open_run(partial_path(halfway)) as run:
        assert run["learning"].sizes["presentation"] == 11


@pytest.mark.parametrize("format_", [b"1", b"9"])
def test_a_checkpoint_of_another_version_is_told_as_such(halfway, format_):
    path = saved_path(halfway)
    other = checkpoint.MARK.replace(str(checkpoint.FORMAT).encode(), format_)
    path.write_bytes(path.read_bytes().removesuffix(checkpoint.MARK) + other)
    with pytest.raises(nm.RunFileError, match=rf"of another version of neuro_mpc: its format is {format_.decode()}"):
        simulate(halfway, resume=True)


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("progress", {}),
        ("progress", {"largest": 1, "high": 1e999, "factor": 1}),
        ("presentation", 1e999),
        ("presentation", -1),
        ("origin", {"seed": 1}),
    ],
)
def test_a_forged_checkpoint_is_noticed(halfway, entry, value):
    saved = checkpoint.read(saved_path(halfway))
    header = {"presentation": 1, "origin": {}, "progress": saved.progress, "arrays": {}, entry: value}
    with saved_path(halfway).open("wb") as sink, partial_path(halfway).open("rb") as records:
        checkpoint._write(sink, records, {}, json.dumps(header).encode())
    with pytest.raises(nm.RunFileError, match="damaged"):
        simulate(halfway, resume=True)


def test_a_training_that_went_on_for_longer_is_not_resumed(halfway):
    with pytest.raises(nm.RunError, match="11 presentations are learned already, and the protocol ends after 8"):
        simulate(halfway, {"learning.epochs": 2, "recording.samples": []}, resume=True, accept_changes=True)


def test_a_half_written_file_is_read_from_its_checkpoint(halfway):
    partial = partial_path(halfway)
    partial.write_bytes(partial.read_bytes()[:3000])
    with pytest.warns(UserWarning, match="left half written"), nm.open_run(partial) as run:
        assert run["learning"].sizes["presentation"] == 11


def test_a_file_that_is_searched_without_end_is_read_from_its_checkpoint(halfway, monkeypatch):
    """HDF5 does so with some that a power cut has torn: they are read elsewhere, and for a while only."""
    monkeypatch.setattr(isolation, "trouble", None)
    monkeypatch.setattr(isolation, "trouble_elsewhere", lambda path: isolation.TOO_SLOW)
    with pytest.warns(UserWarning, match="left half written"), nm.open_run(partial_path(halfway)) as run:
        assert run.encoding["source"] == str(saved_path(halfway))
    saved_path(halfway).unlink()
    monkeypatch.setattr(destination, "attributes", None)
    assert destination.Destination(halfway, resume=True).latest({}, lambda text: None) is None


def test_two_runs_do_not_write_to_one_file(out, uninterrupted):
    with writing(out), pytest.raises(nm.RunError, match=rf"is being written by process {os.getpid()} on"):
        simulate(out)
    partial_path(out).touch()
    with writing(out), pytest.raises(nm.RunError, match="is being written"):
        simulate(out)
    partial_path(out).unlink()
    out.with_name("run.nc.lock").write_text("process 1 on a machine that crashed")
    assert_resumes_to(out, uninterrupted)


def test_a_folder_that_is_removed_ends_the_run(out):
    folder = out.parent / "folder"
    folder.mkdir()

    def remove(*_):
        shutil.rmtree(folder)

    def work():
        Training._test = remove
        simulate(folder / "run.nc")

    assert in_child(work) == REFUSED


def test_a_file_that_is_removed_ends_the_run(out, monkeypatch):
    monkeypatch.setattr(Training, "_test", lambda *_: partial_path(out).unlink(missing_ok=True))
    with pytest.raises(nm.RunError, match="removed during the run"):
        simulate(out)


def test_a_program_that_cannot_be_compiled_costs_nothing_that_is_there(halfway, monkeypatch):
    def fail(*_):
        raise nm.RunError("no luck")

    before = {path: path.read_bytes() for path in halfway.parent.iterdir() if path.suffix != ".lock"}
    circuit, protocol = nm.load_circuit("mpl"), nm.load_protocol("toy-language")
    monkeypatch.setattr(launch, "start", fail)
    for name in (halfway.name, "new.nc"):
        with pytest.raises(nm.RunError, match="no luck"):
            nm.simulate(circuit, protocol, backend="numpy", out=halfway.with_name(name), overwrite=True)
    assert {path: path.read_bytes() for path in halfway.parent.iterdir()} == before


def test_a_full_disk_is_told_before_anything_is_compiled(out, monkeypatch):
    monkeypatch.setattr(paths, "free_disk", lambda path: 2**19)
    with pytest.raises(nm.RunError, match="No space left on device, 0.5 MiB are left"):
        simulate(out)


def test_a_disk_that_fills_up_costs_nothing_that_was_saved(out, uninterrupted):
    largest = int(0.99 * uninterrupted.stat().st_size)

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        simulate(out)

    assert in_child(limited) == REFUSED
    assert_readable(out)
    with nm.open_run(saved_path(out)) as run:
        assert run["learning"].sizes["presentation"] > 0
    assert_resumes_to(out, uninterrupted)


def test_a_small_disk_is_told_of_before_it_is_full(tmp_path, uninterrupted):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "none", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("no small disk can be made here")
    try:
        assert in_child(lambda: simulate(disk / "run.nc")) == REFUSED
        assert_readable(disk / "run.nc")
        with nm.open_run(disk / "run.nc.partial") as run:
            assert run["learning"].sizes["presentation"] > 0
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        assert_resumes_to(disk / "run.nc", uninterrupted)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
