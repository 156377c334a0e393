"""Errors of two populations, one for each sign, whose rates cannot be negative."""

from __future__ import annotations

import numpy as np
import pytest
from in_process import InProcess
from presented import STEPS, TRIALS, Presentation, recurrent

import neuro_mpc as nm
from neuro_mpc.errors import DescriptionError
from neuro_mpc.networks.plan import Plan
from neuro_mpc.rules.show import as_text

SCHEMES = ("relaxation", "fixed-prediction")


def shown(scheme: str, errors) -> Presentation:
    """A circuit whose hidden and output errors are these."""
    settings = {"population.hidden.errors": errors, "population.output.errors": errors}
    circuit = nm.changed(recurrent("gaussian", "tanh(r)", "gaussian"), settings)
    options = {"missing": ("output",), "optimizer": "sgd", "precision": "float64"}
    made = Presentation(InProcess(Plan(circuit, TRIALS, STEPS, scheme=scheme, **options)))
    made.infer(iterations=4)
    return made


def error(presentation: Presentation, population: str) -> np.ndarray:
    return presentation.rows(population, "error", "err")


def halves(presentation: Presentation, population: str) -> tuple[np.ndarray, np.ndarray]:
    positive, negative = (presentation.rows(population, f"{sign}_error", sign) for sign in ("positive", "negative"))
    return positive, negative


@pytest.fixture(scope="module", params=SCHEMES)
def signed_and_split(request) -> tuple[Presentation, Presentation]:
    return shown(request.param, "signed"), shown(request.param, "split")


@pytest.mark.parametrize("population", ["hidden", "output"])
def test_errors_of_equal_gains_are_the_signed_ones(signed_and_split, population):
    signed, split = signed_and_split
    np.testing.assert_allclose(error(split, population), error(signed, population), rtol=1e-13, atol=1e-15)
    positive, negative = halves(split, population)
    for rates in (positive, negative):
        assert (rates >= 0).all()
        assert rates.any()
    assert not (positive * negative).any()
    np.testing.assert_array_equal(positive - negative, error(split, population))


def test_errors_of_equal_gains_teach_the_same(signed_and_split):
    changes = [each.learn() for each in signed_and_split]
    for projection, values in changes[0].items():
        for name, expected in values.items():
            np.testing.assert_allclose(changes[1][projection][name], expected, rtol=1e-10, atol=1e-16)


def test_gains_and_the_baseline_shape_what_is_sent():
    made = shown("relaxation", {"positive": 1.0, "negative": 0.5, "baseline": 0.1})
    positive, negative = halves(made, "hidden")
    raw = made.beliefs["hidden"] - made.rows("hidden", "prediction", "h")
    np.testing.assert_allclose(positive, np.maximum(0.1 + raw, 0))
    np.testing.assert_allclose(negative, np.maximum(0.1 - raw, 0))
    np.testing.assert_allclose(error(made, "hidden"), (positive - 0.1) - 0.5 * (negative - 0.1))


def test_a_gain_of_zero_removes_one_sign():
    made = shown("relaxation", {"negative": 0.0})
    assert (error(made, "output") >= 0).all()
    assert (halves(made, "output")[1] > 0).any()


@pytest.mark.parametrize(
    ("errors", "message"),
    [("both", "is no kind of errors"), ({"positive": -1.0}, "positive"), ({"gain": 1.0}, "gain")],
)
def test_unknown_errors_are_refused(errors, message):
    with pytest.raises(DescriptionError, match=message):
        nm.load_circuit("mpl", {"population.hidden.errors": errors})


def test_split_errors_are_saved_and_signed_ones_leave_no_key():
    split = nm.load_circuit("mpl", {"population.hidden.errors": "split"})
    assert nm.Circuit.from_tables(split.tables()) == split
    assert split.population["hidden"].split == nm.SplitErrors()
    assert "errors" not in nm.load_circuit("mpl", {"population.hidden.errors": "signed"}).to_toml()


def test_a_scheme_that_moves_errors_is_refused():
    circuit = nm.load_circuit("mpl", {"population.hidden.errors": "split"})
    with pytest.raises(DescriptionError, match="sweeps moves errors"):
        nm.check(circuit, nm.load_protocol("toy-language", {"inference.scheme": "sweeps"}), backend="numpy")


def test_equations_show_the_rates_of_both_signs():
    settings = {"population.hidden.errors": {"negative": 0.5, "baseline": 0.1}}
    printed = as_text(nm.load_circuit("mpl", settings))
    for text in ("e⁺_t = [0.1 + r_t − h_t]₊", "e_t = (e⁺_t − 0.1) − 0.5 (e⁻_t − 0.1)", "positive = relu(0.1 + r - h)"):
        assert text in printed


def test_both_signs_are_recorded(in_this_process):
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 6, "population.hidden.errors": "split"})
    settings = {"learning.presentations": 1, "learning.batch": 4, "recording.samples": [0], "stimulus.length": 4}
    run = nm.simulate(circuit, nm.load_protocol("toy-language", settings), backend="numpy")
    traces = nm.analysis.traces(run, "hidden")
    np.testing.assert_allclose(
        traces["positive_error"] - traces["negative_error"], traces["error"], rtol=1e-5, atol=1e-7
    )
