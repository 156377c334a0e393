"""The list of a network's groups: what Brian2 makes of it has the size that the estimate of memory counts."""

from dataclasses import replace

import pytest
from in_process import InProcess
from presented import CASES, STEPS, TRIALS

from neuro_mpc.networks.layout import groups, stored_bytes
from neuro_mpc.networks.phase_runner import own_arrays
from neuro_mpc.networks.plan import Plan

MIXED = Plan(*CASES["mixed"][:1], TRIALS, STEPS, scheme="sweeps", optimizer="adam", clip=0.5)
LANGUAGE = Plan(*CASES["spike-and-slab"][:1], TRIALS, STEPS, symbolic=("input", "output"), precision="float64")
PLANS = {
    "sweeps": MIXED,
    "relaxation that settles": replace(MIXED, scheme="relaxation", settles=True, precision="float64", clip=0.0),
    "symbols, without learning": LANGUAGE,
    "symbols": replace(LANGUAGE, optimizer="sgd"),
}


@pytest.mark.parametrize("name", PLANS)
def test_groups_take_the_memory_that_is_counted(name):
    plan, net = PLANS[name], InProcess(PLANS[name])
    made = {name: group for name, group in net.model.groups.items() if name != "control"}
    listed = {group.name: group for group in groups(plan)}
    assert made.keys() == listed.keys()
    for name, group in made.items():
        held = sum(group.variables[each].get_value().nbytes for each in own_arrays(group))
        assert held == stored_bytes(plan, listed[name]), name
