"""The toy language and the digits: encodings, splits, and what is the same for every seed."""

import gzip
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_mpc.descriptions.loading import load_circuit, load_protocol
from neuro_mpc.descriptions.sources import SOURCES
from neuro_mpc.errors import DescriptionError
from neuro_mpc.stimuli import SPLITS, load, one_hot
from neuro_mpc.stimuli import digits as digits_of
from neuro_mpc.stimuli.digits import stratified
from neuro_mpc.stimuli.toy_language import ToyLanguage, spelled


def stimuli(protocol="toy-language", seed=0, **settings):
    overrides = {key.replace("__", "."): value for key, value in settings.items()}
    return load(load_protocol(protocol, overrides), load_circuit("mpl"), seed)


@pytest.fixture(scope="module")
def toy():
    return stimuli()


@pytest.fixture(scope="module")
def digits():
    return stimuli("digits-rows")


def test_every_source_of_protocols_is_registered():
    assert set(SOURCES.names()) >= {"toy-language", "digits", "idx", "text"}


def test_one_hot():
    np.testing.assert_array_equal(one_hot(np.array([[2, -1, 0]]), 3), [[[0, 0, 1], [0, 0, 0], [1, 0, 0]]])
    with pytest.raises(IndexError):
        one_hot(np.array([0, 3]), 3)


def test_the_toy_language_has_the_sizes_of_the_paper(toy):
    assert (toy.width, toy.classes, toy.steps, toy.read) == (26, 26, 10, "every")
    assert (toy.size("train"), toy.transitions, toy.letters) == (1000, (2, 4), 26)
    assert toy.symbols == list("abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize("split", SPLITS)
def test_strings_obey_the_transitions(toy, split):
    strings = toy.strings(split)
    assert strings.shape[1] == 11
    assert set(np.unique(np.diff(strings, axis=1) % 26)) == {2, 4}


def test_strings_are_drawn_without_replacement(toy):
    everything = np.concatenate([toy.strings(split) for split in SPLITS])
    assert len(np.unique(everything, axis=0)) == len(everything) == 3000


def test_the_target_is_the_next_letter(toy):
    trials = np.array([5, 0, 7])
    stimulus, target = toy.batch("train", trials)
    assert stimulus.shape == target.shape == (10, 3, 26)
    assert stimulus.dtype == target.dtype == np.float32
    np.testing.assert_array_equal(stimulus[1:], target[:-1])
    letters = np.concatenate([stimulus, target[-1:]]).argmax(axis=2).T
    np.testing.assert_array_equal(letters, toy.strings("train")[trials])
    np.testing.assert_array_equal(target.argmax(axis=2), toy.labels("train", trials))
    np.testing.assert_array_equal(stimulus.sum(axis=2), 1)


def test_only_the_last_letter_may_be_read(toy):
    last = stimuli(target__read="last")
    trials = np.arange(4)
    assert last.batch("train", trials)[1].shape == (1, 4, 26)
    np.testing.assert_array_equal(last.labels("train", trials), toy.labels("train", trials)[-1:])


def test_a_full_load_learns_every_string_once():
    full = stimuli(stimulus__load=266.24)
    assert [full.size(split) for split in SPLITS] == [26_624, 0, 0]
    assert len(np.unique(full.strings("train"), axis=0)) == 26_624
    np.testing.assert_array_equal(np.bincount(full.strings("train")[:, 0]), 1024)


def test_the_load_counts_free_units():
    assert stimuli(stimulus__load=0.05).size("train") == 5
    assert stimuli(stimulus__load=0.01).size("train") == 1


@pytest.mark.parametrize("load_", [267.0, 0.001])
def test_an_impossible_load_is_refused(load_):
    with pytest.raises(DescriptionError, match=r"stimulus.load(.|\n)*1 to 26624 strings"):
        stimuli(stimulus__load=load_)


@pytest.mark.parametrize("read", ["every", "last"])
def test_every_letter_that_a_transition_leads_to_is_right(read):
    language = stimuli(target__read=read)
    trials = np.array([7, 0, 3])
    strings = language.strings("test")[trials].T
    before = strings[:-1] if read == "every" else strings[-2:-1]
    for ahead in range(26):
        right = language.right("test", trials, (before + ahead) % 26)
        np.testing.assert_array_equal(right, np.full(before.shape, ahead in (2, 4)))
    assert language.right("test", trials, language.labels("test", trials)).all()
    assert language.chance == 2 / 26


def test_the_seed_chooses_the_strings(toy):
    np.testing.assert_array_equal(toy.strings("train"), stimuli().strings("train"))
    assert not np.array_equal(toy.strings("train"), stimuli(seed=1).strings("train"))


def test_a_very_large_language_is_not_listed():
    large = stimuli(stimulus__length=50)
    assert (large.steps, large.size("train"), large.size("test")) == (49, 1000, 1000)


@given(
    st.integers(2, 9).flatmap(
        lambda letters: st.tuples(
            st.just(letters),
            st.lists(st.integers(0, letters - 1), min_size=1, max_size=3, unique=True),
            st.integers(2, 6),
        )
    )
)
def test_numbers_spell_all_strings_once(language):
    letters, transitions, length = language
    described = ToyLanguage(letters=letters, transitions=transitions, length=length)
    strings = spelled(np.arange(described.strings), described)
    assert len(np.unique(strings, axis=0)) == described.strings == letters * len(transitions) ** (length - 1)
    assert set(np.unique(np.diff(strings, axis=1) % letters)) <= set(transitions)


def test_numbers_of_any_shape_are_spelled_one_by_one():
    described = ToyLanguage(letters=7, length=5)
    flat = spelled(np.arange(24), described)
    assert flat.shape == (24, 5)
    np.testing.assert_array_equal(spelled(np.arange(24).reshape(2, 3, 4), described), flat.reshape(2, 3, 4, 5))
    np.testing.assert_array_equal(spelled(np.array(17), described), flat[17])


def test_the_digits_are_those_of_scikit_learn(digits):
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    seen = [digits.batch(split, np.arange(digits.size(split)))[0] for split in SPLITS]
    images = np.concatenate([each.swapaxes(0, 1).reshape(each.shape[1], 64) for each in seen])
    named = np.concatenate([digits.labels(split, np.arange(digits.size(split)))[0] for split in SPLITS])
    order, found = np.lexsort((*pixels.T, labels)), np.lexsort((*images.T, named))
    np.testing.assert_allclose(images[found], pixels[order] / 16, atol=1e-7)
    np.testing.assert_array_equal(named[found], labels[order])


def test_the_file_of_scikit_learn_is_read_without_it_and_else_by_it(monkeypatch, tmp_path):
    """The same numbers to the byte; a file that is damaged, or elsewhere, is left to scikit-learn."""
    found = digits_of.digits()
    code = "import sys; from neuro_mpc.stimuli.digits import digits; digits(); assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    content = gzip.decompress(digits_of._file().read_bytes())
    for damaged in (None, b"", b"1,2,3", gzip.compress(content[:-9]), gzip.compress(content.replace(b"16", b"999"))):
        if damaged is not None:
            (tmp_path / "digits.csv.gz").write_bytes(damaged)
        monkeypatch.setattr(digits_of, "_file", lambda: tmp_path / "digits.csv.gz")
        for ours, theirs in zip(found, digits_of.digits(), strict=True):
            assert (ours.dtype, ours.shape, ours.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())


def test_the_digits_have_fixed_sizes(digits):
    assert [digits.size(split) for split in SPLITS] == [1297, 200, 300]
    assert (digits.width, digits.classes, digits.steps, digits.read) == (8, 10, 8, "last")
    assert digits.symbols == list("0123456789")
    stimulus, target = digits.batch("test", np.arange(5))
    assert (stimulus.shape, target.shape) == ((8, 5, 8), (1, 5, 10))
    assert (stimulus.min(), stimulus.max()) == (0, 1)


def test_rows_come_one_after_the_other():
    rows, pixels = stimuli("digits-rows"), stimuli("digits-rows", stimulus__pixels_per_step=1)
    trials = np.arange(3)
    np.testing.assert_array_equal(
        rows.stimulus("train", trials).swapaxes(0, 1).reshape(3, 64),
        pixels.stimulus("train", trials)[..., 0].T,
    )


def test_the_split_is_stratified_and_the_same_for_every_seed(digits):
    other = stimuli("digits-rows", seed=9)
    for split in SPLITS:
        trials = np.arange(digits.size(split))
        np.testing.assert_array_equal(digits.labels(split, trials), other.labels(split, trials))
        shares = np.bincount(digits.labels(split, trials)[0]) / len(trials)
        assert np.abs(shares - 0.1).max() < 0.012


def test_every_trial_is_in_one_split():
    parts = stratified(np.repeat(np.arange(10), 180)[:1797])
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(1797))


def test_the_label_is_named_at_every_step_if_asked(digits):
    every = stimuli("digits-rows", target__read="every")
    trials = np.arange(6)
    assert every.batch("train", trials)[1].shape == (8, 6, 10)
    np.testing.assert_array_equal(every.labels("train", trials), np.tile(digits.labels("train", trials), (8, 1)))
