"""Experiments on sequences, where the answer is known beforehand: oddballs, omissions and generated strings."""

import numpy as np
import pytest
from shown_circuits import circuits_shown

import neuro_mpc as nm
from neuro_mpc.experiments import generation, oddball, omission
from neuro_mpc.randomness import generator

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_this_process")]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """task → a trained circuit, simulated once."""
    with circuits_shown(tmp_path_factory.mktemp) as make:
        yield make


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

    @pytest.mark.parametrize("task", ["causal", "causal-relaxation"])
    def test_a_causal_circuit_feels_nothing_before_the_deviant(self, shown, task):
        found = shown(task).conduct(oddball, position=3, trials=24)
        felt = found["error"] - found["error"].sel(condition="standard")
        assert (felt.isel(step=slice(found.attrs["onset"])) == 0).all()
        at_deviant = felt.sel(condition="deviant", step=found.attrs["onset"])
        assert (at_deviant != 0).any("trial").all()

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

    @pytest.mark.parametrize("asked", ["classes of its own", "the next word"])
    def test_what_is_given_as_numbers_is_missing_alike(self, tmp_path, asked):
        """Nothing is learned from, or felt, at steps without a class; what is compared with nothing says all of its
        error: of K units with the outputs y the mean of (1 − y_t)² + Σ y² − y_t² is that of Σ y² and (1 − 2 y_t)/K."""
        rng = np.random.default_rng(0)
        words = rng.integers(0, 4, (40, 6))
        answers = np.where(np.arange(6) < 3, -1, words[:, ::-1] % 3)
        words[:4], answers[:3, 4] = np.arange(4)[:, None], range(3)
        own, data = asked == "classes of its own", {"word": words, "answer": answers}
        channels = {"population.input.channel": "word", "population.output.channel": "answer" if own else "word"}
        settings = {"stimulus": {"source": "arrays"}, "target": {"read": "every", "kind": "given" if own else "next"}}
        settings |= {"learning": {"rate": 0.01, "batch": 5, "presentations": 3}, "test": {"every": 0}, "recording": {}}
        protocol = nm.load_protocol("digits-rows", settings)
        circuit = nm.load_circuit("mpl", {"population.hidden.size": 6, **channels})
        path, common = tmp_path / "run.nc", {"backend": "numpy", "data": data}
        nm.simulate(circuit, protocol, out=path, **common).close()
        omit = nm.load_protocol("omission", {"experiment.position": 4, "experiment.trials": 0})
        found = nm.simulate(None, omit, start=path, **common)["experiment"].dataset
        error, surprise = found["error"].isel(population=-1).values, found["surprise"].values
        asked_at = np.arange(6) >= 3 if own else np.arange(6) < 5
        np.testing.assert_array_equal(np.isnan(error), np.broadcast_to(~asked_at[:, None], error.shape))
        assert (error[:, asked_at] > 0).all()
        if own:  # what is asked for does not depend on what is shown
            np.testing.assert_array_equal(np.isnan(surprise), np.broadcast_to(~asked_at[:, None], surprise.shape))
            return
        assert np.isnan(surprise[1, 3]).all()
        np.testing.assert_allclose(
            error[0, 3] ** 2 - error[1, 3] ** 2, (1 - 2 * np.exp(-surprise[0, 3])) / 4, rtol=1e-4, atol=1e-6
        )


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
