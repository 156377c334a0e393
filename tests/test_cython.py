"""Cython and NumPy end two presentations, and a generated sequence, in the same state."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from backend_states import (
    PLANS,
    STEPS,
    SYMBOLS,
    TRIALS,
    assert_equal,
    cython_without_optimising,
    small,
    types_of,
)

import neuro_mpc as nm
from neuro_mpc.errors import RunError
from neuro_mpc.networks import launch, local
from neuro_mpc.networks.launch import start

pytestmark = [pytest.mark.compiler, pytest.mark.usefixtures("in_this_process", "compiled")]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Compiled Cython of this file's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEURO_MPC_CACHE", str(tmp_path_factory.mktemp("cache")))
        # Less exact instructions, which optimising may choose, show in the values of functions (test_functions).
        patch.setattr(launch, "cython_options", cython_without_optimising)
        patch.setattr(local, "cython_options", cython_without_optimising)
        yield


def test_double_precision_agrees_with_numpy(presented):
    """Of a plan with statements of every kind, loops both ways and such as end early; kernels are those of C++."""
    assert_equal(presented("small, sweeps", "cython"), presented("small, sweeps", "numpy"), 1e-10)


def test_single_precision_agrees_with_double(presented):
    single = presented("small, float32", "cython")
    assert_equal(single, presented("small", "numpy"), 1e-4)
    assert types_of(single) == {np.dtype("f4")}


def test_a_network_in_this_process_computes_what_numpy_computes():
    """What it compiles is what the program of its plan did."""
    random, trial = np.random.default_rng(0), "trial"
    data = xr.Dataset(
        {
            "input": ((trial, "step", "unit"), random.normal(size=(20, STEPS, SYMBOLS))),
            "output": ((trial, "value"), random.normal(size=(20, SYMBOLS))),
        }
    )
    protocol = nm.Protocol(
        name="small",
        stimulus=nm.stimuli.Arrays(),
        target={"read": "last"},
        inference={"scheme": "fixed-prediction"},
        learning={"optimizer": "sgd", "rate": 0.01, "batch": TRIALS, "epochs": 1},
    )
    options = {"seed": 3, "trials": TRIALS, "data": data}
    with (
        nm.network(small(), protocol, **options) as expected,
        nm.network(small(), protocol, "cython", **options) as net,
    ):
        assert net._run.plan == PLANS["small, float32"]
        shown = range(TRIALS)
        xr.testing.assert_allclose(net.present(shown), expected.present(shown), rtol=1e-4, atol=1e-5)
        net.learn()
        expected.learn()
        xr.testing.assert_allclose(net.present(shown), expected.present(shown), rtol=1e-4, atol=1e-5)


def test_errors_of_the_compiler_are_shown(tmp_path, monkeypatch):
    broken = tmp_path / "broken-compiler"
    error = "phase.cpp:1:10: fatal error: Python.h: No such file or directory"
    plain = 'case "$*" in *-fsyntax-only*) exit 0;; esac'  # it compiles what needs no headers of Python
    broken.write_text(f"#!/bin/sh\n{plain}\necho '{error}' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(RunError, match="backend cython failed\n.*fatal error: Python.h") as raised:
        start(PLANS["small"], "cython", tmp_path)
    assert "python3-dev" in str(raised.value)
