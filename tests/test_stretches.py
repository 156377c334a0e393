"""Presentations learned in stretches: the same run as one by one, and answers that are read later."""

import fcntl
import os
from collections import deque
from io import BufferedReader, BytesIO
from types import SimpleNamespace

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc.networks.local import LocalProgram
from neuro_mpc.networks.program import CODES, Manifest, Program, _widened
from neuro_mpc.runs import stretches
from neuro_mpc.runs.stretches import Stretches
from neuro_mpc.runs.training import Training
from neuro_mpc.simulation.presentation import Presenter

pytestmark = pytest.mark.usefixtures("in_this_process")

SMALL = {
    "stimulus.load": 2,
    "stimulus.length": 4,
    "learning.batch": 2,
    "learning.presentations": 9,
    "learning.schedule.kind": "cosine",
    "test.every": 4,
    "recording.samples": [6],
    "recording.synapses_every": 5,
}


def lengthened(total: int, every=(), single=(), most: int = 100) -> list[range]:
    """The stretches of a training, as long as they may be."""
    found, done, each = [], 0, Stretches(total, every, single, most)
    each._length = most
    while done < total:
        found.append(each.after(done))
        done = found[-1].stop
    return found


def test_they_end_where_something_is_due():
    assert lengthened(9) == [range(9)]
    assert lengthened(9, most=4) == [range(4), range(4, 8), range(8, 9)]
    assert lengthened(9, every=(4, 0, 3)) == [range(3), range(3, 4), range(4, 6), range(6, 8), range(8, 9)]
    assert lengthened(9, single={0, 5}) == [range(1), range(1, 5), range(5, 6), range(6, 9)]


def test_they_are_as_long_as_what_takes_little_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(stretches.time, "perf_counter", lambda: now[0])
    each, lengths = Stretches(1000, (), (), 64), []
    for seconds in [0.0] * 8 + [10.0, 10.0, stretches.SECONDS]:
        lengths.append(len(each.after(0)))
        with each.timed(each.after(0)):
            now[0] += seconds
    assert lengths == [1, 2, 4, 8, 16, 32, 64, 64, 64, 32, 16]


def test_one_by_one_is_learned_where_every_presentation_is_to_be_saved():
    each = Stretches(9, (), (), 100, seconds=0.0)
    for _ in range(3):
        with each.timed(each.after(0)):
            pass
    assert each.after(0) == range(1)


def test_a_run_is_the_same_to_the_last_bit(monkeypatch):
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 4})
    protocol = nm.load_protocol("toy-language", SMALL)
    one_by_one = nm.simulate(circuit, protocol, backend="numpy")
    begun = []
    begin = Presenter.begin_learning
    monkeypatch.setattr(
        Presenter,
        "begin_learning",
        lambda self, presentation, *shown: begun.append(presentation) or begin(self, presentation, *shown),
    )
    monkeypatch.setattr(LocalProgram, "answers_ahead", lambda self, *names: 8)
    together = nm.simulate(circuit, protocol, backend="numpy")
    assert begun == [0, 1, 2, 3, 4, 5, 7, 8]  # the sixth is observed
    for group in ("learning", "synapses/recurrent", "neural/hidden", "evaluation"):
        for name, variable in one_by_one[group].data_vars.items():
            np.testing.assert_array_equal(variable, together[group][name], strict=True)


def test_each_presentation_has_its_energies_and_the_last_one_leaves_the_neural_state():
    learned = []
    training = SimpleNamespace(
        sampled_presentations=(),
        monitor=SimpleNamespace(high=0),
        stretches=Stretches(9, (), (), 100),
        _shown=lambda stretch: [(stretch[:2], None, None), (stretch[2:], None, None)],
        _begin=lambda chosen, *_: lambda: [f"energies of {presentation}" for presentation in chosen],
        _learned=lambda *each: learned.append(each),
    )
    training.stretches._length = 3
    assert Training._present(training, 4) == 7
    assert learned == [(presentation, f"energies of {presentation}", 6) for presentation in (4, 5, 6)]


def test_answers_are_read_in_the_order_of_the_questions():
    program = object.__new__(Program)
    values = [np.arange(3, dtype=np.int32), np.array([0.5]), np.array([4, 5, 6], dtype=np.int32)]
    program._input, program._output = BytesIO(), BufferedReader(BytesIO(b"".join(each.tobytes() for each in values)))
    program._asked = deque()
    program._know(Manifest({"counts": ("<i4", 3), "energy": ("<f8", 1)}))
    first, second = program.ask("counts"), program.ask("energy", "counts")
    assert [each.tolist() for each in second()] == [[0.5], [4, 5, 6]]
    assert [each.tolist() for each in first()] == [[0, 1, 2]]
    sent = np.frombuffer(program._input.getvalue(), np.int32).reshape(-1, 2)
    assert sent[:, 0].tolist() == [CODES["GET"]] * 3 + [CODES["FLUSH"]]
    assert program.answers_ahead("counts", "energy") == 4096 // 20
    assert program.answers_ahead(*["counts"] * 1000) == 1


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="only Linux tells what a pipe holds")
@pytest.mark.parametrize("granted", [True, False])
def test_a_pipe_holds_what_the_system_grants(monkeypatch, granted):
    fill = fcntl.fcntl

    def asked(file, code, *value):
        if code == fcntl.F_SETPIPE_SZ and not granted:
            raise PermissionError
        return fill(file, code, *value)

    monkeypatch.setattr(fcntl, "fcntl", asked)
    reading, writing = (os.fdopen(each, mode, 0) for each, mode in zip(os.pipe(), ("rb", "wb")))
    with reading, writing:
        size = _widened(writing)
        os.set_blocking(writing.fileno(), False)
        assert writing.write(bytes(2**21)) == size
        assert size == 2**20 if granted else size < 2**20


def test_where_no_system_tells_what_a_pipe_holds_nothing_is_known(monkeypatch):
    monkeypatch.delattr(fcntl, "F_GETPIPE_SZ", raising=False)
    reading, writing = (os.fdopen(each, mode) for each, mode in zip(os.pipe(), ("rb", "wb")))
    with reading, writing:
        assert _widened(writing) == 0
