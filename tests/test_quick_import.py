"""What answers at once waits for no library that it does not need, and that library can be imported all the same."""

import subprocess
import sys

import pytest

from neuro_mpc.networks.quick_import import import_brian2

CODE = """
import sys
from neuro_mpc.descriptions.experiments import ExperimentTable
from neuro_mpc.descriptions.loading import shipped
from neuro_mpc.descriptions.sources import StimulusTable
assert shipped("circuit") and ExperimentTable.descriptions() and StimulusTable.descriptions()
assert not {"h5py", "netCDF4", "scipy", "sympy", "xarray"} & set(sys.modules)
from neuro_mpc.networks.quick_import import COMPILES, NEEDLESS, import_brian2
import_brian2("numpy")
import neuro_mpc.networks.model
assert not {*NEEDLESS, COMPILES} & set(sys.modules)
import matplotlib, Cython
"""


def test_what_lists_imports_neither_sympy_nor_xarray_and_what_simulates_no_matplotlib():
    subprocess.run([sys.executable, "-c", CODE], check=True)


def test_what_was_imported_stays():
    import_brian2("cython")
    assert sys.modules["pytest"] is pytest
