"""Experiments on trained circuits, where the answer is known beforehand: lesions and ensembles."""

from typing import ClassVar

import numpy as np
import pytest
from shown_circuits import circuits_shown

from neuro_mpc.experiments import ensemble, lesion, omission
from neuro_mpc.experiments.performance import perform
from neuro_mpc.experiments.responses import batches
from neuro_mpc.randomness import generator
from neuro_mpc.simulation.sampling import draw_weights

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_this_process")]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """task → a trained circuit, simulated once."""
    with circuits_shown(tmp_path_factory.mktemp) as make:
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


def test_the_last_batch_is_filled_up():
    found = list(batches(7, 3))
    assert [new for _, new in found] == [3, 3, 1]
    assert [trials.tolist() for trials, _ in found] == [[0, 1, 2], [3, 4, 5], [6, 0, 1]]


def test_trials_without_a_target_enter_no_mean(shown, monkeypatch):
    here = shown("digits")
    whole, wanted = here.performance(), here.data.wanted
    monkeypatch.setattr(
        here.data, "wanted", lambda split, trials, name: np.where(trials < 10, wanted(split, trials, name), -1)
    )
    found = here.performance()
    assert found.values["performance"] == whole.right[:, :10].mean()
    assert found.values["loss"] == pytest.approx(whole.loss[:10].mean(), rel=1e-6)
    together = here.conduct(ensemble, networks=2, trials=20)
    alone = here.conduct(ensemble, networks=2, trials=10)
    for name in ("performance", "agreement", "vote", "mean_output"):
        np.testing.assert_allclose(together[name], alone[name], rtol=1e-6)
    assert np.isnan(together["share"][:, 10:]).all()
