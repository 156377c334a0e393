"""What is printed of the rules of many circuits is what was printed of them before."""

import json

import pytest
from kept_equations import CIRCUITS, FILE, SYMPY, digests

KEPT = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.skipif(KEPT["sympy"] != SYMPY, reason="another SymPy may print sums in another order")
@pytest.mark.parametrize("name", CIRCUITS)
def test_equations_are_printed_as_before(name):
    assert digests(name) == KEPT["circuits"][name], "look at neuro-mpc show, then python tests/kept_equations.py"
