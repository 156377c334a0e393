"""What the spike of a weight's distribution, the probability that it is zero, asks of its variance."""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-9  # relative size of what rounding, also of typed constants, may take from a variance


def contradicted(mean: np.ndarray, variance: np.ndarray, spike: np.ndarray) -> np.ndarray:
    """Whether the variance v is below μ² p/(1 − p), which a weight has that is zero with probability p, bool."""
    return variance * (1 - spike) < mean**2 * spike - ROUNDING * (np.abs(variance) + mean**2)


def contradiction(share: float) -> str:
    """Words for the share of the synapses whose spike contradicts their variance."""
    return f"in {100 * share:.2g} % of the synapses the spike alone varies more than the variance says"
