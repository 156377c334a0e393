"""Tables as text."""

from __future__ import annotations

from collections.abc import Sequence


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns of even width, below their head if there is one."""
    lines = [list(head), *map(list, rows)] if any(head) else list(map(list, rows))
    widths = [max(map(len, column)) for column in zip(*lines)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


def printable(text: str) -> str:
    """The text of a file that a stranger may have made, for a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
