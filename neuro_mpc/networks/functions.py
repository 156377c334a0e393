"""Functions that circuits may use and Brian2 lacks, for its three targets.

Each exists for NumPy, Cython and C++; the C++ forms are templates, so that single precision stays single.
"""

from __future__ import annotations

import numpy as np
from brian2 import Function

from neuro_mpc.descriptions.functions import logistic


def _inverse_sqrt(x):
    x = np.asarray(x)
    positive = x > 0
    return np.where(positive, 1 / np.sqrt(np.where(positive, x, x.dtype.type(1))), x.dtype.type(0))


def _relu(x):
    return np.maximum(x, 0)


def _step(x):
    x = np.asarray(x)
    return (x > 0).astype(x.dtype)


def _softplus(x):
    return np.logaddexp(np.asarray(x).dtype.type(0), x)


def _at_most_at_least(x, low, high):
    return np.clip(x, low, high)


def _selected(connected, value, otherwise):
    return np.where(np.asarray(connected) != 0, value, otherwise)


_CPP = {
    "relu": "template <typename T> static inline T {name}(T x) {{ return x > 0 ? x : T(0); }}",
    "step": "template <typename T> static inline T {name}(T x) {{ return x > 0 ? T(1) : T(0); }}",
    "inverse_sqrt": "template <typename T> static inline T {name}(T x) "
    "{{ const T root = std::sqrt(x); return x > 0 ? T(1) / root : T(0); }}",
    "sigmoid": "template <typename T> static inline T {name}(T x) {{ return T(1) / (T(1) + std::exp(-x)); }}",
    "softplus": "template <typename T> static inline T {name}(T x) "
    "{{ return (x > 0 ? x : T(0)) + std::log1p(std::exp(-(x > 0 ? x : -x))); }}",
    "bounded": "template <typename T> static inline T {name}(T x, double low, double high) "
    "{{ return x < T(low) ? T(low) : (x > T(high) ? T(high) : x); }}",
    "selected": "template <typename C, typename T, typename U> static inline T {name}(C connected, T value, U other) "
    "{{ return connected != 0 ? value : T(other); }}",
}
_ARGUMENTS = {"bounded": ["x", "low", "high"], "selected": ["connected", "value", "otherwise"]}
# Cython takes the C++ form as it is. The types that it is told matter little: C++ finds the real ones.
_IN_CYTHON = '''
cdef extern from * nogil:
    """
    #include <cmath>
    {source}
    """
    double {name}({arguments})
'''
_NUMPY = {
    "relu": _relu,
    "step": _step,
    "inverse_sqrt": _inverse_sqrt,
    "sigmoid": logistic,
    "softplus": _softplus,
    "bounded": _at_most_at_least,
    "selected": _selected,
}


def _function(name: str) -> Function:
    arguments = _ARGUMENTS.get(name, ["x"])
    function = Function(_NUMPY[name], arg_units=[1] * len(arguments), arg_names=arguments, return_unit=1)
    internal = f"_mpc_{name}"
    source = _CPP[name].format(name=internal)
    declared = ", ".join(f"double {argument}" for argument in arguments)
    in_cython = _IN_CYTHON.format(source=source, name=internal, arguments=declared)
    # Not add_numpy_implementation, whose check of units prints every result.
    function.implementations.add_implementation("numpy", _NUMPY[name])
    function.implementations.add_implementation("cpp", source, name=internal)
    function.implementations.add_implementation("cython", in_cython, name=internal)
    return function


FUNCTIONS: dict[str, Function] = {name: _function(name) for name in _CPP}
"""Name → Brian2 function:

relu(x)            max(x, 0)
step(x)            1 for x > 0, else 0
inverse_sqrt(x)    1/√x for x > 0, else 0: a unit without variance gets no variance feedback
sigmoid(x)         1/(1 + exp(−x))
softplus(x)        log(1 + exp(x))
bounded(x, a, b)   x between a and b
selected(c, x, y)  x where c is not zero, else y
"""
