"""Expressions in lines of a drawing."""

from __future__ import annotations

LONGEST_LINE, MOST_LINES = 28, 6  # characters, and lines, of an expression


def wrapped(expression: str) -> list[str]:
    """An expression in lines."""
    lines = []
    while len(expression) > LONGEST_LINE and len(lines) < MOST_LINES - 1 and (place := _break(expression)):
        lines.append(expression[:place].rstrip())
        expression = expression[place:]
    return [*lines, expression]


def _break(expression: str) -> int:
    """Where a line of an expression may end, 0 where it may not: as far outside of parentheses as can be; there before
    a + or −, else after a * or /, else after a parenthesis that opens; the last of such places."""
    depth, best, found = 0, (len(expression), 0), 0
    for place, character in enumerate(expression[: LONGEST_LINE + 2]):
        ends = {place: (depth, 0)} if place and expression[place - 1 : place + 2] in (" + ", " - ") else {}
        depth += (character == "(") - (character == ")")
        if character in "*/(" and "**" not in expression[place - 1 : place + 2]:
            ends[place + 1] = (depth, 2 if character == "(" else 1)
        for end, rank in ends.items():
            if rank <= best and len(expression[:end].rstrip()) <= LONGEST_LINE:
                best, found = rank, end
    return found
