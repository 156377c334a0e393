"""Programs of runs import Brian2 without Matplotlib, which can be imported all the same."""

import subprocess
import sys

import pytest

from neuro_mpc.networks.quick_import import import_brian2

CODE = """
import sys
from neuro_mpc.networks.quick_import import NEEDLESS, import_brian2
import_brian2()
import neuro_mpc.networks.model
assert not set(NEEDLESS) & set(sys.modules)
import matplotlib
"""


def test_what_simulates_imports_no_matplotlib():
    subprocess.run([sys.executable, "-c", CODE], check=True)


def test_what_was_imported_stays():
    import_brian2()
    assert sys.modules["pytest"] is pytest
