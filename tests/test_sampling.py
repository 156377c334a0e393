"""Drawn weights have the mean, the variance and the zeros that their synapse type states."""

from zlib import crc32

import numpy as np
import pytest

from neuro_mpc.descriptions.circuit_tables import SynapseType
from neuro_mpc.descriptions.loading import load_circuit, load_protocol
from neuro_mpc.descriptions.shipped import files, synapse_type
from neuro_mpc.errors import DescriptionError
from neuro_mpc.simulation.initial import draw
from neuro_mpc.simulation.sampling import contradicted_share, draw_weights, drawn

SHAPE = (200, 1000)
VALUES = {"m": 3.0, "pi": 0.3, "Xi": 0.5}


def sampled(synapse, **values):
    described = SynapseType(**(synapse_type(synapse) if isinstance(synapse, str) else synapse))
    chosen = {**VALUES, **values}
    parameters = {name: np.full(SHAPE, float(chosen[name])) for name in described.parameter}
    return drawn(described, parameters, SHAPE, np.random.default_rng(0))


@pytest.mark.parametrize("name", files("synapse"))
def test_the_moments_are_those_of_the_type(name):
    n, weights = SHAPE[1], sampled(name)
    corpus_variance = 0.7 * (0.5 + 9) - 2.1**2
    sequence = 3 / n, 9 * 0.3 / (0.7 * n**2) + 0.5 / n
    mean, variance = {
        **dict.fromkeys(("spike-and-slab", "excitatory", "inhibitory"), sequence),
        "spike-and-slab-corpus": (2.1, corpus_variance),
        "gaussian": (3, 0.5),
        "point": (3 / n, 0),
        "point-corpus": (3, 0),
    }[name]
    assert weights.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / weights.size) + 1e-15)
    assert weights.var() == pytest.approx(variance, rel=0.02, abs=1e-20)


@pytest.mark.parametrize("name", ["spike-and-slab", "spike-and-slab-corpus"])
def test_the_spike_is_exactly_zero_and_the_slab_is_that_of_the_model(name):
    weights = sampled(name)
    assert (weights == 0).mean() == pytest.approx(0.3, abs=0.01)
    slab, n = weights[weights != 0], SHAPE[1]
    mean, variance = (3, 0.5) if "corpus" in name else (3 / (0.7 * n), 0.5 / (0.7 * n))
    assert slab.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / slab.size))
    assert slab.var() == pytest.approx(variance, rel=0.02)


def test_an_unreliable_synapse_transmits_all_or_nothing():
    weights = sampled(
        {
            "mean": "p*a/n",
            "variance": "p*(1 - p)*a**2/n**2",
            "spike": "1 - p",
            "parameter": {"a": {"initial": 2}, "p": {"initial": 0.8}},
        },
        a=2,
        p=0.8,
    )
    np.testing.assert_allclose(weights[weights != 0], 2 / SHAPE[1], rtol=1e-6)
    assert (weights != 0).mean() == pytest.approx(0.8, abs=0.01)


def test_a_weight_that_is_always_zero_is_zero():
    always = {"mean": "0*a", "spike": "1", "parameter": {"a": {"initial": 0}}}
    assert not sampled(always, a=5).any()


def test_networks_differ_and_come_again():
    circuit = load_circuit("mpl").sized(26, 26)
    parameters = draw(circuit, load_protocol("toy-language"), 0)
    first, again, other = (draw_weights(circuit, parameters, 0, network) for network in (0, 0, 1))
    for name in circuit.projection:
        assert first[name].shape == circuit.shape(name)
        np.testing.assert_array_equal(first[name], again[name])
        assert (first[name] != other[name]).any()


@pytest.mark.parametrize(
    ("spike", "problem"), [("2*pi + 1", "no probability"), ("0.5", "vary more"), ("q", "unknown name")]
)
def test_a_spike_that_cannot_be_is_refused(spike, problem):
    with pytest.raises(DescriptionError, match=problem) as caught:
        circuit = load_circuit("mpl", {"synapse.spike-and-slab.spike": spike}).sized(26, 26)
        draw(circuit, load_protocol("toy-language"), 0)
    assert "synapse.spike-and-slab.spike" in str(caught.value)


@pytest.mark.parametrize(("variance", "share"), [("0", 1.0), ("1", 0.0)])
def test_synapses_that_are_not_there_contradict_nothing(variance, share):
    """Nor where no moment depends on a parameter, which is missing there: a spike of 1/4 needs a variance of 1/3."""
    formulas = {"mean": "1", "variance": variance, "spike": "0.25"}
    settings = {f"synapse.spike-and-slab.{name}": formula for name, formula in formulas.items()}
    circuit = load_circuit("mpl", settings).sized(26, 26)
    parameters = {name: dict.fromkeys(("m", "pi", "Xi"), np.zeros(circuit.shape(name))) for name in circuit.projection}
    assert contradicted_share(circuit, parameters) == share
    half = {name: {each: values.copy() for each, values in table.items()} for name, table in parameters.items()}
    for table in half.values():
        for values in table.values():
            values[:, ::2] = np.nan
    assert contradicted_share(circuit, half) == share
    for name, table in half.items():
        weights = drawn(circuit.synapse["spike-and-slab"], table, circuit.shape(name), np.random.default_rng(0))
        assert not weights[:, ::2].any()
        assert weights[:, 1::2].any()


def test_weights_are_drawn_from_the_stream_of_their_network_and_projection():
    """First the spikes, then the slabs: as in every version."""
    circuit = load_circuit("mpl").sized(26, 26)
    parameters = draw(circuit, load_protocol("toy-language"), 0)
    found = draw_weights(circuit, parameters, 4, 2)
    for name in circuit.projection:
        rng = np.random.default_rng([4, *(crc32(each.encode()) for each in ("network", "2", name))])
        n, shape = float(circuit.fan_in(name)), circuit.shape(name)
        m, pi, Xi = (parameters[name][each] for each in ("m", "pi", "Xi"))
        present = rng.random(shape) >= pi
        slab = m / (n * (1 - pi)) + np.sqrt(Xi / (n * (1 - pi))) * rng.standard_normal(shape)
        np.testing.assert_allclose(found[name], present * slab, rtol=1e-9, atol=1e-12)
