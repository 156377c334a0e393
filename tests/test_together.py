"""Programs that are told of several presentations at once do what they do when told of one after the other."""

from collections import deque
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc.networks.program import Manifest, Program
from neuro_mpc.networks.rows import Rows, Tiling
from neuro_mpc.networks.together import Together
from neuro_mpc.simulation.presentation import Presenter

VARIABLES = {
    "rates": ("<f4", (1 + 4) * 3 * 2),
    "symbols": ("<i4", 4 * 3),
    "counter": ("<i4", 1),
    "rate": ("<f8", 1),
    "scales": ("<f4", 3),
    "loss": ("<f4", 3),
}
ROWS = {"input": Rows(2, 4, history=1), "label": Rows(1, 4)}
NUMBER, TRIALS = 5, 3


def program(width: int, said: bytes = b"") -> Program:
    """One that keeps what it is told."""
    made = object.__new__(Program)
    made._input, made._output, made._asked = BytesIO(), BytesIO(said), deque()
    made.tiling, made.rows = Tiling(TRIALS, width), ROWS
    made._know(Manifest(VARIABLES))
    return made


@pytest.mark.parametrize("width", [1, 2, 3])
def test_it_is_told_the_same(width):
    rng = np.random.default_rng(0)
    shown = rng.normal(size=(4, NUMBER * TRIALS, 2))
    before = rng.normal(size=(1, NUMBER * TRIALS, 2))
    symbols = rng.integers(-1, 9, (4, NUMBER * TRIALS, 1))
    rates = rng.random(NUMBER)

    one_by_one = program(width)
    for number in range(NUMBER):
        own = slice(number * TRIALS, (number + 1) * TRIALS)
        one_by_one.set_rows("input", "rates", shown[:, own], before[:, own])
        one_by_one.set_rows("label", "symbols", symbols[:, own])
        one_by_one.set(counter=number + 7, rate=rates[number], scales=2.5)
        one_by_one.step()
        one_by_one.ask("loss", "counter")

    at_once = program(width)
    together = Together(at_once, NUMBER)
    together.set_rows("input", "rates", shown, before)
    together.set_rows("label", "symbols", symbols)
    together.set(counter=np.arange(NUMBER) + 7, rate=rates, scales=2.5)
    together.step()
    together.ask("loss", "counter")
    assert not at_once._input.getvalue()
    together.send()
    assert at_once._input.getvalue() == one_by_one._input.getvalue()


def test_what_every_presentation_answers_is_told_apart():
    losses = np.arange(NUMBER * 3, dtype="<f4").reshape(NUMBER, 3)
    counts = np.arange(NUMBER, dtype="<i4")[:, None]
    rates = np.random.default_rng(0).normal(size=(NUMBER, 5, TRIALS, 2)).astype("<f4")
    said = b"".join(b"".join(each.tobytes() for each in answers) for answers in zip(losses, counts, rates))
    asked = program(TRIALS, said + b"\1\0\0\0")
    together = Together(asked, NUMBER)
    answer, rows = together.ask("loss", "counter"), together.ask_rows("input", "rates")
    together.send()
    later = asked.ask("counter")
    np.testing.assert_array_equal(rows(), np.concatenate(rates[:, 1:], axis=1), strict=True)
    for found, expected in zip(answer(), (losses, counts), strict=True):
        np.testing.assert_array_equal(found, expected, strict=True)
    assert later()[0] == [1]


def test_values_of_another_number_are_refused():
    together = Together(program(TRIALS), NUMBER)
    with pytest.raises(ValueError, match="broadcast"):
        together.set(scales=np.zeros((NUMBER, 2)))
    with pytest.raises(ValueError, match="broadcast"):
        together.set_rows("input", "rates", np.zeros((4, TRIALS, 2)))


@pytest.mark.parametrize(
    ("trials", "steps", "differs", "expected"),
    [
        (1, 28, {}, 128),
        (3, 28, {}, 42),
        (128, 28, {}, 1),
        (200, 28, {}, 1),
        (1, 1_000, {}, 6),  # 2¹⁸ numbers of 40 a step
        (1, 10_000, {}, 1),
        (1, 28, {"carries": True}, 1),
        (1, 28, {"stepwise": True}, 1),
        (1, 28, {"alone": True}, 1),
    ],
)
def test_as_many_go_over_together_as_are_shown_in_little_time(trials, steps, differs, expected):
    rows = {"input": Rows(28, steps), "output": Rows(10, steps, history=1), "hidden": Rows(10**6, steps)}
    circuit = SimpleNamespace(stimuli=["input"], targets=["output"])
    presenter = SimpleNamespace(
        _carries=differs.get("carries", False),
        plan=SimpleNamespace(trials=trials, stepwise=differs.get("stepwise", False), rows=rows, circuit=circuit),
        program=SimpleNamespace(tells_together=not differs.get("alone", False)),
    )
    assert Presenter.together.fget(presenter) == expected


SETTINGS = {
    "learning.batch": 2,
    "learning.presentations": 9,
    "learning.schedule.kind": "cosine",
    "recording.samples": [5],
    "test.every": 4,
    "test.ensemble": 2,
}


@pytest.mark.parametrize(
    ("scheme", "precision"), [("fixed-prediction", 1.0), ("relaxation", {"learned": "unit", "high": 100.0})]
)
def test_a_run_is_the_same_to_the_last_bit(monkeypatch, scheme, precision):
    """In a process of its own, which messages reach."""
    circuit = nm.load_circuit("mpl", {"population.hidden": {"size": 4, "precision": precision}})
    protocol = nm.load_protocol("digits-rows", SETTINGS | {"inference.scheme": scheme})
    told, flags = [], []
    tell, set_ = Together.send, Together.set
    monkeypatch.setattr(Together, "set", lambda self, **values: flags.append(values) or set_(self, **values))
    monkeypatch.setattr(Together, "send", lambda self: told.append(self.number) or tell(self))
    at_once = nm.simulate(circuit, protocol, backend="numpy")
    assert set(told) >= {2, 64}  # after the first presentations of learning, and in tests
    # The weights of a test are packed once, those that are learned each time anew.
    assert {each["packed_forward"] for each in flags if "packed_forward" in each} == {0, 1}
    assert not any(each.get("packed_forward") for each in flags if each.get("learning"))
    monkeypatch.setattr(Presenter, "together", 1)
    told.clear()
    one_by_one = nm.simulate(circuit, protocol, backend="numpy")
    assert not told
    for group in ("learning", "synapses/recurrent", "neural/hidden", "evaluation"):
        for name, variable in one_by_one[group].data_vars.items():
            np.testing.assert_array_equal(variable, at_once[group][name], strict=True)
