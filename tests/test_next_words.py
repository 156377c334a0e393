"""What a circuit that has learned a text makes of words: readers, probabilities of the next word, generated texts."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn import texts
from in_process import started
from small_language import TEXT, language, learn, protocol

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.errors import RunError, RunFileError
from neuro_mpc.networks.plan import Plan
from neuro_mpc.simulation.generation import Reader
from neuro_mpc.simulation.presentation import Presenter

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_this_process")]
RECIPES = Path(__file__).parents[1] / "analysis"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("text")
    (path / "text.txt").write_text("\n".join(TEXT))
    return path


@pytest.fixture(scope="module")
def learned(folder):
    """A run of the small text."""
    return learn(folder)


def test_the_run_file_has_the_vocabulary(learned, folder):
    data = stimuli.load(protocol(folder), language(), 0)
    with Reader(learned) as reader:
        assert reader.symbols == data.symbols


def test_reading_is_what_the_circuit_does_step_by_step(learned, folder):
    data = stimuli.load(protocol(folder), language(), 0)
    with Reader(learned, mean_weights=True) as reader:
        trained, read = reader.trained, [data.vocabulary["<eos>"], *reader.numbers("the dog")]
        found = [reader.read(np.array([symbol]))[0] for symbol in read]
    plan = Plan(
        trained.circuit, 1, len(read), precision="float64", symbolic=(trained.circuit.stimulus, trained.circuit.target)
    )
    shown = Presenter(started(plan), plan, trained.protocol, 0)
    shown.load(trained.parameters)
    with shown.noiseless():
        expected = shown.predict(np.array(read)[:, None], np.full((len(read), 1), -1), "", 0)[0][:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_texts_are_those_of_the_seed(learned):
    said = nm.generate(learned, "the dog", length=5, number=3, seed=1)
    assert said == nm.generate(learned, "the dog", length=5, number=3, seed=1)
    assert all(text.startswith("the dog") for text in said)


def test_no_temperature_takes_the_most_probable_word(learned):
    most_probable = nm.next_symbols(learned, "the dog", mean_weights=True)[-1].idxmax("symbol").item()
    (text,) = nm.generate(learned, "the dog", length=1, temperature=0, mean_weights=True)
    assert text == f"the dog {most_probable}".replace(" <eos>", "")


def test_networks_without_variance_are_the_circuit(folder, tmp_path):
    path = tmp_path / "point.nc"
    nm.simulate(language("pc-language-small"), protocol(folder), backend="numpy", out=path).close()
    np.testing.assert_allclose(
        nm.next_symbols(path, "the dog", networks=3), nm.next_symbols(path, "the dog"), rtol=1e-12
    )


def test_probabilities_are_labelled(learned):
    found = nm.next_symbols(learned, "the dog", presentation=0)
    assert found.dims == ("position", "symbol")
    assert list(found.text.values) == ["the", "dog", "<eos>"]
    np.testing.assert_allclose(found.sum("symbol"), 1)
    assert found.attrs["presentation"] == 0


def test_words_that_are_not_known_are_told(learned):
    with pytest.warns(UserWarning, match="read as <unk>: frog"):
        nm.generate(learned, "the frog", length=1)


def test_letters_of_a_toy_language(tmp_path):
    settings = {"stimulus.load": 1, "stimulus.length": 5, "learning.presentations": 2, "test.every": 0, "recording": {}}
    path = tmp_path / "toy.nc"
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 10})
    chosen = {**settings, "test.generate": 3, "learning.schedule": {}, "learning.batch": 5}
    nm.simulate(circuit, nm.load_protocol("toy-language", chosen), backend="numpy", out=path).close()
    (text,) = nm.generate(path, "ac", length=4)
    assert len(text) == 6
    assert text.startswith("ac")
    with pytest.raises(RunError, match="knows no É"):
        nm.generate(path, "É")


def test_a_run_without_symbols_is_refused(tmp_path):
    circuit = nm.load_circuit("pc", {"population.hidden.size": 4})
    digits = nm.load_protocol("digits-rows")
    tables = digits.tables()
    tables["learning"] = {"rate": 0.1, "batch": 50, "presentations": 0}
    nm.simulate(
        circuit,
        nm.Protocol.from_tables(tables | {"recording": {}}, "digits"),
        backend="numpy",
        out=tmp_path / "digits.nc",
    ).close()
    with pytest.raises(RunFileError, match="holds no names of symbols"):
        nm.generate(tmp_path / "digits.nc", "a")


@pytest.mark.parametrize("wrong", [{"length": 0}, {"temperature": -1}, {"number": 0}, {"networks": -1}])
def test_what_cannot_be_generated(learned, wrong):
    with pytest.raises(RunError):
        nm.generate(learned, "the", **wrong)


def test_the_recipe_of_next_words(learned, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(RECIPES)
    monkeypatch.setattr(sys, "argv", ["next_word", str(learned), "the dog runs", "--out", str(tmp_path / "words.svg")])
    runpy.run_path(str(RECIPES / "next_word.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "before training, 0 presentations"
    assert sum("dog" in line.split()[:1] for line in lines) == 3
    assert {"the", "dog", "runs", "training, presentations"} <= texts(tmp_path / "words.svg")
