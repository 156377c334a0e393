"""What the system refuses, whatever it is, ends as an error that says what to try, not as a traceback."""

import errno
import gc
import io
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest
import typer
import xarray as xr
from filelock import FileLock
from interrupted import in_child, simulate

import neuro_mpc as nm
from neuro_mpc.cli import endings
from neuro_mpc.examination import isolation
from neuro_mpc.examination.opening import reason
from neuro_mpc.networks import compiler, launch, program, usable, worker, workspace
from neuro_mpc.networks.plan import Plan
from neuro_mpc.networks.program import CODES, Manifest, Program
from neuro_mpc.networks.rows import Tiling
from neuro_mpc.runfile import catalogue, closing
from neuro_mpc.runfile.write_errors import failures_reported, unwritten
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.sweeps import combined
from neuro_mpc.system import files, locks, processes


def failing(number):
    def call(*_, **__):
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize(("name", "number"), [("pipe", errno.EMFILE), ("pipe", errno.ENFILE), ("start", errno.EAGAIN)])
def test_a_process_that_cannot_be_started_is_told_wherever_one_is(name, number, monkeypatch, tmp_path):
    (tmp_path / "run.nc").write_bytes(b"")
    if name == "pipe":
        monkeypatch.setattr(os, "pipe", failing(number))
    else:
        monkeypatch.setattr(processes.subprocess.Popen, "_execute_child", failing(number))
    told = f"no process can be started: {os.strerror(number)}"
    hint = "ulimit -n" if name == "pipe" else "fewer processes"
    with pytest.raises(nm.RunError, match=rf"{told}\n  try: .*{hint}"):
        usable.try_to_import()
    monkeypatch.setattr(compiler, "compiler", lambda: ("a-compiler",))
    for asked in (compiler.compiler_version, lambda: compiler.accepted_flags("float64")):
        with pytest.raises(nm.RunError, match=rf"{told}\n  try: .*{hint}"):
            asked()
    with pytest.raises(nm.RunError, match=f"the simulation program does not start: {told}") as refused:
        Program(["true"], Manifest({}), Tiling(1, 1), {}, tmp_path / "log", {})
    assert hint in refused.value.hint
    with pytest.raises(nm.RunError, match=told):
        catalogue.catalogue(tmp_path)
    assert isolation.trouble_elsewhere(tmp_path / "run.nc").startswith(told)


def test_ends_of_pipes_that_fail_to_close_cost_nothing(monkeypatch):
    close, refused = os.close, []

    def failing_for_ours(descriptor):
        close(descriptor)
        if sys._getframe(1).f_globals["__name__"] == processes.__name__:
            refused.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "close", failing_for_ours)
    with processes.Child(["cat"], environment={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        monkeypatch.setattr(child, "stdin", SimpleNamespace(close=failing(errno.ENOSPC)))
    assert child.returncode == -signal.SIGKILL
    assert len(refused) == 2
    with pytest.raises(FileNotFoundError):
        processes.Child(["/there/is/none"], environment={})
    assert len(refused) == 4
    for descriptor in set(refused):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_program_that_no_longer_answers_is_ended_and_the_error_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(program, "SECONDS_TO_END", 0)
    with Program(["sleep", "60"], Manifest({"r": ("f8", 1)}), Tiling(1, 1), {}, tmp_path / "log", {}) as started:
        monkeypatch.setattr(started, "_input", SimpleNamespace(writelines=failing(errno.EIO), close=lambda: None))
        with pytest.raises(nm.RunError, match=r"cannot be reached: Input/output error\n  try: resume=True"):
            started.set(r=1.0)
        assert started._process.returncode == -signal.SIGKILL


def test_a_process_that_ends_before_it_is_ready_is_told_without_its_log(monkeypatch, tmp_path):
    plan = Plan(nm.load_circuit("mpl", {"population.hidden.size": 2}).sized(2, 2), 1, 1)
    monkeypatch.setattr(processes, "python", lambda *_: ["sh", "-c", "echo 'error: no header' >&2; exit 3"])
    with pytest.raises(nm.RunError, match="cython failed\n    error: no header"):
        launch.start(plan, "numpy", tmp_path)
    monkeypatch.setattr(Path, "read_text", failing(errno.EACCES))
    with pytest.raises(nm.RunError, match="the simulation program ended with exit code 3\n  try: "):
        launch.start(plan, "numpy", tmp_path)


def test_the_process_of_a_network_says_why_it_ends(monkeypatch, capsys):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    asked = io.BytesIO(np.array([CODES["FLUSH"], 0], np.int32).tobytes())
    model = SimpleNamespace(variables=dict, runners=[])
    worker.converse(worker.Worker(model, [], asked, SimpleNamespace(flush=failing(errno.EIO))))
    assert ended == [1]
    assert capsys.readouterr().err == "the run cannot be reached: Input/output error\n"


def test_without_room_for_temporary_files_there_is_no_traceback(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "mkdtemp", failing(errno.ENOSPC))
    with pytest.raises(nm.RunError, match="temporary files cannot be written: No space left .*\n  try: .*TMPDIR"):
        simulate(tmp_path / "run.nc")
    assert list(tmp_path.iterdir()) == []


def test_a_lack_of_memory_is_told_in_runs_and_commands(monkeypatch, tmp_path, capsys):
    def lacking(*_):
        return np.ones(2**58)  # more than any address space

    monkeypatch.setattr(Presenter, "begin_learning", lacking)
    with pytest.raises(nm.RunError, match=r"there is not enough memory: Unable to allocate .*\n  try: a smaller"):
        simulate(tmp_path / "run.nc")
    assert (tmp_path / "run.nc.checkpoint").exists()
    with pytest.raises(typer.Exit), endings.errors_reported():
        raise MemoryError
    assert capsys.readouterr().err == "neuro-mpc: there is not enough memory\n"


def test_a_temporary_folder_that_cannot_be_removed_costs_nothing(monkeypatch):
    with workspace.workspace() as folder:
        (folder / "log").write_text("")
        monkeypatch.setattr(os, "unlink", failing(errno.EACCES))
    monkeypatch.undo()
    (folder / "log").unlink()
    folder.rmdir()


def test_a_lock_that_cannot_be_released_costs_nothing(monkeypatch, tmp_path):
    with locks.held(tmp_path / "lock") as held:
        assert held
        monkeypatch.setattr(FileLock, "release", failing(errno.EIO))


@pytest.mark.parametrize("name", ["run.nc", "run.nc.checkpoint", "run.nc.lock"])
def test_a_file_of_a_run_that_cannot_be_looked_at_is_told(monkeypatch, tmp_path, name):
    stat = Path.stat

    def refused(path, **options):
        if path.name == name:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(nm.RunError, match=rf"{name} cannot be used: Input/output error\n  try: "):
        simulate(tmp_path / "run.nc")


def test_a_folder_that_may_not_be_searched_is_told_when_a_run_is_opened(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "stat", failing(errno.EACCES))
    with pytest.raises(nm.RunFileError, match="run.nc cannot be read: Permission denied"):
        nm.open_run(tmp_path / "run.nc")


@pytest.mark.parametrize(("number", "hint"), [(errno.EMFILE, "ulimit -n"), (errno.EIO, "free space on the disk")])
def test_what_to_try_depends_on_what_the_system_lacks(tmp_path, number, hint):
    path = tmp_path / "run.nc"
    problem = OSError(number, os.strerror(number), str(path))
    assert hint in unwritten(path, problem).hint
    with pytest.raises(nm.RunError, match=f"try: .*{hint}"), failures_reported(path):
        raise problem


@pytest.mark.parametrize("name", ["data.csv", "run.csv", None])
def test_what_others_cannot_read_stays_their_error(tmp_path, name):
    path = tmp_path / "runs" / "run.nc"
    problem = FileNotFoundError(errno.ENOENT, "gone", str(path.parent / name) if name else None)
    with pytest.raises(FileNotFoundError), failures_reported(path):
        raise problem


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (
            OSError("Can't close (unable to close file, errno = 5, error message = 'Input/output error')"),
            "Input/output error",
        ),
        (RuntimeError("NetCDF: HDF error"), "HDF5 fails and does not say why"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (ValueError("it declares too much"), "it declares too much"),
    ],
)
def test_what_libraries_say_is_told_in_a_few_words(problem, told):
    assert reason(problem) == told


class TestDiskThatFailsWhileAFileIsClosed:
    """netCDF would end the process there: the disk is asked before, and a file that it refuses stays open."""

    def test_a_run_ends_with_an_error_and_its_checkpoint_is_resumed(self, tmp_path, monkeypatch):
        out = tmp_path / "run.nc"
        flush = files.flush

        def refused(path):
            if path.name == "run.nc.partial":
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
            flush(path)

        monkeypatch.setattr(files, "flush", refused)
        with pytest.raises(nm.RunError, match="run.nc.partial cannot be written: Disk quota exceeded"):
            simulate(out)
        assert not out.exists()
        monkeypatch.undo()
        simulate(out, resume=True)
        with nm.open_run(out) as run:
            assert run.attrs["complete"] == 1

    def test_the_combined_file_of_a_sweep_is_an_error_and_the_older_one_stays(self, tmp_path, monkeypatch):
        path = tmp_path / "sweep.nc"
        path.write_text("older")
        monkeypatch.setattr(closing.files, "flush", failing(errno.ENOSPC))
        with pytest.raises(nm.RunError, match="sweep.nc cannot be written: No space left on device"):
            combined.write(xr.Dataset({"loss": ("seed", [0.5])}), path)
        assert os.listdir(tmp_path) == ["sweep.nc"]

    def test_what_a_power_cut_left_of_the_combined_file_is_removed(self, tmp_path):
        (tmp_path / "sweep.nc.0123abcd.new").write_text("half of it")
        combined.write(xr.Dataset({"loss": ("seed", [0.5])}), tmp_path / "sweep.nc")
        assert os.listdir(tmp_path) == ["sweep.nc"]

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
    def test_what_is_left_open_ends_no_process(self, tmp_path):
        def abandoned():
            file = netCDF4.Dataset(tmp_path / "a.nc", "w")
            file.createDimension("x", 10)
            file.createVariable("x", "f8", ("x",))[:] = 0
            os.dup2(os.open("/dev/full", os.O_WRONLY), _descriptor(tmp_path / "a.nc"))
            with pytest.raises((OSError, RuntimeError)), closing.closed_after(file, tmp_path / "a.nc"):
                pass
            del file
            sys.exit(0)

        assert in_child(abandoned) == 1  # SystemExit, not a signal

    @pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs a list of the open files")
    def test_an_abandoned_file_stays_open_when_nothing_refers_to_it(self, tmp_path):
        def left(leave):
            file = netCDF4.Dataset(tmp_path / "a.nc", "w")
            leave(file)
            del file
            gc.collect()
            _descriptor(tmp_path / "a.nc")

        assert in_child(lambda: left(closing.abandon)) == 0
        assert in_child(lambda: left(id)) == 1  # Python closes it

    def test_another_error_closes_the_file(self, tmp_path):
        file = netCDF4.Dataset(tmp_path / "a.nc", "w")
        with pytest.raises(KeyError), closing.closed_after(file, tmp_path / "a.nc"):
            raise KeyError
        assert not file.isopen()


def _descriptor(path: Path) -> int:
    """That of an open file."""
    folder = Path("/proc/self/fd")
    return next(int(each.name) for each in folder.iterdir() if os.path.realpath(each) == os.path.realpath(path))
