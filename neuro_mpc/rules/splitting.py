"""Errors that two populations share, one for each sign, whose rates cannot be negative.

Of an error e, one population has the rate [b + e]₊ and the other [b − e]₊, with b their baseline. Sent and learned from
is the difference of their deviations from b, each times its gain: e, where gains are equal and b is 0.
(Keller & Mrsic-Flogel 2018; Hertäg & Sprekeler 2020.)
"""

from __future__ import annotations

from collections.abc import Iterable

from neuro_mpc.descriptions.circuit_tables import SplitErrors

SIGNS = ("positive", "negative")


def felt(split: SplitErrors) -> str:
    """What is sent and learned from, in Brian2's language, in the rates `positive` and `negative`."""
    terms = [_term(getattr(split, sign), sign, split.baseline) for sign in SIGNS]
    return " - ".join(terms)


def _term(gain: float, rate: str, baseline: float) -> str:
    above = f"({rate} - {baseline!r})" if baseline else rate
    return above if gain == 1 else f"{gain!r}*{above}"


def halves(split: SplitErrors, error: str, linked: Iterable[str]) -> dict[str, str]:
    """Brian2 equations of the population of each sign.

    error    the error in Brian2's language, in the variables `linked` of other units
    """
    above = f"{split.baseline!r} + " if split.baseline else ""
    rates = {"positive": f"relu({above}{error})", "negative": f"relu({above}-({error}))"}
    links = [f"{name} : 1 (linked)" for name in linked]
    return {sign: "\n".join([f"{sign} = {rate} : 1 (constant over dt)", *links]) for sign, rate in rates.items()}
