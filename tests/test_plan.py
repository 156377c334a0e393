"""Plans: what code depends on, derived from a circuit and a protocol."""

import pytest
from in_process import InProcess
from presented import STEPS, Presentation, assert_close, circuit

from neuro_mpc.networks.plan import Plan

MEMORY = """
    input a 0 point
    a a 1 point
    a b 0 spike-and-slab
    b c 2 point
    c output 0 point
    b output 1 point"""
ALL = {"a": 0, "b": 0, "c": 0}
LAST = {"a": 0, "b": STEPS - 3, "c": STEPS - 1}


def plan(**options):
    described = circuit(MEMORY, a="tanh(r)", b="softplus(r)", c="relu(r)")
    return Plan(described, trials=3, steps=STEPS, **options)


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({"read": "last", "scheme": "fixed-prediction"}, LAST),
        ({"read": "every", "scheme": "fixed-prediction"}, ALL),
        ({"read": "every", "scheme": "fixed-prediction", "output_feedback": "last"}, LAST),
        ({"read": "last", "scheme": "fixed-prediction", "window": 1}, ALL),
        ({"read": "last", "scheme": "relaxation"}, ALL),
    ],
)
def test_errors_begin_where_targets_can_raise_them(options, first):
    made = plan(**options)
    assert {name: made.erring[name] for name in made.circuit.free} == first


@pytest.mark.parametrize(
    "read", [{"read": "last"}, {"read": "every", "output_feedback": "last"}], ids=["last", "every"]
)
def test_errors_of_steps_that_no_target_can_raise_add_nothing(read, monkeypatch):
    """The same changes as from the errors of all steps, which are zero before those."""
    options = {**read, "scheme": "fixed-prediction", "optimizer": "sgd", "precision": "float64"}
    changes = []
    for told in (Plan.erring, property(lambda made: dict.fromkeys(made.circuit.population, 0))):
        monkeypatch.setattr(Plan, "erring", told)
        shown = Presentation(InProcess(plan(**options)))
        shown.infer()
        changes.append(shown.learn())
        for name, first in LAST.items():
            assert not shown.rows(name, "error", "err")[:first].any()
            assert shown.rows(name, "error", "err")[first:].any()
    for name, parameters in changes[0].items():
        for parameter, change in parameters.items():
            assert_close(change, changes[1][name][parameter])
            assert change.any()
