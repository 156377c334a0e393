"""Credit in time: what errors of later steps say about a synapse, without a pass back in time."""

from __future__ import annotations

import numpy as np
import pytest
from presented import RATE, STEPS, TRIALS, Presentation, assert_close, network
from reference import STEP, evaluate, gradient

import neuro_mpc as nm
from neuro_mpc.errors import DescriptionError

EXACT = 1e-10


def expected_changes(shown: Presentation, slopes: dict) -> dict:
    """projection → parameter → change of a step of gradient descent."""
    return {
        projection: {
            name: -RATE * shown.synapse(projection).parameter[name].rate_factor / TRIALS * slope
            for name, slope in values.items()
        }
        for projection, values in slopes.items()
    }


def assert_learned(shown: Presentation, expected: dict) -> None:
    changes = shown.learn()
    for projection, values in expected.items():
        for name, change in values.items():
            if np.abs(change).max() > 1e-12:
                assert_close(changes[projection][name], change, EXACT)
            else:
                np.testing.assert_allclose(changes[projection][name], change, atol=1e-12)


@pytest.mark.parametrize("name", ["gaussian", "some connected", "mixed, last"])
def test_influences_give_the_gradient_without_a_pass_back_in_time(name):
    shown = Presentation(network(name, "fixed-prediction", window=0, credit="influence"))
    shown.infer()
    assert_learned(shown, expected_changes(shown, shown.loss_gradients()))


class Recursion:
    """Influences in a circuit of one recurrent population, from the equations alone."""

    def __init__(self, shown: Presentation, diagonal: bool):
        self.shown, self.diagonal = shown, diagonal
        circuit = shown.circuit
        (self.back,) = (name for name, each in circuit.projection.items() if each.source == each.target)
        self.delay, activation = circuit.projection[self.back].delay, circuit.population["hidden"].activation
        self.moments = shown.reference.moments(shown.parameters)
        beliefs = shown.beliefs["hidden"]
        self.rate = evaluate(activation, {"r": beliefs})
        self.slope = evaluate(activation, {"r": beliefs + 1j * STEP}).imag / STEP
        sent = {"input": shown.stimulus, "hidden": self.rate}
        self.sent = {name: sent[circuit.projection[name].source] for name in (self.back, "input-hidden-0")}
        self.late = {name: circuit.projection[name].delay for name in self.sent}
        variance = np.zeros(beliefs.shape)
        for name, rates in self.sent.items():
            variance += self._late(rates**2, self.late[name]) @ self.moments[name][1].T
        noise = shown.noise.get("hidden", np.zeros(beliefs.shape))
        self.gain = np.divide(noise, np.sqrt(variance), out=np.zeros(beliefs.shape), where=variance > 0)
        self.error = shown.rows("hidden", "error", "err")

    @staticmethod
    def _late(values: np.ndarray, delay: int) -> np.ndarray:
        return np.concatenate([np.zeros_like(values[:delay]), values])[: len(values)] if delay else values

    def slopes(self) -> dict:
        """−∂F/∂μ and −∂F/∂v of the two projections to the population."""
        return {name: tuple(self._slope(name, squared) for squared in (False, True)) for name in self.sent}

    def _slope(self, projection: str, squared: bool) -> np.ndarray:
        rates = self._late(self.sent[projection], self.late[projection])
        units, mean, variance = self.error.shape[2], *self.moments[self.back]
        influences, total = [], 0
        for step in range(STEPS):
            own = rates[step] ** 2 if squared else rates[step]
            influence = np.einsum("ik,bl->bikl", np.eye(units), own)
            if squared:
                influence = influence * self.gain[step][:, :, None, None] / 2
            if step >= self.delay:
                then = step - self.delay
                spread = np.einsum("ij,bj,bi->bij", variance, self.rate[then], self.gain[step])
                jacobian = self.slope[then][:, None, :] * (mean + spread)
                if self.diagonal:
                    jacobian = jacobian * np.eye(units)
                influence = influence + np.einsum("bij,bjkl->bikl", jacobian, influences[then])
            if self.diagonal:  # each synapse keeps its influence on the unit that it ends on
                influence = influence * np.eye(units)[:, :, None]
            influences.append(influence)
            total = total + np.einsum("bi,bikl->kl", self.error[step], influence)
        return total


def chained(shown: Presentation, projection: str, by_mean: np.ndarray, by_variance: np.ndarray) -> dict:
    """−∂F/∂θ of the parameters of a projection's synapses, from those of the moments of the weights."""
    parameters = shown.parameters

    def along(name):
        def total(values):
            moved = {**parameters, projection: {**parameters[projection], name: values}}
            mean, variance = shown.reference.moments(moved)[projection]
            return (mean * by_mean + variance * by_variance).sum(axis=(-2, -1))

        return total

    return {name: -gradient(along(name), values) for name, values in parameters[projection].items()}


@pytest.mark.parametrize("credit", ["trace", "influence"])
@pytest.mark.parametrize(("name", "scheme"), [("own", "fixed-prediction"), ("gaussian", "relaxation")])
def test_influences_follow_the_recursion_of_their_equations(name, scheme, credit):
    shown = Presentation(network(name, scheme, window=0, credit=credit))
    shown.infer(iterations=3)
    recursion = Recursion(shown, diagonal=credit == "trace")
    slopes = {projection: chained(shown, projection, *moments) for projection, moments in recursion.slopes().items()}
    assert_learned(shown, expected_changes(shown, slopes))


def test_local_credit_is_what_remains_without_a_past():
    shown = Presentation(network("gaussian", "fixed-prediction", window=0))
    shown.infer()
    recursion = Recursion(shown, diagonal=True)
    recursion.moments[recursion.back] = [np.zeros_like(each) for each in recursion.moments[recursion.back]]
    slopes = {projection: chained(shown, projection, *moments) for projection, moments in recursion.slopes().items()}
    assert_learned(shown, expected_changes(shown, slopes))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning.credit": "trace"}, "inference.window = 0"),
        ({"learning.credit": "sequence", "inference.window": 0}, "leave learning.credit out"),
        ({"learning.credit": "influence", "inference.window": 2}, "know of their own step alone"),
        ({"learning.credit": "trace", "inference.window": 0, "inference.variance_feedback": "as-released"}, "exact"),
        ({"inference.window": -1}, "inference.window"),
        ({"inference.window": 0, "inference.tolerance": 0.1}, "tolerance = 0"),
        ({"inference.window": 0, "inference.output_feedback": "last"}, "every error of its window"),
    ],
)
def test_credit_that_does_not_fit_is_refused(settings, message):
    with pytest.raises(DescriptionError, match=message):
        nm.load_protocol("toy-language", settings)


def test_a_scheme_that_infers_whole_sequences_is_refused_a_window():
    protocol = nm.load_protocol("toy-language", {"inference.scheme": "sweeps", "inference.window": 0})
    with pytest.raises(DescriptionError, match="sweeps infers whole sequences"):
        nm.check("mpl", protocol, backend="numpy")
