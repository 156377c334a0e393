"""learning.rate = "auto": a rate is found from the initial state, told, kept in the run file, and used when resumed."""

import math
import signal
import warnings
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest
from in_process import started
from interrupted import REFUSED, content, in_child, interrupted, simulate

import neuro_mpc as nm
from neuro_mpc import machine
from neuro_mpc.networks import launch
from neuro_mpc.networks.plan import Plan
from neuro_mpc.runfile.attributes import FOUND_RATE
from neuro_mpc.runfile.paths import partial_path, saved_path
from neuro_mpc.runfile.record import RunFile
from neuro_mpc.runs import range_test, training
from neuro_mpc.runs.progress import SilentProgress
from neuro_mpc.runs.range_test import LADDER, SAFETY, RangeTest
from neuro_mpc.simulation.energies import Energies
from neuro_mpc.sweeps import members
from neuro_mpc.sweeps.grid import grid

AUTO = {"learning.rate": "auto"}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A run whose rate was found."""
    path = tmp_path_factory.mktemp("found") / "run.nc"
    simulate(path, AUTO)
    return path


def rate_of(path):
    with nm.open_run(path) as run:
        return run.attrs[FOUND_RATE]


def learned(path):
    with nm.open_run(path) as run:
        return [run["learning"].dataset.load(), *(node.dataset.load() for node in run["synapses"].children.values())]


def test_a_run_at_a_found_rate_is_the_run_at_that_rate(found, tmp_path):
    rate = rate_of(found)
    assert rate in [float(f"{each / SAFETY:.4g}") for each in LADDER]
    simulate(tmp_path / "run.nc", {"learning.rate": rate})
    for one, other in zip(learned(found), learned(tmp_path / "run.nc"), strict=True):
        assert one.identical(other)


def test_the_rate_is_told(tmp_path):
    told = []

    class Progress(SilentProgress):
        def stage(self, text):
            told.append(text)

    simulate(tmp_path / "run.nc", AUTO, progress=Progress())
    assert f"learning rate {rate_of(tmp_path / 'run.nc'):g}, found by a range test" in told


@pytest.mark.slow
def test_a_resumed_run_keeps_the_rate_it_found(found, tmp_path, monkeypatch):
    out = tmp_path / "run.nc"
    assert interrupted(lambda: simulate(out, AUTO), RunFile, "learning", 10) == -signal.SIGKILL
    assert saved_path(out).exists()
    monkeypatch.setattr(training, "range_test", None)
    assert in_child(lambda: simulate(out, AUTO, resume=True)) == 0
    assert content(out) == content(found)
    with netCDF4.Dataset(found, "a") as file:
        before = file.getncattr(FOUND_RATE)
    assert rate_of(out) == before


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["fast", -1.0, np.inf])
def test_a_stored_rate_that_is_none_is_refused_by_name(tmp_path, monkeypatch, rate):
    monkeypatch.setattr(RunFile, "rate_found", lambda file, _: file._file.setncattr(FOUND_RATE, rate))
    out = tmp_path / "run.nc"
    assert interrupted(lambda: simulate(out, AUTO), RunFile, "learning", 10) == -signal.SIGKILL
    assert partial_path(out).exists()
    assert in_child(lambda: simulate(out, AUTO, resume=True)) == REFUSED
    with pytest.raises(nm.RunFileError, match=f"the attribute {FOUND_RATE} is"):
        simulate(out, AUTO, resume=True)


def test_gaussian_synapses_do_not_blow_up_on_the_toy_language(monkeypatch):
    monkeypatch.setattr(launch, "start", started)
    gaussian = {f"projection.{name}.synapse": "gaussian" for name in ("input", "recurrent", "output")}
    hidden = {"population.hidden.size": 20, "population.hidden.activation": "tanh(r)"}
    circuit = nm.load_circuit("mpl", {**gaussian, **hidden})
    small = {"stimulus.letters": 8, "stimulus.length": 6, "stimulus.load": 4.0, "learning.batch": 10, "test.every": 0}

    def energies(rate):
        settings = {**small, "learning.presentations": 60, "learning.rate": rate, "recording.synapses_every": 0}
        with warnings.catch_warnings(action="ignore"):
            run = nm.simulate(circuit, nm.load_protocol("toy-language", settings), backend="numpy")
        return run["learning/free_energy"].values

    found, stated = energies("auto"), energies(100.0)
    assert found[0] == stated[0]
    assert np.median(found[-10:]) < found[0] / 4
    assert np.median(stated[-10:]) > stated[0]


def test_a_member_of_a_sweep_finds_a_rate_and_is_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "start", started)
    settings = {"learning.presentations": 3, "learning.batch": 5, "stimulus.load": 1.0, "stimulus.length": 4, **AUTO}
    settings["test.every"] = 0
    described = nm.load_circuit("mpl", {"population.hidden.size": 6}), nm.load_protocol("toy-language", settings)
    options = {"backend": "numpy", "threads": 1, "overwrite": False, "accept_changes": False}
    for state in ("missing", "complete"):
        ((job, _),) = members.checked(grid({}, [0]), *described, tmp_path, **options)
        assert job.state == state
        assert members.unreadable([job]) == {}
        assert members.learn(job).error == ""
    assert rate_of(tmp_path / "seed=0.nc") > 0


@pytest.mark.parametrize(
    ("scheme", "precision", "energy"),
    [
        ("fixed-prediction", 400.0, "loss"),
        ("fixed-prediction", {"learned": "unit"}, "loss"),
        ("fixed-prediction", None, "free_energy"),
        ("relaxation", 400.0, "free_energy"),
    ],
)
def test_rates_are_judged_by_what_learning_lowers_where_errors_are_weighed(scheme, precision, energy):
    """The loss falls here at the rates at which errors grow that are passed back."""
    settings = {"population.hidden.size": 4, "population.output.readout": "gaussian"}
    circuit = nm.load_circuit("mpl", settings | {"population.output.precision": precision})
    presenter = SimpleNamespace(
        state=dict,
        restore=lambda _: None,
        learn=lambda *given: Energies(1e3 * (1 + given[3]), 100 / (1 + given[3]), 1, 1),
    )
    run = SimpleNamespace(
        plan=Plan(circuit, 2, 2, scheme=scheme),
        data=SimpleNamespace(presented=lambda *_: ((), ())),
        course=SimpleNamespace(total=10, batch_of=int, goes_on=bool),
    )
    found = range_test.range_test(presenter, run)
    assert found.energy == energy
    if energy == "loss":
        assert found.start == 100
        assert found.rate == pytest.approx(LADDER[0] / SAFETY, rel=1e-3)
    else:
        assert found.start == 1100
        with pytest.raises(nm.RunError, match="lowers the free energy of 1100"):
            found.rate  # noqa: B018


def test_rates_are_tried_on_all_that_learning_shows(monkeypatch):
    """At rate 0 the energies are those of a training that learns nothing, also of several stimuli, and of classes that
    are asked for at some steps only."""
    monkeypatch.setattr(launch, "start", started)
    tried = []
    monkeypatch.setattr(training, "range_test", lambda *given: tried.append(range_test.range_test(*given)) or tried[0])
    circuit = nm.load_circuit("mpl-decision", {"population.hidden.size": 5})
    few = {"stimulus.trials": 40, "stimulus.validation": 4, "stimulus.test": 4, "learning.batch": 4, "test.every": 0}
    few |= {"learning.epochs": None, "learning.presentations": 10, "recording.synapses_every": 0}
    unlearned, _ = (
        nm.simulate(circuit, nm.load_protocol("decision", {**few, "learning.rate": rate}), backend="numpy")
        for rate in (0.0, "auto")
    )
    last_third = unlearned["learning/free_energy"].values[-3:]
    assert tried[0].start == pytest.approx(last_third.mean(dtype=float), rel=1e-5)


def test_the_best_rate_goes_down_by_the_factor_of_safety():
    assert RangeTest(10.0, {1.0: math.inf, 0.1: 3.0, 0.01: 5.0}).rate == pytest.approx(0.1 / SAFETY, rel=1e-3)
    with pytest.raises(nm.RunError, match=r"none of the rates 0.1 to 1 lowers the free energy of 2"):
        RangeTest(2.0, {1.0: math.inf, 0.1: 2.0}).rate  # noqa: B018


def test_the_ladder_is_descended_until_it_gets_worse():
    scores = range_test._descended(lambda rate: math.inf if rate > 0.5 else abs(math.log10(rate) + 2))
    tried = list(scores)
    assert tried == list(LADDER[: len(tried)])
    assert min(scores, key=scores.get) == 0.01
    assert tried[-1] == LADDER[LADDER.index(0.01) + 2]


@pytest.mark.parametrize(
    ("energies", "score"), [([9, 8, 7, 6, 5, 4], 4.5), ([9, 41, 1, 1, 1, 1], math.inf), ([9, math.nan], math.inf)]
)
def test_a_rate_ends_where_its_energy_is_out_of_proportion(energies, score):
    assert range_test._tried(iter(energies), [10.0] * 6) == score


def test_the_estimate_counts_what_is_tried(monkeypatch):
    monkeypatch.setattr(machine, "products_per_second", lambda precision: 1e9)
    settings = {"learning.presentations": 200, "stimulus.load": 1.0, "test.every": 0}
    stated, tried = (
        nm.check("mpl", nm.load_protocol("toy-language", {**settings, "learning.rate": rate}), backend="numpy").seconds
        for rate in (0.5, "auto")
    )
    assert 1.5 * stated < tried < 4 * stated


@pytest.mark.parametrize("rate", ["fast", -0.5, True, math.nan])
def test_any_other_word_or_number_is_no_rate(rate):
    with pytest.raises(nm.DescriptionError, match='learning.rate.*\n.*\n  expected: a number of at least 0, or "auto"'):
        nm.load_protocol("toy-language", {"learning.rate": rate})
    protocol = nm.load_protocol("toy-language", {**AUTO, "learning.schedule.floor": 0.1})
    assert nm.Protocol.from_toml(protocol.to_toml()).learning.rate == "auto"
