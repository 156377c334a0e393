"""Tasks of the field: the decision that comes with the package, tasks of NeuroGym, and psychometric curves."""

import re
import sys
import textwrap
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc import analysis
from neuro_mpc.randomness import generator
from neuro_mpc.stimuli import SPLITS, load

pytestmark = pytest.mark.usefixtures("in_this_process")

PAGE = (Path(__file__).parents[1] / "docs" / "how-to.md").read_text(encoding="utf-8")
QUIET = {"test.every": 0, "recording.samples": [], "recording.synapses_every": 0}


def decision(seed=0, **settings):
    return load(nm.load_protocol("decision", {f"stimulus.{key}": value for key, value in settings.items()}), None, seed)


class TestDecision:
    def test_a_trial_is_fixation_stimulus_memory_and_decision(self):
        task = decision(fixation=2, stimulus=3, memory=4, decision=2, noise=0, coherences=[50])
        assert task.steps == 11
        trials = np.arange(5)
        given = {name: task.given("test", trials, name) for name in task.channels}
        assert given["fixation"][:, 0, 0].tolist() == [1] * 9 + [0] * 2
        assert given["go"][:, 0, 0].tolist() == [0] * 9 + [1] * 2
        right = given["choice"][-1] == 1
        assert set(given["choice"][:9].ravel()) == {-1}
        np.testing.assert_array_equal(given["coherence"][0, :, 0], np.where(right, 50, -50))
        assert not given["ring"][:2].any()
        assert not given["ring"][5:].any()
        np.testing.assert_allclose(given["ring"][2:5, :, 0], np.tile(np.where(right, 0.75, 0.25), (3, 1)))
        np.testing.assert_allclose(given["ring"][2:5, :, 8], np.tile(np.where(right, 0.25, 0.75), (3, 1)))
        np.testing.assert_allclose(given["ring"][2:5, :, 4], 0.5, atol=1e-6)

    def test_without_coherence_both_choices_are_as_probable(self):
        task = decision(coherences=[0], test=2000)
        trials = np.arange(2000)
        assert not task.given("test", trials, "coherence").any()
        assert abs(task.given("test", trials, "choice")[-1].mean() - 0.5) < 4 * 0.5 / np.sqrt(2000)

    @pytest.mark.parametrize("ring", [2, 16])
    def test_who_makes_the_best_of_the_stimulus_is_right_as_often_as_told(self, ring):
        task, number = decision(coherences=[12.8], test=4000, ring=ring), 4000
        trials = np.arange(number)
        tuning = np.cos(2 * np.pi * np.arange(ring) / ring)
        evidence = task.given("test", trials, "ring").sum(axis=0) @ tuning - 5 * tuning.sum()
        share = ((evidence > 0) == task.given("test", trials, "choice")[-1]).mean()
        ideal = nm.stimuli.Decision(ring=ring).ideal(12.8)
        assert abs(share - ideal) < 4 * np.sqrt(ideal * (1 - ideal) / number)
        assert nm.stimuli.Decision().ideal(0) == 0.5

    def test_the_circuit_learns_it_while_it_remembers(self):
        """Half of the answers would be right by chance."""
        task = {"coherences": [51.2], "trials": 200, "test": 100, "stimulus": 4, "memory": 2}
        learning = {"learning.batch": 20, "learning.epochs": 6, "learning.rate": 0.1}
        settings = {f"stimulus.{key}": value for key, value in task.items()} | learning | QUIET
        protocol = nm.load_protocol("decision", settings)
        circuit = nm.load_circuit("mpl-decision", {"population.hidden.size": 16})
        assert nm.simulate(circuit, protocol, backend="numpy")["evaluation/accuracy"] > 0.85

    def test_trials_follow_from_the_seed_and_the_split(self):
        one, same, other = decision(3), decision(3), decision(4)
        trials = np.arange(5)
        shown = {split: one.given(split, trials, "ring") for split in SPLITS}
        np.testing.assert_array_equal(shown["test"], same.given("test", trials, "ring"))
        assert (shown["test"] != other.given("test", trials, "ring")).any()
        assert (shown["test"] != shown["validation"]).any()
        assert [one.size(split) for split in SPLITS] == [2000, 200, 1000]

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"coherences": [101]}, r"coherences[\s\S]*at most 100"),
            ({"coherences": [5, 5]}, "has an entry twice"),
            ({"stimulus": 0}, "at least 1"),
            ({"trials": 10_000_000}, r"are more than memory should hold"),
        ],
    )
    def test_what_makes_no_task_is_refused(self, settings, message):
        with pytest.raises(nm.DescriptionError, match=message):
            decision(**settings)


class Space(SimpleNamespace):
    pass


Discrete, Box = type("Discrete", (Space,), {}), type("Box", (Space,), {})


class Environment:
    """What NeuroGym offers of a task: here, one of two inputs is on, for a random duration."""

    def __init__(self, dt, hold=100, truth="classes", named=True):
        self.dt, self.hold, self.truth = dt, hold, truth
        self.unwrapped = self
        names = {"name": {"fixation": 0, "stimulus": range(1, 3)}} if named else {}
        self.observation_space = Box(shape=(3,), **names)
        actions = {"fixation": 0, "choice": [1, 2]}
        self.action_space = Discrete(n=np.int64(3), name=actions) if truth == "classes" else Box(shape=(2,))

    def seed(self, seed):
        self.rng = np.random.RandomState(seed)

    def new_trial(self):
        duration, choice = self.rng.randint(2, 5), self.rng.randint(2)
        end = duration + self.hold // self.dt
        self.ob = np.zeros((end, 3), np.float32)
        self.ob[:duration, 0] = 1
        self.ob[:duration, 1 + choice] = 1
        self.gt = np.zeros(end, np.int64) if self.truth == "classes" else np.zeros((end, 2), np.float32)
        self.gt[duration:] = 1 + choice
        self.start_ind = {"stimulus": 0, "decision": duration}
        self.end_ind = {"stimulus": duration, "decision": end}
        return {"ground_truth": choice, "coh": 10 * choice, "side": "left"}


@pytest.fixture
def neurogym(monkeypatch):
    """Stands for the package; `test_tasks_of_the_package_itself` asks the real one."""
    module = ModuleType("neurogym")
    module.make = lambda name, **options: ENVIRONMENTS[name](**options)
    monkeypatch.setitem(sys.modules, "neurogym", module)


class Untaught(Environment):
    def new_trial(self):
        return {}


class Blind(Environment):
    def new_trial(self):
        super().new_trial()
        self.gt = None
        return {}


class Several(Environment):
    def __init__(self, **options):
        super().__init__(**options)
        self.action_space = type("Dict", (Space,), {})()


ENVIRONMENTS = {"Own-v0": Environment, "Bandit-v0": Untaught, "Blind-v0": Blind, "Several-v0": Several}
seeded, drawn = Environment.seed, Environment.new_trial


def gym(seed=0, **settings):
    table = {"source": "neurogym", "env": "Own-v0", "trials": 6, "validation": 3, "test": 5, **settings}
    return load(nm.load_protocol("decision", {"stimulus": table}), None, seed)


class TestNeuroGym:
    def test_observations_are_channels_and_the_right_actions_classes(self, neurogym):
        task, trials = gym(options={"hold": 200}), np.arange(6)
        shown = {name: task.given("train", trials, name) for name in task.channels}
        assert task.steps == 6
        assert task.channels["ground_truth"].names == ("fixation", "choice 1", "choice 2")
        assert {name: values.shape for name, values in shown.items() if values.shape[-1] == 2} == {
            "stimulus": (6, 6, 2)
        }
        inside = shown["trial_period"][..., 0] == 1
        deciding = shown["decision_period"][..., 0] == 1
        assert (deciding.sum(axis=0) == 2).all()
        assert not inside.all()
        np.testing.assert_array_equal(shown["ground_truth"] == -1, ~inside)
        np.testing.assert_array_equal(np.isnan(shown["stimulus"][..., 0]), ~inside)
        np.testing.assert_array_equal(shown["ground_truth"] > 0, deciding)
        right = 1 + shown["coh"][0, :, 0] / 10
        np.testing.assert_array_equal(shown["ground_truth"].max(axis=0), right)
        np.testing.assert_array_equal(1 + shown["stimulus"][0].argmax(axis=1), right)

    def test_actions_of_a_box_are_values(self, neurogym):
        task = gym(options={"truth": "values", "named": False})
        assert task.channels["observation"].width == 3
        assert (task.channels["ground_truth"].kind, task.channels["ground_truth"].width) == ("values", 2)
        given = task.given("test", np.arange(5), "ground_truth")
        np.testing.assert_array_equal(
            np.isnan(given[..., 0]), task.given("test", np.arange(5), "trial_period")[..., 0] == 0
        )

    def test_an_action_of_a_box_without_axes_is_a_value_too(self, neurogym, monkeypatch):
        """A pull of a third or of two thirds is no class 0."""

        def new_trial(self):
            found = drawn(self)
            self.gt = self.gt[:, 0] / 3
            return found

        monkeypatch.setattr(Environment, "new_trial", new_trial)
        task = gym(options={"truth": "values", "named": False})
        assert (task.channels["ground_truth"].kind, task.channels["ground_truth"].width) == ("values", 1)
        given = task.given("test", np.arange(5), "ground_truth")
        right = task.given("test", np.arange(5), "coh") / 10 + 1
        deciding = task.given("test", np.arange(5), "decision_period") == 1
        np.testing.assert_allclose(given[deciding], right[deciding] / 3, rtol=1e-6)

    def test_trials_follow_from_the_seed_and_the_split(self, neurogym):
        def all_of(task, split):
            return np.concatenate([part.ravel() for part in task.content(split)])

        np.testing.assert_array_equal(all_of(gym(3), "train"), all_of(gym(3), "train"))
        assert not np.array_equal(all_of(gym(3), "train"), all_of(gym(4), "train"))
        assert not np.array_equal(all_of(gym(3, test=6), "test"), all_of(gym(3), "train"))

    def test_an_environment_is_seeded_for_each_split_by_the_seed_of_the_run(self, neurogym, monkeypatch):
        """Other seeds would be other trials."""
        seeds = []
        monkeypatch.setattr(Environment, "seed", lambda self, seed: seeds.append(seed) or seeded(self, seed))
        gym(3)
        of_splits = [int(generator(3, "neurogym", split).integers(2**31)) for split in SPLITS]
        assert seeds == [0, *of_splits]

    def test_numbers_of_some_trials_are_missing_in_the_others(self, neurogym, monkeypatch):
        def new_trial(self):
            found = drawn(self)
            self.start_ind.pop("stimulus") if found["coh"] else None
            return {**found, "catch": np.bool_(True)} if found["coh"] else {"coh": found["coh"]}

        monkeypatch.setattr(Environment, "new_trial", new_trial)
        task, trials = gym(trials=20), np.arange(20)
        if "catch" not in task.channels:
            task._channels["catch"] = task.channels["coh"]
        caught, coherence, shown = (task.given("train", trials, name) for name in ("catch", "coh", "stimulus_period"))
        without = coherence[0, :, 0] == 0
        np.testing.assert_array_equal(np.isnan(caught[0, :, 0]), without)
        assert (caught[:, ~without] == 1).all()
        assert caught.shape == (task.steps, 20, 1)
        np.testing.assert_array_equal(shown.any(axis=(0, 2)), without)

    def test_the_longest_trial_of_any_split_gives_the_steps(self, neurogym):
        task = gym()
        lengths = {
            split: task.given(split, np.arange(task.size(split)), "trial_period").sum(axis=0) for split in SPLITS
        }
        assert task.steps == max(each.max() for each in lengths.values())
        assert gym(steps=task.steps).steps == task.steps
        with pytest.raises(nm.DescriptionError, match="a trial is longer"):
            gym(steps=task.steps - 1)
        assert task.channels["stimulus"].missing
        assert task.channels["coh"].roles == task.channels["decision_period"].roles == ()

    def test_shorter_trials_are_padded_and_longer_ones_refused(self, neurogym):
        assert gym(steps=20).given("test", np.arange(5), "ground_truth").shape == (20, 5)
        with pytest.raises(nm.DescriptionError, match=r"stimulus\.steps[\s\S]*found: 2[\s\S]*5 or more"):
            gym(steps=2)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"env": "Lost-v0"}, r"stimulus\.env: NeuroGym cannot make this environment[\s\S]*found: 'Lost-v0'"),
            ({"options": {"colour": 1}}, "unexpected keyword argument 'colour'"),
            ({"env": "Bandit-v0"}, "has no ground truth"),
            ({"env": "Blind-v0"}, "has no ground truth"),
            ({"env": "Several-v0"}, r"its actions are of the kind Dict[\s\S]*Discrete or Box"),
        ],
    )
    def test_what_it_cannot_make_is_refused(self, neurogym, settings, message):
        with pytest.raises(nm.DescriptionError, match=message):
            gym(**settings)

    def test_without_the_package_it_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "neurogym", None)
        with pytest.raises(nm.DescriptionError, match=r'not installed[\s\S]*pip install "neuro-mpc\[neurogym\]"'):
            gym()

    def test_options_stay_as_they_are_in_a_file(self):
        stimulus = {"source": "neurogym", "options": {"timing": {"stimulus": 300}, "cohs": [5.0, 10.0]}}
        protocol = nm.load_protocol("decision", {"stimulus": stimulus})
        assert nm.Protocol.from_toml(protocol.to_toml()) == protocol

    def test_tasks_of_the_package_itself(self):
        pytest.importorskip("neurogym")
        options = {"timing": {"fixation": 200, "stimulus": 300}, "cohs": [51.2], "sigma": 0.0}
        task = gym(env="PerceptualDecisionMaking-v0", options=options)
        assert task.steps == 6
        truth, shown = (task.given("test", np.arange(5), name) for name in ("ground_truth", "stimulus"))
        np.testing.assert_array_equal(truth[-1], 1 + shown[2].argmax(axis=1))
        assert not truth[:-1].any()
        np.testing.assert_array_equal(task.given("test", np.arange(5), "coh")[0], np.float32(51.2))

    def test_a_circuit_learns_from_one(self, neurogym, tmp_path):
        """The input that is on says which action is right; the order of the classes is that of the environment."""
        protocol = nm.load_protocol(
            "decision",
            {
                "stimulus": {"source": "neurogym", "env": "Own-v0", "trials": 60, "validation": 0, "test": 40},
                "target.where": "decision_period",
                "learning.batch": 20,
                "learning.epochs": 10,
                "learning.rate": 0.1,
                **QUIET,
            },
        )
        circuit = nm.load_circuit("mpl", {"population.hidden.size": 12, "population.input.channel": "stimulus"})
        assert nm.simulate(circuit, protocol, backend="numpy")["evaluation/accuracy"] > 0.8


WITH_LEVELS = {"coherences": [0.0, 20.0, 60.0], "trials": 100, "validation": 0, "test": 60, "stimulus": 2, "noise": 0.2}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    out = tmp_path_factory.mktemp("learned") / "run.nc"
    learning = {"learning.batch": 20, "learning.epochs": 15, "learning.rate": 0.1}
    task = {f"stimulus.{key}": value for key, value in WITH_LEVELS.items()}
    circuit = nm.load_circuit("mpl-decision", {"population.hidden.size": 12})
    nm.simulate(circuit, nm.load_protocol("decision", {**task, **learning, **QUIET}), backend="numpy", out=out).close()
    return out


class TestPsychometric:
    @staticmethod
    def curves(learned, **settings):
        protocol = nm.load_protocol("psychometric", {f"experiment.{key}": value for key, value in settings.items()})
        return analysis.experiment(nm.simulate(None, protocol, start=learned, backend="numpy"), "psychometric")

    def test_more_evidence_to_the_right_makes_more_choices_right(self, learned):
        found = self.curves(learned, repeats=2, fractions=[0, 1], orders=["random", "most-variable"])
        intact, silent = (found["choices"].sel(fraction=fraction) for fraction in (0, 1))
        assert found["level"].values.tolist() == [-60, -20, 0, 20, 60]
        assert found["trials"].sum() == 60
        assert intact.sel(order="random", repeat=0)[-1] > 0.5 + intact.sel(order="random", repeat=0)[0]
        np.testing.assert_array_equal(intact[0, 0], intact[1, 0])
        assert set(np.unique(silent[0])) <= {0, 1}
        assert found["choices"].sel(order="most-variable", repeat=1).isnull().all()
        assert found.attrs["counted"] == "right"

    def test_another_choice_is_the_complement(self, learned):
        settings = {"repeats": 1, "fractions": [0], "orders": ["random"]}
        right, left = self.curves(learned, **settings), self.curves(learned, counted="left", **settings)
        np.testing.assert_allclose(left["choices"], 1 - right["choices"], rtol=1e-5)
        assert left.attrs["counted"] == "left"

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"against": "coherance"}, r"experiment\.against[\s\S]*did you mean 'coherence'"),
            ({"against": "ring"}, "is not a channel with one value"),
            ({"counted": "up"}, r"experiment\.counted[\s\S]*expected: left, right"),
            ({"where": ["rings"]}, "did you mean 'ring'"),
        ],
    )
    def test_what_makes_no_curve_is_refused(self, learned, settings, message):
        with pytest.raises(nm.DescriptionError, match=message):
            self.curves(learned, **settings)


class TestPage:
    """What docs/how-to.md says of these tasks."""

    def test_its_channels_are_those_of_the_source(self):
        section = PAGE.partition("## A decision, and a memory of it")[2].partition("\n## ")[0]
        told = re.findall(r"^\| `(\w+)` \| (\d+) \|", section, re.M)
        offered = {name: str(channel.width) for name, channel in decision().channels.items()}
        assert dict(told) == offered

    def test_its_commands_describe_trials(self):
        (memory,) = re.findall(r"protocol\.stimulus\.memory=(\d+)", PAGE)
        task = decision(memory=int(memory))
        assert task.steps == decision().steps + int(memory)
        assert nm.load_circuit("mpl-decision").stimuli == ("ring", "fixation", "go")

    def test_its_task_of_neurogym_is_a_protocol(self):
        section = PAGE.partition("## Tasks of NeuroGym")[2].partition("\n## ")[0]
        (text,) = re.findall(r"((?:^    .*\n|^\n)+)", section[section.index("    [stimulus]") :], re.M)[:1]
        protocol = nm.load_protocol("decision", tomllib.loads(textwrap.dedent(text)))
        assert protocol.stimulus.options == {"timing": {"delay": 500}}
        assert protocol.target.where == "decision_period"

    def test_an_ideal_observer_is_as_good_as_told(self):
        task = nm.stimuli.Decision()
        mean = np.mean([task.ideal(coherence) for coherence in task.coherences])
        assert f"ideal observer of the same noise attains {100 * mean:.0f} %" in PAGE


def test_without_noise_an_ideal_observer_sees_any_motion_and_guesses_without():
    noiseless = nm.stimuli.Decision(noise=0)
    assert [noiseless.ideal(coherence) for coherence in (0, 0.1, 51.2)] == [0.5, 1.0, 1.0]
    assert nm.stimuli.Decision(noise=0.5).ideal(0) == 0.5
