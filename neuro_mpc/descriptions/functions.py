"""The functions of the language of expressions: their names, and what they are for single numbers and for arrays.

For SymPy they are in `neuro_mpc.descriptions.symbolic`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np


def logistic(x):
    """1 / (1 + exp(−x)) of numbers or arrays; SciPy's own takes a quarter of a second to import."""
    from scipy.special import expit

    return expit(x)


NUMERIC: dict[str, Callable] = {
    "abs": abs,
    "cos": math.cos,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "tanh": math.tanh,
    "sign": np.sign,
    "relu": lambda x: max(x, 0.0),
    "step": lambda x: float(x > 0),
    "sigmoid": logistic,
    "softplus": lambda x: np.logaddexp(0.0, x),
}
ARRAYS: dict[str, Callable] = {
    "abs": abs,
    "cos": np.cos,
    "exp": np.exp,
    "floor": np.floor,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "tanh": np.tanh,
    "sign": np.sign,
    "relu": lambda x: np.maximum(x, 0.0),
    "step": lambda x: np.where(np.asarray(x) > 0, 1.0, 0.0),
    "sigmoid": logistic,
    "softplus": lambda x: np.logaddexp(0.0, x),
}
FUNCTIONS = tuple(NUMERIC)
RANDOM_FUNCTIONS = {"normal": 2, "uniform": 2, "identity": 0}
"""Name → number of arguments, of functions that initial values may call besides."""
