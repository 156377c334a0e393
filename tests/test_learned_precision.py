"""Precisions of prediction errors that are learned: their gradients, what they find, and where they would collapse."""

from __future__ import annotations

import tomllib
from functools import lru_cache

import numpy as np
import pytest
import xarray as xr
from in_process import InProcess
from presented import MIXED, RATE, STEPS, TRIALS, Presentation, assert_close, circuit, recurrent
from scipy.stats import norm

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.errors import DescriptionError
from neuro_mpc.networks.plan import Plan
from neuro_mpc.plots import FIGURES
from neuro_mpc.rules.show import as_text

BOTH = {
    "population.output.precision": {"learned": "unit"},
    "population.hidden.precision": {"learned": "population", "high": 1e3},
}
OTHER_WAY = {
    "population.output.precision": {"learned": "population"},
    "population.hidden.precision": {"learned": "unit", "high": 1e3},
}
OUTPUT = {"population.output.precision": {"learned": "unit", "rate_factor": 2.0}}
ONE_OF_THREE = {"population.output.precision": {"learned": "unit"}, "population.b.precision": 2.5}
MISSING = {"missing": ("output",)}
SPLIT = {f"population.{name}.errors": "split" for name in ("hidden", "output")}
GAUSSIAN = recurrent("gaussian", "tanh(r)", "gaussian", delay=2)
LAYERS = circuit(MIXED, "gaussian", a="tanh(r)", b="softplus(r)", c="r")
# name → (circuit, what is set of it, scheme, other options)
CASES = {
    "relaxation": (GAUSSIAN, BOTH, "relaxation", {"read": "last"}),
    "window": (GAUSSIAN, OTHER_WAY, "relaxation", {"window": 1, **MISSING}),
    "split": (GAUSSIAN, BOTH | SPLIT, "momentum", MISSING),
    "fixed prediction": (GAUSSIAN, OUTPUT, "fixed-prediction", {}),
    "sweeps": (LAYERS, ONE_OF_THREE, "sweeps", {}),
}


@lru_cache
def network(name: str) -> InProcess:
    described, settings, scheme, options = CASES[name]
    chosen = {"optimizer": "sgd", "precision": "float64", "threads": 2, **options}
    return InProcess(Plan(nm.changed(described, settings), TRIALS, STEPS, scheme=scheme, **chosen))


@pytest.fixture(params=CASES)
def inferred(request) -> Presentation:
    made = Presentation(network(request.param))
    made.infer()
    return made


def test_precisions_follow_the_free_energy_downhill(inferred):
    """By the mean over the errors that share one."""
    before, gradients = inferred.log_precisions, inferred.precision_gradients()
    inferred.learn()
    for name, after in inferred.log_precisions.items():
        rows, table = inferred.plan.rows[name], inferred.circuit.population[name].precision
        errors = rows.steps * TRIALS * (1 if table.learned == "unit" else rows.units)
        step = RATE * table.rate_factor / errors
        assert_close(after - before[name], -step * gradients[name], 1e-8)


def test_energies_and_what_synapses_learn_are_those_of_the_free_energy(inferred):
    held = inferred.parameters, inferred.beliefs, inferred.noise, inferred.stimulus
    if inferred.plan.scheme == "fixed-prediction":
        exact, found = inferred.reference.losses(*held, inferred.target), inferred.net.get("loss")[0]
        gradients = inferred.loss_gradients()
    else:
        exact = inferred.reference.losses(*held, inferred.target) + inferred.reference.hidden_energies(*held)
        found, gradients = inferred.energies(), inferred.energy_gradients()
    np.testing.assert_allclose(found, exact, rtol=1e-10)
    for projection, changes in inferred.learn().items():
        parameters = inferred.synapse(projection).parameter
        for name, change in changes.items():
            step = RATE * parameters[name].rate_factor / TRIALS
            assert_close(change, -step * gradients[projection][name], 1e-8)


def test_beliefs_follow_the_weighted_errors_downhill():
    made = Presentation(network("relaxation"))
    made.infer(iterations=0)
    before, gradients = made.beliefs, made.belief_gradients()
    made.infer(iterations=1)
    assert_close(made.beliefs["hidden"] - before["hidden"], -0.05 * gradients["hidden"])


# --- runs

GENERATIVE = """
name = "variance"
[population.one]
role = "constant"
[population.mean]
size = 1
[population.data]
role = "target"
readout = "gaussian"
[population.data.precision]
learned = "population"
[projection.mean]
from = "one"
to = "mean"
synapse = "weight"
[projection.data]
from = "mean"
to = "data"
synapse = "weight"
initial.w = 1
[synapse.weight]
mean = "w"
parameter.w.initial = 0
"""
# Of a cause that is told, two cues: the cause is inferred from them where it is not.
CUES = {f"population.{cue}.precision": {"learned": "population"} for cue in ("visual", "haptic")}
TOLD = """
population.told = { role = "stimulus", channel = "cause" }
projection.told = { from = "told", to = "cause", synapse = "fixed" }
"""


def fit(circuit: nm.Circuit, deviation: dict, **more):
    """Learning by fixed prediction from 500 trials together."""
    settings = {
        "stimulus.deviation": deviation,
        "stimulus.number": 500,
        "inference.scheme": "fixed-prediction",
        "learning.batch": 500,
        "learning.presentations": 150,
        "learning.rate": 0.2,
        **more,
    }
    protocol = nm.load_protocol("cue-combination", settings)
    return nm.simulate(circuit, protocol, backend="numpy")


@pytest.fixture(scope="module")
def fitted(in_this_process):
    return fit(nm.Circuit.from_toml(GENERATIVE), {"data": 2**0.5}, **{"stimulus.spread": 1e-9})


def test_the_variance_of_data_is_found(fitted):
    """Bogacz (2017), exercise 5: data of variance 2."""
    learned = fitted["precision/data/log_precision"]
    assert learned.dims == ("snapshot", "unit")
    assert learned[0].item() == 0
    trained = nm.load_trained(fitted)
    data = stimuli.load(trained.protocol, trained.circuit, 0).given("train", np.arange(500), "data")
    assert np.exp(-learned[-1].item()) == pytest.approx(data.var(), rel=1e-4)
    assert data.var() == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize(("learned", "observed"), [("unit", [1]), ("population", [])])
def test_the_free_energy_before_inference_counts_the_precision_of_free_populations(learned, observed, in_this_process):
    """Without errors, it is that of normal densities of the learned variances, less a constant; inference that does not
    move leaves it as it is."""
    circuit = nm.load_circuit("pc", {"population.hidden": {"size": 3, "precision": {"learned": learned, "high": 1e3}}})
    settings = {
        "stimulus.letters": 5,
        "stimulus.length": 4,
        "inference": {"scheme": "relaxation", "rate": 1e-12, "iterations": 1},
        "learning.presentations": 3,
        "test.every": 0,
        "recording.synapses_every": 1,
        "recording.samples": observed,
    }
    protocol = nm.load_protocol("toy-language", settings)
    run = nm.simulate(circuit, protocol, backend="numpy")
    found, logarithms = run["learning"], run["precision/hidden/log_precision"].values[:3]
    assert np.abs(logarithms[1:]).min() > 0.1
    deviations = np.broadcast_to(np.exp(-logarithms / 2), (3, 3))
    densities = norm.logpdf(0, scale=deviations) + 0.5 * np.log(2 * np.pi)
    steps = found["free_energy_start"] - found["loss"]
    np.testing.assert_allclose(steps, -3 * densities.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(found["free_energy"], found["free_energy_start"], rtol=1e-6)
    with nm.network(None, protocol, start=nm.load_trained(run), trials=2) as net:
        net.show([0, 1])
        net.predict()
        before = net.energies()
        net.infer(1)
        xr.testing.assert_allclose(before, net.energies(), rtol=1e-6)
        assert before["hidden"].min() < -1


def test_the_variance_that_was_learned_is_read_and_drawn(fitted):
    assert nm.analysis.learned_precisions(fitted) == ["data"]
    found = nm.analysis.precision(fitted, "data")
    np.testing.assert_allclose(found["variance"], np.exp(-fitted["precision/data/log_precision"].values))
    assert found["precision"].dims == ("snapshot", "unit")
    assert found["presentation"][-1] == 150
    with pytest.raises(nm.RunFileError, match="'mean' of .* did not learn the precision of its errors"):
        nm.analysis.precision(fitted, "mean")
    (page,) = FIGURES["precision"](fitted)
    (axes,) = page.axes
    np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), found["precision"].values[:, 0])
    assert (axes.get_title(), axes.get_xlabel()) == ("data", "presentations learned")


def test_precisions_are_started_from_and_changed(fitted):
    trained = nm.load_trained(fitted)
    learned = trained.parameters["precision/data"]["log_precision"]
    assert learned.shape == (1, 1)
    with nm.network(None, trained.protocol, start=trained, trials=2) as net:
        np.testing.assert_array_equal(net["data_precision", "log_precision"], learned)
        net.show([0, 1])
        net.predict()
        np.testing.assert_allclose(net["data_error", "precision"], np.full((1, 2, 1), np.exp(learned[0, 0])))
    assert trained.with_parameters({"precision/data": {"log_precision": 1.0}}, "it").sha256 != trained.sha256
    with pytest.raises(DescriptionError, match="out of bounds"):
        trained.with_parameters({"precision/data": {"log_precision": 100.0}}, "too precise")


def test_what_was_saved_learns_on_to_the_bit():
    circuit, adam = (
        nm.Circuit.from_toml(GENERATIVE),
        {"learning.optimizer": "adam", "stimulus.deviation": {"data": 2.0}},
    )
    protocol = nm.load_protocol("cue-combination", {**adam, "inference.scheme": "fixed-prediction"})

    def learn(net) -> float:
        net.show(0)
        net.predict()
        net.infer()
        net.learn(rate=0.1)
        return net["data_precision", "log_precision"].item()

    with nm.network(circuit, protocol) as net, nm.network(circuit, protocol) as other:
        before = learn(net)
        other._presenter.restore(net._presenter.state())
        other.presentations = net.presentations
        assert learn(net) == learn(other) != before


@pytest.mark.filterwarnings("ignore:the free energy rose")  # e²/Π of the errors under a prior that is nearly flat
def test_cues_are_weighed_by_the_precisions_that_were_learned(in_this_process):
    """Ernst & Banks (2002): .8 and .2 for standard deviations of 1 and 2."""
    tables = nm.load_circuit("cue-combination", CUES).tables()
    told = tomllib.loads(TOLD)
    circuit = nm.Circuit.from_tables(
        {**tables, **{kind: {**tables[kind], **told[kind]} for kind in ("population", "projection")}}
    )
    trained = nm.load_trained(fit(circuit, {"visual": 1.0, "haptic": 2.0}))
    visual, haptic = (np.exp(trained.parameters[f"precision/{cue}"]["log_precision"]) for cue in ("visual", "haptic"))
    assert visual / (visual + haptic) == pytest.approx(0.8, abs=0.03)
    protocol = nm.changed(trained.protocol, {"inference.scheme": "relaxation", "learning.presentations": 0})
    with nm.network(None, protocol, start=trained) as net:
        net.show({"told": np.zeros((1, 1))}, {"visual": np.ones((1, 1)), "haptic": np.full((1, 1), 2.0)})
        net.predict()
        net.infer()
        found = net["cause_belief", "r"].item()
    assert found == pytest.approx(((visual + 2 * haptic) / (visual + haptic)).item(), abs=1e-5)


# --- where it is refused


@pytest.mark.parametrize(
    ("population", "precision", "scheme", "message"),
    [
        ("cause", {"learned": "unit"}, "relaxation", "learned precision of a free population grows without end"),
        ("visual", {"learned": "unit"}, "relaxation", "beliefs collapse onto what fits it"),
        (
            "cause",
            {"learned": "unit", "high": 10.0},
            "fixed-prediction",
            "errors of free populations that no",
        ),
        ("cause", {"learned": "unit", "high": 10.0}, "sweeps", "sweeps makes errors of free populations"),
        ("visual", {"learned": "unit", "high": 0.5}, "relaxation", "initial = 1 is out of bounds"),
        ("visual", {"learned": "each"}, "relaxation", "'population' or 'unit'"),
    ],
)
def test_precisions_that_collapse_or_mean_nothing_are_refused(population, precision, scheme, message):
    protocol = nm.load_protocol("cue-combination", {"inference.scheme": scheme, "learning.presentations": 1})
    with pytest.raises(DescriptionError, match=message):
        circuit = nm.load_circuit("cue-combination", {f"population.{population}.precision": precision})
        nm.check(circuit, protocol, backend="numpy")


def test_a_softmax_has_no_precision_to_learn():
    with pytest.raises(DescriptionError, match="inverse temperature"):
        nm.Population(role="target", precision={"learned": "population"})


def test_learned_precisions_are_saved_and_others_leave_no_key():
    circuit = nm.load_circuit("cue-combination", CUES)
    assert nm.Circuit.from_toml(circuit.to_toml()) == circuit
    assert "learned" not in nm.load_circuit("cue-combination").to_toml()


def test_equations_show_how_precisions_learn():
    printed = as_text(nm.load_circuit("cue-combination", CUES))
    for text in ("log Π[visual])", "= Π · (target_t − y_t)", "Δlog Π = 0.5 η", "precision = exp(log_precision) : 1"):
        assert text in printed
