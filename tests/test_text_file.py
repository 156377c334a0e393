"""Files of text: as long as they may be, errors that show the place, and what is held out of them."""

import gzip

import numpy as np
import pytest

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.stimuli import text, text_file


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "text.txt"


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path, content, **options):
    with pytest.raises(nm.DescriptionError) as caught:
        text_file.lines(written(path, content), None, **options)
    return caught.value


def streams(train, files=None, **keys):
    """A text as a stimulus, of a file for each split that is given."""
    for name, content in {"train": train, **(files or {})}.items():
        keys[name] = f"{name}.txt"
        with open(keys[name], "w", encoding="utf-8") as file:
            file.write(content)
    protocol = nm.Protocol(
        name="own",
        stimulus={"source": "text", "steps": 2, "checksums": {}, **keys},
        target={"read": "every"},
        learning={"rate": 0.1, "batch": 2, "epochs": 1},
        test={"measure": "perplexity"},
    )
    return stimuli.load(protocol, nm.load_circuit("mpl-language-small"), 0)


@pytest.mark.parametrize(
    ("limit", "content", "most", "told"),
    [
        ("LARGEST_TEXT", b"a\nb\nc", 5, "bytes uncompressed"),
        ("MOST_LINES", b"a\nb\r\nc", 3, "lines"),
        ("MOST_LINES", b"a\rb\rc", 2, "lines"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_text_is_as_long_as_its_limit_and_no_longer(path, limit, content, most, told, packed, monkeypatch):
    written(path, gzip.compress(content) if packed else content)
    monkeypatch.setattr(text_file, limit, most)
    assert text_file.lines(path, None) == ["a", "b", "c"]
    monkeypatch.setattr(text_file, limit, most - 1)
    with pytest.raises(nm.DescriptionError, match="the text is too long") as caught:
        text_file.lines(path, None)
    assert caught.value.expected == f"up to {most - 1} {told}"
    assert caught.value.hint.endswith(f"| head -c 50M | iconv -c -f utf-8 -t utf-8 > {path.with_suffix('.part.txt')}")


def test_limits_are_those_of_the_page():
    limits = (text_file.LARGEST_TEXT, text_file.MOST_LINES, text.MOST_TOKENS)
    assert limits == (256 * 1024**2, 8_388_608, 67_108_864)


@pytest.mark.parametrize("blank", [False, True])
def test_blank_lines_are_left_out_but_for_the_text_as_it_is(path, blank):
    found = text_file.lines(written(path, "a\n \n\nb \n"), None, blank=blank)
    assert found == (["a", " ", "", "b "] if blank else ["a", "b "])
    assert refused(path, " \n\n", blank=blank).problem == "contains no text"


BEFORE, AFTER = "0123456789abcdefghijklmnop", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize(
    ("mark", "number"), [("\x07", "U+0007"), ("\x85", "U+0085"), ("\u200b", "U+200B"), ("\ufffd", "U+FFFD")]
)
def test_a_character_that_is_not_wanted_is_shown_with_what_is_around_it(path, mark, number):
    error = refused(path, f"first\n{BEFORE}{mark}{AFTER}\nlast {mark}")
    assert number in error.problem
    assert error.source == f"{path}, line 2"
    assert error.found == f"{BEFORE[-20:]}{mark}{AFTER[:19]}"
    assert refused(path, f"x{mark}y").found == f"x{mark}y"
    assert ("the original file" in error.hint) == (mark in ("\x85", "\ufffd"))
    assert (r"tr -d '\007' <" in error.hint) == (mark == "\x07")


def test_bytes_of_another_encoding_are_shown_as_windows_reads_them(path):
    error = refused(path, b"first\n" + BEFORE.encode() + b"\xe9" + AFTER.encode() + b"\nlast")
    assert error.source == f"{path}, line 2"
    assert error.found == b"\xe9ABCDEFG"
    assert error.hint.endswith(f"windows-1252 reads this place as {f'{BEFORE[-20:]}é{AFTER[:19]}'!r}")
    short = refused(path, b"first\nab\xe9cd\nlast")
    assert short.hint.endswith("windows-1252 reads this place as 'abécd'")
    assert refused(path, b"\xe9").source == f"{path}, line 1"


@pytest.mark.parametrize("beginning", text_file.BEGINNINGS)
def test_what_is_no_text_by_its_beginning_is_told_with_the_command_that_makes_it_one(path, beginning):
    kind, command = text_file.BEGINNINGS[beginning]
    twice = beginning == text_file.GZIP
    error = refused(path, gzip.compress(gzip.compress(b"text")) if twice else beginning + b"text")
    assert error.problem == (f"is in {kind}" if kind.startswith("UTF") else f"is {kind}")
    assert error.hint.startswith(f"{command} {path}")
    assert (f"> {path}.utf8" in error.hint) == ("iconv" in command)


def test_a_text_has_as_many_different_tokens_as_a_population_may_have_units(path, monkeypatch):
    monkeypatch.setattr(text, "LARGEST", 5)
    assert streams("a b c " * 20).symbols == ["a", "b", "c", "<eos>", "<unk>"]
    with pytest.raises(nm.DescriptionError, match="the text has 6 different tokens"):
        streams("a b c d " * 20)
    assert streams("a b c d " * 20, vocabulary=5).classes == 5


def test_only_tokens_that_the_vocabulary_lacks_are_counted_as_unknown(path):
    data = streams("a b a <unk> " * 10, {"validation": "a <unk> c", "test": "c d <unk> <unk> a"})
    assert data.unknown == {"train": 0, "validation": 1, "test": 2}


@pytest.mark.parametrize(("lines", "held_out"), [(19, "tokens"), (20, "lines"), (39, "lines"), (40, "lines")])
def test_a_twentieth_of_the_lines_is_held_out_and_of_the_tokens_where_lines_are_fewer(path, lines, held_out):
    data = streams("a b c\n" * lines)
    sizes = [len(data.tokens(split)) for split in stimuli.SPLITS]
    whole = 4 * lines
    if held_out == "lines":
        test = lines // 20
        validation = (lines - test) // 20
        assert sizes == [whole - 4 * (validation + test), 4 * validation, 4 * test]
        return
    test = whole // 20
    validation = (whole - test) // 20
    assert sizes == [whole - test - validation, validation, test]


def test_a_short_text_holds_out_one_token_at_least(path):
    data = streams("abcdefgh\n", level="raw")
    assert [len(data.tokens(split)) for split in stimuli.SPLITS] == [7, 1, 1]
    first = streams("abcd\nefgh\n" * 3, level="raw", lines=1)
    assert len(first.tokens("train")) == 5


def test_a_text_that_fills_no_presentation_says_what_would(path):
    files = {"validation": "a", "test": "a"}
    for steps, hint in ((2, '"learning.batch": 1'), (3, '"learning.batch": 1'), (4, "a longer text, or fewer steps")):
        with pytest.raises(nm.DescriptionError, match="does not fill one presentation") as caught:
            streams("a a", files, steps=steps)
        assert caught.value.found == "3 tokens that are not held out"
        assert caught.value.expected == f"{2 * steps} at least, 2 trials of {steps}"
        assert hint in str(caught.value)
    assert streams("a a a", files).size("train") == 2


def test_streams_hold_whole_presentations_and_are_filled_up_where_a_text_is_tested(path):
    data = streams("a b c d e f g h i", {"validation": "a", "test": "a b c d"})  # with the end of the line 10, 2, 5
    assert [data.size(split) for split in stimuli.SPLITS] == [4, 2, 4]
    tokens = {split: data.tokens(split) for split in stimuli.SPLITS}
    for split, length in (("train", 4), ("validation", 1), ("test", 3)):
        shown, asked = (
            np.concatenate([given(split, np.arange(first, first + 2)) for first in range(0, data.size(split), 2)])
            for given in (data.stimulus, data.labels)
        )
        expected = np.full((2, len(shown)), -1)
        before = expected.copy()
        for stream in range(2):
            part = tokens[split][stream * length : (stream + 1) * length]
            expected[stream, : len(part)] = part
            before[stream, : len(part)] = np.r_[data.vocabulary["<eos>"], tokens[split]][stream * length :][: len(part)]
        np.testing.assert_array_equal(asked.T, expected)
        np.testing.assert_array_equal(shown.T, before)
