"""Terms of the rules: derived by SymPy when they are seen for the first time, and printed for Brian2."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from neuro_mpc.descriptions.arithmetic import arithmetic
from neuro_mpc.descriptions.derived import derived

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Term:
    """What a function of `neuro_mpc.rules.derivatives` derives from texts of a description.

    derivation   the name of the function
    arguments    its arguments, plain data: with the name, they decide the result
    """

    derivation: str
    arguments: tuple

    @property
    def expression(self) -> sympy.Expr:
        """The expression for SymPy, which takes long to import and to derive."""
        from neuro_mpc.rules import derivatives

        return getattr(derivatives, self.derivation)(*self.arguments)

    @cached_property
    def _printed(self) -> _Printed:
        return _printed(self)

    @property
    def text(self) -> str:
        """The expression in Brian2's language."""
        return self._printed.text

    @property
    def names(self) -> list[str]:
        """The names in it, sorted."""
        return sorted(arithmetic(self.text).names)

    @property
    def is_zero(self) -> bool:
        return self._printed.equals == 0

    @property
    def is_one(self) -> bool:
        return self._printed.equals == 1

    @property
    def is_number(self) -> bool:
        return self._printed.is_number


@dataclass(frozen=True)
class _Printed:
    """What is kept of a term.

    text        in Brian2's language
    equals      the integer, 0 or 1, that it is, if any
    """

    text: str
    equals: int | None
    is_number: bool

    @classmethod
    def read(cls, data: list) -> _Printed:
        text, equals, is_number = data
        arithmetic(text)
        return cls(text, equals, bool(is_number))


@lru_cache(maxsize=1024)
def _printed(term: Term) -> _Printed:
    def derive() -> list:
        from neuro_mpc.rules.printing import text

        expression = term.expression
        equals = next((number for number in (0, 1) if expression == number), None)
        return [text(expression), equals, bool(expression.is_Number)]

    return derived(term.derivation, term.arguments, derive, _Printed.read)
