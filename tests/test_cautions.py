"""What the results of a run are to be read with caution for is told, and kept in its file."""

import dataclasses
import warnings

import numpy as np
import pytest
from analysed import synapses_run
from finished_runs import finished
from in_process import started

import neuro_mpc as nm
from neuro_mpc import analysis, cli
from neuro_mpc.networks import launch
from neuro_mpc.runs import cautions
from neuro_mpc.runs.estimate import as_text
from neuro_mpc.runs.progress import PlainProgress
from neuro_mpc.simulation.sampling import contradicted_share

RNG = np.random.default_rng(0)
FIXED_SPIKE = {
    "mean": "a/sqrt(n)",
    "variance": "s**2/n",
    "spike": "0.5",
    "parameter": {"a": {"initial": "0.1*normal(0, 1)"}, "s": {"initial": 1}},
}


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """A program of its own for each run would take a second to start."""
    monkeypatch.setattr(launch, "start", started)


def circuit(synapse=None):
    """One recurrent population; every synapse is a point, or of the type given."""
    types = {"own": synapse} if synapse else {}
    ends = {"in": ("input", "hidden"), "out": ("hidden", "output")}
    return nm.Circuit(
        name="small",
        population={
            "input": {"role": "stimulus"},
            "hidden": {"size": 6, "activation": "tanh(r)"},
            "output": {"role": "target"},
        },
        projection={
            name: {"from": source, "to": target, "synapse": "own" if synapse else "point"}
            for name, (source, target) in ends.items()
        },
        synapse=types,
    )


def protocol(**settings):
    chosen = {
        "stimulus.letters": 6,
        "stimulus.transitions": [1],
        "stimulus.length": 4,
        "stimulus.load": 0.5,
        "learning.batch": 3,
        "learning.presentations": 30,
        "learning.rate": 0.3,
        "learning.schedule": {},
        "test.every": 0,
        "test.measure": "accuracy",
        "test.split": "validation",
        "recording": {},
        **{name.replace("__", "."): value for name, value in settings.items()},
    }
    return nm.load_protocol("toy-language", chosen)


@pytest.fixture(scope="module")
def learned():
    """A fixed spike of one half, and a variance that is learned down to nothing: the run, and what it told."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(launch, "start", started)
        with pytest.warns(UserWarning, match="of the synapses the spike alone varies more") as told:
            run = nm.simulate(circuit(FIXED_SPIKE), protocol(test__ensemble=2), backend="numpy")
    return run, [str(each.message) for each in told if each.category is UserWarning]


class TestSpikes:
    def share(self, run):
        """From the definition: μ² p/(1 − p) = a²/n > v = s²/n."""
        found = [(node["a"].values[-1] ** 2 > node["s"].values[-1] ** 2) for node in run["synapses"].children.values()]
        return np.concatenate([each.ravel() for each in found]).mean()

    def test_a_spike_that_contradicts_the_learned_variance_is_told_and_recorded(self, learned, tmp_path):
        run, told = learned
        share = self.share(run)
        assert 0 < share < 1
        assert told == run.attrs["warning"].splitlines()
        assert f"in {100 * share:.2g} % of the synapses" in told[0]
        assert float(run["evaluation"]["spike_contradicted"]) == pytest.approx(share)
        assert told[0] in cli.summary("run.nc", finished(run, tmp_path), 1.0)

    def test_the_analysis_has_no_slab_where_there_cannot_be_one(self, learned):
        run, _ = learned
        node = run["synapses/in"]
        impossible = node["a"].values ** 2 > node["s"].values ** 2
        with pytest.warns(UserWarning, match="their slab has no variance"):
            found = analysis.weights(run, "in")
        np.testing.assert_array_equal(np.isnan(found["slab_variance"]), impossible)
        # twice the second moment, less the square of twice the mean
        slab = 2 * (node["s"].values ** 2 + node["a"].values ** 2) / 6 - 4 * node["a"].values ** 2 / 6
        np.testing.assert_allclose(found["slab_variance"].values[~impossible], slab[~impossible], rtol=1e-5)

    def test_experiments_refuse_it_with_the_number_of_synapses(self, learned):
        with pytest.raises(
            nm.DescriptionError,
            match=r"(?s)vary more than the variance says, in .* of .* synapses.*try: bounds on the parameters",
        ):
            nm.load_trained(learned[0])

    def test_weights_that_only_rounding_tells_from_possible_ones_are_possible(self):
        release = {
            "mean": "p*a/n",
            "variance": "p*(1 - p)*a**2/n**2",
            "spike": "1 - p",
            "parameter": {"a": {"initial": 1}, "p": {"initial": 0.5}},
        }
        described = circuit(release).sized(6, 6)
        rng = np.random.default_rng(0)
        parameters = {
            name: {
                "a": rng.normal(0, 1e3, described.shape(name)).astype(np.float32),
                "p": rng.uniform(0, 1, described.shape(name)).astype(np.float32),
            }
            for name in described.projection
        }
        assert contradicted_share(described, parameters) == 0
        run = synapses_run({"own": {name: each[None] for name, each in parameters["in"].items()}}, "own", own=release)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = analysis.weights(run, "own")
        np.testing.assert_allclose(found["slab_variance"], 0, atol=1e-12)


class TestSelection:
    @pytest.mark.parametrize(
        ("settings", "what"),
        [
            ({"test__keep": "best"}, 'test.keep = "best"'),
            ({"learning__schedule": {"kind": "plateau", "factor": 0.5}}, 'the schedule "plateau"'),
        ],
    )
    def test_to_select_on_the_test_set_is_told(self, settings, what, tmp_path):
        described = circuit(), protocol(test__split="test", **settings)
        lines = []
        run = nm.simulate(*described, backend="numpy", progress=PlainProgress(lines.append))
        (told,) = run.attrs["warning"].splitlines()
        assert told.startswith(f'{what} selects on the split "test"')
        assert "test.split" in told
        assert lines.count(f"warning: {told}") == 1
        assert f"warning  {told}" in as_text(nm.check(*described, backend="numpy"))
        assert told in cli.summary("run.nc", finished(run, tmp_path), 1.0)
        with pytest.warns(UserWarning, match='selects on the split "test"'):
            nm.simulate(*described, backend="numpy")

    @pytest.mark.parametrize(
        "settings",
        [
            {"test__split": "validation", "test__keep": "best"},
            {"test__split": "test"},
            {"test__split": "test", "test__keep": "best", "learning__presentations": 0},
            {"test__split": "test", "test__keep": "best", "test__measure": "correct-letter-ratio"},
        ],
    )
    def test_nothing_is_told_where_nothing_is_selected_on_the_test_set(self, settings):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*selects on the split.*")
            run = nm.simulate(circuit(), protocol(**settings), backend="numpy")
        assert "warning" not in run.attrs
        assert not nm.check(circuit(), protocol(**settings), backend="numpy").warnings

    def test_a_sweep_tells_it_once(self, tmp_path):
        described = circuit(), protocol(test__split="test", test__keep="best")
        with pytest.warns(UserWarning, match='selects on the split "test"') as told:
            nm.sweep(*described, {}, [0, 1], out=tmp_path, backend="numpy", dry_run=True)
        assert len(told) == 1


def test_a_run_tells_that_the_data_are_not_those_of_the_run_it_starts_from():
    trained = nm.load_trained(nm.simulate(circuit(), protocol(), backend="numpy"))
    same = {"learning.presentations": 0}
    with warnings.catch_warnings(record=True) as told:
        nm.simulate(None, protocol(**same), start=trained, backend="numpy")
        nm.simulate(None, protocol(**same), start=trained, seed=1, backend="numpy")  # which chooses other trials
    assert not [each for each in told if "data" in str(each.message)]
    other = dataclasses.replace(trained, data_sha256="0" * 64)
    with pytest.warns(UserWarning, match="the data are not those that a run in memory learned from"):
        run = nm.simulate(None, protocol(**same), start=other, backend="numpy")
    assert "have changed since" in run.attrs["warning"]


@pytest.mark.parametrize(
    ("scheme", "prediction", "told"),
    [
        ("fixed-prediction", None, 1),
        ("relaxation", None, 0),
        ("fixed-prediction", "0.5*before", 1),
        ("fixed-prediction", "0.5*before + 1", 0),
    ],
)
def test_beliefs_that_nothing_predicts_and_nothing_moves_are_told(scheme, prediction, told):
    generative = nm.Circuit(
        name="generative",
        population={"cause": {"size": 3, "prediction": prediction}, "output": {"role": "target"}},
        projection={"down": {"from": "cause", "to": "output", "synapse": "point"}},
    )
    found = nm.check(generative, protocol(inference__scheme=scheme), backend="numpy").warnings
    assert [text.startswith("nothing predicts cause") for text in found] == [True] * told


class TestBaselines:
    def test_a_circuit_that_does_worse_than_what_sees_nothing_is_told(self):
        split = np.repeat(["train", "test"], [20, 20])
        data = {"x": RNG.normal(size=(40, 4, 3)), "y": np.repeat([0, 1, 0], [18, 2, 20]), "split": split}
        settings = {"stimulus": nm.stimuli.Arrays(), "target.read": "last", "test.split": "test"}
        with pytest.warns(UserWarning, match="worse than a predictor that sees no stimulus: accuracy .* 1 by the most"):
            run = nm.simulate(circuit(), nm.changed(protocol(), settings), data=data, backend="numpy")
        assert 'try learning.rate = "auto", other initial values' in run.attrs["warning"]

    @pytest.mark.parametrize(
        ("found", "told"),
        [
            ({"accuracy": 0.5, "accuracy_of_frequent": 0.4, "accuracy_of_regression": 0.9}, ""),
            ({"accuracy": 0.3, "accuracy_of_frequent": 0.4}, "accuracy 0.3, 0.4 by the most frequent class"),
            ({"mean_squared_error": 2.0, "mean_squared_error_of_last": 1.0, "mean_squared_error_of_mean": 3.0}, ""),
            (
                {"mean_squared_error_eye": 2.0, "mean_squared_error_of_mean_eye": 1.0},
                "mean squared error of eye 2, 1 by the mean of the training trials",
            ),
            (
                {"perplexity": 90.0, "perplexity_of_frequencies": 60.5},
                "perplexity 90, 60.5 by the frequencies of the classes",
            ),
        ],
    )
    def test_what_is_better_or_sees_the_stimulus_is_no_reason(self, found, told):
        texts = cautions.of_baselines(found)
        assert [told in text for text in texts] == [True] * bool(told)
