"""The code that is generated for many circuits, schemes and options is what was generated before."""

import json

import pytest
from kept_code import FILE, PLANS, SYMPY, code, digests, functions

KEPT = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.skipif(KEPT["sympy"] != SYMPY, reason="another SymPy may print sums in another order")
@pytest.mark.parametrize("name", KEPT["plans"])
def test_code_is_generated_as_before(name):
    told = "compare what python tests/kept_code.py --print prints before and after, then python tests/kept_code.py"
    assert digests(code(name)) == KEPT["plans"][name], told


def test_functions_are_written_as_before_for_compilers():
    assert digests(functions()) == KEPT["functions"]


def test_every_plan_is_kept():
    assert KEPT["plans"].keys() == PLANS().keys()
