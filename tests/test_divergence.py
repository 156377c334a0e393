"""A training that diverges is noticed at once, tells where, and goes back to smaller steps if it may."""

from types import SimpleNamespace

import numpy as np
import pytest
from finished_runs import finished
from interrupted import content, in_child, interrupted, simulate

import neuro_mpc as nm
from neuro_mpc import cli
from neuro_mpc.networks.plan import Plan
from neuro_mpc.runs import divergence
from neuro_mpc.runs.divergence import PATIENCE, Backoff, Diverged, DivergenceMonitor, lowered_energy
from neuro_mpc.simulation.energies import Energies
from neuro_mpc.simulation.presentation import Presenter

pytestmark = pytest.mark.usefixtures("in_this_process")

BURSTING = {
    "learning.rate": 2e5,
    "learning.optimizer": "sgd",
    "learning.schedule.kind": "constant",
    "learning.clip": 0.0,
    "learning.epochs": 10,
}


class Errors:
    def __init__(self, **largest):
        self.neural_state = SimpleNamespace(largest_errors=lambda: largest)
        self.plan = SimpleNamespace(circuit=nm.load_circuit("mpl"))


def energies(hidden, loss=1.0):
    return Energies(hidden, loss, 20.0, 1)


def test_energies_that_are_not_finite_name_the_population():
    monitor = DivergenceMonitor(Errors(hidden=np.nan, output=3.0))
    monitor.energies(0, energies(5.0))
    with pytest.raises(Diverged, match="became nan in presentation 7: the errors of hidden are not finite"):
        monitor.energies(7, energies(np.nan))
    with pytest.raises(Diverged, match="became inf in presentation 8"):
        monitor.energies(8, energies(np.inf))


def test_what_cannot_have_been_learning_is_not_blamed_on_its_rate():
    with pytest.raises(Diverged, match="errors of lower, upper are not finite") as caught:
        DivergenceMonitor(Errors(lower=np.nan, upper=np.inf)).energies(0, energies(np.nan))
    assert "smaller initial values" in str(caught.value)
    assert "learning.rate" not in str(caught.value)


def test_energies_that_stay_out_of_all_proportion_are_noticed_while_they_are_finite():
    monitor = DivergenceMonitor(Errors(hidden=4e5, output=1.0))
    monitor.energies(0, energies(1000.0))
    for number in range(1, PATIENCE):
        monitor.energies(number, energies(1e12))
    with pytest.raises(Diverged, match="became 1e[+]12 in presentation 10: the largest error is 4e[+]05, in hidden"):
        monitor.energies(PATIENCE, energies(1e12))


def test_energies_after_one_that_is_not_finite_are_of_another_presentation():
    monitor = DivergenceMonitor(Errors(hidden=np.nan, output=np.nan))
    with pytest.raises(Diverged) as caught:
        monitor.energies(7, energies(np.nan), last=19)
    assert (
        "became nan in presentation 7: the errors of hidden, output are not finite by presentation 19, the last one"
        in (str(caught.value))
    )
    with pytest.raises(Diverged, match="presentation 19: the errors of hidden, output are not finite\n"):
        monitor.energies(19, energies(np.nan), last=19)


def test_the_energy_that_is_not_finite_is_the_one_that_is_named():
    with pytest.raises(Diverged, match="the free energy became inf in presentation 3"):
        DivergenceMonitor(Errors(hidden=np.inf), "loss").energies(3, energies(np.inf))
    with pytest.raises(Diverged, match="the loss became nan in presentation 3"):
        DivergenceMonitor(Errors(hidden=np.inf), "loss").energies(3, energies(np.inf, np.nan))


@pytest.mark.parametrize("precision", [1.0, 400.0, {"learned": "unit"}])
def test_errors_that_are_passed_back_may_grow_where_predictions_are_held(precision):
    settings = {"population.hidden.size": 4, "population.output.readout": "gaussian"}
    circuit = nm.load_circuit("mpl", settings | {"population.output.precision": precision})
    schemes = ("fixed-prediction", "momentum", "relaxation", "sweeps")
    assert [lowered_energy(Plan(circuit, 2, 2, scheme=scheme)) for scheme in schemes] == ["loss"] + ["free_energy"] * 3


def test_a_loss_that_learning_lowers_is_watched_in_place_of_the_free_energy():
    monitor = DivergenceMonitor(Errors(hidden=4e5, output=1.0), "loss")
    for number in range(2 * PATIENCE):
        monitor.energies(number, energies(1e12))
    with pytest.raises(Diverged, match="the loss became 1e[+]11"):
        for number in range(PATIENCE):
            monitor.energies(number, energies(1.0, 1e11))
    assert "the loss rose from 45" in divergence.growth_warning(np.full(30, 45.0), np.full(30, 1e6), "loss")


@pytest.mark.parametrize("sign", [1, -1])
def test_a_negative_energy_has_the_scale_of_a_positive_one(sign):
    monitor = DivergenceMonitor(Errors(hidden=2.0), backs_off=True)
    monitor.energies(0, Energies(0.0, sign * 5000.0, sign * 5000.0, 1))
    for number in range(1, 3 * PATIENCE):
        monitor.energies(number, energies(4e5))
    with pytest.raises(Diverged, match="the free energy became 6e[+]05"):
        for number in range(PATIENCE):
            monitor.energies(number, energies(6e5))
    told = [divergence.growth_warning(np.full(30, sign * 5000.0), np.full(30, last)) for last in (4e4, 6e4)]
    assert told[0] == ""
    assert f"rose from {sign * 5000:.3g} to 6e+04" in told[1]


@pytest.mark.parametrize(("backs_off", "growth"), [(False, 1e6), (True, 100.0)])
def test_an_energy_may_grow_to_its_bound_and_stay_there(backs_off, growth):
    """1e6 times the first one; where the training can go back, a hundred times: above, not at it."""
    monitor, first = DivergenceMonitor(Errors(hidden=4e5), backs_off=backs_off), 20.0
    for number in range(3 * PATIENCE):
        monitor.energies(number, energies(growth * first, loss=0.0))
    assert (monitor.largest, monitor.high) == (growth * first, 0)
    above = np.nextafter(growth * first, np.inf)
    for number in range(PATIENCE - 1):
        monitor.energies(number, energies(above, loss=0.0))
    assert monitor.high == PATIENCE - 1
    with pytest.raises(Diverged):
        monitor.energies(PATIENCE, energies(above, loss=0.0))
    assert monitor.high == 0  # as it begins again from an earlier state


def test_a_change_is_measured_by_the_size_of_the_energy_and_by_one_at_least():
    assert [divergence.scale(energy) for energy in (-3.0, 0.5, 1.0, 2.5, np.nan)] == [3.0, 1.0, 1.0, 2.5, 1.0]


def test_a_final_energy_of_ten_times_the_first_is_not_yet_told():
    rose = [divergence.growth_warning(np.array([2.0, 0.0]), np.full(2, last)) for last in (20.0, 20.001)]
    assert [bool(warning) for warning in rose] == [False, True]
    late = np.r_[np.zeros(PATIENCE), np.full(PATIENCE, 50.0)]
    assert divergence.growth_warning(np.full(len(late), 2.0), late)  # the last ten count
    assert not divergence.growth_warning(np.full(len(late), 2.0), late[::-1])


def test_a_rate_is_halved_twenty_times_at_most():
    backoff = Backoff(5, SimpleNamespace(changed=lambda *_: None))
    backoff.remember(0, {})
    for _ in range(20):
        backoff.go_back(Diverged("inf"))
    assert backoff.factor == 2.0**-20
    with pytest.raises(Diverged):
        backoff.go_back(Diverged("inf"))
    assert [backoff.is_time(number) for number in (0, 4, 5, 6, 10)] == [True, False, True, False, True]
    assert not Backoff(0, SimpleNamespace()).is_time(0)


def test_five_of_the_parameters_that_are_not_finite_are_named():
    arrays = {f"p{number}": np.array([np.inf]) for number in range(7)}
    with pytest.raises(Diverged, match="after 0 presentations, .* in p0, p1, p2, p3, p4\n") as caught:
        DivergenceMonitor(Errors()).parameters(0, arrays)
    assert caught.value.hint == divergence.HINT


def test_a_single_batch_may_have_any_energy():
    monitor = DivergenceMonitor(Errors(hidden=4e5, output=1.0))
    for number in range(100):
        monitor.energies(number, energies(1e30 if number % PATIENCE == 3 else 10.0))


def test_parameters_that_are_not_finite_are_named():
    monitor = DivergenceMonitor(Errors())
    monitor.parameters(3, {"m of input": np.ones(3)})
    with pytest.raises(Diverged, match="after 4 presentations, .* in m of input"):
        monitor.parameters(4, {"m of input": np.array([1, np.inf]), "pi of input": np.ones(2)})


def test_a_diverging_run_ends_with_its_records(tmp_path):
    with pytest.raises(nm.RunError, match="presentation") as caught:
        simulate(tmp_path / "run.nc", BURSTING)
    assert "learning.backoff" in str(caught.value)
    with nm.open_run(tmp_path / "run.nc.partial") as run:
        assert np.isfinite(run["learning"].free_energy).all()
        assert run["learning"].sizes["presentation"] >= 1


def test_a_diverging_run_goes_back_and_on_with_half_the_rate(tmp_path):
    out = tmp_path / "run.nc"
    settings = {**BURSTING, "learning.backoff": 4}
    simulate(out, settings)
    with nm.open_run(out) as run:
        np.testing.assert_array_equal(run["learning"].presentation, np.arange(40))
        assert np.isfinite(run["learning"].free_energy).all()
        changes = run.attrs["changes"].splitlines()
        assert "learning rate × 0.5, because the loss became" in changes[0]
        assert all(int(change.split()[1]) % 4 == 0 for change in changes)
    again = tmp_path / "again.nc"
    assert interrupted(lambda: simulate(again, settings), Presenter, "restore", 2) < 0
    assert interrupted(lambda: simulate(again, settings, resume=True), Presenter, "begin_learning", 20) < 0
    assert in_child(lambda: simulate(again, settings, resume=True)) == 0
    assert content(again) == content(out)


def test_without_a_good_state_or_after_many_halvings_the_run_ends(monkeypatch):
    class Record:
        changed = staticmethod(lambda *_: None)

    problem = Diverged("nan")
    with pytest.raises(Diverged):
        Backoff(0, Record()).go_back(problem)
    monkeypatch.setattr(divergence, "LEAST_FACTOR", 0.25)
    backoff = Backoff(2, Record())
    backoff.remember(2, {})
    assert [backoff.go_back(problem)[0] for _ in range(2)] == [2, 2]
    assert backoff.factor == 0.25
    with pytest.raises(Diverged):
        backoff.go_back(problem)


def test_a_warning_is_deferred_like_what_else_is_recorded():
    warnings = []
    backoff = Backoff(2, SimpleNamespace(warned=warnings.append))
    backoff.record.warned("caution")
    assert not warnings
    backoff.confirm()
    assert warnings == ["caution"]


TINY = {
    "stimulus.length": 4,
    "learning.presentations": 2,
    "learning.batch": 5,
    "stimulus.load": 1.0,
    "test.every": 0,
    "test.generate": 2,
    "recording.samples": [],
    "recording.synapses_every": 0,
}


def test_everything_that_is_recorded_is_deferred_with_its_arguments_in_its_order():
    made = []

    class Record:
        def __getattr__(self, name):
            return lambda *values, **named: made.append((name, values, named))

    calls = [
        ("symbols", (["a", "b"],), {}),
        ("connected", ("input", [True]), {}),
        ("snapshot", (3, {"input": {"m": 1.0}}), {}),
        ("learning", (3,), {"loss": 0.5}),
        ("sample", (3, "first", "second"), {}),
        ("test", (3, {"accuracy": 0.25}), {}),
        ("generated", (3, [[0, 1]]), {"symbols": ["a", "b"]}),
        ("evaluation", ({"accuracy": 0.5},), {}),
        ("answers", ("of all trials",), {}),
        ("warned", ("look",), {}),
    ]
    backoff = Backoff(2, Record())
    for name, values, named in calls:
        getattr(backoff.record, name)(*values, **named)
    assert {name for name in vars(divergence.DeferredRecord) if not name.startswith("_")} == {
        name for name, *_ in calls
    }
    assert not made
    backoff.confirm()
    assert made == calls
    backoff.confirm()
    assert made == calls


def test_an_activation_without_a_value_is_to_blame_not_the_rate():
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 4, "population.hidden.activation": "log(r)"})
    with pytest.raises(nm.RunError) as caught:
        nm.simulate(circuit, nm.load_protocol("toy-language", TINY), backend="numpy")
    assert "the activation of hidden, log(r), is not finite at r = 0" in str(caught.value)
    assert "rate" not in str(caught.value)


def test_a_time_constant_of_zero_is_to_blame_not_the_rate():
    prediction = "exp(-1/leak)*before + (1 - exp(-1/leak))*input"
    settings = {"population.hidden.size": 4, "population.hidden.prediction": prediction}
    circuit = nm.load_circuit("mpl-leaky", {**settings, "projection.leak.initial": {"k": 0}})
    with pytest.raises(nm.RunError) as caught:
        nm.simulate(circuit, nm.load_protocol("toy-language", TINY), backend="numpy")
    assert f"the prediction of hidden, {prediction}, has no finite slope at leak = 0" in str(caught.value)
    assert "rate" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([45.0] * 30, [45.0] * 20 + [1.2e6] * 10, "rose from 45 to 1.2e+06"),
        ([45.0] * 30, [45.0] * 24 + [1.2e6] + [9.0] * 5, ""),  # a single batch
        ([45.0] * 30, [45.0] * 20 + [400.0] * 10, ""),
        ([0.01] * 30, [5.0] * 30, ""),
        ([45.0] * 30, [-2000.0] * 30, ""),
        ([45.0], [1e9], ""),
    ],
)
def test_energies_that_rise_and_stay_finite_are_told(before, after, told):
    warning = divergence.growth_warning(np.array(before), np.array(after))
    assert told in warning
    assert bool(told) == bool(warning)


def test_a_run_that_blew_up_says_so_at_the_end_and_in_its_file(monkeypatch, tmp_path):
    monkeypatch.setattr(divergence, "LARGEST_FINAL_GROWTH", 0.0)
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 4})
    with pytest.warns(UserWarning, match="the training diverged, though it stayed finite"):
        run = nm.simulate(circuit, nm.load_protocol("toy-language", TINY), backend="numpy")
    assert run.attrs["complete"] == 1
    assert "smaller learning.rate" in run.attrs["warning"]
    assert cli.summary(tmp_path, finished(run, tmp_path), 1.0).endswith(f"\nwarning: {run.attrs['warning']}")
