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
    place = 0
    while place < len(symbol):
        found = TOKEN.match(symbol, place)
        if found is None:
            return f"has {symbol[place : place + 2]!r}, which no symbol has"
        if found[1] and found[1] not in ALLOWED:
            return f"has \\{found[1]}, which is no letter, accent or font of mathematics"
        place = found.end()
    return "" if _is_balanced(re.sub(r"\\[{}]", "", symbol)) else "has braces that do not match"


def _is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0
