"""Experiments on trained circuits, where the answer is known beforehand."""

from typing import ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc import analysis, cli, stimuli
from neuro_mpc.descriptions.experiments import EXPERIMENTS
from neuro_mpc.experiments import ensemble, generation, lesion, oddball, omission
from neuro_mpc.experiments.performance import perform
from neuro_mpc.experiments.responses import batches
from neuro_mpc.networks import launch
from neuro_mpc.randomness import generator
from neuro_mpc.simulation import initial
from neuro_mpc.simulation.plans import plan_of
from neuro_mpc.simulation.presentation import Presenter
from neuro_mpc.simulation.sampling import draw_weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_this_process")]

LANGUAGE = {
    "stimulus.letters": 8,
    "stimulus.transitions": [1, 3],
    "stimulus.length": 6,
    "stimulus.load": 2.0,
    "learning.batch": 12,
    "learning.presentations": 40,
    "learning.rate": 0.3,
    "test.generate": 4,
    "test.every": 0,
    "recording.synapses_every": 0,
    "recording.samples": [],
}
DIGITS = {
    "learning.batch": 12,
    "learning.presentations": 2,
    "test.every": 0,
    "test.ensemble": 0,
    "recording.samples": [],
}
TWO_LAYERS = """
name = "two layers"
[population.input]
role = "stimulus"
[population.low]
size = 9
activation = "relu(r)"
[population.high]
size = 7
activation = "tanh(r)"
[population.output]
role = "target"
readout = "gaussian"
[projection.bottom]
from = "input"
to = "low"
synapse = "gaussian"
[projection.middle]
from = "low"
to = "high"
synapse = "spike-and-slab"
[projection.again]
from = "low"
to = "low"
delay = 1
synapse = "spike-and-slab"
[projection.top]
from = "high"
to = "output"
synapse = "point"
"""
TASKS = {
    "layers": (None, "digits-rows", DIGITS),
    "mpl": ("mpl", "toy-language", LANGUAGE),
    "pc": ("pc", "toy-language", LANGUAGE),
    "digits": ("mpl", "digits-rows", DIGITS),
}


class Shown:
    """A circuit in a running program, with its stimuli."""

    def __init__(self, trained, data, presenter):
        self.trained, self.data, self.presenter = trained, data, presenter

    def conduct(self, module, **fields):
        kind = EXPERIMENTS.get(module.__name__.rpartition(".")[2])
        experiment = kind(kind.table(**fields))
        assert not list(experiment.problems(self.trained.circuit, self.data))
        return experiment.results(self.presenter, self.data, self.trained)

    def performance(self, trials=20):
        return perform(self.presenter, self.data, "test", np.arange(trials))


def described(task):
    name, protocol, settings = TASKS[task]
    circuit = nm.load_circuit(name, {"population.hidden.size": 12}) if name else nm.Circuit.from_toml(TWO_LAYERS)
    return circuit, nm.load_protocol(protocol, settings)


def in_file(path):
    nm.simulate(*described("mpl"), seed=3, backend="numpy", out=path).close()
    return nm.load_trained(path)


def untrained(task):
    """Where learning does not matter: the initial circuit in the place of a trained one."""
    circuit, protocol = described(task)
    data = stimuli.load_task(protocol, circuit, 3)
    circuit = circuit.sized(data.width, data.classes)
    parameters = initial.draw(circuit, protocol, 3)
    return nm.Trained("nowhere", "run.nc", circuit, protocol, 3, 0, (0,), parameters)


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """task → a trained circuit, simulated once."""
    from contextlib import ExitStack

    made = {}
    with ExitStack() as stack:

        def make(task):
            if task not in made:
                folder = tmp_path_factory.mktemp(task)
                trained = in_file(folder / "run.nc") if task == "mpl" else untrained(task)
                data = stimuli.load_task(trained.protocol, trained.circuit, 3)
                plan = plan_of(trained.circuit, trained.protocol, 12, data)
                program = stack.enter_context(launch.start(plan, "numpy", folder))
                presenter = Presenter(program, plan, trained.protocol, 3)
                presenter.load(trained.parameters)
                made[task] = Shown(trained, data, presenter)
            return made[task]

        yield make


class TestLesion:
    ALL: ClassVar = {"fractions": [0.0, 0.5, 1.0], "repeats": 2, "trials": 20, "orders": ["random", "strongest"]}

    @pytest.mark.parametrize("task", ["mpl", "digits"])
    @pytest.mark.parametrize("of", ["units", "synapses"])
    def test_nothing_silenced_changes_nothing_and_everything_gives_chance(self, shown, task, of):
        here = shown(task)
        whole = here.performance()
        found = here.conduct(lesion, of=of, **self.ALL)
        once = found.isel(repeat=0)
        # bit for bit
        assert (once["loss"].sel(fraction=0) == whole.values["loss"]).all()
        assert (once["performance"].sel(fraction=0) == whole.values["performance"]).all()
        np.testing.assert_array_equal(here.performance().output, whole.output)
        np.testing.assert_allclose(once["loss"].sel(fraction=1), found.attrs["chance_loss"], rtol=1e-6)
        # Of classes that are equally probable, the first one is the answer.
        first = here.data.right("test", np.arange(20), np.zeros_like(whole.answers)).mean()
        np.testing.assert_allclose(once["performance"].sel(fraction=1), first)
        steps = here.data.steps if task == "mpl" else 1
        assert found.attrs["chance_loss"] == pytest.approx(steps * np.log(here.data.classes))

    def test_only_random_orders_are_repeated(self, shown):
        found = shown("mpl").conduct(lesion, **self.ALL)
        again = found["loss"].sel(fraction=0.5).isel(repeat=1)
        assert again.notnull().values.tolist() == [order == "random" for order in found["order"].values]
        random = found["loss"].sel(order="random", fraction=0.5)
        assert random[0] != random[1]

    def test_a_unit_is_silenced_with_all_its_synapses(self, shown):
        here = shown("mpl")
        circuit, weakest = here.trained.circuit, lesion.Lesion(of="units", orders=["weakest"])
        moments = {name: here.presenter.moments(name) for name in circuit.projection}
        there = {name: np.ones(mean.shape, bool) for name, (mean, _) in moments.items()}
        order = lesion._ranked("weakest", 0, weakest, circuit, moments, there, 0)
        power = sum(
            np.square(mean).sum(axis=axis) + variance.sum(axis=axis)
            for name, axis in (("input", 1), ("recurrent", 1), ("recurrent", 0), ("output", 0))
            for mean, variance in [moments[name]]
        )
        np.testing.assert_array_equal(order, np.argsort(power))
        unit = order[0]
        changed = {
            name: {each: values.copy() for each, values in parameters.items()}
            for name, parameters in here.trained.parameters.items()
        }
        for name, which in (
            ("input", np.s_[unit]),
            ("recurrent", np.s_[unit]),
            ("recurrent", np.s_[:, unit]),
            ("output", np.s_[:, unit]),
        ):
            for values in changed[name].values():
                values[which] = 0
        here.presenter.load(changed)
        expected = here.performance().values["loss"]
        here.presenter.load(here.trained.parameters)
        found = here.conduct(lesion, of="units", orders=["weakest"], fractions=[1 / 12], trials=20)
        assert float(found["loss"][0, 0, 0]) == pytest.approx(expected, rel=1e-6)
        assert found["silenced"].values == [1]

    def test_synapses_go_by_their_share_of_variance(self, shown):
        here = shown("mpl")
        circuit, table = here.trained.circuit, lesion.Lesion(where=["recurrent"])
        mean, variance = np.zeros((2, 12, 12))
        mean[:], variance[3, 4], variance[5, 6] = 2.0, 9.0, 1.0
        there = {"recurrent": np.ones((12, 12), bool)}
        ranked = {
            order: lesion._ranked(order, 0, table, circuit, {"recurrent": (mean, variance)}, there, 0)
            for order in ("most-variable", "least-variable", "strongest", "weakest", "random")
        }
        assert list(ranked["most-variable"][:2]) == list(ranked["strongest"][:2]) == [3 * 12 + 4, 5 * 12 + 6]
        assert list(ranked["least-variable"][-2:]) == list(ranked["weakest"][-2:]) == [5 * 12 + 6, 3 * 12 + 4]
        assert sorted(ranked["random"]) == list(range(144))
        kept = lesion._masks(ranked["most-variable"][:1], table, circuit, there)
        assert not kept["recurrent"][3, 4]
        assert kept["recurrent"].sum() == 143
        assert list(kept) == ["recurrent"]


class TestEnsemble:
    def test_networks_of_point_weights_are_all_the_same(self, shown):
        found = shown("pc").conduct(ensemble, networks=3, trials=30)
        assert len(set(found["loss"].values)) == 1
        assert (found["agreement"] == 1).all()
        assert (found["share"] == 1).all()
        same = {*found["performance"].values, *found["vote"].values, *found["mean_output"].values}
        assert same == {found.attrs["noise"]} == {found.attrs["mean_weights"]}

    def test_networks_vote(self, shown):
        here, trials = shown("digits"), np.arange(30)
        found = here.conduct(ensemble, networks=4, trials=30)
        circuit, presenter = here.trained.circuit, here.presenter
        outputs = []
        for network in range(4):
            with presenter.fixed_weights(draw_weights(circuit, here.trained.parameters, 3, network)):
                outputs.append(perform(presenter, here.data, "test", trials).output[0])
        answers, labels = np.argmax(outputs, axis=2), here.data.labels("test", trials)[0]
        np.testing.assert_allclose(found["performance"], (answers == labels).mean(axis=1))
        assert found["agreement"][1, 2] == (answers[1] == answers[2]).mean()
        mean = np.cumsum(outputs, axis=0).argmax(axis=2)
        np.testing.assert_allclose(found["mean_output"], (mean == labels).mean(axis=1))
        for size in (1, 3, 4):
            counted = [np.bincount(each, minlength=10) for each in answers[:size].T]
            vote = np.argmax(counted, axis=1)
            assert float(found["vote"].sel(size=size)) == pytest.approx((vote == labels).mean())
        np.testing.assert_allclose(found["share"][0], np.max(counted, axis=1) / 4)

    def test_the_mean_over_networks_tends_to_the_mean_field(self, shown):
        """Mean and variance of the input to a unit over drawn networks: G = Σ μ x and D = Σ v x²."""
        here, number = shown("mpl"), 500
        circuit, presenter = here.trained.circuit, here.presenter
        stimulus = np.abs(generator(0, "stimulus").normal(size=8))
        drawn = np.array(
            [
                draw_weights(circuit, here.trained.parameters, 3, network)["input"] @ stimulus
                for network in range(number)
            ]
        )
        mean, variance = (each.astype(float) for each in presenter.moments("input"))
        expected, spread = mean @ stimulus, np.sqrt(variance @ stimulus**2)
        assert (np.abs(drawn.mean(axis=0) - expected) <= 5 * spread / np.sqrt(number) + 1e-7).all()
        np.testing.assert_allclose(drawn.std(axis=0), spread, rtol=0.25, atol=1e-6)
        assert spread.max() > 0.01


class TestOddball:
    def test_a_deviant_that_equals_the_standard_makes_no_difference(self, shown):
        found = shown("mpl").conduct(oddball, position=3, offset=0, trials=30)
        standard, deviant = (found.sel(condition=name) for name in ("standard", "deviant"))
        for name in ("error", "surprise", "right", "letter"):
            np.testing.assert_array_equal(standard[name], deviant[name])
        assert not found["forbidden"].any()

    @pytest.mark.parametrize("afterwards", ["resume", "follow"])
    def test_one_letter_is_forbidden(self, shown, afterwards):
        data = shown("mpl").data
        strings = data.strings("test")[:200]
        table = oddball.Oddball(position=3, afterwards=afterwards)
        found = oddball.shown_strings(strings, data, table, generator(0, "x"))
        kinds = {name: np.isin(np.diff(each, axis=1) % 8, [1, 3]) for name, each in found.items()}
        assert kinds["standard"].all()
        assert kinds["control"][:, 2].all()
        assert (found["control"][:, 3] != strings[:, 3]).all()
        assert not kinds["deviant"][:, 2].any()
        assert kinds["deviant"][:, :2].all()
        assert len(np.unique((found["deviant"] - strings)[:, 3] % 8)) > 3
        if afterwards == "resume":
            others = np.arange(6) != 3
            np.testing.assert_array_equal(found["deviant"][:, others], strings[:, others])
        else:
            assert kinds["control"].all()
            assert kinds["deviant"][:, 3:].all()

    def test_surprise_comes_at_the_deviant_and_not_before(self, shown):
        found = shown("mpl").conduct(oddball, position=3, trials=60)
        assert (found.attrs["onset"], found.attrs["position"]) == (2, 3)
        surprise = found["surprise"] - found["surprise"].sel(condition="standard")
        assert (surprise.isel(step=slice(2)) == 0).all()  # the prediction knows nothing of what comes
        assert surprise.sel(condition="deviant", step=2).mean() > 0.3
        errors = found["error"].sel(population="output", step=2).mean("trial")
        assert errors.sel(condition="deviant") > errors.sel(condition="standard")
        assert found["forbidden"].all()

    def test_output_errors_are_those_of_the_prediction(self, shown):
        here = shown("mpl")
        found = here.conduct(oddball, position=3, trials=12)
        stimulus, target = here.data.batch("test", np.arange(12))
        output = here.presenter.predict(stimulus, target, "experiment", 0)[0]
        error = np.sqrt(np.mean((target - output) ** 2, axis=2))
        np.testing.assert_allclose(found["error"].sel(condition="standard", population="output"), error, rtol=1e-5)
        surprise = -np.log((output * target).sum(axis=2))
        np.testing.assert_allclose(found["surprise"].sel(condition="standard"), surprise, rtol=1e-4)


class TestOmission:
    def test_the_error_is_what_was_expected(self, shown):
        """Without a target the error of the output is minus the prediction."""
        here = shown("mpl")
        found = here.conduct(omission, position=3, trials=12).sel(condition="omitted")
        stimulus, target = here.data.batch("test", np.arange(12))
        output = here.presenter.predict(stimulus, target, "experiment", 0)[0]
        expected = np.sqrt(np.mean(output[2] ** 2, axis=1))
        np.testing.assert_allclose(found["error"].sel(population="output", step=2), expected, rtol=1e-5)
        assert found["surprise"].isnull().any("trial").values.tolist() == [False, False, True, False, False]

    def test_what_is_not_shown_in_any_case_cannot_be_missed(self, shown, monkeypatch):
        here = shown("digits")
        stimulus, target = here.data.batch("test", np.arange(12))
        stimulus[4:6] = 0
        monkeypatch.setattr(here.data, "batch", lambda split, trials: (stimulus, target))
        found = here.conduct(omission, position=4, duration=2, trials=12)
        for name in ("error", "surprise", "right"):
            np.testing.assert_array_equal(found[name][0], found[name][1])
        found = here.conduct(omission, position=3, duration=2, trials=12)
        assert (found["error"][0] != found["error"][1]).any()
        assert found.attrs["onset"] == 3
        assert found["right"].sel(step=7).notnull().all()
        assert found["error"].sel(population="output", step=6).isnull().all()


class TestOtherCircuits:
    """Two layers of free units, a Gaussian read-out, and a type of synapse without a spike."""

    def test_lesions(self, shown):
        here = shown("layers")
        whole = here.performance().values["loss"]
        settings = {"of": "units", "orders": ["random"], "repeats": 1, "trials": 20, "fractions": [0.0, 1.0]}
        for where in ([], ["high"]):
            found = here.conduct(lesion, where=where, **settings)
            assert float(found["loss"].sel(fraction=0)[0, 0]) == whole
            # Nothing reaches the output: ½ |target|²
            assert float(found["loss"].sel(fraction=1)[0, 0]) == pytest.approx(0.5)
            assert found.attrs["chance_loss"] == 0.5
            assert found["silenced"].values.tolist() == [0, 7 if where else 16]

    def test_an_omission(self, shown):
        found = shown("layers").conduct(omission, position=4, trials=12)
        assert found["population"].values.tolist() == ["low", "high", "output"]
        assert found["surprise"].isnull().all()
        assert found["right"].sel(step=7).notnull().all()
        low = (found["error"][1] - found["error"][0]).sel(population="low")
        assert (low != 0).any()

    def test_an_ensemble(self, shown):
        found = shown("layers").conduct(ensemble, networks=3, trials=12)
        assert found["loss"].std() > 0


class TestGeneration:
    def test_strings_before_and_after_learning(self, shown):
        here = shown("mpl")
        found = here.conduct(generation, length=6, repeats=2)
        assert found["presentation"].values.tolist() == [0, 40]
        assert found["sequence"].shape == (2, 2, 8, 7)
        steps = found["sequence"].diff("position") % 8
        np.testing.assert_array_equal(steps.isin([1, 3]), found["allowed"][..., 1:])
        assert (found["sequence"][..., 0] == np.arange(8)).all()
        np.testing.assert_allclose(found["correct_letter_ratio"], found["allowed"][..., 1:].mean(("trial", "position")))
        before, after = found["correct_letter_ratio"].mean("repeat").values
        assert after > before + 0.3
        for name, values in here.presenter.parameters().items():
            np.testing.assert_allclose(values["m"], here.trained.parameters[name]["m"], rtol=1e-6)

    def test_strings_of_one_moment_do_not_depend_on_the_others(self, shown):
        here = shown("mpl")
        both = here.conduct(generation, length=3, repeats=1)
        last = here.conduct(generation, length=3, repeats=1, presentations=[40])
        np.testing.assert_array_equal(both["sequence"][1], last["sequence"][0])


def test_the_last_batch_is_filled_up():
    found = list(batches(7, 3))
    assert [new for _, new in found] == [3, 3, 1]
    assert [trials.tolist() for trials, _ in found] == [[0, 1, 2], [3, 4, 5], [6, 0, 1]]


def test_trials_without_a_target_enter_no_mean(shown, monkeypatch):
    here = shown("digits")
    whole, labels = here.performance(), here.data.labels
    monkeypatch.setattr(here.data, "labels", lambda split, trials: np.where(trials < 10, labels(split, trials), -1))
    found = here.performance()
    assert found.values["performance"] == whole.right[:, :10].mean()
    assert found.values["loss"] == pytest.approx(whole.loss[:10].mean(), rel=1e-6)
    together = here.conduct(ensemble, networks=2, trials=20)
    alone = here.conduct(ensemble, networks=2, trials=10)
    for name in ("performance", "agreement", "vote", "mean_output"):
        np.testing.assert_allclose(together[name], alone[name], rtol=1e-6)
    assert np.isnan(together["share"][:, 10:]).all()


class TestRun:
    def test_results_are_in_the_run_file(self, shown, tmp_path):
        source = shown("mpl").trained.source
        protocol = nm.load_protocol("oddball", {"experiment.trials": 5, "experiment.position": 2})
        nm.simulate(None, protocol, start=source, backend="numpy", out=tmp_path / "oddball.nc").close()
        with nm.open_run(tmp_path / "oddball.nc") as run:
            found = analysis.experiment(run, "oddball").load()
            assert found.attrs["kind"] == "oddball"
            assert found.attrs["position"] == 2
            assert found["error"].sizes == {"condition": 3, "population": 2, "step": 5, "trial": 5}
            assert list(found["condition"].values) == ["standard", "control", "deviant"]
            assert "units" in found["error"].attrs
            assert "root mean square" in found["error"].attrs["long_name"]
            assert run["learning"].sizes == {"presentation": 0, "test": 0}
            assert nm.load_trained(run).parameters.keys() == {"input", "recurrent", "output"}
            assert run.attrs["start_run"] == "run.nc"
            assert run.attrs["seed"] == 3
        expected = shown("mpl").conduct(oddball, position=2, trials=5)
        np.testing.assert_allclose(found["error"], expected["error"], rtol=1e-5)

    @pytest.mark.parametrize(
        ("name", "task", "settings", "problem"),
        [
            ("oddball", "digits", {}, "no letters that are forbidden"),
            (
                "oddball",
                "mpl",
                {"experiment.position": 5},
                "experiment.position: .*[\\s\\S]*expected: 1 to 4",
            ),
            (
                "omission",
                "digits",
                {"experiment.position": 7, "experiment.duration": 2},
                "1 to 6 for 2 of 8 steps",
            ),
            ("lesion", "mpl", {"experiment.where": ["recurent"]}, "did you mean 'recurrent'"),
            (
                "lesion",
                "mpl",
                {"experiment.where": ["recurrent"], "experiment.of": "units"},
                "free population",
            ),
            ("generation", "digits", {}, "no letters to generate"),
        ],
    )
    def test_misfits_are_told_before_anything_is_compiled(self, shown, name, task, settings, problem):
        with pytest.raises(nm.DescriptionError, match=problem):
            nm.check(None, nm.load_protocol(name, settings), start=shown(task).trained, backend="numpy")

    def test_an_experiment_needs_a_trained_circuit(self):
        with pytest.raises(nm.RunError, match="lesion is an experiment on a trained circuit[\\s\\S]*start=.run.nc"):
            nm.simulate(nm.load_circuit("mpl"), nm.load_protocol("lesion"))

    def test_a_kind_that_is_unknown(self, tmp_path):
        text = 'name = "x"\n[experiment]\nkind = "lession"\n'
        (tmp_path / "x.toml").write_text(text)
        with pytest.raises(nm.DescriptionError, match="experiment.kind[\\s\\S]*did you mean 'lesion'"):
            nm.load_protocol(tmp_path / "x.toml")
        (tmp_path / "x.toml").write_text('name = "x"\n[experiment]\n')
        with pytest.raises(nm.DescriptionError, match="experiment: has no kind"):
            nm.load_protocol(tmp_path / "x.toml")

    def test_an_experiment_does_not_learn(self):
        with pytest.raises(nm.DescriptionError, match="an experiment does not learn"):
            nm.load_protocol("toy-language", {"experiment": {"kind": "omission"}})

    def test_the_command_line_changes_single_entries(self, shown, monkeypatch):
        calls = []
        monkeypatch.setitem(vars(nm), "check", lambda *given, **begun: calls.append(given) or 1 / 0)
        settings = ["protocol.experiment.afterwards=follow", "protocol.inference.rate=0.05"]
        words = ["check", "oddball", "--from", str(shown("mpl").trained.source)]
        CliRunner().invoke(cli.app, words + [word for each in settings for word in ("--set", each)])
        ((_circuit, protocol),) = calls
        assert protocol.experiment.afterwards == "follow"
        assert protocol.experiment.trials == 200
        assert protocol.inference.rate == 0.05
        assert protocol.stimulus == shown("mpl").trained.protocol.stimulus
        result = CliRunner().invoke(cli.app, [*words, "--set", "protocol.experiment.afterward=follow"])
        assert result.exit_code == 2
        assert "did you mean 'afterwards'" in result.output
