"""The time that `check` tells, beside what runs took on the machine of docs/performance.md."""

from types import SimpleNamespace

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc import machine
from neuro_mpc.runs import estimate
from neuro_mpc.runs.checks import refuse_too_long
from neuro_mpc.runs.quantities import in_bytes
from neuro_mpc.simulation.plans import plan_of
from neuro_mpc.simulation.schedule import Course

pytestmark = pytest.mark.usefixtures("in_this_process")

PRODUCTS_PER_SECOND = 58.5e9  # of one core: 117 GFLOP/s
ROWS = SimpleNamespace(
    steps=28,
    read="last",
    width=28,
    classes=10,
    streams=0,
    carries=False,
    size=lambda split: 0,
    symbol_populations=(),
    last_read=(),
    with_missing=(),
    cautions=(),
)


@pytest.fixture(autouse=True)
def documented_machine(monkeypatch):
    monkeypatch.setattr(machine, "products_per_second", lambda precision: PRODUCTS_PER_SECOND)


WORDS = SimpleNamespace(
    **{**vars(ROWS), "steps": 35, "read": "every", "width": 10_000, "classes": 10_000, "streams": 128},
)
WORDS.carries, WORDS.symbol_populations = True, ("token", "next")


def seconds(*arguments, **settings):
    """Seconds of a presentation."""
    return estimated_of(*arguments, **settings).seconds


def estimated_of(units, data, batch, backend="cpp", circuit="mpl", protocol="digits-rows", **settings):
    """What is told of a presentation."""
    overrides = {"learning.presentations": 1, "learning.batch": batch, **settings}
    circuit = nm.load_circuit(circuit, {"population.hidden.size": units}).sized(data.width, data.classes)
    protocol = nm.load_protocol(protocol, overrides)
    course = Course(protocol.learning, batch, 0, data.streams > 0, data.carries)
    return estimate.estimate(plan_of(circuit, protocol, batch, data), protocol, course, data, backend)


RELAXATION = {"inference.scheme": "relaxation", "inference.iterations": 100}


@pytest.mark.parametrize(
    ("measured", "estimated"),
    [
        (8.5e-3, lambda: seconds(100, ROWS, 128)),
        (100 * 2.80e-3, lambda: seconds(100, ROWS, 128, **RELAXATION)),
        (100 * 41.5e-3, lambda: seconds(400, ROWS, 128, **RELAXATION)),
        (100 * 6.6e-3, lambda: seconds(100, ROWS, 128, "numpy", **RELAXATION)),
        (3.28, lambda: seconds(512, WORDS, 128, circuit="mpl-language", protocol="ptb")),
    ],
)
def test_the_time_is_told_within_a_factor_of_one_and_a_half(measured, estimated):
    assert measured / 1.5 < estimated() < 1.5 * measured


def test_numpy_is_slower_and_small_circuits_are_not_free():
    assert seconds(100, ROWS, 128, "numpy") > 1.5 * seconds(100, ROWS, 128)
    assert 2e-4 < seconds(2, ROWS, 1) < 1e-3


@pytest.mark.parametrize("compiles", [True, False])
def test_compiling_is_told_where_something_is_compiled(compiles):
    found = estimate.Estimate(
        memory=1e6, disk=1e6, seconds=3.0, synapses=10, parameters=30, presentations=5, compiles=compiles
    )
    assert ("and compiling once" in str(found)) == compiles


@pytest.mark.parametrize("name", ["mpl", "mpl-gru"])
def test_the_disk_holds_all_that_a_sample_records(name):
    """Without compression, as the run file may be: gates have inputs and noise of their own."""
    circuit = nm.load_circuit(name, {"population.hidden.size": 30})
    settings = {"learning.presentations": 1, "learning.batch": 20, "recording.samples": [0], "recording.trials": 20}
    protocol = nm.load_protocol("digits-rows", {**settings, "inference.scheme": "fixed-prediction", "test.every": 0})
    run = nm.simulate(circuit, protocol, backend="numpy")
    data = SimpleNamespace(**{**vars(ROWS), "steps": 8})
    plan = plan_of(circuit.with_sizes({"input": 8, "output": 10}), protocol, 20, data)
    recorded = sum(each.size for node in run["neural"].subtree for each in node.data_vars.values())
    assert recorded <= estimate._sample_elements(plan, protocol)


@pytest.mark.parametrize("readout", ["softmax", "gaussian"])
def test_the_disk_holds_the_answers(readout):
    """Two thousand trials of seven steps: with classes three numbers at each step, with values two of each unit."""
    x = np.random.default_rng(0).standard_normal((4000, 7, 5)).astype("f4")
    data = {"x": x, "y": (x[..., 0] > 0).astype(int) if readout == "softmax" else x[..., :3]}
    ends = {"x": {"role": "stimulus", "channel": "x"}, "y": {"role": "target", "readout": readout, "channel": "y"}}
    circuit = nm.Circuit(
        name="any",
        population={"hidden": {"size": 2}, **ends},
        projection={
            "in": {"from": "x", "to": "hidden", "synapse": "point"},
            "out": {"from": "hidden", "to": "y", "synapse": "point"},
        },
    )
    with_answers, without = (
        nm.Protocol(
            name="own",
            stimulus={"source": "arrays", "test": 0.5},
            target={"read": "every"},
            learning={"rate": 0.1, "batch": 500, "presentations": 1},
            recording={"answers": answers},
        )
        for answers in (True, False)
    )
    run = nm.simulate(circuit, with_answers, data=data, backend="numpy")
    told = (nm.check(circuit, each, data=data, backend="numpy").disk / 2 for each in (with_answers, without))
    assert run["answers"].sizes["trial"] == 2000
    found = sum(each.size for each in run["answers"].data_vars.values()) - 2000  # their numbers in the split
    assert next(told) - next(told) == 8 * found


def test_learning_at_every_step_changes_all_parameters_as_often():
    local = {"inference.window": 0}
    once, often = (seconds(400, ROWS, 1, **local, **{"learning.every": each}) for each in ("presentation", "step"))
    assert often > 5 * once


def test_what_is_only_evaluated_takes_the_time_of_its_tests():
    """Trials of the split that is tested once each test, those of the test in each evaluation; forward alone."""
    sizes = {"train": 100, "validation": 250, "test": 900}
    data = SimpleNamespace(**{**vars(ROWS), "size": sizes.get})
    units, batch = 400, 100
    keys = {"learning.presentations": 0, "test.split": "validation", "test.ensemble": 3, "recording.answers": True}
    told = seconds(units, data, batch, **keys)
    batches = 3 + 9 * (2 + 3 + 1)  # with noise, at mean weights, three networks, the answers
    products = 2 * batch * (28 * 28 * units + 27 * units * units + units * 10)  # of means and of variances
    work = 1.1 * products + 450 * batch * (28 * units + 10) + 2e7
    assert told == pytest.approx(batches * work / PRODUCTS_PER_SECOND, rel=0.05)


@pytest.mark.parametrize(("total", "every", "tests"), [(10, 5, 3), (10, 4, 4), (10, 20, 2), (10, 0, 2), (0, 5, 1)])
def test_tests_are_before_after_and_at_every_interval_between(total, every, tests):
    data = SimpleNamespace(**{**vars(ROWS), "size": {"train": 100, "validation": 1, "test": 0}.get})
    keys = {"test.split": "validation", "test.every_epochs": 0, "learning.presentations": total}
    learned = seconds(400, ROWS, 100, **{**keys, "test.every": every})
    told = seconds(400, data, 100, **{**keys, "test.every": every}) - learned
    alone = seconds(400, data, 100, **{**keys, "learning.presentations": 0})
    assert told / alone == pytest.approx(tests)


@pytest.mark.parametrize(("measure", "numbers"), [("accuracy", 4 * 10_000), ("perplexity", 8)])
def test_the_memory_of_what_drawn_networks_say_is_told(measure, numbers):
    data = SimpleNamespace(**{**vars(WORDS), "size": {"train": 128, "validation": 128, "test": 2400}.get})
    keys = {"circuit": "mpl-language", "protocol": "ptb", "test.measure": measure}
    without, drawn = (estimated_of(64, data, 128, **keys, **{"test.ensemble": each}) for each in (0, 10))
    assert drawn.memory - without.memory == 2400 * 35 * numbers


def test_a_range_test_lengthens_learning_not_the_tests():
    data = SimpleNamespace(**{**vars(ROWS), "size": {"train": 100, "validation": 100, "test": 1000}.get})
    of_tests = [
        seconds(400, data, 100, **{"learning.rate": rate}) - seconds(400, ROWS, 100, **{"learning.rate": rate})
        for rate in (0.1, "auto")
    ]
    assert of_tests[0] > 0
    assert of_tests[1] == pytest.approx(of_tests[0])


def test_sizes_have_three_digits():
    told = [in_bytes(size) for size in (3, 999.4, 999.6, 999_600, 1.234e6, 999.9e9, 12_345e12)]
    assert told == ["3 bytes", "999 bytes", "1 kB", "1 MB", "1.23 MB", "1 TB", "12,345 TB"]


def plan_of_rows(units, batch):
    circuit = nm.load_circuit("mpl", {"population.hidden.size": units}).sized(ROWS.width, ROWS.classes)
    return plan_of(circuit, nm.load_protocol("digits-rows"), batch, ROWS)


def test_arrays_longer_than_32_bits_can_number_are_refused():
    """The loops in which Brian2's program sets them to zero would have no end."""
    refuse_too_long(plan_of_rows(46_340, 1))  # 46,340² < 2³¹ < 46,341²
    with pytest.raises(nm.RunError, match="array of recurrent_synapses would have 2,147,488,281 numbers") as caught:
        refuse_too_long(plan_of_rows(46_341, 1))
    assert caught.value.hint == "smaller populations"
    of_trials = plan_of_rows(1_000, 2**17)  # 28 steps and the one before
    with pytest.raises(nm.RunError, match="array of hidden_.* would have 3,801,088,000 numbers") as caught:
        refuse_too_long(of_trials)
    assert "learning.batch" in caught.value.hint
    refuse_too_long(of_trials.shared(2))


def test_a_run_of_such_arrays_is_refused_before_anything_is_drawn(monkeypatch):
    monkeypatch.setattr(machine, "free_memory", lambda: 1e9)  # which would be told later
    with pytest.raises(nm.RunError, match="2,147,488,281"):
        nm.check(nm.load_circuit("mpl", {"population.hidden.size": 46_341}), "digits-rows", backend="numpy")


def test_the_memory_of_influences_is_told_and_refused_where_it_does_not_fit(monkeypatch):
    causal = {"inference.window": 0, "inference.scheme": "fixed-prediction"}
    local, influence = (
        estimated_of(200, ROWS, 128, **causal, **{"learning.credit": credit}) for credit in ("local", "influence")
    )
    synapses = (28 + 200) * 200
    influences = 200 * synapses * 2 * 2  # on 200 units, by means and by variances, at this step and the one before
    assert influence.memory - local.memory > 4 * influences
    monkeypatch.setattr(machine, "free_memory", lambda: (local.memory + influence.memory) / 2)
    estimate.refuse_too_large(local)
    with pytest.raises(nm.NeuroMPCError, match="of memory and .* are free"):
        estimate.refuse_too_large(influence)
