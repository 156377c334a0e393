"""The free energy of a circuit and its derivatives, by SymPy, from the texts of a description.

Every function takes plain data and names a kind of term (`neuro_mpc.rules.terms`): what it derives is kept.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import sympy

from neuro_mpc.descriptions import expressions
from neuro_mpc.descriptions.circuit_tables import BEFORE, INPUT
from neuro_mpc.rules.tidying import Bounds, factored, tidied
from neuro_mpc.rules.variables import brian_name, current_name
from neuro_mpc.rules.weighting import PRECISION

KEPT = 256  # of each kind: the members of a sweep have the same ones


def _symbols(*names: str) -> list[sympy.Symbol]:
    return [sympy.Symbol(name, real=True) for name in names]


# Symbols of one synapse and its two ends; G_rest and D_rest are what the unit's other synapses contribute.
f, err, epsilon, D, q, H1, H2 = _symbols("f", "err", "epsilon", "D", "q", "H1", "H2")
G_rest, D_rest, A, V, M, r = _symbols("G_rest", "D_rest", "A", "V", "M", "r")


def _times_error(change_of_prediction: sympy.Expr, variance: sympy.Expr) -> sympy.Expr:
    """err · ∂h/∂(·) with q put in for err ε / √D."""
    root = sympy.Symbol("root", positive=True)
    local = sympy.expand((err * change_of_prediction).subs(sympy.sqrt(D_rest + variance), root))
    slope = local.coeff(root, -1)
    # ∂√D = ∂D / (2 √D): what the factor err ε / √D multiplies
    return local.coeff(root, 0) + q * sympy.expand(slope / (err * epsilon))


@lru_cache(maxsize=KEPT)
def moment(formula: str, parameters: tuple[str, ...]) -> sympy.Expr:
    """Mean or variance of a weight, by the names that Brian2 has for the parameters."""
    in_brian = list(zip(_symbols(*parameters), _symbols(*map(brian_name, parameters))))
    return expressions.parse(formula, (*parameters, "n")).subs(in_brian, simultaneous=True)


@lru_cache(maxsize=KEPT)
def descent(mean: str, variance: str, bounds: tuple[tuple[str, Bounds], ...], parameter: str) -> sympy.Expr:
    """−∂/∂θ ½ (r − h)², with h = G_rest + μ f + √(D_rest + v f²) ε, summed by the two Hebbian sums.

    bounds   name of a parameter of the synapse type → its lowest and highest value, None where there is none
    """
    parameters, name = tuple(each for each, _ in bounds), brian_name(parameter)
    d_mu, d_v = _symbols("d_mu", "d_v")
    weight, spread = _symbols("weight", "spread")
    h = G_rest + weight * f + sympy.sqrt(D_rest + spread * f**2) * epsilon
    change = sympy.diff(h, weight) * d_mu + sympy.diff(h, spread) * d_v
    local = sympy.expand(_times_error(change, spread * f**2))
    of_mean, of_variance = (expressions.derivative(moment(each, parameters), name) for each in (mean, variance))
    in_brian = {brian_name(each): limits for each, limits in bounds}
    by_mean = tidied(local.coeff(err * f).subs(d_mu, of_mean), in_brian)
    by_variance = tidied(local.coeff(q * f**2).subs(d_v, of_variance), in_brian)
    return H1 * by_mean + H2 * by_variance


def rate(activation: str) -> sympy.Expr:
    """The firing rate f(r)."""
    return expressions.parse(activation, ("r",))


def slope(activation: str) -> sympy.Expr:
    """f′(r)"""
    return expressions.derivative(rate(activation), "r")


@lru_cache(maxsize=KEPT)
def drive(activation: str, sends_variance: bool, is_remembered: bool) -> sympy.Expr:
    """−∂/∂r of ½ (r_post − h_post)², h_post = G_rest + μ f(r) + √(D_rest + v f(r)²) ε, summed over synapses, and of the
    belief's own next prediction, which remembers it."""
    weight, spread, d_f = _symbols("weight", "spread", "d_f")
    h = G_rest + weight * f + sympy.sqrt(D_rest + spread * f**2) * epsilon
    local = sympy.expand(_times_error(sympy.diff(h, f) * d_f, spread * f**2))
    by_mean, by_variance = local.coeff(err * weight), local.coeff(q * spread)
    total = by_mean * A + (by_variance * V if sends_variance else 0)
    return factored(total).subs(d_f, slope(activation)) + (M if is_remembered else 0)


@lru_cache(maxsize=KEPT)
def prediction(formula: str, compartments: tuple[str, ...]) -> sympy.Expr:
    """The prediction h of a free population, in the symbols of `current_name` and `before`; a compartment in which
    nothing ends has no input."""
    parsed = expressions.parse(formula, {*compartments, INPUT, BEFORE})
    inputs: dict[str, sympy.Expr] = {each: sympy.Symbol(current_name(each), real=True) for each in compartments}
    named: dict[Any, sympy.Expr] = {
        sympy.Symbol(each, real=True): inputs.get(each, sympy.S.Zero) for each in {*compartments, INPUT}
    }
    return cast(sympy.Expr, parsed.subs(named, simultaneous=True))


def passed_on(formula: str, compartments: tuple[str, ...], part: str) -> sympy.Expr:
    """∂h/∂I of the input of a compartment, or ∂h/∂r of the belief one step earlier."""
    value = prediction(formula, compartments)
    return expressions.derivative(value, BEFORE if part == BEFORE else current_name(part))


def log_precision() -> sympy.Expr:
    """−∂F/∂ log Π in the number of errors that share it and in H, the sum of their squares."""
    count, squares, precision = sympy.symbols(f"count H {PRECISION}", positive=True)
    return (count - squares / precision) / 2
