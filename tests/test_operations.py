"""Operations come down to a few statements, which each target writes in its language; a new one is one class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from brian2 import NeuronGroup, second
from brian2.core.clocks import Clock

from neuro_mpc.networks import kernels, printers
from neuro_mpc.networks.groups import Control
from neuro_mpc.networks.operations import Carry, Feedback, Forward, HebbianSum, Operation, Zero
from neuro_mpc.networks.phase_runner import PhaseRunner
from neuro_mpc.networks.printers import CPPPrinter, CythonPrinter, NumpyPrinter, Printer
from neuro_mpc.networks.rows import Rows, Span, Tiling, Visit
from neuro_mpc.networks.sections import Section
from neuro_mpc.networks.statements import BreakUnless, Call, Elementwise, Extent, Guard, Loop, Pointer, Scalar, names

TRIALS, STEPS, UNITS = 5, 3, 2
ROWS = Rows(UNITS, STEPS, history=1)
VISIT = Visit(TRIALS, STEPS)


@dataclass(frozen=True)
class Decay(Operation):
    """target = factor · target: an operation that the package does not have."""

    target: str
    rows: Rows
    factor: float

    def lower(self, visit):
        steps = visit.steps_of(self.rows)
        return steps.visit(Call("decay", self.rows.of(self.target, steps), self.rows.size(steps), self.factor))


@pytest.fixture
def run(monkeypatch):
    """Executes a section of a phase with NumPy, on the variable x = 1 of a population."""

    def decay(target, count, factor):
        target[:count] *= factor

    monkeypatch.setattr(kernels, "decay", decay, raising=False)

    def execute(section: Section, tile: int) -> np.ndarray:
        clock, shared = Clock(dt=1 * second), {"dtype": np.dtype("f4"), "namespace": {}}
        control = Control(TRIALS, scalars=(), trial_values=(), name="control_of_test*", clock=clock, **shared)
        group = NeuronGroup(ROWS.elements(TRIALS), "x : 1", name="cells", clock=clock, **shared)
        group.x = 1
        control.variables["predicting"].get_value()[:] = 1
        control.variables["iterations"].get_value()[:] = 2
        runner = PhaseRunner(
            control,
            (section,),
            {},
            [group],
            passing=set(),
            condition="predicting",
            tiling=Tiling(TRIALS, tile),
            steps=STEPS,
            target="numpy",
            name="phase_of_test*",
            clock=clock,
        )
        runner.before_run({})
        runner.run()
        return np.asarray(group.x)

    return execute


@pytest.mark.parametrize("tile", [2, 5])
@pytest.mark.parametrize(
    ("section", "factor"),
    [
        ({}, 0.5),
        ({"loop": "forward"}, 0.5),
        ({"loop": "backward"}, 0.5),
        ({"loop": "repeat", "count": "iterations"}, 0.25),
        ({"when": "generating"}, 1),
        ({"unless": "generating"}, 0.5),
    ],
)
def test_a_new_operation_is_one_class_and_its_kernel(run, section, factor, tile):
    found = run(Section((Decay("cells_x", ROWS, 0.5),), **section), tile)
    tiles = [found[start * 8 : (start + tile) * 8].reshape(4, -1) for start in range(0, TRIALS, tile)]
    for rows in tiles:
        assert np.all(rows[0] == 1)
        assert np.all(rows[1:] == factor)


def statement(kind: str):
    return {
        "call": Call("decay", Pointer("x", Extent(8, 4, 2)), Extent(width=2), 0.5, "_width"),
        "guard": Guard(Scalar("drawing"), "!=", 0, (Call("f", 1),)),
        "loop": Loop("_iteration", Scalar("iterations"), (BreakUnless(Call("any_trial", "_per_trial")),)),
        "backwards": Loop("_step", 3, (Call("f", Pointer("x")),), backwards=True),
    }[kind]


@pytest.mark.parametrize(
    ("printer", "expected"),
    [
        (
            CPPPrinter,
            {
                "call": "decay(_x + 8*_first + (2*_step + 4)*_width, 2*_width, 0.5, _width);",
                "guard": "if (_drawing[0] != 0)\n{\n    f(1);\n}",
                "loop": "for (int64_t _iteration = 0; _iteration < _iterations[0]; _iteration++)\n{\n"
                "    if (any_trial(_per_trial) == 0)\n    {\n        break;\n    }\n}",
                "backwards": "for (int64_t _step = 3 - 1; _step >= 0; _step--)\n{\n    f(_x);\n}",
            },
        ),
        (
            CythonPrinter,
            {
                "call": "decay(_x + 8*_first + (2*_step + 4)*_width, 2*_width, <double>0.5, _width)",
                "guard": "if (_drawing[0] != 0):\n    f(1)",
                "loop": "for _iteration in range(_iterations[0]):\n    if (any_trial(_per_trial) == 0):\n        break",
                "backwards": "for _step in range(3 - 1, -1, -1):\n    f(_x)",
            },
        ),
        (
            NumpyPrinter,
            {
                "call": "_kernels.decay(_x[8*_first + (2*_step + 4)*_width:], 2*_width, 0.5, _width)",
                "guard": "if (_drawing[0] != 0):\n    _kernels.f(1)",
                "loop": "for _iteration in range(_iterations[0]):\n"
                "    if (_kernels.any_trial(_per_trial) == 0):\n        break",
                "backwards": "for _step in range(3 - 1, -1, -1):\n    _kernels.f(_x[0:])",
            },
        ),
    ],
)
def test_statements_are_written_in_the_language_of_the_target(printer, expected):
    everything = {name: name for name in ("x", "drawing", "iterations")}
    written = printer({}, {}, everything, "_{}".format)
    assert {kind: written.statement(statement(kind)) for kind in expected} == expected


def test_what_is_too_long_for_a_function_is_moved_into_several(monkeypatch):
    """They are told the numbers of the loops around them, and name their own pointers; a loop is left from inside."""
    monkeypatch.setattr(printers, "LONGEST_FUNCTION", 200)
    long, pointers = "f" * 90, ["double* _ptr_x = _x;", "double* _ptr_y = _y;"]
    written = CPPPrinter({}, {}, {"x": "x", "y": "y"}, "_ptr_{}".format, pointers=pointers)
    inside = [Call(long, Pointer("x")), Call(long, 1), BreakUnless(Call("h")), Call(long, Pointer("y"), "_step")]
    assert written.statements([Loop("_step", 3, tuple(inside)), Call("k")]).splitlines() == [
        "for (int64_t _step = 0; _step < 3; _step++)",
        "{",
        "    _part_0(_first, _width, _per_trial, _step);",
        "    if (h() == 0)",
        "    {",
        "        break;",
        "    }",
        "    _part_1(_first, _width, _per_trial, _step);",
        "}",
        "k();",
    ]
    given = "const int64_t _first, const int64_t _width, double* _per_trial, const int64_t _step"
    bodies = {0: [pointers[0], f"{long}(_ptr_x);", f"{long}(1);"], 1: [pointers[1], f"{long}(_ptr_y, _step);"]}
    assert [function.splitlines() for function in written.functions] == [
        [
            f"__attribute__((noinline)) void _part_{number}({given})",
            "{",
            *(f"    {line}" for line in ("using namespace brian;", *body)),
            "}",
        ]
        for number, body in bodies.items()
    ]


def test_what_one_function_holds_stays_there():
    written = CPPPrinter({}, {}, {"x": "x"}, "_ptr_{}".format, pointers=["double* _ptr_x = _x;"])
    assert written.statements([Call("f", Pointer("x"))] * 3) == "f(_ptr_x);\n" * 2 + "f(_ptr_x);"
    assert written.functions == []


def test_blocks_are_loops_for_the_compiler_to_vectorise():
    written = CPPPrinter({"b": ["const int s = 1;"]}, {"b": ["x[_idx] = s;"]}, {}, str)
    assert written.statement(Elementwise("b", Extent(6), Extent(width=3))).splitlines()[3:] == [
        "    const int64_t _begin = 6*_first, _end = _begin + 3*_width;",
        "    #pragma GCC ivdep",
        "    for (int64_t _idx = _begin; _idx < _end; _idx++)",
        "    {",
        "        x[_idx] = s;",
        "    }",
        "}",
    ]


def test_blocks_are_loops_of_cython_and_slices_of_numpy():
    block = Elementwise("b", Extent(6), Extent(width=3))
    cython = CythonPrinter({"b": "s = 1"}, {"b": "x[_idx] = s"}, {}, str)
    assert cython.statement(block).splitlines() == [
        "_vectorisation_idx = 1",
        "s = 1",
        "_begin = 6*_first",
        "_end = _begin + 3*_width",
        "for _idx in range(_begin, _end):",
        "    x[_idx] = s",
    ]
    numpy = NumpyPrinter({"b": ["s = 1"]}, {"b": ["x[_idx] = s", "y[_idx] = s"]}, {}, str)
    assert numpy.statement(block).splitlines() == [
        "_vectorisation_idx = 1",
        "s = 1",
        "_begin = 6*_first",
        "_idx = slice(_begin, _begin + 3*_width)",
        "x[_idx] = s",
        "y[_idx] = s",
    ]


def test_names_are_those_of_all_arrays_and_scalars():
    loop = Loop("_iteration", Scalar("iterations"), (Guard(Scalar("drawing"), "!=", 0, (Call("f", Pointer("x")),)),))
    assert names([loop, statement("call")]) == {"iterations", "drawing", "x"}


def reached(operation: Operation, name: str, visit: Visit) -> set[int]:
    """Elements of the array `name` from which an operation works, for a tile of one trial."""
    found = set()

    def execute(statements, step):
        for each in statements:
            if isinstance(each, Guard):
                if eval(f"{step} {each.relation} {each.right}"):
                    execute(each.body, step)
                continue
            pointer = next(value for value in each.arguments if isinstance(value, Pointer) and value.name == name)
            found.add(eval(str(pointer.offset), {"_first": 0, "_width": 1, "_step": step}))

    for step in range(visit.steps) if visit.stepwise else [0]:
        execute(operation.lower(visit), step)
    return found


STEPWISE = Visit(1, STEPS).stepwise()


@pytest.mark.parametrize("delay", [0, 1, 2, 3, 4])
def test_steps_that_feedback_does_not_reach_are_zero(delay):
    pre, post = Rows(1, STEPS, history=delay), Rows(1, STEPS)
    span = Span(post, pre, delay)
    fed = reached(Feedback("a", "e", "w", span, (1, 1)), "a", STEPWISE)
    zero = reached(Zero("a", pre, (span.reached,)), "a", STEPWISE)
    assert fed == {delay + step for step in range(STEPS - delay)}
    assert fed | zero == {delay + step for step in range(STEPS)}
    assert not fed & zero


@pytest.mark.parametrize("delay", [0, 1, 2, 3, 4])
def test_what_arrives_comes_from_the_steps_before(delay):
    pre, post = Rows(1, STEPS, history=delay), Rows(1, STEPS)
    span = Span(post, pre, delay)
    assert reached(Forward("g", "f", "w", span, (1, 1)), "f", STEPWISE) == set(range(STEPS))
    assert reached(HebbianSum("h", "e", "f", span, (1, 1)), "f", Visit(1, STEPS)) == {0}


def test_what_is_carried_are_the_last_steps_also_of_the_history():
    (call,) = Carry("f", Rows(1, 2, history=3)).lower(VISIT)
    _carrying, *pointers, count = call.arguments
    last, history = (eval(str(each.offset), {"_first": 0, "_width": 1}) for each in pointers)
    values = np.arange(5.0)
    kernels.carry_rows(True, values[last:], values[history:], eval(str(count), {"_width": 1}))
    assert np.array_equal(values, [2, 3, 4, 3, 4])


def test_a_language_writes_its_own_blocks():
    bare = Printer({}, {}, {}, str)
    with pytest.raises(NotImplementedError):
        bare.elementwise(Elementwise("b", Extent(), Extent(width=1)))


@pytest.mark.parametrize("widths", [((5,), (2, 2, 1)), ((2, 2, 1), (5,)), ((3, 2), (1, 1, 3)), ((5,), (5,))])
@pytest.mark.parametrize("rows", [ROWS, Rows(3, 1), Rows(1, 4, history=2)])
def test_trials_lie_in_other_tiles_with_the_same_steps(rows, widths):
    """An element is the number of its step, trial and unit: row(step, trial) of a tile is step · width + trial."""
    depth = rows.history + rows.steps
    numbers = np.arange(depth * TRIALS * rows.units).reshape(depth, TRIALS, rows.units)

    def laid_out(widths):
        ends = np.cumsum(widths)
        return np.concatenate([numbers[:, end - width : end].ravel() for end, width in zip(ends, widths)])

    before, after = widths
    np.testing.assert_array_equal(rows.retiled(laid_out(before), before, after), laid_out(after))
