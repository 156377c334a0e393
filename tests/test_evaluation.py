"""The evaluation of a trained circuit: with noise, with mean weights, and as networks drawn from it."""

import numpy as np
import pytest
import xarray as xr

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.descriptions.protocol import Test
from neuro_mpc.networks import launch
from neuro_mpc.simulation import initial, measures
from neuro_mpc.simulation.evaluation import evaluate
from neuro_mpc.simulation.plans import plan_of
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.simulation.sampling import draw_weights
from neuro_mpc.stimuli.images import ImageStimuli

pytestmark = pytest.mark.usefixtures("in_this_process")

NETWORKS = 3
SETTINGS = {
    "learning.presentations": 2,
    "learning.batch": 70,
    "learning.initial": {"m": "normal(0, 0.5*sqrt(n))", "pi": "uniform(0.3, 0.6)", "Xi": "uniform(0, 0.1)"},
    "learning.schedule": {},
    "recording": {},
    "test": {"split": "validation", "ensemble": NETWORKS},
}


def described(name):
    circuit = nm.load_circuit(name, {"population.hidden.size": 12})
    return circuit, nm.load_protocol("digits-rows", SETTINGS)


@pytest.fixture(scope="module", params=["mpl", "pc"])
def shown(request, tmp_path_factory):
    """A presenter of the untrained circuit, and its stimuli."""
    circuit, protocol = described(request.param)
    data = stimuli.load_task(protocol, circuit, 0)
    circuit = circuit.sized(data.width, data.classes)
    plan = plan_of(circuit, protocol, protocol.learning.batch, data)
    with launch.start(plan, "numpy", tmp_path_factory.mktemp("program")) as program:
        presenter = Presenter(program, plan, protocol, 5)
        presenter.load(initial.draw(circuit, protocol, 0))
        yield presenter, data


def ancestral(weights, stimulus):
    """Output (trial, class) of the deterministic circuit."""
    rate = np.zeros((stimulus.shape[1], len(weights["recurrent"])))
    for x in stimulus:
        rate = np.maximum(x @ weights["input"].T + rate @ weights["recurrent"].T, 0)
    score = rate @ weights["output"].T
    score = np.exp(score - score.max(axis=1, keepdims=True))
    return score / score.sum(axis=1, keepdims=True)


def test_a_drawn_network_is_deterministic_and_leaves_no_trace(shown):
    presenter, data = shown
    batch = data.batch("test", np.arange(70))
    weights = draw_weights(presenter.plan.circuit, presenter.parameters(), 0, 0)
    before, parameters = presenter.predict(*batch, "noise", 0)[0], presenter.parameters()
    with presenter.fixed_weights(weights):
        outputs = [presenter.predict(*batch, "noise", count)[0] for count in (0, 1)]
    np.testing.assert_array_equal(*outputs)
    np.testing.assert_allclose(outputs[0][0], ancestral(weights, batch[0]), atol=1e-5)
    np.testing.assert_array_equal(presenter.predict(*batch, "noise", 0)[0], before)
    for name, values in presenter.parameters().items():
        assert all((values[each] == parameters[name][each]).all() for each in values)


def test_weights_that_change_reach_the_next_prediction(shown):
    presenter, data = shown
    batch = data.batch("test", np.arange(70))
    before, state = presenter.predict(*batch, "noise", 0)[0], presenter.state()
    with presenter.silenced({"output": np.zeros((10, 12))}):
        np.testing.assert_allclose(presenter.predict(*batch, "noise", 0)[0], 0.1, rtol=1e-6)
    np.testing.assert_array_equal(presenter.predict(*batch, "noise", 0)[0], before)
    presenter.learn(0, *batch, 0.01)
    assert (presenter.predict(*batch, "noise", 0)[0] != before).any()
    presenter.restore(state)
    np.testing.assert_array_equal(presenter.predict(*batch, "noise", 0)[0], before)


def test_without_noise_every_weight_is_its_mean(shown):
    presenter, data = shown
    batch = data.batch("test", np.arange(70))
    means = {name: each["m"] / each["m"].shape[1] for name, each in presenter.parameters().items()}
    with presenter.noiseless():
        output = presenter.predict(*batch, "noise", 0)[0]
    np.testing.assert_allclose(output[0], ancestral(means, batch[0]), atol=1e-5)
    noisy = [presenter.predict(*batch, "noise", count)[0] for count in (0, 1)]
    assert (noisy[0] != noisy[1]).any() == ("pi" in presenter.parameters()["input"])


def test_networks_vote_by_their_mean_output(shown):
    presenter, data = shown
    values = evaluate(presenter, data, Test(split="validation", ensemble=NETWORKS), 0)
    every = data.batch("test", np.arange(300))[0]
    labels = data.labels("test", np.arange(300))[0]
    drawn = [
        draw_weights(presenter.plan.circuit, presenter.parameters(), presenter.seed, network)
        for network in range(NETWORKS)
    ]
    outputs = np.array([ancestral(weights, every) for weights in drawn])
    single = (outputs.argmax(axis=2) == labels).mean(axis=1)
    np.testing.assert_allclose(values["accuracy_network"], single, atol=1 / 300)
    vote = (outputs.mean(axis=0).argmax(axis=1) == labels).mean()
    assert values["accuracy_ensemble"] == pytest.approx(vote, abs=1 / 300)
    noisy = measures.read_out(presenter, data, Test(), "test", 0).values
    assert {name: values[name] for name in noisy} == noisy
    if "pi" not in presenter.parameters()["input"]:
        assert set(values["accuracy_network"]) == {values["accuracy"]} == {values["accuracy_mean_weights"]}


def test_without_an_ensemble_no_network_is_drawn(shown):
    presenter, data = shown
    values = evaluate(presenter, data, Test(), 0)
    baselines = {"accuracy_of_frequent", "accuracy_of_regression"}
    assert set(values) == {"accuracy", "test_loss", "accuracy_mean_weights", "test_loss_mean_weights"} | baselines


def test_a_run_is_tested_on_validation_and_evaluated_on_test():
    circuit, protocol = described("mpl")
    run = nm.simulate(circuit, protocol, backend="numpy")
    assert run["evaluation"].sizes == {"network": NETWORKS}
    assert run["evaluation"]["accuracy_ensemble"].dims == ()
    assert "mean" in run["evaluation"]["accuracy_mean_weights"].attrs["long_name"]
    # fractions of 200 trials for validation, of 300 for the test
    validated, evaluated = run["learning"]["accuracy"][-1], run["evaluation"]["accuracy"]
    for fraction, trials in ((validated, 200), (evaluated, 300)):
        assert float(fraction) * trials == pytest.approx(round(float(fraction) * trials), abs=1e-3)


def test_generated_strings_are_evaluated_too():
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 12})
    settings = {"learning.presentations": 1, "test.ensemble": 2, "recording": {}}
    protocol = nm.load_protocol("toy-language", settings)
    values = nm.simulate(circuit, protocol, backend="numpy")["evaluation"]
    assert values["correct_letter_ratio_network"].shape == (2,)
    assert "correct_letter_ratio_mean_weights" in values
    assert "accuracy_ensemble" not in values


@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_split_in_which_nothing_is_asked_is_refused_before_anything_is_learned(monkeypatch, split):
    labels = ImageStimuli.labels

    def unasked(self, asked, trials):
        return np.full((1, len(trials)), -1) if asked == split else labels(self, asked, trials)

    protocol = nm.load_protocol("digits-rows", {"test.split": "validation"})
    assert nm.check("mpl", protocol, backend="numpy").presentations
    monkeypatch.setattr(ImageStimuli, "labels", unasked)
    with pytest.raises(nm.DescriptionError, match=rf"test.split: no trial of the split '{split}' has a target"):
        nm.check("mpl", protocol, backend="numpy")


@pytest.mark.parametrize("asked", ["classes", "values", "the next values", "chosen steps"])
def test_where_trials_are_alike_the_loss_of_a_test_is_that_of_learning(asked):
    """A sum over what is asked in a trial, however little that is; a trial in which nothing is asked does not count."""
    rng, steps, trials = np.random.default_rng(0), 6, 12
    shown, values = rng.normal(size=(2, steps, 3))
    values[[0, 3]], values[4, 1] = np.nan, np.nan
    classes = np.array([-1, -1, 0, -1, 2, -1])
    given = {"classes": classes, "chosen steps": np.arange(steps) % 3}.get(asked, values)
    of_trials = np.tile(given, (trials, *[1] * given.ndim))
    if asked in ("classes", "values"):
        of_trials[-1] = -1 if asked == "classes" else np.nan
    dims = ("trial", "step", "unit")
    data = xr.Dataset(
        {
            "x": (dims, np.tile(shown, (trials, 1, 1))),
            "y": (dims[: of_trials.ndim], of_trials, {"flag_meanings": "a b c"} if given.ndim == 1 else {}),
            "split": ("trial", np.repeat(["train", "test"], [8, 4])),
        }
    )
    read = [1, 4] if asked == "chosen steps" else "every"
    settings = {
        "stimulus": {"source": "arrays"},
        "target": {"read": read, "kind": "next" if asked == "the next values" else "given"},
        "learning": {"rate": 0.0, "batch": 4, "presentations": 2},
        "test": {"split": "test", "every": 1},
        "recording": {},
    }
    readout = "softmax" if given.ndim == 1 else "gaussian"
    channels = {"population.input.channel": "x", "population.output.channel": "y", "population.output.readout": readout}
    circuit = nm.load_circuit("pc", {"population.hidden.size": 4, **channels})
    run = nm.simulate(circuit, nm.load_protocol("digits-rows", settings), data=data, backend="numpy")
    (loss,) = set(run["learning/loss"].values.tolist())
    assert loss > 0.1
    np.testing.assert_allclose(run["learning/test_loss"], loss, rtol=1e-5)


@pytest.mark.parametrize("weights", ["drawn", "mean"])
def test_tests_during_learning_draw_weights_or_take_their_means(weights):
    circuit, protocol = described("mpl")
    run = nm.simulate(circuit, nm.changed(protocol, {"test": {"weights": weights}}), seed=3, backend="numpy")
    last, evaluation = run["learning"]["accuracy"].values[-1], run["evaluation"]
    same, other = ("accuracy_mean_weights", "accuracy")[:: 1 if weights == "mean" else -1]
    assert float(evaluation[same]) == pytest.approx(last, rel=1e-6)
    assert float(evaluation[other]) != pytest.approx(last, rel=1e-6)
