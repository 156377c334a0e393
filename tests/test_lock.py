"""Locks: who holds one, links in their place, and file systems that have none."""

import errno
import fcntl
import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from h5py import h5f
from pydantic_core import PydanticCustomError

import neuro_mpc as nm
from neuro_mpc.descriptions.masks import read_mask
from neuro_mpc.errors import RunError
from neuro_mpc.examination.opening import refuse_strange
from neuro_mpc.runfile.lock import refuse_locked, writing
from neuro_mpc.runfile.write_errors import _not_permitted
from neuro_mpc.stimuli import netcdf_file
from neuro_mpc.sweeps import combined
from neuro_mpc.system import locks, processes


def test_a_lock_is_held_by_one_and_removed_with_its_note(tmp_path):
    with writing(tmp_path / "run.nc"):
        with pytest.raises(RunError, match=f"is being written by process {os.getpid()} on"):
            refuse_locked(tmp_path / "run.nc")
        with pytest.raises(locks.HeldError), locks.held(tmp_path / "run.nc.lock"):
            pass
    refuse_locked(tmp_path / "run.nc")
    assert list(tmp_path.iterdir()) == []


def test_who_waits_gets_the_lock_when_it_is_free(tmp_path):
    lock = tmp_path / "program.lock"
    code = "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); print(); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, lock], **pipes) as other:
        other.stdout.readline()
        told = []

        def wait() -> None:
            told.append("waiting")
            other.communicate(b"\n")

        with locks.held(lock, wait) as locked:
            assert locked
        assert told == ["waiting"]


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=lambda each: each.__name__)
def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path, link):
    (tmp_path / "mine").write_text("precious")
    link(tmp_path / "mine", tmp_path / "run.nc.lock")
    with pytest.raises(RunError, match=r"run\.nc\.lock cannot be written: it is a link"), writing(tmp_path / "run.nc"):
        pass
    with pytest.raises(RunError, match="it is a link"):
        refuse_locked(tmp_path / "run.nc")
    with pytest.raises(OSError, match="it is a link"), locks.held(tmp_path / "run.nc.lock", lambda: None):
        pass
    assert (tmp_path / "mine").read_text() == "precious"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, 524])
def test_a_file_system_without_locks_is_told_and_written_to(tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    told = []
    with writing(tmp_path / "run.nc", told.append):
        pass
    assert len(told) == 1
    assert "has no locks" in told[0]
    assert list(tmp_path.iterdir()) == []
    with locks.held(tmp_path / "program.lock", wait=lambda: told.append("waits")) as locked:
        assert not locked
    assert len(told) == 1


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A netCDF file."""
    path = tmp_path_factory.mktemp("stored") / "data.nc"
    xr.Dataset({"mask": (("post", "pre"), np.ones((2, 3)))}).to_netcdf(path)
    return path


@pytest.fixture
def unlockable(monkeypatch):
    """HDF5 gets no lock, as on a file system without them."""

    def open_file(*_):
        raise OSError(errno.EOPNOTSUPP, "Unable to synchronously open file (unable to lock file, errno = 95)")

    monkeypatch.setattr(h5f, "open", open_file)


READERS = {
    "run": lambda path: nm.open_run(path),
    "carefully": lambda path: nm.open_run(path, careful=True),
    "mask": read_mask,
    "checkpoint": lambda path: refuse_strange(path),
    "data": netcdf_file.opened,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_file_that_cannot_be_locked_is_not_told_to_be_damaged(stored, unlockable, monkeypatch, read):
    monkeypatch.setattr(netcdf_file, "_trouble", lambda path: "")  # a child does without the locks of HDF5
    with pytest.raises((nm.NeuroMPCError, OSError, PydanticCustomError)) as told:
        read(stored)
    assert "HDF5 cannot lock it; if nothing writes to it, HDF5_USE_FILE_LOCKING=FALSE" in str(told.value)
    assert "damaged" not in str(told.value)


def test_a_combined_file_that_cannot_be_locked_names_the_variable(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    def open_store(*_, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(combined.netCDF4, "Dataset", open_store)
    with pytest.raises(
        RunError, match=r"sweep\.nc cannot be written: HDF5 cannot lock it\n.*HDF5_USE_FILE_LOCKING=FALSE"
    ):
        combined.write(xr.Dataset(), tmp_path / "sweep.nc")
    assert list(tmp_path.iterdir()) == []


def test_where_hdf5_cannot_lock_a_file_the_variable_is_named(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    problem = PermissionError(errno.EACCES, "Permission denied")
    assert "HDF5_USE_FILE_LOCKING=FALSE" in str(_not_permitted(tmp_path / "run.nc", problem))
    assert "Permission denied" in str(_not_permitted(tmp_path / "gone" / "run.nc", problem))


def test_where_there_are_locks_a_failure_to_write_is_not_laid_on_them(tmp_path):
    problem = PermissionError(errno.EACCES, "Permission denied")  # netCDF says so of a full disk
    told = str(_not_permitted(tmp_path / "run.nc", problem))
    assert "HDF5 fails to write to it\n  try: free space on the disk" in told
    with (tmp_path / "run.nc").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "close the file in other programs" in str(_not_permitted(tmp_path / "run.nc", problem))


def test_commands_and_children_do_not_need_the_locks_of_hdf5():
    assert processes.environment()["HDF5_USE_FILE_LOCKING"] == os.environ.get("HDF5_USE_FILE_LOCKING", "FALSE")
