"""LaTeX of a symbol: letters, accents and fonts. Printed into a document, it neither breaks it nor leads it away."""

from __future__ import annotations

import re

GREEK = """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho
varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"""
ACCENTS = "hat widehat tilde widetilde bar overline underline vec dot ddot acute grave check breve mathring"
FONTS = """mathrm mathbf mathit mathsf mathtt mathcal mathbb mathfrak mathnormal boldsymbol bm text textrm textit
textbf operatorname rm bf it"""
SIGNS = """ell hbar partial nabla infty prime star ast circ bullet dagger ddagger cdot times pm mp to rightarrow
leftarrow uparrow downarrow perp parallel langle rangle left right sqrt frac quad"""
ALLOWED = frozenset(" ".join((GREEK, ACCENTS, FONTS, SIGNS)).split())
TOKEN = re.compile(r"\\([A-Za-z]+)|\\[,;:! |{}]|[\w\s{}^'.,:;+*/()|!<=>\[\]-]")
LONGEST = 100


def problem_of(symbol: str) -> str:
    """What keeps a text from being a symbol in mathematics; "" for one."""
    if not symbol.strip() or len(symbol) > LONGEST or "\n" in symbol:
        return f"is not one line of 1 to {LONGEST} characters"
    if "^^" in symbol:
        return "has '^^', by which TeX spells characters"
    position = 0
    while position < len(symbol):
        token = TOKEN.match(symbol, position)
        if token is None:
            return f"has {symbol[position : position + 2]!r}, which is not allowed in a symbol"
        if token[1] and token[1] not in ALLOWED:
            return f"has \\{token[1]}, which is not a letter, accent or font of mathematics"
        position = token.end()
    return "" if _is_balanced(re.sub(r"\\[{}]", "", symbol)) else "has unbalanced braces"


def _is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0
