"""Derivatives in the shorter form, unless it loses digits."""

from fractions import Fraction

import numpy as np
import pytest
import sympy

from neuro_mpc.descriptions import expressions
from neuro_mpc.descriptions.shipped import files, synapse_type
from neuro_mpc.rules import tidying
from neuro_mpc.rules.printing import text
from neuro_mpc.rules.tidying import tidied

CANCELS = "p*(1 - p)*a**2/n + 0.01*a**4/(n*(1.01 - p))*(1 - p)"
OF_WHOLE_NUMBERS = "p*(1 - p)*a**2/n + a**4/(100*n*(101/100 - p))*(1 - p)"
RELEASE = {"a": (None, None), "p": (0.9, 0.99)}


def slope(formula, name):
    return expressions.derivative(expressions.parse(formula, ("a", "p", "n")), name)


def true_slope(a, p, n):
    """∂/∂p of the formula that cancels, by hand and exactly."""
    a, p, n, edge, weight = (Fraction(float(each)) for each in (a, p, n, 1.01, 0.01))
    return float(a**2 * (1 - 2 * p) / n + weight * a**4 / n * ((1 - p) / (edge - p) ** 2 - 1 / (edge - p)))


@pytest.mark.parametrize("formula", [CANCELS, OF_WHOLE_NUMBERS])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_derivative_as_it_is_printed_keeps_its_digits(dtype, formula):
    printed = text(tidied(slope(formula, "p"), RELEASE))
    rng = np.random.default_rng(1)
    a, p, n = rng.normal(0, 30, 200).astype(dtype), rng.uniform(0.9, 0.99, 200).astype(dtype), dtype(7)
    found = eval(printed, {"a": a, "p": p, "n": n})
    expected = np.array([true_slope(*values, n) for values in zip(a, p, strict=True)])
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=100 * np.finfo(dtype).eps)


def test_what_loses_no_digits_is_shortened():
    found = tidied(slope("p*a**2/(n*(1 - p))", "p"), RELEASE)
    assert sympy.count_ops(found) < sympy.count_ops(slope("p*a**2/(n*(1 - p))", "p"))
    assert text(found) == "a**2/(n*(p - 1)**2)"


@pytest.mark.parametrize("name", files("synapse"))
def test_shipped_rules_have_their_short_forms(name):
    table = synapse_type(name)
    names = (*table["parameter"], "n")
    for formula in (table["mean"], table.get("variance", "0")):
        for parameter in table["parameter"]:
            raw = expressions.derivative(expressions.parse(formula, names), parameter)
            bounds = {key: (each.get("low"), each.get("high")) for key, each in table["parameter"].items()}
            assert tidied(raw, bounds) == min(raw, sympy.factor(raw), key=sympy.count_ops)


def test_the_same_form_every_time():
    tidied_again = [sympy.srepr(tidied(slope(CANCELS, "p"), dict(reversed(RELEASE.items())))) for _ in range(2)]
    assert tidied_again[0] == tidied_again[1] == sympy.srepr(tidied(slope(CANCELS, "p"), RELEASE))


def test_constants_are_printed_with_every_digit():
    assert text(expressions.parse("0.30000000000000004*a", ("a",))) == "0.30000000000000004*a"


def test_exact_values_are_those_of_rational_arithmetic():
    x, y = sympy.symbols("x y", real=True)
    points = {
        "x": np.array([0.5, 2.0, 0.1, 1e-30, 1.0], np.float32),
        "y": np.array([4.0, 1.0, 3.0, 1e-30, 0.0], np.float32),
    }
    expression = sympy.Rational(2, 3) * x - 7 / y + sympy.Float(0.1)
    expected = [
        float(Fraction(2, 3) * Fraction(float(a)) - 7 / Fraction(float(b)) + Fraction(0.1)) if b else np.nan
        for a, b in zip(*points.values(), strict=True)
    ]
    np.testing.assert_array_equal(tidying._exact(expression, points), expected)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (2.0, 5.0), (-3.0, None), (None, 1.0), (None, None)])
def test_points_lie_within_the_bounds_and_some_of_them_very_near(monkeypatch, low, high):
    monkeypatch.setattr(tidying, "POINTS", 10_000)
    points = tidying._within(low, high, np.random.default_rng(0))
    assert points.shape == (10_000,)
    for bound, distance in ((low, points - (low or 0)), (high, (high or 0) - points)):
        assert bound is None or 0 <= distance.min() < 1e-6
    far = np.abs(points - (low or high or 0)) if None in (low, high) else points - low
    assert 0.9 < far.max() / (tidying.FARTHEST if None in (low, high) else high - low) <= 1
    if low is None and high is None:
        for side in (points, -points):
            assert tidying.NEAREST <= side[side > 0].min() < 2 * tidying.NEAREST
            assert tidying.FARTHEST / 2 < side.max() <= tidying.FARTHEST
            assert 0.45 < (side > 0).mean() < 0.55


def test_of_fan_ins_there_are_whole_numbers():
    points = tidying._points(["n", "p"], {"p": (0.0, 1.0)})
    assert set(points["n"].tolist()) == {1, 7, 100, 1000}
    assert {values.dtype for values in points.values()} == {np.dtype(np.float32)}
    again = tidying._points(["n", "p"], {"p": (0.0, 1.0)})
    np.testing.assert_array_equal(points["p"], again["p"])


def test_of_two_forms_the_one_that_errs_less_is_taken():
    p = sympy.Symbol("p", real=True)
    plain, simplified = 1 / (1 - p) - 1, p / (1 - p)
    near_zero = {"p": (0.0, 0.5)}
    assert tidying.more_accurate(simplified, plain, near_zero) == simplified
    assert tidying.more_accurate(plain, simplified, near_zero) == simplified
    assert tidying.more_accurate(p * 2, p * 2, {}) == p * 2
    assert tidying.more_accurate(sympy.exp(p), sympy.exp(p) + 0 * p, {}) == sympy.exp(p)
    assert tidying._keeps_digits(simplified, plain, near_zero)
    assert not tidying._keeps_digits(plain, simplified, near_zero)
