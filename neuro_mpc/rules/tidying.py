"""The form in which a derivative is computed: the shorter one, unless it loses digits.

The factors of a fraction are shorter than its terms, but they may multiply out to a polynomial whose terms cancel. Both
forms are therefore evaluated in single precision at random points within the bounds of the parameters, and compared
with the exact value there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache

import numpy as np
import sympy

from neuro_mpc.descriptions.arithmetic import arithmetic
from neuro_mpc.descriptions.expressions import array_text, symbol_names

POINTS, SEED = 48, 0
TOLERATED = 100 * float(np.finfo(np.float32).eps)  # relative error that every form may have
LOSS = 8.0  # times the error of the longer form that a shorter one may have where it is larger
NEAREST, FARTHEST = 1e-7, 1e3  # distances from a bound
LARGEST = 1e30  # beyond it, single precision overflows in any form
FAN_IN = (1, 7, 100, 1000)
Bounds = tuple[float | None, float | None]


def tidied(expression: sympy.Expr, bounds: Mapping[str, Bounds]) -> sympy.Expr:
    """The shorter of a fraction and its factors that loses no digits; anything with functions in it stays, because
    factors could overflow where it does not.

    bounds   name of a parameter → its lowest and highest value, None where there is none
    """
    return _tidied(expression, tuple(sorted(bounds.items())))


@lru_cache(maxsize=256)
def _tidied(expression: sympy.Expr, bounds: tuple[tuple[str, Bounds], ...]) -> sympy.Expr:
    if not expression.is_rational_function():
        return expression
    shorter = min(expression, factored(expression), key=sympy.count_ops)
    return shorter if shorter == expression or _keeps_digits(shorter, expression, dict(bounds)) else expression


def factored(expression: sympy.Expr) -> sympy.Expr:
    """The product that an expression is; of SymPy's own function it is not known to be an expression."""
    factors = sympy.factor(expression)
    assert isinstance(factors, sympy.Expr)
    return factors


def more_accurate(simplified: sympy.Expr, plain: sympy.Expr, bounds: Mapping[str, Bounds]) -> sympy.Expr:
    """The one of two forms of a fraction whose largest error is smaller; the simplified one where they are equal, and
    where there are functions in it."""
    if simplified == plain or not plain.is_rational_function():
        return simplified
    first, second = (error.max(initial=0) for error in _errors((simplified, plain), bounds))
    return plain if second < first else simplified


def _keeps_digits(shorter: sympy.Expr, longer: sympy.Expr, bounds: Mapping[str, Bounds]) -> bool:
    """Whether the shorter form is nowhere much less accurate than the longer one."""
    error, of_longer = _errors((shorter, longer), bounds)
    return bool((error <= np.maximum(LOSS * of_longer, TOLERATED)).all())


def _errors(forms: tuple[sympy.Expr, sympy.Expr], bounds: Mapping[str, Bounds]) -> list[np.ndarray]:
    """The relative errors (point,) of two forms of the same fraction, infinite where one has no finite value."""
    plain = forms[1]
    points = _points(symbol_names(plain), bounds)
    exact = _exact(plain, points)
    mask = np.isfinite(exact) & (np.abs(exact) < LARGEST) & (np.abs(exact) > 1 / LARGEST)
    errors = [np.abs(_in_single_precision(form, points)[mask] / exact[mask] - 1) for form in forms]
    return [np.where(np.isfinite(error), error, np.inf) for error in errors]


def _points(names: list[str], bounds: Mapping[str, Bounds]) -> dict[str, np.ndarray]:
    """Values within the bounds, float32 (point,), more of them near a bound than far from it; of `n`, fan-ins."""
    rng = np.random.default_rng(SEED)
    return {
        name: (rng.choice(FAN_IN, POINTS) if name == "n" else _within(*bounds.get(name, (None, None)), rng)).astype(
            np.float32
        )
        for name in names
    }


def _within(low: float | None, high: float | None, rng: np.random.Generator) -> np.ndarray:
    distance = np.exp(rng.uniform(np.log(NEAREST), np.log(FARTHEST), POINTS))
    sign = rng.choice([-1.0, 1.0], POINTS)
    if low is not None and high is not None:
        part = (high - low) * rng.uniform(size=POINTS) * np.minimum(distance, 1)
        return np.where(sign > 0, low + part, high - part)
    if low is not None:
        return low + distance
    return high - distance if high is not None else sign * distance


def _in_single_precision(expression: sympy.Expr, points: Mapping[str, np.ndarray]) -> np.ndarray:
    with np.errstate(all="ignore"):
        values = arithmetic(array_text(expression))(points)
        return np.broadcast_to(np.asarray(values, np.float32), POINTS).astype(float)


def _exact(expression: sympy.Expr, points: Mapping[str, np.ndarray]) -> np.ndarray:
    """The values at the points by rational arithmetic, NaN where there is none."""
    constants = {number: sympy.Dummy() for number in expression.atoms(sympy.Number) if not number.is_Integer}
    names = [*_symbols(points), *constants.values()]
    function = sympy.lambdify(names, expression.xreplace(constants), modules="math", dummify=True)
    numbers = [_fraction(number) for number in constants]
    values = [[Fraction(float(value)) for value in column] for column in points.values()]
    return np.array([_as_float(function, *point, *numbers) for point in zip(*values, strict=True)])


def _fraction(number: sympy.Number) -> Fraction:
    return Fraction(number.p, number.q) if isinstance(number, sympy.Rational) else Fraction(float(number))


def _as_float(function: Callable[..., Fraction], *values: Fraction) -> float:
    try:
        return float(function(*values))
    except ArithmeticError:  # a division by zero, or a number beyond double precision
        return np.nan


def _symbols(points: Mapping[str, np.ndarray]) -> list[sympy.Symbol]:
    return [sympy.Symbol(name, real=True) for name in points]
