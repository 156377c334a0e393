"""Mathematical symbols and formulas in two notations: Unicode for a terminal, LaTeX for a document.

A symbol belongs to the population at hand, or to the one that it names: e_{t+1}[output] is the prediction error
of the population `output` one step later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from unicodedata import lookup

import sympy
from sympy.printing.str import StrPrinter

from neuro_mpc.rules.breaking import LONGEST_ROW, visible
from neuro_mpc.rules.variables import GREEK

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
LETTERS = {
    name: lookup(
        f"GREEK {'CAPITAL' if name[0].isupper() else 'SMALL'} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}"
    )
    for name in GREEK
}
LATIN = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿ"
SPECIAL = {
    **{char: f"\\{char}" for char in "#$%&_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "−": "$-$",
    "→": r"$\to$",
    **{letter: f"$\\{name}$" for name, letter in LETTERS.items()},
}


class Unicode:
    """Symbols such as ``μ[input] x_t``."""

    mu, v, noise, slope, hebbian = "μ", "v", "ε", "f′", ("H₁", "H₂")
    times, dot, minus, sum, log = " ⊙ ", " · ", "−", "Σ_t", "log"
    change, learning_rate, rate, precision = "Δ", "(η/B)", "η", "Π"

    def variable(self, letter: str, later: int = 0, of: str = "") -> str:
        time = f"{{t{later:+d}}}".replace("-", "−") if later else "t"
        return f"{letter}_{time}" + (f"[{of}]" if of else "")

    def half(self, letter: str, sign: str) -> str:
        return f"{letter}{'⁺' if sign == 'positive' else '⁻'}_t"

    def rectified(self, text: str) -> str:
        return f"[{text}]₊"

    def moment(self, letter: str, projection: str, transposed: bool = False) -> str:
        return self.transpose(f"{letter}[{projection}]") if transposed else f"{letter}[{projection}]"

    def transpose(self, text: str) -> str:
        return f"{text}ᵀ"

    def rate_of(self, belief: str) -> str:
        return f"τ d{belief}/dt"

    def half_square(self, error: str) -> str:
        return f"½ Σ_t |{error}|²"

    def learned_energy(self, error: str, precision: str) -> str:
        return f"½ Σ_t Σ ({error}² / {precision} − log {precision})"

    def root(self, text: str) -> str:
        return f"√{text}"

    def square(self, text: str) -> str:
        return f"{text}²"

    def quotient(self, above: str, below: str) -> str:
        return f"{above} / {below}"

    def brackets(self, text: str) -> str:
        return f"({text})"

    def mean(self, text: str) -> str:
        return f"⟨{text}⟩"

    def words(self, text: str) -> str:
        return text

    def parameter(self, name: str, symbol: str | None) -> str:
        """The Greek letter that `symbol` is in LaTeX, or `name`."""
        plain = (symbol or name).removeprefix("\\")
        return LETTERS.get(plain, name)

    def formula(self, expression: sympy.Expr, names: Mapping[str, str]) -> str:
        """An expression with its symbols under other names."""
        expression, complements = _complements(expression)
        inner = {symbol.name: f"({self.formula(part, names)})" for symbol, part in complements.items()}
        text = _Renaming({**names, **inner}).doprint(expression)
        text = re.sub(r"\*\*(\d+)", lambda power: power[1].translate(SUPERSCRIPTS), text)
        return text.replace("**", "^").replace("*", " ").replace("-", "−")


class Latex:
    r"""Symbols such as ``\mu^{\text{input}} x_t``."""

    mu, v, noise, slope, hebbian = r"\mu", "v", r"\varepsilon", "f'", ("H_1", "H_2")
    times, dot, minus, sum, log = r" \odot ", r" \cdot ", "-", r"\sum_t", r"\log"
    change, learning_rate, rate, precision = r"\Delta ", r"\frac{\eta}{B}", r"\eta", r"\Pi"

    def variable(self, letter: str, later: int = 0, of: str = "") -> str:
        time = f"t{later:+d}" if later else "t"
        return f"{letter}_{{{time}}}" + (f"^{{{self.words(of)}}}" if of else "")

    def half(self, letter: str, sign: str) -> str:
        return f"{letter}^{{{'+' if sign == 'positive' else '-'}}}_{{t}}"

    def rectified(self, text: str) -> str:
        return rf"\bigl[{text}\bigr]_+"

    def moment(self, letter: str, projection: str, transposed: bool = False) -> str:
        owner = self.words(projection) + (r"\,\top" if transposed else "")
        return f"{letter}^{{{owner}}}"

    def rate_of(self, belief: str) -> str:
        return rf"\tau\,\frac{{\mathrm{{d}}{belief}}}{{\mathrm{{d}}t}}"

    def half_square(self, error: str) -> str:
        return rf"\tfrac12 \sum_t \bigl|{error}\bigr|^2"

    def learned_energy(self, error: str, precision: str) -> str:
        return rf"\tfrac12 \sum_t \sum \bigl({{{error}}}^2 / {precision} - \log {precision}\bigr)"

    def root(self, text: str) -> str:
        return rf"\sqrt{{{text}}}"

    def square(self, text: str) -> str:
        return self._raised(text, "2")

    def transpose(self, text: str) -> str:
        return self._raised(text, r"\top")

    @staticmethod
    def _raised(text: str, exponent: str) -> str:
        """With an exponent, which no symbol may have twice."""
        return f"{{{text}}}^{exponent}" if "^" in text else f"{text}^{exponent}"

    def quotient(self, above: str, below: str) -> str:
        return rf"\frac{{{above}}}{{{below}}}"

    def brackets(self, text: str) -> str:
        return rf"\left({text}\right)"

    def mean(self, text: str) -> str:
        return rf"\langle {text} \rangle"

    def words(self, text: str) -> str:
        return rf"\text{{{escaped(text)}}}"

    def parameter(self, name: str, symbol: str | None) -> str:
        """`symbol`, or `name`: a letter, a Greek letter or a word."""
        if symbol or len(name) == 1:
            return symbol or name
        return f"\\{name}" if name in GREEK else rf"\mathrm{{{escaped(name)}}}"

    def formula(self, expression: sympy.Expr, names: Mapping[str, str]) -> str:
        """An expression with its symbols under other names."""
        expression, complements = _complements(expression)
        inner = {symbol: rf"\left({self.formula(part, names)}\right)" for symbol, part in complements.items()}
        outer = {symbol: names[symbol.name] for symbol in expression.atoms(sympy.Symbol) if symbol.name in names}
        options = {"symbol_names": {**outer, **inner}, "mul_symbol": r" \, "}
        text = sympy.latex(expression, **options)
        if visible(text) > LONGEST_ROW:  # no row can end within a quotient
            text = sympy.latex(expression, **options, long_frac_ratio=1)
        return text.replace(r"\operatorname{sigmoid}", r"\sigma")


Notation = Unicode | Latex


def escaped(text: str) -> str:
    """Text for LaTeX; Greek letters become mathematics, and what its fonts lack a question mark."""
    return "".join(SPECIAL.get(char) or (char if char.isascii() or char in LATIN else "?") for char in text)


def _complements(expression: sympy.Expr) -> tuple[sympy.Expr, dict[sympy.Symbol, sympy.Expr]]:
    """p − 1 as −(1 − p): the expression with symbols for every such 1 − p, and what they stand for."""
    negative = [
        part for part in expression.atoms(sympy.Add) if len(part.args) == 2 and part.as_coeff_Add()[0].is_negative
    ]
    symbols = {sympy.Symbol(f"~{number}", real=True): -part for number, part in enumerate(negative)}
    return expression.subs({-part: -symbol for symbol, part in symbols.items()}), symbols


class _Renaming(StrPrinter):
    """Prints symbols under other names."""

    def __init__(self, names: Mapping[str, str]):
        super().__init__({"full_prec": False})
        self.names = names

    def _print_Symbol(self, symbol):
        return self.names.get(symbol.name, symbol.name)

    def _print_Abs(self, call):
        return f"|{self._print(call.args[0])}|"
