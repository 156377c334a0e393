"""The equations derived from a circuit, to be read: in a terminal, or as a LaTeX document."""

from __future__ import annotations

import re
import textwrap

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_tables import INPUT, Projection
from neuro_mpc.descriptions.connections import Connect
from neuro_mpc.rules.breaking import LONGEST_ROW, rows_of, visible
from neuro_mpc.rules.equations import sections
from neuro_mpc.rules.notation import Latex, Unicode, escaped
from neuro_mpc.rules.symbols import Code, Section

WIDTH, COMMENTS_FROM = 100, 54
NO_BREAK = "\u00a0"

LEGEND = """\
t: step of a sequence. [name]: of that population, projection or compartment, where it is not the
one at hand. ⊙: unit by unit. n: fan-in of a unit. η: learning rate. B: number of trials, over which
H₁ and H₂ are summed too. Before the first step nothing is sent. Beliefs start at r_t = h_t, step
by step."""


def as_text(circuit: Circuit) -> str:
    """The equations of a circuit in Unicode, each with the Brian2 code that executes it, in 100 columns."""
    heading, arrows = textwrap.fill(_heading(circuit), WIDTH), [f"  {arrow}" for arrow in _arrows(circuit)]
    return "\n\n".join([heading, "\n".join(arrows), LEGEND, *map(_section, sections(circuit, Unicode()))])


def _heading(circuit: Circuit) -> str:
    return " ".join(f"{circuit.name}: {circuit.description}".split()).removesuffix(":")


def _arrows(circuit: Circuit) -> list[str]:
    return [
        f"{name}: {projection.source} → {projection.target}{_late(projection)}, {projection.synapse}"
        f"{_connected(projection)}{_tied(projection)}"
        for name, projection in circuit.projection.items()
    ]


def _late(projection: Projection) -> str:
    steps = "step" if projection.delay == 1 else "steps"
    late = f", {projection.delay} {steps} late" if projection.delay else ""
    return late if projection.compartment == INPUT else f", in {projection.compartment}{late}"


def _tied(projection: Projection) -> str:
    return f", those of {projection.tied} the other way round" if projection.tied else ""


def _connected(projection: Projection) -> str:
    """Which pairs have a synapse, in words, where not all have one."""
    match projection.connect:
        case str(word):
            return "" if word == "all" else f", {word}"
        case Connect(random=float(chance)):
            return f", {100 * chance:.3g} % of the pairs at random"
        case Connect(local=float(radius)):
            return f", within a radius of {radius:g}"
    return ", by a mask"


def _section(section: Section) -> str:
    title = [section.title, "─" * len(section.title), *textwrap.wrap(section.words, WIDTH)]
    column = max(len(left) for left, _, _ in section.equations)
    equations = [_equation(*equation, column) for equation in section.equations]
    return "\n\n".join(["\n".join(title), "\n".join(equations), *map(_code, section.code)])


def _equation(left: str, right: str, remark: str, column: int) -> str:
    first, later = f"  {left:>{column}} = ", " " * (column + 5)
    remark = f"    ({remark})" if remark else ""
    return "\n".join(_lines(right + remark, WIDTH, first, later))


def _lines(text: str, width: int, first: str = "", later: str = "") -> list[str]:
    """Lines broken before signs only, the first and the later ones indented by these texts."""
    unbroken = re.sub(r" (?![-+−⊙:] )", NO_BREAK, text)
    wrapped = textwrap.wrap(
        unbroken, width, initial_indent=first, subsequent_indent=later, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(NO_BREAK, " ") for line in wrapped]


def _code(code: Code) -> str:
    return "\n".join([f"  # Brian2: {code.title}", *(_code_line(*line) for line in code.lines)])


def _code_line(line: str, symbol: str, words: str) -> str:
    """A line of Brian2 with its comment behind it, or above it where there is no room."""
    comment = "  # " + f"{symbol}  {words}".strip() if symbol else ""
    if 2 + max(len(line), COMMENTS_FROM if comment else 0) + len(comment) <= WIDTH:
        return f"  {line:{COMMENTS_FROM}}{comment}".rstrip()
    code = "  " + " \\\n      ".join(_lines(line, WIDTH - 8))
    return f"{comment}\n{code}" if comment else code


# --- LaTeX ------------------------------------------------------------------------------------------------

NEXT_ROW = "\\\\\n"
DOCUMENT = r"""\documentclass[a4paper]{article}
\usepackage[utf8]{inputenc}
\usepackage{amsmath,amssymb,bm}
\usepackage[margin=20mm]{geometry}
\setlength{\parindent}{0pt}
\frenchspacing
\allowdisplaybreaks
\begin{document}
\section*{TITLE}
PROJECTIONS

\medskip
$t$ is the step of a sequence; a superscript names a population, projection or compartment where it is
not the one at hand. $\odot$ multiplies unit by unit, $\sigma$ is the logistic function, $n$ is the fan-in of a
unit, $\eta$ the learning rate, $B$ the number of trials, over which $H_1$ and $H_2$ are summed too. Before the
first step nothing is sent. Beliefs start at $r_t = h_t$, step by step.

SECTIONS
\end{document}
"""


def as_latex(circuit: Circuit) -> str:
    """The equations of a circuit and the Brian2 code that executes them, a complete LaTeX document."""
    parts = {
        "TITLE": escaped(_heading(circuit)),
        "PROJECTIONS": NEXT_ROW.join(map(escaped, _arrows(circuit))),
        "SECTIONS": "\n".join(map(_latex_section, sections(circuit, Latex()))),
    }
    return re.sub("|".join(parts), lambda name: parts[name[0]], DOCUMENT)


def _latex_section(section: Section) -> str:
    title = rf"\subsection*{{{escaped(section.title)}}}"
    return "\n".join([title, escaped(section.words), aligned(section), *map(_latex_code, section.code)])


def aligned(section: Section) -> str:
    """The equations of a section in the notation of LaTeX, one below the other."""
    rows = NEXT_ROW.join(_latex_equation(*equation) for equation in section.equations)
    return "\n".join([r"\begin{align*}", rows, r"\end{align*}"])


def _latex_equation(left: str, right: str, remark: str) -> str:
    rows = rows_of(right)
    equation = f"{left} &= " + rf"{NEXT_ROW}&\quad ".join(rows)
    beside = r"\qquad" if visible(rows[-1]) + len(remark) <= LONGEST_ROW else rf"{NEXT_ROW}&\quad"
    return equation + (rf"{beside} \text{{({escaped(remark)})}}" if remark else "")


def _latex_code(code: Code) -> str:
    lines = [
        rf"\texttt{{{_breakable(line)}}}" + (rf"\hfill ${symbol}$" if symbol else "") for line, symbol, _ in code.lines
    ]
    return (
        rf"\medskip\emph{{Brian2: {escaped(code.title)}}}{NEXT_ROW}"
        rf"{{\small\raggedright {NEXT_ROW.join(lines)}\par}}"
    )


def _breakable(line: str) -> str:
    return re.sub(r"(?<!\*)\*(?!\*)", r"*\\allowbreak ", escaped(line))
