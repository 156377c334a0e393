"""Functions of the language of expressions: every target has their values over the whole range of single precision."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from function_values import evaluate, values_of
from scipy.special import expit

import neuro_mpc as nm
from neuro_mpc.descriptions import functions
from neuro_mpc.networks.compiler import accepted_flags
from neuro_mpc.networks.launch import available
from neuro_mpc.networks.local import _preferences

SINGLE = np.finfo(np.float32)
ROUNDINGS = 8
# In double precision; what is right of single precision is its rounding.
EXPECTED = {
    "abs": np.abs,
    "cos": np.cos,
    "exp": np.exp,
    "floor": np.floor,
    "log": np.log,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": expit,
    "sign": np.sign,
    "sin": np.sin,
    "softplus": lambda x: np.logaddexp(0, x),
    "sqrt": np.sqrt,
    "step": lambda x: np.where(x > 0, 1.0, 0.0),
    "tanh": np.tanh,
    "inverse_sqrt": lambda x: np.where(x > 0, 1 / np.sqrt(x), 0),
    "bounded": lambda x: np.clip(x, -1, 3e38),
    "square": np.square,
    "cube": lambda x: x**3,
    "root": np.sqrt,
    "reciprocal": lambda x: 1 / x,
}
BY_COMPARISON = {"relu", "sign", "step", "inverse_sqrt", "bounded"}
"""What these make of what is no number is not defined."""


def numbers() -> np.ndarray:
    """Of every size and sign, denormal ones, zeros, infinities and what is no number."""
    rng = np.random.default_rng(0)
    of_any_size = 10 ** rng.uniform(np.log10(SINGLE.tiny), np.log10(SINGLE.max), 2000)
    denormal = SINGLE.smallest_subnormal * 2.0 ** np.arange(23)
    telling = [0, 0.5, 1, 2, 16.6, 17, 18, 87.3, 88.7, 89, 103.9, 104, SINGLE.max, SINGLE.tiny, SINGLE.eps, np.inf]
    sizes = np.concatenate([of_any_size, rng.uniform(0, 120, 2000), denormal, telling])
    with np.errstate(over="ignore"):
        return np.concatenate([sizes, -sizes, [np.nan]]).astype(np.float32)


@pytest.fixture(scope="module", params=["numpy", "cython", "cpp"])
def values(request, tmp_path_factory):
    """Function → its values of `numbers`."""
    folder, target = tmp_path_factory.mktemp(request.param), request.param
    if available(target) != target:
        pytest.skip("needs a C++ compiler")
    if target == "cpp":
        return in_a_process(folder)
    plan = SimpleNamespace(precision="float32", threads=1)
    with _preferences(plan, target), np.errstate(all="ignore"):
        return values_of(evaluate(target, numbers()))


def in_a_process(folder: Path):
    """Brian2 is set to C++ standalone in a process of its own."""
    np.save(folder / "x.npy", numbers())
    script, package = Path(__file__).with_name("function_values.py"), Path(nm.__file__).parents[1]
    subprocess.run(
        [sys.executable, str(script), str(folder), json.dumps(accepted_flags("float32"))],
        env={**os.environ, "PYTHONPATH": str(package), "TMPDIR": str(folder)},
        capture_output=True,
        timeout=300,
        check=True,
    )
    return np.load(folder / "y.npz")


def test_all_functions_are_compared():
    assert set(functions.FUNCTIONS) <= set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_values_are_right_over_the_whole_range_of_single_precision(values, name):
    """To a few roundings; a denormal result may be zero."""
    x = numbers()
    with np.errstate(all="ignore"):
        expected = EXPECTED[name](x.astype(np.float64)).astype(np.float32)
        allowed = ROUNDINGS * SINGLE.eps * np.maximum(np.abs(expected), SINGLE.tiny / (ROUNDINGS * SINGLE.eps))
        found = values[name]
        right = (np.abs(found.astype(float) - expected) <= allowed) | (found == expected)
    right |= np.isnan(found) & np.isnan(expected)
    right |= np.isnan(x) & (name in BY_COMPARISON)
    wrong = {float(x[k]): (float(found[k]), float(expected[k])) for k in np.flatnonzero(~right)}
    assert not wrong


def test_softplus_far_below_zero_is_the_exponential(values):
    x = numbers()
    far = (x < -16) & (x > -80)
    assert far.sum() > 1000
    np.testing.assert_allclose(values["softplus"][far], np.exp(x[far].astype(np.float64)), rtol=1e-6)
