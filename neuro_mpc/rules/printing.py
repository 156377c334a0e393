"""Expressions in the language of Brian2's equations."""

from __future__ import annotations

from functools import lru_cache

import sympy
from sympy.printing.str import StrPrinter


class Brian2Printer(StrPrinter):
    """Prints expressions in the language of Brian2's equations."""

    def _print_Abs(self, call):
        return f"abs({self._print(call.args[0])})"

    def _print_Rational(self, number):
        # decimal points keep integer division out of the generated C++
        return f"({number.p}.0/{number.q}.0)" if number.q != 2 else repr(number.p / 2)

    def _print_Half(self, number):
        return "0.5"

    def _print_Float(self, number):
        # every digit: fifteen, as SymPy prints, are one or two short of double precision
        return repr(float(number))


@lru_cache(maxsize=1024)
def text(expression: sympy.Expr) -> str:
    """`expression` in Brian2's language."""
    return Brian2Printer().doprint(expression)
