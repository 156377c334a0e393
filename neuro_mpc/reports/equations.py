"""The equations of a circuit as HTML: indices low, names of populations high."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markupsafe import Markup, escape

from neuro_mpc.descriptions.circuit import circuit_of_run
from neuro_mpc.errors import NeuroMPCError
from neuro_mpc.rules.equations import Section, sections
from neuro_mpc.rules.notation import Unicode
from neuro_mpc.rules.show import LEGEND

THIN = "\u2009"  # a space, so that a transposed name is not read as one
INDEX = re.compile(r"_(?:\{([^{}]*)\}|([^\W_])(?![A-Za-z0-9_]))|\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Written:
    """The sections with their equations in HTML; in their place, why there are none."""

    legend: Markup
    sections: list[tuple[Section, list[tuple[Markup, Markup, str]]]]
    problem: str = ""


def written(circuit: str) -> Written:
    """The equations derived from the TOML text of a circuit."""
    try:
        found = sections(circuit_of_run(circuit), Unicode())
    except NeuroMPCError as problem:
        return Written(Markup(""), [], str(problem))
    legend = marked(" ".join(LEGEND.split()).replace("[name]:", "A raised name:"))
    return Written(legend, [(each, [_equation(*one) for one in each.equations]) for each in found])


def _equation(left: str, right: str, remark: str) -> tuple[Markup, Markup, str]:
    return marked(left), marked(right), remark


def marked(text: str) -> Markup:
    """An equation with its indices as <sub> and the names in brackets as <sup>; all else escaped."""
    parts, last = [], 0
    for found in INDEX.finditer(text):
        low, high = found[1] or found[2], found[3]
        tag = "sub" if low is not None else "sup"
        parts += [
            escape(text[last : found.start()]),
            Markup(f"<{tag}>"),
            escape(low or high or ""),
            Markup(f"</{tag}>"),
        ]
        last = found.end()
        parts += [THIN] * (tag == "sup" and text.startswith("ᵀ", last))
    return Markup("").join([*parts, escape(text[last:])])
