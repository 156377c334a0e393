"""The equations of a circuit as HTML: indices low, names of populations high."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markupsafe import Markup, escape

from neuro_mpc.descriptions.recorded import circuit_of_run
from neuro_mpc.errors import NeuroMPCError
from neuro_mpc.rules.equations import sections
from neuro_mpc.rules.notation import Unicode
from neuro_mpc.rules.show import LEGEND
from neuro_mpc.rules.symbols import Section

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
        derived = sections(circuit_of_run(circuit), Unicode())
    except NeuroMPCError as problem:
        return Written(Markup(""), [], str(problem))
    legend = marked(" ".join(LEGEND.split()).replace("[name]:", "A raised name:"))
    return Written(legend, [(section, [_equation(*equation) for equation in section.equations]) for section in derived])


def _equation(left: str, right: str, remark: str) -> tuple[Markup, Markup, str]:
    return marked(left), marked(right), remark


def marked(text: str) -> Markup:
    """An equation with its indices as <sub> and the names in brackets as <sup>; all else escaped."""
    parts, last = [], 0
    for match in INDEX.finditer(text):
        low, high = match[1] or match[2], match[3]
        tag = "sub" if low is not None else "sup"
        parts += [
            escape(text[last : match.start()]),
            Markup(f"<{tag}>"),
            escape(low or high or ""),
            Markup(f"</{tag}>"),
        ]
        last = match.end()
        if tag == "sup" and text.startswith("ᵀ", last):
            parts.append(THIN)
    return Markup("").join([*parts, escape(text[last:])])
