"""Digests of the equations of many circuits as they are printed, kept as they were, section by section.

    python tests/kept_equations.py

writes them to `tests/kept_equations.json`, where what is printed changed as it should: look at `neuro-mpc show` first.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import sympy
from presented import CASES, recurrent

import neuro_mpc as nm
from neuro_mpc.rules.show import as_latex, as_text

FILE = Path(__file__).with_name("kept_equations.json")
SYMPY = ".".join(sympy.__version__.split(".")[:2])
OTHERS = {
    "population.hidden.errors": {"positive": 0.5, "negative": 2.0, "baseline": 0.1},
    "population.output.errors": "split",
    "population.output.precision": {"learned": "unit"},
    "population.hidden.precision": {"learned": "population", "high": 1e3, "rate_factor": 0.5},
}
SHIPPED = ("mpl", "mpl-gru", "mpl-lstm-tied", "mpl-normalised", "mpl-resonant", "rao-ballard", "two-areas")
CIRCUITS = {
    **{name: nm.load_circuit(name) for name in SHIPPED},
    "split errors of learned precision": nm.changed(recurrent("gaussian", "tanh(r)", "gaussian", delay=2), OTHERS),
    **{name: described for name, (described, _) in CASES.items() if not name.endswith(", last")},
}


def digests(name: str) -> dict[str, str]:
    """Notation and title of a section → digest of what it says."""
    described = CIRCUITS[name]
    parts = [
        *(f"text: {part}" for part in re.split(r"\n\n(?=[^\n]+\n─+\n)", as_text(described))),
        *(f"LaTeX: {part}" for part in as_latex(described).split(r"\subsection*")),
    ]
    return {part.splitlines()[0]: hashlib.sha256(part.encode()).hexdigest()[:12] for part in parts}


if __name__ == "__main__":
    kept = {"sympy": SYMPY, "circuits": {name: digests(name) for name in CIRCUITS}}
    FILE.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
