"""Expressions of descriptions as plain data: what is asked of them but for new derivations, without SymPy.

SymPy reads an expression when it is seen for the first time (`neuro_mpc.descriptions.expressions`); what it says is
kept (`neuro_mpc.descriptions.derived`). An expression that is refused is read again each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from neuro_mpc.descriptions.arithmetic import arithmetic, evaluated
from neuro_mpc.descriptions.derived import derived
from neuro_mpc.descriptions.functions import RANDOM_FUNCTIONS
from neuro_mpc.errors import DescriptionError

SIZES = ("n", "n_pre", "n_post")  # of a projection: fan-in (= n_pre), senders, receivers
IN_INITIAL_VALUES = (*SIZES, "i", "j")  # and of a synapse: unit that sends and unit that receives, from 0, as in Brian2


@dataclass(frozen=True)
class Draw:
    """A random function in an initial value.

    variable    what its result is called in the rest of the formula
    function    its name
    arguments   as arithmetic, each, in the sizes of a projection and in the results of earlier draws
    """

    variable: str
    function: str
    arguments: tuple[str, ...]

    @classmethod
    def read(cls, data: list) -> Draw:
        """That of `formula_data`; ValueError, TypeError or LookupError for what is none."""
        variable, function, arguments = data
        if RANDOM_FUNCTIONS[function] != len(arguments):
            raise ValueError(f"{function} of {len(arguments)}")
        for each in arguments:
            arithmetic(each)
        return cls(variable, function, tuple(arguments))


@dataclass(frozen=True)
class Formula:
    """An expression that SymPy has read.

    text            as arithmetic on arrays
    names           of what its value depends on
    number          its value where it is a number, else None
    differentiable  names with respect to which it has a derivative; of initial values, which need none, none
    draws           its random functions, in the order of the description
    """

    text: str
    names: frozenset[str]
    number: float | None
    differentiable: frozenset[str]
    draws: tuple[Draw, ...]

    @classmethod
    def read(cls, data: dict) -> Formula:
        """That of `formula_data`; ValueError, TypeError or LookupError for what is none."""
        number, differentiable = data["number"], data["differentiable"]
        return cls(
            data["text"],
            arithmetic(data["text"]).names,
            None if number is None else float(number),
            frozenset(differentiable),
            tuple(map(Draw.read, data["draws"])),
        )

    def evaluate(self, values: Mapping[str, Any]) -> np.ndarray:
        """The values, float64, for `values` (name → number or array), with broadcasting."""
        return evaluated(self.text, values)


def formula(
    text: str | float, names: Iterable[str], *, source: str = "", key: str = "", random: bool = False
) -> Formula:
    """The formula of a text in the given `names`.

    random   accept ``normal(mean, std)``, ``uniform(low, high)`` and ``identity()`` too (initial values)

    Raises DescriptionError for anything that is not plain arithmetic in these names.
    """
    names = tuple(names)
    try:
        return _formula(str(text), tuple(sorted({*names})), random)
    except DescriptionError:
        from neuro_mpc.descriptions.expressions import parse

        parse(text, names, source=source, key=key, random=random)  # says where
        raise


@lru_cache(maxsize=1024)
def _formula(text: str, names: tuple[str, ...], random: bool) -> Formula:
    def derive() -> dict:
        from neuro_mpc.descriptions import expressions  # SymPy is slow to import

        expression = expressions.parse(text, names, random=random)
        return expressions.formula_data(expression, () if random else names)

    return derived("formula", (text, names, random), derive, Formula.read)
