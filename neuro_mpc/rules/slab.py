"""The slab of a weight's distribution: how it is spread where it is not zero."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy

from neuro_mpc.rules.tidying import Bounds, factored, more_accurate

ROUNDING = 1e-9  # relative size of what rounding, also of typed constants, may take from a variance


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


def contradicted(mean: np.ndarray, variance: np.ndarray, spike: np.ndarray) -> np.ndarray:
    """Whether the variance v is below μ² p/(1 − p), which a weight has that is zero with probability p, bool."""
    return variance * (1 - spike) < mean**2 * spike - ROUNDING * (np.abs(variance) + mean**2)


def contradiction(share: float) -> str:
    """Words for the share of the synapses whose spike contradicts their variance."""
    return f"in {100 * share:.2g} % of the synapses the spike alone varies more than the variance says"
