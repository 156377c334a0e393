"""Protocols: defaults, derived numbers, and that each mistake is refused with its key."""

import copy

import pytest

from neuro_mpc.descriptions import loading
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli.toy_language import ToyLanguage

SMALL = {
    "name": "small",
    "stimulus": {"source": "toy-language", "letters": 5, "transitions": [1, 2], "length": 4, "load": 2},
    "target": {"read": "every"},
    "inference": {},
    "learning": {"rate": 0.1, "batch": 3, "epochs": 2, "schedule": {}},
    "test": {"measure": "correct-letter-ratio"},
    "recording": {},
}
IDX = {"source": "idx"}


def changed(**entries):
    tables = copy.deepcopy(SMALL)
    for key, value in entries.items():
        *way, last = key.split("__")
        here = tables
        for part in way:
            here = here[part]
        if value is None:
            del here[last]
        else:
            here[last] = value
    return tables


def test_defaults_are_those_of_the_paper_where_it_has_them():
    protocol = Protocol(**SMALL)
    learning, inference = protocol.learning, protocol.inference
    assert (learning.optimizer, learning.beta1, learning.beta2, learning.epsilon) == (
        "adam",
        0.9,
        0.999,
        1e-8,
    )
    assert (inference.scheme, inference.rate, inference.iterations) == ("fixed-prediction", 0.1, 100)
    assert (protocol.precision, inference.variance_feedback) == ("float32", "exact")
    toy = ToyLanguage()
    assert (toy.letters, toy.transitions, toy.length, toy.strings) == (26, (2, 4), 11, 26_624)


def test_text_makes_an_equal_protocol():
    protocol = Protocol(
        **changed(
            description='quotes " and \\ and \n lines',
            data_dir="~/data",
            learning__initial={"m": "normal(0, 1)", "recurrent": {"pi": 0}},
            inference__iterations=[[0, 10], [5, 20]],
            recording__samples=[0, -1],
        )
    )
    assert Protocol.from_toml(protocol.to_toml()) == protocol


def test_iterations_rise_at_their_presentations():
    inference = Protocol(**changed(inference__iterations=[[0, 100], [40, 200]])).inference
    assert [inference.iterations_at(k) for k in (0, 39, 40, 1000)] == [100, 100, 200, 200]
    assert Protocol(**SMALL).inference.iterations_at(7) == 100


def test_initial_values_by_dotted_key_are_those_of_nested_tables():
    dotted = {"m": 1, "recurrent.m": "n*identity()", "recurrent.pi": 0}
    nested = {"m": 1.0, "recurrent": {"m": "n*identity()", "pi": 0.0}}
    assert Protocol(**changed(learning__initial=dotted)).learning.initial == nested
    assert Protocol(**changed(learning__initial=nested)).learning.initial == nested


MISTAKES = [
    ({"stimulus__source": "toylanguage"}, "stimulus.source", "known values", "did you mean 'toy-language'?"),
    ({"stimulus__source": None}, "stimulus", "has no source", ""),
    ({"stimulus": None}, "stimulus", "is missing", ""),
    ({"stimulus": "digits"}, "stimulus", "", ""),
    ({"stimulus__lode": 3}, "stimulus.lode", "unknown key", "did you mean 'load'?"),
    ({"stimulus__letters": 1}, "stimulus.letters", "out of range", ""),
    ({"stimulus__length": 1}, "stimulus.length", "out of range", ""),
    ({"stimulus__length": 1000}, "stimulus", "2**62 strings", ""),
    ({"stimulus__load": 0}, "stimulus.load", "out of range", ""),
    ({"stimulus__transitions": []}, "stimulus", "not different steps", ""),
    ({"stimulus__transitions": [1, 6]}, "stimulus", "not different steps", ""),
    ({"stimulus__transitions": [1, "2"]}, "stimulus.transitions.1", "not a whole number", ""),
    (
        {"stimulus": {"source": "digits", "pixels_per_step": 7}},
        "stimulus.pixels_per_step",
        "does not divide",
        "",
    ),
    ({"stimulus": {**IDX, "train_images": "../x"}}, "stimulus", "not the name of a file", "data_dir"),
    ({"stimulus": {**IDX, "checksums": {"x": "0"}}}, "stimulus", "which is not used", ""),
    ({"stimulus": {"source": "digits"}}, "", "no letters to generate", "accuracy"),
    ({"target__read": "all"}, "target.read", "names no steps", ""),
    ({"target": None}, "target", "is missing", ""),
    ({"inference__scheme": "relax"}, "inference.scheme", "known values", "did you mean 'relaxation'?"),
    ({"inference__rate": 0}, "inference.rate", "out of range", ""),
    ({"inference__iterations": 0}, "inference.iterations", "neither a number nor", ""),
    ({"inference__iterations": []}, "inference.iterations", "neither a number nor", ""),
    ({"inference__iterations": True}, "inference.iterations", "neither a number nor", ""),
    ({"inference__iterations": [[1, 5]]}, "inference.iterations", "do not rise from 0", ""),
    ({"inference__iterations": [[0, 5], [0, 6]]}, "inference.iterations", "do not rise", ""),
    ({"inference__iterations": [[0, 5.5]]}, "inference.iterations", "has a pair that is not", ""),
    ({"inference__scheme": "sweeps", "inference__output_feedback": "last"}, "inference", "judged by the energy", ""),
    ({"inference__tolerance": -1}, "inference.tolerance", "out of range", ""),
    ({"learning__rate": "fast"}, "learning.rate", "not a number", ""),
    ({"learning__rate": float("nan")}, "learning.rate", "not finite", ""),
    ({"learning__batch": 0}, "learning.batch", "out of range", ""),
    ({"learning__presentations": 5}, "learning", "both of epochs and presentations", ""),
    ({"learning__epochs": None}, "learning", "neither of epochs and presentations", ""),
    ({"learning__epochs": 1.5}, "learning.epochs", "not a whole number", ""),
    ({"learning__beta1": 1}, "learning.beta1", "out of range", ""),
    (
        {"learning__schedule__kind": "cosin"},
        "learning.schedule.kind",
        "known values",
        "did you mean 'cosine'?",
    ),
    ({"learning__schedule__first": 3}, "learning.schedule", "without the stretches", "every"),
    ({"learning__schedule__floor": 0.2}, "learning", "schedule.floor is above", ""),
    (
        {"learning__schedule": {"every": 2, "every_presentations": 9}},
        "learning.schedule",
        "both of every and every_presentations",
        "",
    ),
    ({"learning__schedule__kind": "step"}, "learning.schedule", "neither of every and", ""),
    ({"learning__schedule__every_presentations": 0}, "learning.schedule.every_presentations", "out of range", ""),
    ({"learning__initial": {"m": [1]}}, "learning.initial", "neither an expression nor", ""),
    ({"learning__initial": {"m": "normal(0)"}}, "learning.initial", "normal takes 2", ""),
    ({"learning__initial": {"a": {"m": "q"}}}, "learning.initial", "unknown name 'q'", ""),
    ({"learning__initial": 3}, "learning.initial", "is not a table", ""),
    ({"test__measure": "clr"}, "test.measure", "known values", ""),
    ({"test__split": "tests"}, "test.split", "known values", "did you mean 'test'?"),
    ({"test__ensemble": -1}, "test.ensemble", "out of range", ""),
    ({"recording__samples": [1, 1]}, "recording.samples", "twice", ""),
    ({"recording__samples": 3}, "recording.samples", "not a list", ""),
    ({"recording__trajectory": 1}, "recording.trajectory", "not true or false", ""),
    ({"precision": "float16"}, "precision", "known values", ""),
    ({"name": ""}, "", "the name is empty", ""),
]


@pytest.mark.parametrize(("entries", "key", "problem", "hint"), MISTAKES)
def test_mistakes_are_refused_where_they_are(entries, key, problem, hint):
    with pytest.raises(DescriptionError) as caught:
        Protocol.from_tables(changed(**entries), "small.toml")
    assert str(caught.value).startswith("small.toml: ")
    found = [each for each in caught.value.problems if each.key == key]
    assert found, str(caught.value)
    assert problem in found[0].problem
    assert hint in found[0].hint


def test_another_scheme_and_another_optimiser_keep_the_keys_that_all_have():
    set_before = {"inference.rate": 0.03, "inference.iterations": 7, "learning.beta1": 0.7, "learning.decay": 0.1}
    before = loading.load_protocol("toy-language", set_before)
    after = loading.changed(before, {"inference.scheme": "relaxation", "learning.optimizer": "sgd"})
    assert (after.inference.scheme, after.learning.optimizer) == ("relaxation", "sgd")
    tables = after.tables()
    tables["inference"]["scheme"], tables["learning"]["optimizer"] = before.inference.scheme, before.learning.optimizer
    assert tables == before.tables()


def test_a_key_of_an_unknown_scheme_is_refused_for_its_scheme():
    settings = {"inference.scheme": "relaxtion", "inference.rate": 0.1}
    with pytest.raises(DescriptionError, match=r"(?s)inference.scheme: unknown scheme.*did you mean 'relaxation'"):
        loading.load_protocol("toy-language", settings)
