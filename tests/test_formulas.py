"""Rules from the formulas of synapse types: against the paper, or against the derivatives of the formulas."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from in_process import InProcess
from presented import circuit, recurrent
from reference import evaluate, gradient

import neuro_mpc as nm
from neuro_mpc.descriptions import expressions
from neuro_mpc.networks.plan import Plan
from neuro_mpc.rules import breaking
from neuro_mpc.rules.derivation import derive
from neuro_mpc.rules.slab import slab
from neuro_mpc.rules.spike import contradicted, contradiction
from neuro_mpc.rules.variables import LETTERS, brian_name


def one_synapse(mean: str, variance: str, *parameters: str) -> nm.Circuit:
    """input → unit with synapses of one's own, unit → output with point weights."""
    return nm.Circuit(
        name="test",
        population={"input": {"role": "stimulus"}, "unit": {"size": 1}, "output": {"role": "target"}},
        projection={
            "in": {"from": "input", "to": "unit", "synapse": "own"},
            "out": {"from": "unit", "to": "output", "synapse": "point"},
        },
        synapse={
            "own": {"mean": mean, "variance": variance, "parameter": {name: {"initial": 1} for name in parameters}}
        },
    )


SPIKE_AND_SLAB = {"m": "H1/n + H2*m*p_pi/(n**2*(1 - p_pi))", "pi": "H2*m**2/(2*n**2*(1 - p_pi)**2)", "Xi": "H2/(2*n)"}
CORPUS = {
    "m": "H1*(1 - p_pi) + H2*m*p_pi*(1 - p_pi)",
    "pi": "-H1*m + H2*(m**2*(1 - 2*p_pi) - Xi)/2",
    "Xi": "H2*(1 - p_pi)/2",
}


@pytest.mark.parametrize(
    ("synapse", "formulas"),
    [
        ("spike-and-slab", SPIKE_AND_SLAB),
        ("spike-and-slab-corpus", CORPUS),
        ("gaussian", {"m": "H1", "Xi": "H2/2"}),
        ("point", {"m": "H1/n"}),
    ],
)
def test_rules_of_the_shipped_synapse_types(synapse, formulas):
    rules = derive(recurrent(synapse, "relu(r)")).synapses["hidden-hidden-1"].parameters
    assert {rule.name for rule in rules} == set(formulas)
    for rule in rules:
        expected = expressions.parse(formulas[rule.name], ("H1", "H2", "m", "p_pi", "Xi", "n"))
        assert sympy.simplify(rule.descent.expression - expected) == 0


@pytest.mark.parametrize(
    "formula",
    [
        "tanh(a)*b",
        "abs(a)*b",
        "sqrt(abs(a))",
        "relu(a) + b",
        "softplus(a)/n",
        "sigmoid(a)*(1 - sigmoid(a))",
        "exp(a)/(1 + exp(a))",
        "log(1 + a**2)",
        "(a + 2)**1.5",
        "sin(a)*cos(b)",
        "a*b/(a + 3)",
        "(a/n)**5",
        "0.1*a + 0.37*a*b/(b + 0.2)",
        "exp(-a**2/2) + tanh(b)",
        "a**(-0.3)*b",
    ],
)
def test_rules_of_any_formula_stay_in_its_language(formula):
    values = {"a": np.linspace(0.1, 3, 20), "b": np.linspace(2, 0.3, 20), "n": 4}
    for rule in derive(one_synapse(formula, f"({formula})**2", "a", "b")).synapses["in"].parameters:
        name = rule.name
        slope = gradient(lambda value, name=name: evaluate(formula, {**values, name: value}).sum(axis=-1), values[name])
        expected = 0.7 * slope - 1.3 * evaluate(formula, values) * slope
        found = evaluate(rule.descent.text, {**values, "H1": 0.7, "H2": -1.3})
        np.testing.assert_allclose(np.broadcast_to(found, expected.shape), expected, rtol=1e-12, atol=1e-12)


def test_rules_do_not_overflow_where_formulas_do_not():
    """exp(−a²/2) and tanh are harmless at a = 60; exp(a²/2) or cosh in a rule would not be."""
    rules = derive(one_synapse("tanh(a)*b + exp(-a**2/2)", "exp(-a**2)*b", "a", "b"))
    values = {"a": 60.0, "b": 1.0, "n": 4, "H1": 1.0, "H2": 1.0}
    found = [evaluate(rule.descent.text, values) for rule in rules.synapses["in"].parameters]
    assert found == [pytest.approx(0, abs=1e-12), 1]


@pytest.mark.parametrize(
    "name",
    [
        "amp",
        "flux",
        "rand",
        "inf",
        "int",
        "mu",
        "rate",
        "tau",
        "H1",
        "change_m",
        "p_pi",
        "v",
        "V",
        "q",
        "f",
        "N",
        "e",
        "second",
    ],
)
def test_parameters_may_have_names_that_mean_something_to_brian(name):
    described = one_synapse(f"{name}/n", f"{name}**2", name).sized(2, 2)
    net = InProcess(Plan(described, 1, 1, optimizer="adam", clip=1.0, precision="float64"))
    net.set(**{f"in_synapses_{brian_name(name)}": [3, 5]})
    net.step("refreshing")
    assert [list(values) for values in net.get("in_synapses_mu", "in_synapses_v")] == [[1.5, 2.5], [9, 25]]


def test_names_that_are_kept_are_free_in_brian():
    from brian2 import Equations

    for name in LETTERS:
        Equations.check_identifier(name)
        assert brian_name(name) == name


def test_names_may_differ_in_a_hyphen_and_two_underscores():
    described = circuit(
        "input low-x 0 point\nlow-x low__x 0 point\nlow__x output 0 point", **{"low-x": "r", "low__x": "r"}
    )
    net = InProcess(Plan(described, 1, 1))
    assert {"low_x_belief_r", "low__x_belief_r"} <= set(net.manifest.variables)


def test_members_of_a_sweep_share_what_is_read_and_derived(monkeypatch):
    """Each would take a tenth of a second: minutes before a large sweep begins."""
    circuit = nm.load_circuit("mpl")
    first = derive(circuit)
    for name in ("diff", "factor", "expand"):
        monkeypatch.setattr(sympy, name, None)
    monkeypatch.setattr(expressions, "_Reader", None)
    other = nm.changed(circuit, {"population.hidden.size": 7})
    assert derive(other).synapses == first.synapses


def test_a_long_sum_is_broken_by_looking_at_one_row_at_a_time(monkeypatch):
    """A sum of hundreds of terms, as the energy of a large circuit is, would else take minutes."""
    looked_at = []
    visible = breaking.visible
    monkeypatch.setattr(breaking, "visible", lambda latex: looked_at.append(latex) or visible(latex))
    terms = [rf"\tfrac{{1}}{{2}} a_{{{number}}}^2" for number in range(200)]
    rows = breaking.rows_of(" + ".join(terms))
    assert "".join(rows).replace(" ", "") == "+".join(terms).replace(" ", "")
    assert all(visible(row) <= breaking.LONGEST_ROW for row in rows)
    assert len(looked_at) < 50 * len(rows)


@pytest.mark.parametrize("spike", ["0.25", "p", "p**2/2"])
def test_the_slab_and_the_spike_together_have_the_moments_of_the_weight(spike):
    names = ("m", "s", "p")
    mean, variance, zero = (expressions.parse(text, names) for text in ("m*(1 - p)", "s + m**2*p", spike))
    slab_mean, slab_variance = slab(mean, variance, zero, {"s": (0.0, None), "p": (0.0, 0.9)})
    rng = np.random.default_rng(0)
    for m, s, p in zip(rng.normal(size=9), rng.uniform(0.1, 2, 9), rng.uniform(0, 0.9, 9)):
        at = {sympy.Symbol(name, real=True): value for name, value in zip(names, (m, s, p))}
        mu, v, z, of_slab, spread = (float(each.subs(at)) for each in (mean, variance, zero, slab_mean, slab_variance))
        assert (1 - z) * of_slab == pytest.approx(mu)
        assert (1 - z) * (spread + of_slab**2) - mu**2 == pytest.approx(v)
    assert slab(mean, variance, sympy.S.Zero, {}) == (mean, variance)
    assert slab(mean, variance, sympy.S.One, {}) == (0, 0)


def test_a_spike_contradicts_a_variance_below_that_of_itself_alone():
    mean, spike = np.array([2.0, -2.0, 0.0, 1e-8]), np.array([0.5, 0.5, 0.5, 0.25])
    alone = mean**2 * spike / (1 - spike)
    assert not contradicted(mean, alone, spike).any()
    assert contradicted(mean, alone - 1e-6, spike).tolist() == [True, True, True, True]
    assert not contradicted(mean, alone * (1 - 1e-10), spike).any()
    assert contradiction(0.0123) == "in 1.2 % of the synapses the spike alone varies more than the variance says"
