"""Every shipped protocol can be run on every shipped circuit whose populations its channels fit."""

import numpy as np
import pytest
from test_idx import NAMES, encoded

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.descriptions import shipped
from neuro_mpc.descriptions.protocol import ExperimentProtocol
from neuro_mpc.simulation import initial
from neuro_mpc.stimuli.binding import bound_channels

CIRCUITS = {name: nm.load_circuit(name) for name in shipped.files("circuit")}
PROTOCOLS = {
    name: protocol
    for name in shipped.files("protocol")
    if not isinstance(protocol := nm.load_protocol(name), ExperimentProtocol)
}
TEXTS = {"ptb.train.txt": 1200, "ptb.valid.txt": 1200, "ptb.test.txt": 1200, "text.txt": 2000, "input.txt": 2000}
WORDS = [f"word{number}" for number in range(40)]

MADE_FOR = {  # a circuit that the channels of a protocol fit, where mpl is none
    "adding": None,  # of those that are shipped, none reads out one value
    "cue-combination": "cue-combination",
    "decision": "mpl-decision",
    "mismatch": "pc-mismatch",
    "rao-ballard": "rao-ballard",
    "rao-ballard-surround": "rao-ballard-surround",
}
TIED = "mpl-lstm-tied"  # hears what it predicts
UNFIT = {("decision", "cue-combination"): '"mean-squared-error"'}  # values in place of choices


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Small files in place of those that protocols name."""
    folder, chance = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name, lines in TEXTS.items():
        rows = chance.choice(WORDS, (lines, 8))
        (folder / name).write_text("\n".join(" ".join(row) for row in rows))
    images = chance.integers(0, 256, (5200, 28, 28)), chance.integers(0, 256, (20, 28, 28))
    labels = np.arange(5200) % 10, np.arange(20) % 10
    for name, array in zip(NAMES, (images[0], labels[0], images[1], labels[1])):
        (folder / name).write_bytes(encoded(array))
    return folder


def bound(circuit, protocol, channels):
    """Population → its channel; nothing where channels do not fit."""
    try:
        return bound_channels(protocol, circuit, channels)
    except nm.DescriptionError:
        return {}


def small(circuit):
    """The circuit with a few units in each population."""
    sizes = {f"population.{name}.size": 4 for name, each in circuit.population.items() if each.size and each.size > 4}
    return nm.changed(circuit, sizes)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_can_be_run_on_every_circuit_that_its_channels_fit(name, data):
    protocol = PROTOCOLS[name]
    if hasattr(protocol.stimulus, "checksums"):
        protocol = nm.changed(protocol, {"stimulus.checksums": {}, "data_dir": str(data)})
    channels = stimuli.load(protocol, CIRCUITS["mpl"], 0).channels
    expected = {circuit: told for (protocol, circuit), told in UNFIT.items() if protocol == name}
    if len({channels[channel].width for channel in bound(CIRCUITS[TIED], protocol, channels).values()}) > 1:
        expected[TIED] = "as many units at the opposite ends"
    found = {}
    for each, circuit in CIRCUITS.items():
        if not bound(circuit, protocol, channels):
            continue
        try:
            found[each] = nm.check(small(circuit), protocol, backend="numpy") and None
        except nm.DescriptionError as problem:
            found[each] = problem.expected
    assert MADE_FOR.get(name, "mpl") in [*found, None]
    assert {each: told for each, told in found.items() if told} == expected


def drawn(circuit, overrides=None):
    protocol = nm.load_protocol("tinyshakespeare", overrides)
    assert isinstance(protocol, nm.Protocol)
    return initial.draw(nm.load_circuit(circuit).sized(5, 5), protocol, 0)


def test_noise_of_tiny_shakespeare_is_held_as_the_protocol_states_it_for_either_circuit():
    language, tied = drawn("mpl-lstm-language"), drawn("mpl-lstm-tied")
    held = {name: np.unique(values["pi"]).tolist() for name, values in language.items() if "pi" in values}
    assert held.pop("output") == [0.2]
    assert held == {name: [0.1] for name in held}
    assert len(held) == 8
    np.testing.assert_allclose(language["output"]["Xi"], 0.01 / 256)
    for name in ("heard", "sent"):  # units are dropped out, and one on average
        mean = (1 - tied[name]["pi"]) * tied[name]["m"]
        np.testing.assert_allclose(mean, 1, atol=0.002)
    assert np.unique(tied["input"]["pi"]).tolist() == [0.1]


@pytest.mark.parametrize(
    ("circuit", "initial", "problem"),
    [
        ("mpl-lstm-tied", {"output.m": 0}, "learning.initial.output: has the synapses of embedding, and no values"),
        ("mpl-lstm-tied", {"output.pi": 0.3}, "learning.initial.output: has the synapses of embedding, and no values"),
        ("mpl-ei", {"output.pi": 0.3}, "learning.initial.output: unknown projection"),
        ("mpl-ei", {"heart.pi": 0.2}, "learning.initial.heart: unknown projection"),
    ],
)
def test_what_is_set_for_a_projection_that_there_is_not_is_refused(circuit, initial, problem):
    with pytest.raises(nm.DescriptionError, match=problem):
        drawn(circuit, {f"learning.initial.{name}": value for name, value in initial.items()})
