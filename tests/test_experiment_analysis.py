"""Results of experiments: their way through the run file, their intervals, their figures and recipes."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from conftest import circuit_text, description
from drawn import texts
from test_plots import _assert_clear

import neuro_mpc as nm
from neuro_mpc import analysis
from neuro_mpc.analysis.psychometric import logistic
from neuro_mpc.descriptions.experiments import EXPERIMENTS
from neuro_mpc.plots import FIGURES, plot_run, style
from neuro_mpc.runfile.record import RunFile

FOLDER = Path(__file__).parents[1] / "analysis"
KINDS = ("oddball", "omission", "lesion", "psychometric", "ensemble", "generation")
CONDITIONS = {"oddball": ["standard", "control", "deviant"], "omission": ["standard", "omitted"]}


def responses(kind, seed=0, last=False):
    """Errors of 1 at every step, and 2 (hidden) or 4 (output) more in the last condition from step 2 on."""
    rng, names = np.random.default_rng(seed), CONDITIONS[kind]
    error = np.ones((len(names), 2, 6, 30)) + 0.1 * rng.normal(size=(1, 2, 6, 30))
    error[-1, :, 2:] += np.array([2, 4])[:, None, None] + seed
    if last:
        error[:, 1, :-1] = np.nan
    shown = ("condition", "step", "trial")
    values = {
        "error": (("condition", "population", "step", "trial"), error),
        "surprise": (shown, error[:, 0]),
        "right": (shown, rng.random(error[:, 0].shape).round()),
    }
    if kind == "oddball":
        values["forbidden"] = ("trial", np.ones(30, bool))
    coordinates = {"condition": names, "population": ["hidden", "output"], "step": np.arange(6)}
    trials = {"trial": np.arange(30) + seed}
    return xr.Dataset(values, coordinates | trials, {"kind": kind, "position": 3, "onset": 2})


def lesion(seed=0, language=True):
    orders, fractions = list(style.ORDERS), np.linspace(0, 1, 5)
    performance = np.full((5, 5, 3), np.nan)
    performance[:, :, 0] = 1 - fractions
    performance[0] = (1 - fractions)[:, None] + np.array([-0.1, 0.0, 0.1]) * (1 - seed)
    dimensions = ("order", "fraction", "repeat")
    names = ("performance", "loss", *["correct_letter_ratio"] * language)
    values = {name: (dimensions, performance + (name == "loss")) for name in names}
    attributes = {
        "kind": "lesion",
        "of": "synapses",
        "counted": "allowed answers",
        "chance": 0.1,
        "chance_loss": 2.0,
    }
    return xr.Dataset(values, {"order": orders, "fraction": fractions, "repeat": np.arange(3)}, attributes)


def psychometric(seed=0):
    """Sensitivity 0.1, less by a half and a whole as more is silenced; bias 1 where the most variable go first."""
    orders, fractions, level = ["random", "most-variable"], np.array([0.0, 0.2, 0.4]), np.linspace(-40, 40, 9)
    odds = (0.1 - 0.25 * fractions)[:, None] * level + np.array([0, 1])[:, None, None]
    choices = np.full((2, 3, 3, 9), np.nan)
    choices[:, :, 0] = 1 / (1 + np.exp(-odds))
    choices[0] = 1 / (1 + np.exp(-odds[0, :, None] - 0.1 * np.array([-1, 0, 1])[:, None] - 0.1 * seed))
    values = {
        "choices": (("order", "fraction", "repeat", "level"), choices),
        "trials": ("level", np.full(9, 10**9)),
    }
    attributes = {"kind": "psychometric", "of": "synapses", "against": "coherence", "counted": "right"}
    coordinates = {"order": orders, "fraction": fractions, "repeat": np.arange(3), "level": level}
    return xr.Dataset(values, coordinates, attributes)


def ensemble():
    rng, networks = np.random.default_rng(0), 8
    agreement = np.full((networks, networks), 0.75)
    np.fill_diagonal(agreement, 1)
    values = {
        "performance": ("network", np.linspace(0.8, 0.9, networks)),
        "loss": ("network", np.ones(networks)),
        "agreement": (("network", "other"), agreement),
        "vote": ("size", np.linspace(0.8, 0.95, networks)),
        "mean_output": ("size", np.linspace(0.8, 0.96, networks)),
        "share": (("step", "trial"), rng.choice([0.5, 0.75, 1], (1, 50))),
        "vote_right": (("step", "trial"), rng.random((1, 50)) < 0.9),
    }
    attributes = {
        "kind": "ensemble",
        "counted": "right answers",
        "chance": 0.1,
        "noise": 0.9,
        "mean_weights": 0.93,
    }
    return xr.Dataset(values, {"size": np.arange(1, networks + 1)}, attributes)


def generation(letters=8):
    start, steps = (
        np.arange(letters)[:, None],
        np.stack([np.full((2, letters, 9), 3), np.full((2, letters, 9), 2)]),
    )
    sequence = np.concatenate([np.broadcast_to(start, (2, 2, letters, 1)), start + steps.cumsum(-1)], -1) % letters
    allowed = np.broadcast_to(np.array([False, True])[:, None, None, None], sequence.shape).copy()
    allowed[..., 0] = True
    dimensions = ("presentation", "repeat", "trial", "position")
    values = {
        "sequence": (dimensions, sequence),
        "allowed": (dimensions, allowed),
        "correct_letter_ratio": (dimensions[:2], [[0.0, 0.0], [1.0, 1.0]]),
    }
    attributes = {
        "kind": "generation",
        "symbols": "\n".join("abcdefgh"[:letters]),
        "transitions": [2],
        "chance": 1 / 8,
    }
    return xr.Dataset(values, {"presentation": [0, 40]}, attributes)


MADE = {
    "oddball": lambda: responses("oddball"),
    "omission": lambda: responses("omission", last=True),
    "lesion": lesion,
    "psychometric": psychometric,
    "ensemble": ensemble,
    "generation": generation,
}


@pytest.fixture
def kept(tmp_path):
    """Writes results into a run file and opens it."""
    opened = []

    def keep(results):
        path = tmp_path / f"{len(opened)}.nc"
        circuit = description("example", circuit_text(["hidden"], 8, 8, 4, "softmax"))
        protocol = description(results.attrs["kind"], "")
        with RunFile(path, circuit=circuit, protocol=protocol, seed=0, backend="numpy", threads=1) as record:
            record.experiment(results)
        opened.append(nm.open_run(path))
        return opened[-1]

    yield keep
    for run in opened:
        run.close()


@pytest.mark.parametrize("kind", KINDS)
def test_results_are_read_as_they_were_found(kept, kind):
    results = MADE[kind]()
    found = analysis.experiment(kept(results), kind)
    for name in results.variables:
        if results[name].dtype.kind == "U":
            assert list(found[name].values) == list(results[name].values)
        else:
            np.testing.assert_allclose(found[name].astype(float), results[name].astype(float), rtol=1e-6)
        assert found[name].dims == results[name].dims
    assert found.attrs.keys() == results.attrs.keys()


class TestIntervals:
    def test_of_one_dimension_is_that_of_the_mean(self):
        values = np.random.default_rng(0).normal(size=(40, 3))
        found = analysis.mean_interval(xr.DataArray(values.T, dims=("unit", "trial")), "trial")
        for unit in range(3):
            expected = analysis.interval(values[:, unit])
            assert (found["low"][unit], found["high"][unit]) == pytest.approx(expected)
            assert found["mean"][unit] == pytest.approx(values[:, unit].mean())

    def test_equal_values_have_no_width_and_one_value_no_interval(self):
        same = analysis.mean_interval(xr.DataArray(np.full(5, 2.0), dims="run"), "run")
        assert [float(same[name]) for name in ("mean", "low", "high")] == [2, 2, 2]
        alone = analysis.mean_interval(xr.DataArray([2.0], dims="run"), "run")
        assert alone["mean"] == 2
        assert alone["low"].isnull()
        assert alone["high"].isnull()

    def test_of_pairs_are_about_their_differences(self, kept):
        """Trials that vary by 0.1 but whose difference is 2 exactly."""
        run = kept(responses("oddball"))
        found = analysis.contrast(run).sel(condition="deviant", population="hidden")
        np.testing.assert_allclose(found["mean"], [0, 0, 2, 2, 2, 2], atol=1e-6)
        np.testing.assert_allclose(found["high"] - found["low"], 0, atol=1e-6)
        assert found.attrs == {"number": 30, "over": "trial", "interval": "bootstrap", "level": 0.95}
        width = analysis.responses(run)
        assert (width["high"] - width["low"]).min() > 0.01

    def test_of_several_runs_are_over_runs(self, kept):
        runs = [kept(responses("oddball", seed)) for seed in (0, 1, 2)]
        found = analysis.by_window(runs).sel(condition="deviant")
        assert found.attrs == {"number": 3, "over": "run", "interval": "t", "level": 0.95}
        reach = 4.302653 / np.sqrt(3)  # t(0.975; 2) s/√n of three runs that lie one apart
        for population, base in (("hidden", 2), ("output", 4)):
            one = found.sel(population=population)
            np.testing.assert_allclose(one["mean"], [0, base + 1, base + 1], atol=1e-6)
            assert one["low"].sel(window="at") == pytest.approx(base + 1 - reach, abs=0.01)
            assert one["high"].sel(window="after") == pytest.approx(base + 1 + reach, abs=0.01)
        assert (analysis.by_window(runs).sel(condition="control")["mean"].round(6) == 0).all()

    def test_a_target_that_is_read_once_has_no_other_steps(self, kept):
        found = analysis.contrast(kept(responses("omission", last=True))).sel(condition="omitted")
        assert found["mean"].sel(population="output").notnull().values.tolist() == [False] * 5 + [True]


class TestLesion:
    def test_curves_of_one_run_are_over_random_orders(self, kept):
        found = analysis.lesion_curves(kept(lesion()))
        np.testing.assert_allclose(found["mean"], np.broadcast_to([1, 0.75, 0.5, 0.25, 0], (5, 5)), atol=1e-6)
        width = (found["high"] - found["low"]).mean("fraction")
        assert width.sel(order="random") > 0.1
        assert width.drop_sel(order="random").isnull().all()  # one order each

    def test_curves_of_several_runs_are_over_runs(self, kept):
        found = analysis.lesion_curves([kept(lesion(0)), kept(lesion(1))], "loss")
        np.testing.assert_allclose(found["mean"].sel(order="random"), [2, 1.75, 1.5, 1.25, 1], atol=1e-6)
        assert found.attrs["over"] == "run"


class TestPsychometric:
    def test_the_logistic_function_that_made_the_choices_is_found(self, kept):
        found = analysis.psychometric_fit(kept(psychometric()))["mean"].sel(order="most-variable")
        np.testing.assert_allclose(found.sel(parameter="sensitivity"), [0.1, 0.05, 0], atol=1e-3)
        np.testing.assert_allclose(found.sel(parameter="bias"), 1, atol=1e-3)

    @pytest.mark.parametrize("first", [0.0, 0.2, 1.0])
    @pytest.mark.parametrize("second", [0.0, 0.6, 1.0])
    def test_two_points_have_the_log_odds_of_half_a_choice_more_of_each_kind(self, first, second):
        """The penalty of a function that passes through all of its points (Firth 1993), however steep."""
        bias, sensitivity = logistic(np.array([-3.0, 1.0]), np.array([first, second]), np.array([5.0, 50.0]))
        odds = [np.log((n * share + 0.5) / (n - n * share + 0.5)) for n, share in ((5, first), (50, second))]
        assert sensitivity == pytest.approx((odds[1] - odds[0]) / 4, abs=1e-6)
        assert bias == pytest.approx(odds[1] - sensitivity, abs=1e-6)

    def test_who_chooses_one_side_whatever_is_shown_has_no_sensitivity(self):
        """And a bias of log(n + 1): n q + 2 q − 1 = 0, as both parameters share a leverage of 2."""
        for choices, sign in ((np.ones(3), 1), (np.zeros(3), -1)):
            bias, sensitivity = logistic(np.array([-2.0, 0, 2]), choices, np.full(3, 20.0))
            assert bias == pytest.approx(sign * np.log(61), rel=1e-6)
            assert sensitivity == pytest.approx(0, abs=1e-6)

    @pytest.mark.parametrize("levels", [[-2.0, -1, 1, 2], [-40.0, -1, 1, 40]])
    def test_who_never_errs_has_a_finite_sensitivity_that_trials_raise(self, levels):
        level = np.array(levels)
        few, many = (logistic(level, (level > 0).astype(float), np.full(4, each)) for each in (10.0, 1000.0))
        assert abs(few[0]) < 1e-6
        assert 0.1 < few[1] < many[1] < 100

    def test_of_one_strength_alone_the_sensitivity_is_missing(self):
        bias, sensitivity = logistic(np.zeros(2), np.array([0.5, 1.0]), np.array([4.0, 2.0]))
        assert bias == pytest.approx(np.log(4.5 / 2.5))
        assert np.isnan(sensitivity)

    def test_intervals_of_one_run_are_over_random_orders_and_of_several_over_runs(self, kept):
        runs = [kept(psychometric(0)), kept(psychometric(1))]
        one, both = analysis.psychometric_fit(runs[0]), analysis.psychometric_fit(runs)
        assert one["low"].sel(order="most-variable").isnull().all()
        bias = one.sel(order="random", parameter="bias")
        reach = 4.302653 / np.sqrt(3) * 0.1  # t(0.975; 2) s/√n of three orders that lie 0.1 apart
        np.testing.assert_allclose(bias["high"] - bias["mean"], reach, rtol=0.02)
        assert (one.attrs["over"], both.attrs["over"]) == ("repeat", "run")
        np.testing.assert_allclose(both["mean"].sel(order="random", parameter="bias"), 0.05, atol=1e-3)
        curves = analysis.psychometric_curves(runs[0])["mean"].sel(order="most-variable", fraction=0)
        np.testing.assert_allclose(curves, 1 / (1 + np.exp(-0.1 * curves["level"] - 1)), rtol=1e-5)


def test_an_ensemble_in_numbers(kept):
    found = analysis.ensembles(kept(ensemble())).isel(run=0)
    expected = np.linspace(0.8, 0.9, 8)
    assert found["spread"] == pytest.approx(np.sqrt(np.square(expected - 0.85).sum() / 7))  # as the ± of reports
    assert found["single"] == pytest.approx(0.85)
    assert found["agreement"] == pytest.approx(0.75)  # of pairs: that of a network with itself does not count
    assert (float(found["vote"]), float(found["mean_weights"])) == pytest.approx((0.95, 0.93))
    alone = analysis.ensembles(kept(ensemble().isel(network=[0], other=[0], size=[0])))
    assert np.isnan(alone["spread"]).all()
    assert np.isnan(alone["agreement"]).all()


class TestErrors:
    def test_no_experiment(self, example_run):
        with pytest.raises(nm.RunFileError, match="no experiment of the kind lesion[\\s\\S]*run lesion --from run.nc"):
            plot_run(example_run, "lesion")

    @pytest.mark.parametrize("kind", [name for name in EXPERIMENTS.names() if name != "inference"])
    def test_the_protocol_that_is_advised_is_of_this_kind(self, example_run, kind):
        with pytest.raises(nm.RunFileError) as caught:
            analysis.experiment(example_run, kind)
        protocol = nm.load_protocol(caught.value.hint.split()[2])
        assert protocol.experiment.kind == kind

    def test_another_experiment(self, kept):
        with pytest.raises(nm.RunFileError, match="no experiment of the kind oddball or omission"):
            analysis.responses(kept(lesion()))

    def test_something_not_measured(self, kept):
        with pytest.raises(nm.RunFileError, match="measured no correct_letter_ratio[\\s\\S]*one of performance, loss"):
            analysis.lesion_curves(kept(lesion(language=False)), "correct_letter_ratio")

    def test_different_experiments_are_not_put_together(self, kept):
        other = responses("oddball", 1).assign_attrs(position=4)
        with pytest.raises(nm.RunFileError, match="different experiments"):
            analysis.responses([kept(responses("oddball")), kept(other)])
        with pytest.raises(nm.RunFileError, match="different experiments"):
            analysis.lesion_curves([kept(lesion()), kept(lesion().isel(fraction=slice(3)))])

    def test_figures_of_several_runs(self, kept, tmp_path):
        with pytest.raises(nm.RunFileError, match="no figure 'ensemble' of several runs"):
            plot_run([kept(ensemble())] * 2, "ensemble", tmp_path)
        paths = plot_run([kept(lesion()), kept(lesion(1))], "lesion", tmp_path / "a.svg")
        assert paths == [tmp_path / "a.svg"]
        assert any(text.startswith("fraction of ") and text.endswith(" silenced") for text in texts(paths[0]))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_clear(kept, kind):
    with style.applied():
        for figure in FIGURES[kind](kept(MADE[kind]())):
            _assert_clear(figure, kind)
            assert figure.get_size_inches()[0] == pytest.approx(style.DOUBLE)


TEXTS = {
    "oddball": {"95 % t interval over 2 runs", "hidden, minus standard", "output, minus standard", "deviant"},
    "omission": {"95 % bootstrap interval over 30 trials", "hidden, minus standard", "omitted", "standard"},
    "lesion": {"95 % t interval over 2 runs", "fraction of synapses silenced", "most variable first", "random"},
    "psychometric": {"95 % t interval over 2 runs", "intact", "20 % of synapses silenced", "signed coherence (%)"},
    "ensemble": {
        "c: 95 % intervals of Wilson, 50 answers of one run in all",
        "8 networks",
        "pairs agree: 0.75",
        "fraction of right answers",
        "with noise",
        "mean weights",
    },
    "generation": {"before learning: correct letter ratio 0.00", "after 40 presentations: correct letter ratio 1.00"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_recipes_print_numbers_and_draw(kept, tmp_path, monkeypatch, capsys, kind):
    run = kept(MADE[kind]())
    paths = [run.encoding["source"]] * (2 if kind in ("oddball", "lesion", "psychometric") else 1)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [kind, *paths, "--out", str(tmp_path / "figure.svg")])
    runpy.run_path(str(FOLDER / f"{kind}.py"), run_name="__main__")
    *numbers, drawn = capsys.readouterr().out.splitlines()
    assert len(numbers) > 2
    assert texts(drawn) >= TEXTS[kind]
    page = (FOLDER.parent / "docs" / "experiments.md").read_text(encoding="utf-8")
    assert f"python analysis/{kind}.py" in page


@pytest.mark.parametrize("names", ["FAINT UNEXPECTED", "INK UNEXPECTED"])
def test_conditions_can_be_told_apart_in_grey(names):
    from test_plots import _lightness

    lightness = [_lightness(getattr(style, name)) for name in names.split()]
    assert abs(lightness[0] - lightness[1]) > 15
