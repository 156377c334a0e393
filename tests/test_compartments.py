"""Predictions that are expressions in compartments and in the belief before.

That their gradients are those of the energy is shown by tests/test_random_circuits.py, on all kinds of circuits.
"""

import numpy as np
import pytest
from in_process import InProcess
from presented import Presentation

import neuro_mpc as nm
from neuro_mpc.errors import DescriptionError
from neuro_mpc.networks.plan import Plan

pytestmark = pytest.mark.usefixtures("in_this_process")

SIZES = {"input": 3, "output": 2}
SCHEMES = ["relaxation", "momentum", "fixed-prediction", "sweeps"]


def circuit(prediction=None, gate=None):
    """Input, a recurrent population and a read-out; perhaps a gate, by a synapse type with one constant weight."""
    projection = {
        "in": {"from": "input", "to": "hidden", "synapse": "spike-and-slab"},
        "again": {"from": "hidden", "to": "hidden", "delay": 1, "synapse": "spike-and-slab"},
        "out": {"from": "hidden", "to": "output", "synapse": "spike-and-slab"},
    }
    synapse = {}
    if gate is not None:
        projection["gating"] = {"from": "bias", "to": "hidden", "compartment": "gate", "synapse": "constant"}
        synapse["constant"] = {"mean": "w", "parameter": {"w": {"initial": gate, "rate_factor": 0}}}
    return nm.Circuit(
        name="gated",
        population={
            "input": {"role": "stimulus"},
            **({"bias": {"role": "constant"}} if gate is not None else {}),
            "hidden": {"size": 4, "activation": "tanh(r)", "prediction": prediction},
            "output": {"role": "target"},
        },
        projection=projection,
        synapse=synapse,
    ).with_sizes(SIZES)


def plan(described, scheme="fixed-prediction", **options):
    return Plan(described, 2, 3, scheme=scheme, optimizer="sgd", precision="float64", **options)


def small_protocol(**settings):
    few = {"stimulus.length": 4, "learning.epochs": 0, "learning.batch": 10}
    return nm.load_protocol("toy-language", few | settings)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_gate_held_at_one_equals_no_gate(scheme):
    """The beliefs, energies and changes of all other synapses, with the noise of the same streams."""
    plain, gated = (
        Presentation(InProcess(plan(each, scheme)), 3, 0.1) for each in (circuit(), circuit("gate*input", 1))
    )
    gate = {"gating": {"w": np.ones((4, 1))}}
    gated.load({**{name: plain.parameters[name] for name in ("in", "again", "out")}, **gate})
    gated.show(plain.stimulus, plain.target)
    found = []
    for shown in (plain, gated):
        shown.infer(iterations=5)
        beliefs, energies, changes = shown.beliefs["hidden"], shown.energies(), shown.learn()
        found.append(
            [beliefs, energies, *(changes[name][each] for name in ("in", "again", "out") for each in ("m", "pi"))]
        )
    for without, held in zip(*found, strict=True):
        np.testing.assert_allclose(held, without, rtol=1e-12)
        assert np.abs(without).max() > 1e-9


def test_the_default_prediction_is_the_input_and_changes_no_description():
    plain, told = circuit(), circuit("input")
    assert told.to_toml() == plain.to_toml()
    assert plan(told).to_json() == plan(plain).to_json()
    assert "compartment" not in plain.to_toml()


def test_a_leak_keeps_a_part_of_what_the_unit_was():
    described = circuit("0.75*before + 0.25*input")
    shown = Presentation(InProcess(plan(described)), 1, rate=0.1)
    shown.net.set(noise_scale=0)
    shown.infer()
    beliefs = shown.beliefs["hidden"]
    weights = {name: moments[0] for name, moments in shown.reference.moments(shown.parameters).items()}
    before, stimulus = np.zeros_like(beliefs[0]), shown.stimulus
    for step, belief in enumerate(beliefs):
        drive = stimulus[step] @ weights["in"].T + np.tanh(before) @ weights["again"].T
        np.testing.assert_allclose(belief, 0.75 * before + 0.25 * drive, rtol=1e-12)
        before = belief


def test_what_was_believed_is_carried_to_the_next_presentation():
    """Four steps at once are two presentations of two steps, the second of which continues the first."""
    described = nm.load_circuit("pc-gru", {"population.hidden.size": 4}).with_sizes(SIZES)
    stimulus = np.random.default_rng(0).normal(size=(4, 1, 3))

    def program(steps):
        net = InProcess(Plan(described, 1, steps, precision="float64"))
        rng = np.random.default_rng(1)
        for name in described.projection:
            net.set(**{f"{Plan.synapses_name(name)}_m": 2 * rng.normal(size=described.shape(name))})
        net.set_rows("bias", "bias_constant_x", np.ones((steps, 1, 1)), history=1)
        return net

    def shown(net, stimulus, *phases):
        net.set_rows("input", "input_stimulus_x", stimulus)
        net.step("refreshing", "predicting", *phases)
        return net.get_rows("hidden", "hidden_belief_r")

    whole = shown(program(4), stimulus)
    net = program(2)
    first, second = shown(net, stimulus[:2]), shown(net, stimulus[2:], "carrying")
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=1e-12)
    assert np.abs(shown(net, stimulus[2:]) - second).max() > 1e-2


def test_every_compartment_has_its_own_noise():
    described = nm.load_circuit("mpl-gru", {"population.hidden.size": 4}).with_sizes(SIZES)
    shown = Presentation(InProcess(plan(described)), 1, rate=0.1)
    shown.infer()
    noises = [
        shown.rows("hidden", "prediction", f"epsilon{name}").ravel() for name in ("", "_gate", "_reset", "_recurrent")
    ]
    assert np.abs(np.corrcoef(noises) - np.eye(4)).max() < 0.8
    assert len({round(float(noise[0]), 9) for noise in noises}) == 4


@pytest.mark.parametrize(
    ("prediction", "gate", "said"),
    [
        ("sigmoid(gat)*input", 1, "unknown name 'gat'"),
        ("tanh(input)", 1, "does not name the compartment 'gate'"),
        ("gate*before", 1, "does not name the compartment 'input'"),
        ("floor(input)", None, "no usable derivative with respect to input"),
        ("step(before)*input", None, "no usable derivative with respect to before"),
        ("input +", None, "malformed"),
        ("", None, "malformed"),
    ],
)
def test_a_prediction_that_cannot_be_is_refused_by_name(prediction, gate, said):
    with pytest.raises(DescriptionError, match=said) as error:
        circuit(prediction, gate)
    assert "population.hidden.prediction" in str(error.value)


def test_of_two_names_that_differ_either_may_be_misspelt():
    tables = circuit("gate*input", gate=1).tables()
    tables["projection"]["gating"]["compartment"] = "gaet"
    for _ in range(2):
        with pytest.raises(DescriptionError) as error:
            nm.Circuit.from_tables(tables)
        assert error.value.hint == (
            "did you mean 'gaet'? compartment = … in a projection says where it ends; the default is input"
        )


@pytest.mark.parametrize("compartment", ["before", "stimulus", "tanh", "two words", ""])
def test_a_name_that_means_something_else_is_no_compartment(compartment):
    tables = circuit("gate*input", gate=1).tables()
    tables["projection"]["gating"]["compartment"] = compartment
    with pytest.raises(DescriptionError, match=r"projection\.gating\.compartment: (is a reserved name|not a name)"):
        nm.Circuit.from_tables(tables)


def test_no_compartment_is_named_like_what_stimuli_send_to_another():
    """`G_gate_stimulus` would be the mean of both."""
    tables = circuit("gate*input", gate=1).tables()
    tables["population"]["hidden"]["prediction"] = "gate*gate_stimulus"
    tables["projection"]["in"]["compartment"] = tables["projection"]["again"]["compartment"] = "gate_stimulus"
    with pytest.raises(DescriptionError, match="is what the compartment 'gate' calls its input from stimuli"):
        nm.Circuit.from_tables(tables)


def test_a_target_has_no_compartments_and_a_stimulus_no_prediction():
    tables = circuit().tables()
    tables["projection"]["out"]["compartment"] = "gate"
    with pytest.raises(DescriptionError, match="a target population has a single compartment"):
        nm.Circuit.from_tables(tables)
    with pytest.raises(DescriptionError, match="a stimulus population has no prediction"):
        nm.Circuit.from_tables(
            {**tables, "population": {**tables["population"], "input": {"role": "stimulus", "prediction": "input"}}}
        )


def test_influences_through_gates_are_refused_before_anything_runs():
    causal = {"learning.credit": "influence", "inference.window": 0, "inference.scheme": "fixed-prediction"}
    protocol = small_protocol(**causal, **{"stimulus.load": 1.0})
    with pytest.raises(DescriptionError, match="credit by influence knows no influence through this prediction"):
        nm.simulate("mpl-gru", protocol, backend="numpy")


def test_traces_hold_the_inputs_of_all_compartments():
    protocol = small_protocol(
        **{"recording.samples": [0], "learning.epochs": 1, "inference.scheme": "fixed-prediction"}
    )
    run = nm.simulate(nm.load_circuit("mpl-gru", {"population.hidden.size": 5}), protocol, backend="numpy")
    traces = nm.analysis.traces(run, "hidden")
    for name in ("input", "input_gate", "input_reset", "input_recurrent", "noise", "noise_gate"):
        assert traces[name].dims == ("step", "trial", "unit")
    assert traces["input_gate"].attrs["long_name"] == "input of the compartment gate"
    gate = 1 / (1 + np.exp(-traces["input_gate"].values.astype(float)))
    candidate = np.tanh(traces["input"] + traces["input_recurrent"] / (1 + np.exp(-traces["input_reset"]))).values
    before = np.concatenate([np.zeros_like(candidate[:1]), traces["prediction"].values[:-1]])
    np.testing.assert_allclose(traces["prediction"].values, gate * before + (1 - gate) * candidate, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["mpl-gru", "pc-gru", "mpl-lstm", "pc-lstm", "mpl-leaky", "mpl-normalised", "mpl-resonant"]
)
def test_shipped_circuits_learn(name):
    """The loss of a batch falls to half by the gradient of every parameter that they have."""
    sizes = {
        each: 6 for each in ("hidden", "cell", "drive", "cosine", "sine") if each in nm.load_circuit(name).population
    }
    described = nm.load_circuit(name, {f"population.{each}.size": size for each, size in sizes.items()})
    shown = Presentation(InProcess(plan(described.with_sizes(SIZES))), 5, rate=2.0)
    shown.net.set(noise_scale=0)
    losses = []
    for _ in range(200):
        shown.infer()
        losses.append(shown.net.get("loss")[0].sum())
        shown.learn()
    assert losses[-1] < 0.5 * losses[0]
