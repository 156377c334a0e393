"""Text of a run, drawn as it is written: symbols of a run, names of its populations, LaTeX of its circuit.

Matplotlib reads what stands between two dollars as mathematics.  A token of a text may be a dollar.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import xarray as xr
from matplotlib.mathtext import MathTextParser

from neuro_mpc.runfile import access

LONGEST = 12  # characters of a symbol
VISIBLE = {" ": "␣", "\t": "⇥", "\n": "↵", "": "∅"}


def literal(text: str) -> str:
    """`text`, so that matplotlib draws every character of it, dollars and backslashes too."""
    return text.replace("$", r"\$")


def shorten(name: str, length: int) -> str:
    """`name`, drawn as it is written, in at most `length` characters."""
    return literal(name if len(name) <= length else f"{name[: length - 1]}…")


def symbol(name: str, length: int = LONGEST) -> str:
    """A symbol of a run: shortened, and what has no ink of its own, such as a space, by a sign that has."""
    return shorten("".join(map(_visible, name)) or VISIBLE[""], length)


def _visible(character: str) -> str:
    """The character, or a sign for one without ink."""
    without_ink = unicodedata.category(character) in ("Cc", "Cf", "Cs")
    return VISIBLE.get(character) or ("�" if without_ink else character)


def parameter(run: xr.DataTree, projection: str, name: str) -> str:
    """A parameter of a projection's synapses: its symbol, or its name where matplotlib cannot draw the LaTeX of it."""
    written = access.symbol(run, projection, name)
    return written if _drawn(written) else literal(name)


@cache
def _drawn(written: str) -> bool:
    try:
        MathTextParser("path").parse(written)
    except ValueError:
        return False
    return True
