"""Prediction errors weighted by their precision Π, a number or one that is learned, in Brian2's language."""

from __future__ import annotations

from typing import Literal

from neuro_mpc.descriptions.circuit import Circuit

PRECISION, LOG_PRECISION = "precision", "log_precision"
"""Variables of error units whose precision is learned: it is the same on all their rows."""

OWNER = "precision/"
"""What precedes the name of a population where its precisions stand beside the parameters of projections."""

Precision = float | Literal["learned"]
"""What is known of a population's precision when code is generated."""


def precision_of(circuit: Circuit, population: str) -> Precision:
    """The precision of a population's errors, or that it is learned."""
    return "learned" if circuit.population[population].learned_precision else circuit.precision_of(population)


def is_precision(owner: str) -> bool:
    """Whether parameters are a population's, `precision/NAME`, not a projection's, whose name has no slash."""
    return owner.startswith(OWNER)


def factor(precision: Precision) -> str:
    """Π; "" where it is 1."""
    if precision == "learned":
        return PRECISION
    return "" if precision == 1 else repr(precision)


def links(precision: Precision) -> list[str]:
    """Variables of error units that an error names."""
    return [PRECISION] if precision == "learned" else []


def learned_equations(precision: Precision, missing: bool = False) -> list[str]:
    """What error units hold besides where their precision is learned: it, and the energy of every error, which has no
    part in it where a target is `missing`."""
    if precision != "learned":
        return []
    given = "given*" if missing else ""
    energy = f"surprise = 0.5*(err**2/{PRECISION} - {given}{LOG_PRECISION}) : 1 (constant over dt)"
    return [energy, f"{PRECISION} : 1", f"{LOG_PRECISION} : 1"]
