"""Text as a stimulus: vocabulary, streams, and files that are not as they should be."""

import bz2
import gzip

import numpy as np
import pytest

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.loading import load_circuit, load_protocol
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli import load, text, text_file
from neuro_mpc.stimuli.text import Text, TextStimuli, vocabulary

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


def test_a_text_as_it_is_keeps_blanks_and_blank_lines_and_holds_out_equal_parts(folder):
    (folder / "ptb.train.txt").write_text("ab \n\n c\n" * 40)
    data = stimuli(folder, stimulus__level="raw", stimulus__validation="", stimulus__test="")
    assert [len(data.tokens(split)) for split in ("train", "validation", "test")] == [40 * 8 - 32, 16, 16]
    assert words(data, "train")[:8] == ["a", "b", " ", "<eos>", "<eos>", " ", "c", "<eos>"]
    table = data.table(train="ptb.train.txt", level="raw")
    prompt = data.parted(table, "b \n")
    assert prompt == ["b", " ", "<eos>"]
    assert data.joined(table, "b", prompt[1:]) == "b \n"


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


def with_train(folder, content):
    (folder / "ptb.train.txt").write_bytes(content)
    return folder


PLAIN = "\n".join(TRAIN) + "\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "the dog\ndoesn’t run".encode("windows-1252"),
            ["line 2", "UTF-8", "iconv -f ENCODING", "reads", "doesn’t run"],
        ),
        ("the dog\n\ngarçon".encode("latin1"), ["line 3", "iconv -f ENCODING", "'garçon'"]),
        (PLAIN.encode("utf-16"), ["is in UTF-16", "iconv -f utf-16 -t utf-8"]),
        (PLAIN.encode("utf-32"), ["is in UTF-32", "iconv -f utf-32 -t utf-8"]),
        (PLAIN.encode("utf-16-le"), ["U+0000", "iconv -f utf-16le"]),
        (b"PK\x03\x04" + PLAIN.encode(), ["zip archive", "unzip"]),
        (bz2.compress(PLAIN.encode()), ["bzip2", "bzip2 -dk"]),
        (gzip.compress(gzip.compress(PLAIN.encode(), mtime=0), mtime=0), ["gzipped twice"]),
        (b"the dog\nruns\x07 fast", ["line 2", "U+0007", "tr -d"]),
        ("the dog doesn\x92t run".encode(), ["U+0092", "windows-1252 was converted as if it were latin1"]),
        ("the dog\x85".encode(), ["U+0085"]),
        (
            "the dog\nga\ufffdon".encode(),
            ["line 2", "U+FFFD (replacement character)", "could not be read", "the original"],
        ),
        ("the\u200bdog".encode(), ["line 1", "U+200B (zero width space)", "cannot be seen", r"printf '\342\200\213'"]),
        ("the dog\n\ufeffruns".encode(), ["line 2", "U+FEFF (zero width no-break space)"]),
        ("the \xaddog".encode(), ["U+00AD (soft hyphen)"]),
    ],
)
def test_what_is_no_text_in_utf8_is_refused_with_the_right_hint(folder, content, told):
    message = refused(with_train(folder, content))
    assert all(each in message for each in ["ptb.train.txt", *told])
    assert "iconv -f latin1" not in message


@pytest.mark.parametrize(
    "content",
    [PLAIN, "\ufeff" + PLAIN, PLAIN.replace("\n", "\r\n"), PLAIN.replace("\n", "\r"), PLAIN.replace(" ", "\t\f")],
)
def test_the_marks_of_other_systems_change_no_word(folder, content):
    assert words(stimuli(with_train(folder, content.encode())), "train") == " ".join(
        f"{line} <eos>" for line in TRAIN if line
    ).split(" ")


def test_separators_of_unicode_end_no_line(folder):
    data = stimuli(with_train(folder, "the dog\u2028runs\nthe\u2029cat\n".encode()), learning__batch=1)
    assert words(data, "train") == "the dog runs <eos> the cat <eos>".split()


def test_joiners_and_marks_of_direction_are_part_of_words(folder):
    written = ["می\u200cخواهم", "👩\u200d🔬", "\u200fשלום"]
    data = stimuli(with_train(folder, "\n".join(written).encode()), learning__batch=1)
    assert words(data, "train") == [word for each in written for word in (each, "<eos>")]


@pytest.mark.parametrize("content", ["a b c d " * 100, "a b c d " * 50 + "\n" + "a b c d " * 50])
def test_tokens_are_held_out_where_lines_are_few(folder, content):
    data = stimuli(with_train(folder, content.encode()), stimulus__validation="", stimulus__test="")
    sizes = [len(data.tokens(split)) for split in ("train", "validation", "test")]
    total = 400 + len(content.splitlines())
    assert sizes == [total - 20 - 19, 19, 20]
    assert words(data, "test")[-2:] == ["d", "<eos>"]
    some = stimuli(folder, stimulus__validation="", stimulus__test="", stimulus__lines=1)
    assert len(some.tokens("train")) <= sizes[0]


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


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize(
    ("module", "limit", "level", "content", "most"),
    [
        (text_file, "LARGEST_TEXT", "word", b"a b\n" * 2**20, "1,000 bytes uncompressed"),
        (text_file, "MOST_LINES", "word", b"a\n" * 1001, "1,000 lines"),
        (text_file, "MOST_LINES", "word", b"\r" * 1001, "1,000 lines"),
        (text, "MOST_TOKENS", "word", b"a " * 1000, "1,000 words and ends of lines"),
        (text, "MOST_TOKENS", "character", b"a" * 1000, "1,000 characters and ends of lines"),
        (text, "MOST_TOKENS", "raw", b"a" * 1000, "1,000 characters and ends of lines"),
    ],
    ids=["bytes", "lines", "carriage returns", "words of one line", "characters of one line", "characters as they are"],
)
def test_a_text_that_takes_too_much_memory_is_refused(
    folder, monkeypatch, gzipped, module, limit, level, content, most
):
    monkeypatch.setattr(module, limit, 1000)
    (folder / "ptb.train.txt").write_bytes(gzip.compress(content) if gzipped else content)
    told = refused(folder, stimulus__level=level)
    assert f"ptb.train.txt: the text is too long expected: up to {most}" in " ".join(told.split())
    assert "head -c 50M" in told


def test_the_longest_text_that_is_read_is_as_long_as_the_limit(folder, monkeypatch):
    monkeypatch.setattr(text, "MOST_TOKENS", 12)
    assert len(stimuli(folder).tokens("train")) == 12
    monkeypatch.setattr(text, "MOST_TOKENS", 11)
    assert "too long" in refused(folder)


@pytest.mark.parametrize(
    ("level", "text", "parts", "symbols", "whole"),
    [
        ("word", "a b", ["a", "b"], ["c", "<eos>", "d", "e", "<eos>"], "a b c\nd e"),
        ("character", "ab", ["a", "b"], ["c", " ", "<eos>", "d"], "abc \nd"),
        ("raw", "a b\n", ["a", " ", "b", "<eos>"], [" ", "<eos>", "<eos>"], "a b\n \n\n"),
    ],
)
def test_a_prompt_is_parted_and_goes_on_as_text(level, text, parts, symbols, whole):
    table = Text(train="any.txt", level=level)
    assert TextStimuli.parted(table, text) == parts
    assert TextStimuli.joined(table, text, symbols) == whole
