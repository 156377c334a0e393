"""What answers at once waits for no library that it does not need, and that library can be imported all the same."""

import subprocess
import sys

import pytest

from neuro_mpc.networks.quick_import import import_brian2

CODE = """
import gc, sys
from contextlib import nullcontext
from pathlib import Path
from neuro_mpc.descriptions.experiments import ExperimentTable
from neuro_mpc.descriptions.loading import shipped
from neuro_mpc.descriptions.sources import StimulusTable
assert shipped("circuit") and ExperimentTable.descriptions() and StimulusTable.descriptions()
assert not {"h5py", "netCDF4", "scipy", "sympy", "xarray"} & set(sys.modules)

from neuro_mpc.examination.netcdf_lock import NETCDF
from neuro_mpc.system import processes
processes.be_a_command()
full_collections = gc.get_stats()[-1]["collections"]
from neuro_mpc.runs import check
described = {"seed": 0, "backend": "numpy", "threads": 1}
check.prepare("mpl", "toy-language", **described)
assert not {"h5py", "netCDF4", "scipy", "xarray"} & set(sys.modules)

from neuro_mpc.networks import launch
from neuro_mpc.runs import run
class Starting(Exception): ...
def present(*_, **__): raise Starting
launch.start, run.Presenter = lambda *_: nullcontext(), present
NETCDF.do_without_xarray()  # as a command does
try:
    run.write_run("mpl", "toy-language", out=Path(sys.argv[1]), **described)
except Starting:
    assert not {"dask", "h5py", "pandas", "scipy", "xarray"} & set(sys.modules)
    assert gc.get_stats()[-1]["collections"] == full_collections
else:
    raise AssertionError("nothing was presented")

from neuro_mpc.networks.quick_import import COMPILES, NEEDLESS, import_brian2
import_brian2("numpy")
import neuro_mpc.networks.model
assert not {*NEEDLESS, COMPILES} & set(sys.modules)
import matplotlib, Cython
"""


def test_what_lists_checks_and_runs_imports_only_what_it_needs_and_what_simulates_no_matplotlib(tmp_path):
    subprocess.run([sys.executable, "-c", CODE, str(tmp_path / "run.nc")], check=True)


def test_what_was_imported_stays():
    import_brian2("cython")
    assert sys.modules["pytest"] is pytest
