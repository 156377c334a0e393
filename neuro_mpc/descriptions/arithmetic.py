"""Arithmetic on numbers and arrays, from text: what is left of an expression once SymPy has read and printed it.

A text is data, as it may come from a file. It is read on Python's syntax tree, of which only numbers, names,
``+ - * / **``, unary minus and calls of the functions of expressions are accepted, and computed node by node, by the
operations and in the order in which Python would; none of it is compiled or executed.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from neuro_mpc.descriptions.functions import ARRAYS

OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


class Arithmetic:
    """A text that was found to be arithmetic.

    names   of what it is computed from
    """

    def __init__(self, text: str):
        """Raises ValueError for anything else."""
        try:
            self._tree = ast.parse(text, mode="eval").body
        except (SyntaxError, RecursionError, MemoryError) as problem:
            raise ValueError(str(problem)) from None
        self.names = frozenset(_names(self._tree))

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """The value for those of its names, numbers or arrays that broadcast."""
        return _value(self._tree, values)


@lru_cache(maxsize=1024)
def arithmetic(text: str) -> Arithmetic:
    """The arithmetic that a text is; ValueError where it is none."""
    return Arithmetic(text)


def evaluated(text: str, values: Mapping[str, Any]) -> np.ndarray:
    """What arithmetic gives for `values` (name → number or array), float64, with broadcasting."""
    computed = arithmetic(text)
    # NumPy's numbers follow IEEE 754 where those of Python raise, such as 1/0.
    arrays = {name: np.asarray(values[name], dtype=float) for name in computed.names}
    return np.asarray(computed(arrays), dtype=float)


def _names(tree: ast.expr) -> list[str]:
    """The names of a tree; ValueError where there is more in it than arithmetic."""
    names, rest = [], [tree]
    while rest:
        match rest.pop():
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                pass
            case ast.Name(id=name):
                names.append(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                rest.append(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                rest += [left, right]
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in ARRAYS:
                rest += args
            case other:
                raise ValueError(f"{type(other).__name__} is no arithmetic")
    return names


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    later = []
    while isinstance(node, ast.BinOp):  # of a long sum, each term is one level deeper than the next
        later.append(node)
        node = node.left
    match node:
        case ast.Name(id=name):
            value = values[name]
        case ast.UnaryOp(operand=operand):
            value = -_value(operand, values)
        case ast.Call(func=ast.Name(id=name), args=args):
            value = ARRAYS[name](*(_value(each, values) for each in args))
        case ast.Constant(value=number):
            value = number
        case _:
            raise TypeError(node)
    for each in reversed(later):
        value = OPERATORS[type(each.op)](value, _value(each.right, values))
    return value
