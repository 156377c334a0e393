"""A network in this process: the numbers of a run, phase by phase, and every variable by its name."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from brian2 import Equations, NeuronGroup, prefs

import neuro_mpc as nm
from neuro_mpc.networks import local

pytestmark = pytest.mark.usefixtures("in_this_process")

STEPS, UNITS, LETTERS = 3, 4, 6
LANGUAGE = {
    "stimulus.letters": LETTERS,
    "stimulus.transitions": [1, 2],
    "stimulus.length": STEPS + 1,
    "stimulus.load": 2.0,
    "learning.presentations": 2,
    "learning.batch": 4,
    "learning.rate": 0.1,
    "inference.scheme": "relaxation",
    "inference.iterations": 5,
    "test.every": 0,
    "test.generate": 1,
    "recording.samples": [-1],
    "recording.trials": 0,
    "recording.synapses_every": 1,
}


@pytest.fixture(scope="module")
def described():
    return nm.load_circuit("mpl", {"population.hidden.size": UNITS}), nm.load_protocol("toy-language", LANGUAGE)


@pytest.fixture(scope="module")
def one(described):
    """A network that shows one trial at a time; tests show what they need themselves."""
    with nm.network(*described, seed=3) as net:
        yield net


def refused(call, kind=nm.RunError):
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def test_phase_by_phase_it_learns_what_a_run_learns(described):
    run = nm.simulate(*described, seed=3, backend="numpy")
    net = nm.network(*described, seed=3, trials=4)
    for presentation in range(2):
        net.show(net._run.course.batch_of(presentation).tolist())
        net.predict()
        net.infer()
        energies, traces = net.energies(), net.traces()
        net.learn()
        for projection, parameters in net.parameters.items():
            saved = run[f"synapses/{projection}"].isel(snapshot=presentation + 1)
            for name, values in parameters.items():
                np.testing.assert_array_equal(values, saved[name])
    assert net.presentations == 2
    assert float(energies.to_array().sum("variable").mean()) == pytest.approx(float(run["learning/free_energy"][-1]))
    for name in ("belief", "error", "noise"):
        np.testing.assert_array_equal(traces[f"hidden/{name}"], run[f"neural/hidden/{name}"][0])


@pytest.mark.parametrize("inferred", [False, True])
def test_it_learns_at_every_step_as_a_run_does(described, inferred):
    circuit, protocol = described
    online = nm.changed(protocol, {"inference.window": 0, "learning.every": "step"})
    run = nm.simulate(circuit, online, seed=3, backend="numpy")
    net = nm.network(circuit, online, seed=3, trials=4)
    for presentation in range(2):
        net.show(net._run.course.batch_of(presentation).tolist())
        net.predict()
        if inferred:
            net.infer()
        net.learn()
    for projection, parameters in net.parameters.items():
        for name, values in parameters.items():
            np.testing.assert_array_equal(values, run[f"synapses/{projection}"][name][-1])
    assert float(net.energies().to_array().sum("variable").mean()) == pytest.approx(
        float(run["learning/free_energy"][-1])
    )


def test_a_trial_of_the_protocol_and_the_same_arrays_give_the_same_traces(one):
    traces = one.present(2, split="test")
    assert set(traces.children) == {"hidden", "output"}
    assert dict(traces["hidden/belief"].sizes) == {"step": STEPS, "trial": 1, "unit": UNITS}
    stimulus, target = one["input_stimulus", "x"].values.copy(), one["output_error", "target"].values.copy()
    letters = stimulus.argmax(axis=2)
    one.present(0)
    for given in (
        (stimulus, target),
        (letters[:, 0], target[:, 0]),
        ({"input": letters}, {"output": target.argmax(2)}),
    ):
        xr.testing.assert_equal(one.present(*given), traces)
    xr.testing.assert_equal(one.present([2], split="test"), traces)
    xr.testing.assert_equal(one.present(xr.DataArray(stimulus[:, 0]), target), traces)


def test_inference_goes_on_from_where_beliefs_are(one):
    one.show(0)
    one.predict()
    predicted = one["hidden_belief", "r"]
    np.testing.assert_array_equal(predicted, one["hidden_prediction", "h"])
    start = one.energies()
    assert float(start["hidden"][0]) == 0
    one.infer(iterations=5)
    assert 0 < float(one.energies()["hidden"][0]) < float(start["loss"][0])
    assert float(one.energies().to_array().sum()) < float(start["loss"][0])
    at_once = one["hidden_belief", "r"]
    assert abs(at_once - predicted).max() > 0
    one.predict()
    for _ in range(5):
        one.infer(iterations=1)
    np.testing.assert_allclose(one["hidden_belief", "r"], at_once, rtol=1e-5, atol=1e-6)


def test_without_a_target_it_predicts_alone(one):
    traces = one.present(np.zeros((STEPS, LETTERS)))
    np.testing.assert_array_equal(traces["hidden/belief"], traces["hidden/prediction"])
    assert "no target was shown" in refused(one.infer)
    assert "no target was shown" in refused(one.learn)


def test_variables_are_read_and_set_by_their_names(one):
    one.show(0)
    one.predict()
    beliefs = np.arange(STEPS * UNITS, dtype=np.float32).reshape(STEPS, 1, UNITS)
    one["hidden_belief", "r"] = beliefs
    np.testing.assert_array_equal(one["hidden_belief", "r"], beliefs)
    assert set(one["hidden_belief"].r[:]) >= set(beliefs.ravel())  # Brian2's array, history included
    one["hidden_belief", "r"] = 0.5
    assert (one["hidden_belief", "r"] == 0.5).all()
    assert one["hidden_error", "r"].equals(one["hidden_belief", "r"])  # linked
    one["control", "iterations"] = 7
    assert int(one["control", "iterations"]) == 7
    assert one["control", "loss"].dims == ("trial",)


def test_moments_follow_parameters_and_predictions_follow_moments(one):
    saved = one["input_synapses", "m"].values.copy()
    one["input_synapses", "m"] = np.zeros((UNITS, LETTERS))
    assert (one["input_synapses", "mu"] == 0).all()
    assert (one.parameters["input"]["m"] == 0).all()
    one["input_synapses", "mu"] = 1.0
    one["control", "noise_scale"] = 0.0
    one.show(0)
    one.predict()
    np.testing.assert_allclose(one["hidden_prediction", "h"][0], 1)  # one letter, without a past
    one["control", "noise_scale"] = 1.0
    one["input_synapses"].m = saved.ravel()  # as Brian2 sets it: moments wait for refresh
    assert (one["input_synapses", "mu"] == 1).all()
    one.refresh()
    np.testing.assert_allclose(one["input_synapses", "mu"], saved / LETTERS, rtol=1e-6)


def test_phases_set_their_flags_whatever_they_were_set_to(one):
    one.show(0)
    one.predict()
    before = one.parameters["input"]["m"]
    one["control", "learning"] = 1
    one.predict()
    np.testing.assert_array_equal(one.parameters["input"]["m"], before)
    assert not one["control", "learning"]


def test_brian2_is_at_hand(one):
    assert set(one.brian.objects) >= set(one.groups.values())
    assert isinstance(one["hidden_belief"], NeuronGroup)
    assert one.brian["hidden_belief"] is one["hidden_belief"] is one.groups["hidden_belief"]
    assert set(one.equations) >= {"hidden_belief", "hidden_error", "output_prediction", "recurrent_synapses"}
    assert set(one.equations) == set(one.groups) - {"control"}
    assert "err = r - h : 1 (constant over dt)" in one.equations["hidden_error"]
    assert "r" in Equations(one.equations["hidden_belief"]).diff_eq_names
    assert one.brian["control"].rate == one["control", "rate"]  # attributes are Brian2's own
    assert repr(one).startswith("<Network of mpl on toy-language: control, input_stimulus")


def test_the_preferences_of_brian2_stay(described):
    before = {name: prefs[name] for name in ("codegen.target", "core.default_float_dtype")}
    assert before["core.default_float_dtype"] == np.float64
    with nm.network(*described):
        assert {name: prefs[name] for name in before} == before


def test_data_of_ones_own_are_shown():
    random = np.random.default_rng(0)
    data = {"eeg": random.normal(size=(20, STEPS, 2)), "choice": np.tile([0, 1, 2, 1], 5)}
    circuit = nm.load_circuit("pc", {"population.hidden.size": UNITS})
    learning = {"rate": 0.1, "batch": 5, "epochs": 1}
    protocol = nm.Protocol(name="own", stimulus=nm.stimuli.Arrays(), target={"read": "last"}, learning=learning)
    with nm.network(circuit, protocol, data=data, trials=2) as net:
        net.show([0, 1])
        shown = net["input_stimulus", "x"].values
        trials = [int(np.abs(data["eeg"] - shown[:, trial]).sum(axis=(1, 2)).argmin()) for trial in range(2)]
        np.testing.assert_allclose(shown, data["eeg"][trials].swapaxes(0, 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda net: net.present(10**6), "the split 'train' has 8 trials\n  try: numbers from 0 to 7"),
        (lambda net: net.show(0, split="valid"), "there is no split 'valid'\n  try: did you mean 'validation'?"),
        (lambda net: net.show([0, 1]), "2 trials for a network that shows 1 at a time"),
        (lambda net: net.show(np.zeros((STEPS, 9))), "try: step, trial, unit: (3, 1, 6), or (3, 6) of a single trial"),
        (lambda net: net.show(np.zeros((1, STEPS, 6))), "this one has trials first: values.swapaxes(0, 1)"),
        (lambda net: net.show(np.zeros((STEPS, 5, 6))), "nm.network(…, trials=5)"),
        (lambda net: net.show(np.zeros((5, STEPS, 6))), "values.swapaxes(0, 1), and a network that shows as many"),
        (lambda net: net.show(np.full(STEPS, LETTERS)), "numbers of classes for input are out of range"),
        (lambda net: net.show(np.array(["a"] * STEPS)), "an array of shape (3,) and type <U1 for input"),
        (lambda net: net.show({"inputs": np.zeros(STEPS, int)}), "did you mean 'input'?"),
        (lambda net: net["hidden_beliefs"], "did you mean 'hidden_belief'?"),
        (lambda net: net["hidden_belief", "rr"], "hidden_belief stores no 'rr'\n  try: did you mean 'r'?"),
        (lambda net: net.__setitem__(("hidden_belief", "r"), np.zeros(5)), "try: 3 steps, 1 trials, 4 units"),
    ],
)
def test_what_does_not_fit_is_told(one, call, told):
    assert told in refused(lambda: call(one))


def test_programs_of_their_own_are_refused(described):
    assert 'backend="numpy" or backend="cython"' in refused(lambda: nm.network(*described, backend="cpp"))
    assert "there is no backend 'julia'" in refused(lambda: nm.network(*described, backend="julia"))
    assert "trials: is out of range" in refused(lambda: nm.network(*described, trials=0), nm.DescriptionError)


def test_nothing_runs_before_something_is_shown(described):
    net = nm.network(*described)
    for phase in (net.predict, net.infer, net.learn):
        assert "nothing was shown yet" in refused(phase)


def test_the_public_name_is_a_function_whatever_is_imported():
    assert local.LocalProgram.__module__ == "neuro_mpc.networks.local"
    assert inspect.isfunction(nm.network)
    assert nm.network.__module__ == "neuro_mpc.runs.in_process"


@pytest.mark.slow
def test_errors_of_a_session_with_a_network_are_told_as_python_tells_them():
    """Brian2 would report each as its own, and say nothing where it is interrupted."""
    circuit = "nm.load_circuit('pc', {'population.hidden.size': 4})"
    made = f"import neuro_mpc as nm; nm.network({circuit}, 'digits-rows'); raise "
    for raised, told in {"ValueError('mine')": "ValueError: mine", "KeyboardInterrupt": "KeyboardInterrupt"}.items():
        done = subprocess.run([sys.executable, "-c", made + raised], capture_output=True, text=True, check=False)
        assert done.stderr.splitlines()[-1] == told
        assert "Brian 2 encountered" not in done.stderr


def test_every_variable_of_every_group_is_read_by_name():
    circuit = nm.changed(
        nm.load_circuit("pc", {"population.hidden.size": UNITS}),
        {
            "population.hidden.errors": {"positive": 1.0, "negative": 0.5},
            "population.bias": nm.Population(role="constant"),
            "projection.bias": nm.Projection(source="bias", target="hidden", synapse="point"),
        },
    )
    protocol = nm.load_protocol("toy-language", LANGUAGE)
    with nm.network(circuit, protocol, trials=2) as net:
        net.show([0, 1])
        net.predict()
        net.infer(iterations=3)
        stored = net._program.manifest.variables
        read = {
            (group, name): net[group, name]
            for group, each in net.groups.items()
            for name in each.variables
            if (name if group == "control" else f"{group}_{name}") in stored
        }
        assert len(read) == len(stored)
        positive, negative = (net[f"hidden_{sign}_error", sign] for sign in ("positive", "negative"))
        assert positive.dims == ("step", "trial", "unit")
        assert float(positive.max()) > 0
        assert float(negative.max()) > 0
        np.testing.assert_allclose(positive - 0.5 * negative, net["hidden_error", "err"], atol=1e-7)
        assert (net["bias_constant", "x"] == 1).all()
