"""Text as a stimulus: vocabulary, streams, and files that are not as they should be."""

import gzip

import numpy as np
import pytest

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.loading import load_circuit, load_protocol
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli import load
from neuro_mpc.stimuli.text import vocabulary

TRAIN = ["the dog runs", "the cat runs", "", "the dog sleeps"]
SETTINGS = {"stimulus.checksums": {}, "stimulus.lines": 0, "stimulus.steps": 2, "learning.batch": 3}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("NEURO_MPC_DATA", raising=False)
    (tmp_path / "ptb.train.txt").write_text("\n".join(TRAIN))
    (tmp_path / "ptb.valid.txt.gz").write_bytes(gzip.compress(b"the frog runs\n"))
    (tmp_path / "ptb.test.txt").write_text("a dog sings\nthe dog runs\n")
    return tmp_path


def stimuli(folder, **settings):
    overrides = {
        **SETTINGS,
        "data_dir": str(folder),
        **{name.replace("__", "."): each for name, each in settings.items()},
    }
    return load(load_protocol("ptb-small", overrides), load_circuit("mpl-language-small"), 0)


def refused(folder, **settings):
    with pytest.raises(DescriptionError) as caught:
        stimuli(folder, **settings)
    return str(caught.value)


def words(data, split):
    return [data.symbols[number] for number in data.tokens(split)]


def test_the_vocabulary_is_that_of_the_training_text_by_frequency(folder):
    data = stimuli(folder)
    assert data.symbols == ["<eos>", "the", "dog", "runs", "cat", "sleeps", "<unk>"]
    assert data.width == data.classes == 7
    assert words(data, "train") == "the dog runs <eos> the cat runs <eos> the dog sleeps <eos>".split()


def test_words_never_seen_are_unknown(folder):
    data = stimuli(folder)
    assert words(data, "test") == "<unk> dog <unk> <eos> the dog runs <eos>".split()
    assert data.unknown == {"train": 0, "validation": 1, "test": 2}


def test_a_smaller_vocabulary_keeps_the_most_frequent_words(folder):
    data = stimuli(folder, stimulus__vocabulary=4)
    assert set(data.symbols) == {"<unk>", "<eos>", "the", "dog"}
    assert words(data, "train")[:4] == ["the", "dog", "<unk>", "<eos>"]


def test_equally_frequent_words_stand_in_the_order_of_the_alphabet():
    assert list(vocabulary(["b", "a", "c", "c"], 0)) == ["c", "a", "b", "<eos>", "<unk>"]


def test_streams_go_on_from_presentation_to_presentation(folder):
    data = stimuli(folder)
    assert data.streams == 3
    assert data.size("train") == 6
    inputs, targets = (
        np.concatenate([part[k] for part in (data.batch("train", np.arange(p, p + 3)) for p in (0, 3))]) for k in (0, 1)
    )
    tokens = data.tokens("train")
    np.testing.assert_array_equal(targets.T.ravel(), tokens)
    np.testing.assert_array_equal(inputs.T.ravel(), [data.vocabulary["<eos>"], *tokens[:-1]])


def test_every_token_of_a_test_is_a_target_once(folder):
    data = stimuli(folder)
    labels = np.concatenate(
        [data.labels("test", np.arange(start, start + 3)) for start in range(0, data.size("test"), 3)]
    )
    np.testing.assert_array_equal(labels.T[labels.T >= 0], data.tokens("test"))


def test_the_first_lines_are_learned(folder):
    assert len(stimuli(folder, stimulus__lines=2).tokens("train")) == 8


def test_characters(folder):
    data = stimuli(folder, stimulus__level="character")
    assert "".join(words(data, "train")[:13]) == "the dog runs<eos>"
    assert set("thedogrunscalp ") | {"<eos>", "<unk>"} == set(data.symbols)


def test_any_alphabet(folder):
    (folder / "ptb.train.txt").write_text("\ufeffσύντομη πρόταση\nещё одна\n短い 文\n", encoding="utf-8")
    assert words(stimuli(folder), "train") == "σύντομη πρόταση <eos> ещё одна <eos> 短い 文 <eos>".split()


def test_lines_are_held_out_where_there_is_no_file(folder):
    (folder / "ptb.train.txt").write_text("\n".join(f"line {number}" for number in range(100)))
    data = stimuli(folder, stimulus__validation="", stimulus__test="")
    numbers = {split: [int(word) for word in words(data, split)[1::3] if word.isdigit()] for split in ("train",)}
    assert numbers["train"] == list(range(91))
    assert len(data.tokens("test")) == 15
    assert len(data.tokens("validation")) == 12
    assert data.unknown["test"] == 5


def test_one_very_long_line(folder):
    (folder / "ptb.train.txt").write_text("a b c d " * 25_000)
    assert len(stimuli(folder).tokens("train")) == 100_001


@pytest.mark.parametrize("content", [b"", b" \n\n  \n"])
def test_an_empty_file_is_refused(folder, content):
    (folder / "ptb.test.txt").write_bytes(content)
    message = refused(folder)
    assert "ptb.test.txt" in message
    assert "no text" in message


def test_bytes_that_are_not_utf8_are_refused_with_their_line(folder):
    (folder / "ptb.valid.txt.gz").unlink()
    (folder / "ptb.valid.txt").write_bytes("one\ntwo\nthrée\n".encode("latin1"))
    message = refused(folder)
    assert "ptb.valid.txt, line 3" in message
    assert "UTF-8" in message
    assert "iconv" in message


def test_a_missing_file_is_named(folder):
    (folder / "ptb.test.txt").unlink()
    assert "ptb.test.txt (or ptb.test.txt.gz)" in refused(folder)


def test_another_file_than_that_of_the_checksum_is_refused(folder):
    assert "another sha256" in refused(folder, stimulus__checksums={"ptb.train.txt": "0" * 64})


def test_a_text_too_short_for_one_presentation_is_refused(folder):
    message = refused(folder, learning__batch=100)
    assert "12 tokens" in message
    assert "200" in message
    assert "learning.batch" in message


def test_a_vocabulary_larger_than_the_circuits_is_refused(folder):
    data = stimuli(folder)
    circuit = load_circuit("mpl-language-small", {"population.next.size": 5})
    with pytest.raises(DescriptionError, match="population.next.size"):
        circuit.sized(data.width, data.classes)
    assert isinstance(load_circuit("mpl-language-small").sized(data.width, data.classes), Circuit)


def test_a_vocabulary_without_words_is_refused(folder):
    assert "at least 3" in refused(folder, stimulus__vocabulary=2)
