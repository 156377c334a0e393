r"""Symbols in LaTeX that matplotlib draws without fail, such as ``\Xi`` or ``\bar{w}_{ij}``.

    symbol = (atom [_ group] [^ group]) …        group = atom or {symbol}
    atom   = letter, digit, one of + - * / = ( ) | , or space; \letter of the Greek alphabet, \accent group; {symbol}

A run file may be of a stranger, and its symbols of any kind; those of other kinds are written as the name.
"""

from __future__ import annotations

import re

LONGEST, DEEPEST = 100, 5
GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho "
    "sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega "
    "ell hbar infty nabla partial ast prime dagger star cdot times pm"
).split()
ACCENTS = (
    "bar hat tilde vec dot ddot acute grave check breve overline widehat widetilde "
    "mathrm mathbf mathit mathcal mathbb mathsf mathtt"
).split()
TOKEN = re.compile(r"\\([A-Za-z]+)|([A-Za-z0-9+\-*/=()|, ])|([_^{}])")


def is_drawn(text: object) -> bool:
    """Whether a text is such a symbol."""
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        return False
    tokens, end = [], 0
    for found in TOKEN.finditer(text):
        if found.start() != end:
            return False
        tokens.append(found[0])
        end = found.end()
    if end != len(text):
        return False
    try:
        return _symbol(tokens, 0, 0) == len(tokens)
    except (ValueError, IndexError):
        return False


def _symbol(tokens: list[str], start: int, depth: int) -> int:
    """Where the symbol that begins at `start` ends; ValueError or IndexError where there is none."""
    position = _scripted(tokens, start, depth)
    while position < len(tokens) and tokens[position] != "}":
        position = _scripted(tokens, position, depth)
    return position


def _scripted(tokens: list[str], start: int, depth: int) -> int:
    position = _atom(tokens, start, depth)
    allowed = {"_", "^"} if tokens[start] != " " else set()  # a space carries none: it would be those before it
    while position < len(tokens) and tokens[position] in allowed:
        allowed.remove(tokens[position])
        position = _atom(tokens, position + 1, depth)
    return position


def _atom(tokens: list[str], position: int, depth: int) -> int:
    token = tokens[position]
    if token == "{":
        if depth == DEEPEST:
            raise ValueError(token)
        end = _symbol(tokens, position + 1, depth + 1)
        if tokens[end] != "}":
            raise ValueError(token)
        return end + 1
    if token[1:] in ACCENTS and token.startswith("\\"):
        if tokens[position + 1] != "{":
            raise ValueError(token)
        return _atom(tokens, position + 1, depth)
    if token in ("_", "^", "}") or (token.startswith("\\") and token[1:] not in GREEK):
        raise ValueError(token)
    return position + 1
