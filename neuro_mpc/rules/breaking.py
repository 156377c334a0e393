"""Formulas of LaTeX in rows that fit on a page."""

from __future__ import annotations

import re

LONGEST_ROW = 64  # characters that are seen, of 2 mm at most: a row and its left side fit in 160 mm
OPERATOR = re.compile(r" (\+|-|\\odot|\\,) ")


def rows_of(right: str) -> list[str]:
    """A formula in rows that fit on the page, broken before signs: where it can be in no brackets that grow, which are
    else closed and opened again unseen, and not after a few characters."""
    places = _places(right) if visible(right) > LONGEST_ROW else []
    if not places:
        return [right]
    depth, position = min(places, key=lambda place: _badness(right, *place))
    row = right[:position] + r"\right." * depth
    rest = right[position:].lstrip()
    if rest.startswith(r"\,"):
        rest = rest.replace(r"\,", r"\cdot", 1)
    return [row, *rows_of(r"\left." * depth + rest)]


def _places(right: str) -> list[tuple[int, int]]:
    """Where a formula can be broken: brackets that grow around the place, and its position before a sign."""
    places, braces, depth = [], 0, 0
    for match in re.finditer(rf"{OPERATOR.pattern}|\\left|\\right|[{{}}]", right):
        braces += (match[0] == "{") - (match[0] == "}")
        depth += (match[0] == r"\left") - (match[0] == r"\right")
        if match[1] and not braces and (before := visible(right[: match.start()])) > depth:
            places.append((depth, match.start()))
            if before > LONGEST_ROW:  # a row up to a later one would be longer still
                break
    return places


def _badness(right: str, depth: int, position: int) -> tuple[int, int, bool, float]:
    """Of a place to break a formula: the row before it should fit, be long, and end a term, not a factor."""
    before, is_sum = visible(right[:position]), right[position + 1] in "+-"
    if before > LONGEST_ROW:
        return 2, 0, False, before
    return int(before < LONGEST_ROW / 4), depth, not is_sum, -before


def visible(latex: str) -> float:
    """About how many characters are seen; those of names, which are raised, are two thirds as wide."""
    seen = re.sub(r"\\[a-zA-Z]+|[{}^_ ]", "", latex)
    return len(seen) - sum(map(len, re.findall(r"\\text\{([^{}]*)\}", latex))) / 3
