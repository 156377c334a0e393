"""The closed language of expressions in descriptions: text in, SymPy expression out.

An expression is data. It is read on Python's syntax tree, of which only numbers, names, ``+ - * / **``,
unary minus, parentheses and calls of the listed functions are accepted; none of it is compiled or executed.
Limits on length, depth, exponents and numbers keep the work small. Parts without a name are folded to double
precision at once, because exact arithmetic with numbers such as ``floor(exp(1e9))`` would not end.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

import numpy as np
import sympy
from sympy.printing.numpy import NumPyPrinter

from neuro_mpc.descriptions.arithmetic import evaluated
from neuro_mpc.descriptions.functions import FUNCTIONS, NUMERIC, RANDOM_FUNCTIONS
from neuro_mpc.descriptions.symbolic import RANDOM, SYMBOLIC, RandomCall, step
from neuro_mpc.errors import DescriptionError, did_you_mean

LONGEST, DEEPEST, HIGHEST_POWER, EXACT = 1000, 50, 20, 10**15
KEPT = 1024  # expressions, derivatives and texts: the members of a sweep have the same ones
DEEP = 3  # SymPy takes the longer the deeper calls and powers are nested
FORBIDDEN = re.compile(r"[^A-Za-z0-9_.+\-*/(), \t\r\n]")
PLAIN = "numbers, names, + - * / **, parentheses and the functions "


_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def parse(
    text: str | float, names: Iterable[str], *, source: str = "", key: str = "", random: bool = False
) -> sympy.Expr:
    """The SymPy expression of `text`, in real symbols with the given `names`.

    random   accept ``normal(mean, std)``, ``uniform(low, high)`` and ``identity()`` too (initial values)

    Raises DescriptionError for anything that is not plain arithmetic in these names.
    """
    return _parsed(str(text), tuple(names), source, key, random)


@lru_cache(maxsize=KEPT)
def _parsed(text: str, names: tuple[str, ...], source: str, key: str, random: bool) -> sympy.Expr:
    return _Reader(text, names, source, key, random).expression()


@lru_cache(maxsize=KEPT)
def derivative(expression: sympy.Expr, name: str, *, source: str = "", key: str = "") -> sympy.Expr:
    """∂ expression / ∂ name, in the functions of the language only (abs gives sign, relu gives step).

    Raises DescriptionError where `name` is inside floor, sign or step, or the derivative leaves the language.
    """
    symbol = sympy.Symbol(name, real=True)
    jumps = [part for part in expression.atoms(sympy.floor, sympy.sign, step) if symbol in part.free_symbols]
    result = sympy.S.NaN if jumps else expression.diff(symbol)
    if result.has(sympy.nan, sympy.Derivative, sympy.Subs, sympy.re, sympy.im, sympy.I, sympy.DiracDelta):
        culprit = f" because of {jumps[0]}" if jumps else ""
        raise DescriptionError(
            f"no usable derivative with respect to {name}{culprit}",
            source=source,
            key=key,
            found=str(expression),
            expected="an expression with a derivative everywhere but at points",
            hint="use relu, abs, tanh, sigmoid or softplus in place of floor, sign or step",
        )
    return result


def symbol_names(expression: sympy.Basic) -> list[str]:
    """The names of the symbols of an expression, sorted."""
    return sorted(symbol.name for symbol in expression.atoms(sympy.Symbol))


def evaluate(expression: sympy.Basic, values: Mapping[str, object]) -> np.ndarray:
    """The values of an expression, float64, for `values` (name → number or array), with broadcasting."""
    return evaluated(array_text(expression), values)


@lru_cache(maxsize=KEPT)
def array_text(expression: sympy.Basic) -> str:
    """An expression as NumPy computes it: `neuro_mpc.descriptions.arithmetic` reads it."""
    # As SymPy prints for its module "numpy", all of which it would import, with tests and compilers of Fortran.
    printer = NumPyPrinter(
        {
            "fully_qualified_modules": False,
            "inline": True,
            "allow_unknown_functions": True,
            "user_functions": {name: name for name in SYMBOLIC},
        }
    )
    # The order of terms, and with it the last bit of a sum, is that of the names of symbols. `sympy.lambdify` numbers
    # them from the last one on; results stay the same only if they are printed in that order.
    symbols = sorted(expression.atoms(sympy.Symbol), key=lambda symbol: symbol.name, reverse=True)
    numbered = {symbol: sympy.Symbol(f"x{number:04d}") for number, symbol in enumerate(symbols)}
    text = str(printer.doprint(expression.xreplace(numbered)))
    return re.sub(r"\bx(\d{4})\b", lambda found: _variable(symbols[int(found[1])]), text)


def _variable(symbol: sympy.Symbol) -> str:
    """The name of a symbol as a name of Python; what was drawn by call #1 is _1, which no description can say."""
    return symbol.name.replace("#", "_")


def formula_data(expression: sympy.Expr, names: Iterable[str]) -> dict:
    """What `formulas.Formula.read` reads of an expression, and whether it has derivatives with respect to `names`."""
    calls = sorted(expression.atoms(RandomCall), key=lambda call: int(call.label.removeprefix("#")))
    results = {call: sympy.Symbol(call.label, real=True) for call in calls}
    draws = [
        [_variable(result), type(call).__name__, [array_text(each.xreplace(results)) for each in call.args[:-1]]]
        for call, result in results.items()
    ]
    return {
        "text": array_text(expression.xreplace(results)),
        "number": float(expression) if expression.is_Number else None,
        "differentiable": [name for name in names if _has_derivative(expression, name)],
        "draws": draws,
    }


def _has_derivative(expression: sympy.Expr, name: str) -> bool:
    try:
        derivative(expression, name)
    except DescriptionError:
        return False
    return True


class _Reader:
    """Reads one expression from its syntax tree; keeps what an error message needs."""

    def __init__(self, text: str, names: tuple[str, ...], source: str, key: str, random: bool):
        self.text, self.names, self.source, self.key, self.random = text, names, source, key, random
        self.calls = 0

    def fail(self, problem: str, *, expected: str = "", hint: str = "") -> DescriptionError:
        return DescriptionError(
            problem, source=self.source, key=self.key, found=self.text, expected=expected, hint=hint
        )

    @property
    def language(self) -> str:
        return PLAIN + ", ".join(sorted([*FUNCTIONS, *(RANDOM_FUNCTIONS if self.random else ())]))

    def expression(self) -> sympy.Expr:
        try:
            result = self.read(self.tree(), 1, 1.0)
        except (RecursionError, MemoryError):
            raise self.fail("the expression is too complicated", hint="write it shorter") from None
        return self.checked(result)

    def tree(self) -> ast.expr:
        if len(self.text) > LONGEST:
            raise self.fail(f"the expression has {len(self.text)} characters, more than {LONGEST}")
        if character := FORBIDDEN.search(self.text):
            raise self.fail(f"{character[0]!r} has no meaning in an expression", expected=self.language)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(" ".join(self.text.split()), mode="eval").body
        except (SyntaxError, ValueError):
            raise self.fail("the expression is malformed", expected=self.language) from None

    def read(self, node: ast.expr, depth: int, power: float) -> sympy.Expr:
        if depth > DEEPEST:
            raise self.fail(
                f"the expression is nested deeper than {DEEPEST} levels, a call or power counting {DEEP}",
                hint="shorten it or use fewer parentheses",
            )
        match node:
            case ast.Constant(value=value):
                return self.number(value)
            case ast.Name(id=name):
                return self.symbol(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.read(operand, depth + 1, power)
            case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
                return self.power(base, exponent, depth, power)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() as op, right=right):
                operands = self.read(left, depth + 1, power), self.read(right, depth + 1, power)
                return self.apply(_OPERATORS[type(op)], *operands)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self.call(name, [self.read(arg, depth + DEEP, power) for arg in args])
        raise self.fail("this is not plain arithmetic", expected=self.language)

    def number(self, value: object) -> sympy.Expr:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.fail("this is not plain arithmetic", expected=self.language)
        try:
            if not math.isfinite(float(value)):
                raise OverflowError
        except OverflowError:
            raise self.fail("a number is too large", expected="numbers below 1e308") from None
        return sympy.Integer(value) if isinstance(value, int) and value < EXACT else sympy.Float(float(value))

    def symbol(self, name: str) -> sympy.Symbol:
        if name in self.names:
            return sympy.Symbol(name, real=True)
        known = ", ".join(sorted(self.names)) or "no names at all here"
        if name in FUNCTIONS or (self.random and name in RANDOM_FUNCTIONS):
            raise self.fail(f"{name} is a function", expected=f"one of {known}", hint=f"write {name}(…)")
        raise self.fail(f"unknown name {name!r}", expected=known, hint=did_you_mean(name, self.names))

    def power(self, base: ast.expr, exponent: ast.expr, depth: int, power: float) -> sympy.Expr:
        match exponent:
            case ast.Constant(value=int() | float() as value):
                pass
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                value = -value
            case _:
                raise self.fail("an exponent is not a number", expected="such as 2, 0.5 or -1 after **")
        # SymPy multiplies the exponents of nested powers, so the bound is on their product.
        power *= max(abs(value), 1)
        if not power <= HIGHEST_POWER:
            raise self.fail("a power is too high", expected=f"exponents whose product is at most {HIGHEST_POWER}")
        exact = sympy.Rational(repr(value)) if isinstance(value, float) else sympy.Integer(value)
        return self.apply(operator.pow, self.read(base, depth + DEEP, power), exact)

    def call(self, name: str, args: list[sympy.Expr]) -> sympy.Expr:
        known = {
            **dict.fromkeys(FUNCTIONS, 1),
            **(RANDOM_FUNCTIONS if self.random else {}),
        }
        if name not in known:
            place = "random functions belong in initial values only" if name in RANDOM_FUNCTIONS else ""
            hint = did_you_mean(name, known) or place
            raise self.fail(f"unknown function {name!r}", expected=", ".join(sorted(known)), hint=hint)
        if len(args) != known[name]:
            raise self.fail(f"{name} takes {known[name]} argument(s), not {len(args)}")
        if name in RANDOM_FUNCTIONS:
            self.calls += 1
            return RANDOM[name](*args, sympy.Symbol(f"#{self.calls}", real=True))
        if args[0].is_Number:
            return self.folded(NUMERIC[name], args[0])
        # SymPy turns exp(k log x) into x**k, whose numbers could be without bound.
        if name == "exp" and args[0].has(sympy.log):
            raise self.fail("log is inside exp", hint="write the power itself, such as x**2")
        return self.checked(SYMBOLIC[name](args[0]))

    def apply(self, operation: Callable, left: sympy.Expr, right: sympy.Expr) -> sympy.Expr:
        if left.is_Number and right.is_Number:
            return self.folded(operation, left, right)
        return self.checked(operation(left, right))

    def folded(self, operation: Callable, *numbers: sympy.Expr) -> sympy.Expr:
        """The number of an operation on numbers: exact while small and rational, else in double precision."""
        try:
            value = operation(*map(float, numbers))
            if isinstance(value, complex) or not math.isfinite(value):
                raise ValueError
        except (ArithmeticError, ValueError):
            raise self.fail("a part of the expression has no finite real value") from None
        if operation in _OPERATORS.values() and all(number.is_Rational for number in numbers):
            exact = operation(*numbers)
            if max(abs(exact.p), exact.q) < EXACT:
                return exact
        return sympy.Integer(int(value)) if value == int(value) and abs(value) < EXACT else sympy.Float(float(value))

    def checked(self, result: sympy.Expr) -> sympy.Expr:
        if result.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo, sympy.I):
            raise self.fail("a part of the expression has no finite real value")
        if not result.free_symbols and not result.is_Number:
            result = sympy.Float(result.evalf(15))
        if any(not math.isfinite(_as_float(number)) for number in result.atoms(sympy.Number)):
            raise self.fail("a number is too large", expected="numbers below 1e308")
        return result


def _as_float(number: sympy.Number) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf
