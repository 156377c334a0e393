"""The code of a phase: each of its blocks is translated on its own, to what it would be among all variables."""

from itertools import pairwise

import pytest
from brian2.codegen.generators.base import CodeGenerator
from in_process import InProcess

import neuro_mpc as nm
from neuro_mpc.networks import phase_runner
from neuro_mpc.networks.phase_runner import BlockByBlock
from neuro_mpc.runs.preparation import prepare

SMALL = {"stimulus.letters": 3, "stimulus.length": 3, "stimulus.load": 1.0, "learning.batch": 2}


def made(circuit: nm.Circuit) -> None:
    protocol = nm.load_protocol("toy-language", SMALL)
    InProcess(prepare(circuit, protocol, seed=1, backend="numpy", threads=1).plan)


def chain(free: int) -> nm.Circuit:
    names = ["input", *(f"p{number}" for number in range(free)), "output"]
    return nm.Circuit.from_tables(
        {
            "name": "chain",
            "population": {
                "input": {"role": "stimulus"},
                **{name: {"size": 2, "activation": "tanh(r)"} for name in names[1:-1]},
                "output": {"role": "target"},
            },
            "projection": {
                f"to-{after}": {"from": before, "to": after, "synapse": "gaussian"} for before, after in pairwise(names)
            },
        }
    )


@pytest.mark.parametrize("name", ["mpl", "mpl-gru"])
def test_a_block_is_translated_as_it_would_be_among_all_variables_of_its_phase(name, monkeypatch):
    both, translate = [], BlockByBlock.translate

    def twice(generator, code, dtype):
        both.append((translate(generator, code, dtype), CodeGenerator.translate(generator, code, dtype)))
        return both[-1][0]

    monkeypatch.setattr(BlockByBlock, "translate", twice)
    made(nm.load_circuit(name, {"population.hidden.size": 3}))
    assert len(both) > 3
    for found, expected in both:
        for part, whole in zip(found[:2], expected[:2], strict=True):  # of numbers, and of rows
            assert {block: sorted(code) for block, code in part.items()} == {
                block: sorted(code) for block, code in whole.items()
            }


def test_with_how_many_variables_a_block_is_translated_does_not_grow_with_the_circuit(monkeypatch):
    sizes, make_statements = [], phase_runner.make_statements

    def counted(code, variables, *rest, **options):
        sizes.append(len(variables))
        return make_statements(code, variables, *rest, **options)

    monkeypatch.setattr(phase_runner, "make_statements", counted)
    made(chain(2))
    few, blocks = max(sizes), len(sizes)
    made(chain(5))
    assert len(sizes) > 2.5 * blocks
    assert max(sizes) == few
