"""The slab of a weight's distribution: how it is spread where it is not zero."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from neuro_mpc.rules.tidying import Bounds, factored, more_accurate


def slab(
    mean: sympy.Expr, variance: sympy.Expr, spike: sympy.Expr, bounds: Mapping[str, Bounds]
) -> tuple[sympy.Expr, sympy.Expr]:
    """Mean and variance of the slab that leave a weight, zero with probability p, its mean μ and variance v:

        μ/(1 − p),   (v + μ²)/(1 − p) − μ²/(1 − p)²

    The terms may cancel to the last digit, and are simplified where that keeps more digits.
    """
    if spike == 0:
        return mean, variance
    if spike == 1:
        return sympy.S.Zero, sympy.S.Zero
    slab_mean = mean / (1 - spike)
    plain = (variance + mean**2) / (1 - spike) - slab_mean**2
    return sympy.cancel(slab_mean), more_accurate(factored(sympy.cancel(plain)), plain, bounds)
