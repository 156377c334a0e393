"""Derivatives in the shorter form, unless it loses digits."""

from fractions import Fraction

import numpy as np
import pytest
import sympy

from neuro_mpc.descriptions import expressions
from neuro_mpc.descriptions.shipped import files, synapse_type
from neuro_mpc.rules.printing import text
from neuro_mpc.rules.tidying import tidied

CANCELS = "p*(1 - p)*a**2/n + 0.01*a**4/(n*(1.01 - p))*(1 - p)"
RELEASE = {"a": (None, None), "p": (0.9, 0.99)}


def slope(formula, name):
    return expressions.derivative(expressions.parse(formula, ("a", "p", "n")), name)


def true_slope(a, p, n):
    """∂/∂p of the formula that cancels, by hand and exactly."""
    a, p, n, edge, weight = (Fraction(float(each)) for each in (a, p, n, 1.01, 0.01))
    return float(a**2 * (1 - 2 * p) / n + weight * a**4 / n * ((1 - p) / (edge - p) ** 2 - 1 / (edge - p)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_derivative_as_it_is_printed_keeps_its_digits(dtype):
    printed = text(tidied(slope(CANCELS, "p"), RELEASE))
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
