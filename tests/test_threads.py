"""Several threads of a process at a time: runs, files and figures."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr
from conftest import write_example

import neuro_mpc as nm
from neuro_mpc.examination.netcdf_lock import NETCDF
from neuro_mpc.sweeps import combined

pytestmark = pytest.mark.slow

THREADS = 8
SMALL = {"presentations": 20, "units": 5, "width": 6, "classes": 6, "steps": 4, "snapshots": 2, "measure": None}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return write_example(tmp_path_factory.mktemp("alone") / "run.nc", **SMALL)


def test_runs_are_written_and_read_by_several_threads_while_others_read_with_xarray(tmp_path, alone):
    with nm.open_run(alone) as run:
        expected = run["learning/loss"].values

    def written_and_read(number: int) -> np.ndarray:
        path = write_example(tmp_path / f"{number}.nc", **SMALL)
        dropped = nm.open_run(path)["learning"].to_dataset()  # closed when it is collected, in any thread
        with nm.open_run(path) as run:
            loss = run["learning/loss"].drop_vars("presentation")
            combined.write(xr.Dataset({"loss": loss}), tmp_path / f"{number}s.nc")
            np.testing.assert_array_equal(by_xarray["learning/loss"][number:], expected[number:])
        return dropped["loss"].values

    with xr.open_datatree(alone, engine="netcdf4") as by_xarray, ThreadPoolExecutor(THREADS) as pool:
        for loss in pool.map(written_and_read, range(THREADS)):
            np.testing.assert_array_equal(loss, expected)


def test_a_run_opens_as_xarray_would_open_it(alone):
    with nm.open_run(alone) as run, xr.open_datatree(alone, engine="netcdf4", decode_timedelta=False) as by_xarray:
        xr.testing.assert_identical(run, by_xarray)
        assert run.encoding["source"] == by_xarray.encoding["source"]


def test_figures_are_drawn_by_several_threads_while_others_write(tmp_path):
    def drawn(number: int) -> bytes:
        path = write_example(tmp_path / f"{number}.nc", **SMALL)
        with nm.open_run(path) as run:
            (figure,) = nm.plot_run(run, "learning")
        return figure.read_bytes()

    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(drawn, range(2)))) == 1


def test_the_lock_is_given_to_one_thread_as_often_as_it_asks():
    with NETCDF, NETCDF:
        asked = []
        other = threading.Thread(target=lambda: asked.append(NETCDF.acquire(blocking=False)))
        other.start()
        other.join()
        assert asked == [False]
        assert NETCDF.locked()
    assert not NETCDF.locked()


def test_the_lock_is_that_by_which_xarray_reads():
    from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

    with NETCDF:
        assert NETCDF4_PYTHON_LOCK.locked()
    with NETCDF4_PYTHON_LOCK:
        assert not NETCDF.acquire(blocking=False)
    assert not NETCDF.locked()


def test_a_run_that_is_read_lazily_goes_to_another_process(example_path):
    with nm.open_run(example_path) as run:
        energies = pickle.loads(pickle.dumps(run["learning/loss"]))
        np.testing.assert_array_equal(energies, run["learning/loss"])
    assert pickle.loads(pickle.dumps(NETCDF)) is NETCDF
