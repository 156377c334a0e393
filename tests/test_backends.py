"""C++ and NumPy end two presentations, and a generated sequence, in the same state.

Every variable of a program is compared, by its largest deviation relative to its largest value.
"""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
from backend_states import ITERATIONS, RELAXATION, Session, assert_equal, assert_twins_are_equal, types_of

from neuro_mpc.networks.functions import FUNCTIONS
from neuro_mpc.networks.launch import start
from neuro_mpc.networks.phase_runner import code_object_class
from neuro_mpc.networks.program import FLUSH

pytestmark = [pytest.mark.compiler, pytest.mark.usefixtures("in_this_process")]


OF_DOUBLE = ["relaxation", "small, sweeps", "gated, causal", "small, influence"]


@pytest.mark.parametrize("name", OF_DOUBLE)
def test_double_precision_agrees_with_numpy(presented, name):
    assert_equal(presented(name, "cpp"), presented(name, "numpy"), 1e-10)


@pytest.mark.parametrize("backend", ["cpp", "numpy"])
def test_windows_that_are_inferred_step_by_step_end_as_those_of_one_call(presented, backend):
    states = presented("gated, causal", backend)
    found, expected = states["iteration by iteration"], states["all windows at once"]
    names = [name for name in expected if name.startswith("low_") or name == "output_error_err"]
    assert_equal({"": {name: found[name] for name in names}}, {"": {name: expected[name] for name in names}}, 1e-12)
    assert np.abs(expected["low_belief_r"] - states["without noise"]["low_belief_r"]).max() > 1e-3


@pytest.mark.parametrize("name", ["relaxation", "twins, float32"])
def test_a_mask_of_ones_equals_all_to_the_last_bit(presented, name):
    """But for clipped changes in C++, where the compiler may order the factors of a masked one otherwise."""
    assert_twins_are_equal(presented(name, "numpy"))
    assert_twins_are_equal(presented(name, "cpp"), 1e-13 if name == "relaxation" else 0.0)


@pytest.mark.parametrize("backend", ["cpp", "numpy"])
def test_single_precision_agrees_with_double(presented, backend):
    single = presented("twins, float32", backend)
    assert_equal(single, presented("twins", "numpy"), 1e-4)
    assert types_of(single) == {np.dtype("f4")}


def test_what_is_compared_has_happened(presented):
    """Trials settle one by one or stop at the limit, gradients are clipped, a sequence goes on."""
    first, second, limited, began, went_on, _ = presented("relaxation", "numpy").values()
    assert 1 < second["iterations_used"].min() < second["iterations_used"].max() < ITERATIONS
    assert limited["iterations_used"].max() < second["iterations_used"].min()
    assert np.linalg.norm(second["told_synapses_change_m"].reshape(3, 4), 2) == pytest.approx(0.05)
    for name in ("up_synapses_m", "seen_synapses_p_pi", "again_synapses_Xi", "high_belief_r"):
        assert np.abs(second[name] - first[name]).max() > 1e-3
    moved = went_on["high_belief_f"] != began["high_belief_f"]
    rows = RELAXATION.rows["high"]
    first_tile = 3 * (rows.history + rows.steps) * rows.units
    assert moved[:first_tile].any()
    assert not moved[first_tile:].any()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numpy_prints_no_arrays(name):
    """As Brian2's own way to add a function would, for a message that nobody sees: it took most of the time."""
    function = FUNCTIONS[name].implementations[code_object_class("numpy")].get_code(None)

    def printed(number):
        raise AssertionError("an array was printed")

    with np.printoptions(formatter={"all": printed}):
        function(np.ones(3), *([0.0, 2.0] if name in ("bounded", "selected") else []))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_program_that_cannot_answer_says_why(presented, tmp_path):
    """Else the run would wait for the answer for ever."""
    presented("relaxation", "cpp")
    with start(RELAXATION, "cpp", tmp_path) as program:
        asked = program._messages["GET", "low_belief_r"] + FLUSH
        with open("/dev/full", "wb") as full:
            ended = subprocess.run(program._process.args, input=asked, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert (ended.returncode, ended.stderr) == (1, b"an answer cannot be written: No space left on device\n")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not tell")
def test_threads_are_not_bound_to_the_first_processors(presented, tmp_path):
    """Several runs on one machine would share them."""
    with start(RELAXATION, "cpp", tmp_path) as program:
        Session(program, RELAXATION).states()
        assert os.sched_getaffinity(program._process.pid) == os.sched_getaffinity(0)
