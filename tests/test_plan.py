"""Plans: what code depends on, derived from a circuit and a protocol."""

from dataclasses import replace

import pytest
from presented import STEPS, circuit

from neuro_mpc.networks.plan import Plan

MEMORY = """
    input a 0 point
    a a 1 point
    a b 0 spike-and-slab
    b c 2 point
    c output 0 point
    b output 1 point"""


@pytest.mark.parametrize(
    ("read", "scheme", "first"),
    [
        ("last", "fixed-prediction", {"a": 0, "b": STEPS - 3, "c": STEPS - 1}),
        ("every", "fixed-prediction", {"a": 0, "b": 0, "c": 0}),
        ("last", "relaxation", {"a": 0, "b": 0, "c": 0}),
    ],
)
def test_errors_begin_where_targets_can_raise_them(read, scheme, first):
    described = circuit(MEMORY, a="tanh(r)", b="relu(r)", c="relu(r)")
    plan = Plan(described, trials=2, steps=STEPS, read=read, scheme=scheme)
    assert {name: plan.erring[name] for name in described.free} == first
    silent = replace(plan, output_feedback="last", read="every")
    if read == "last" and scheme == "fixed-prediction":
        assert {name: silent.erring[name] for name in described.free} == first
