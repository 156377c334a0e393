"""N-gram models of texts so small that their perplexity is known in closed form."""

from collections import Counter

import numpy as np
import pytest

from neuro_mpc.analysis import ngrams
from neuro_mpc.analysis.kneser_ney import KneserNey
from neuro_mpc.analysis.ngrams import Bigram, Unigram

END, A, B, NEVER = range(4)
TEXT = np.array([A, B, END, A, A, END])


def test_unigrams_without_k_have_the_entropy_of_the_text():
    model = Unigram.of(TEXT, 4, 0)
    p = np.array([3, 1, 2]) / 6
    assert ngrams.perplexity(model, TEXT) == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    assert ngrams.perplexity(model, np.array([A, NEVER])) == np.inf


def test_added_k_leaves_something_to_tokens_never_seen():
    model = Unigram.of(TEXT, 4, 0.5)
    np.testing.assert_allclose(model.probabilities(np.arange(4)), [2.5 / 8, 3.5 / 8, 1.5 / 8, 0.5 / 8])
    assert ngrams.perplexity(model, np.array([NEVER])) == pytest.approx(16)


def test_bigrams_count_what_follows_from_the_beginning_of_the_text_on():
    model = Bigram.of(TEXT, 4, 0, first=END)
    # After the end always a; after a one of b, a, the end; after b the end.
    assert ngrams.perplexity(model, TEXT) == pytest.approx(27 ** (1 / 6))
    assert ngrams.perplexity(model, np.array([B])) == np.inf


def test_bigrams_with_k():
    model = Bigram.of(TEXT, 4, 1, first=END)
    text = np.array([A, NEVER, B])  # after the end, after a, after what was never seen
    np.testing.assert_allclose(model.probabilities(text), [3 / 6, 1 / 7, 1 / 4])
    assert ngrams.perplexity(model, text) == pytest.approx((2 * 7 * 4) ** (1 / 3))


@pytest.mark.parametrize("kind", [Unigram, Bigram])
def test_probabilities_of_all_that_may_follow_sum_to_one(kind):
    rng = np.random.default_rng(0)
    model = kind.of(rng.integers(0, 7, 60), 9, 0.3, first=2)
    for before in range(9):
        total = sum(model.probabilities(np.array([before, after]))[1] for after in range(9))
        assert total == pytest.approx(1)


def test_guesses_are_the_most_probable_tokens():
    text = np.array([A, B, A, B, A, A, END, B, END, NEVER])
    np.testing.assert_array_equal(Unigram.of(text, 4, 1).guesses(text), A)
    for kind in (Unigram, Bigram):
        model = kind.of(text, 4, 0.1, first=END)
        places = np.array([A, A, B, END, NEVER, A])
        for k, guess in enumerate(model.guesses(places)):
            options = [model.probabilities(np.r_[places[:k], after])[-1] for after in range(4)]
            assert options[guess] == pytest.approx(max(options))


def test_the_accuracy_counts_right_guesses():
    text = np.tile([A, B, END], 5)
    assert ngrams.accuracy(Bigram.of(text, 4, 0.1, first=END), text) == 1
    assert ngrams.accuracy(Unigram.of(text, 4, 0.1), text) == pytest.approx(1 / 3)


def test_k_is_chosen_on_the_text_for_validation():
    same = ngrams.chosen(Bigram, TEXT, TEXT, 4, END)
    other = ngrams.chosen(Bigram, TEXT, np.array([NEVER, NEVER, B, B]), 4, END)
    assert same.k == min(ngrams.K)
    assert other.k == max(ngrams.K)
    assert ngrams.chosen(Unigram, TEXT, TEXT, 4, candidates=(5, 0.2)).k == 0.2


def test_what_is_no_text_is_refused():
    for tokens in ([], [0, 4], [-1]):
        with pytest.raises(ValueError, match="from 0 to 3"):
            Bigram.of(np.array(tokens), 4, 1)
        with pytest.raises(ValueError, match="from 0 to 3"):
            KneserNey.of(np.array(tokens), 4, 2)


def kneser_ney(text, history, token, order, size, first, told):
    """P(token | history) from the definitions, n-gram by n-gram.

    told   the lengths whose counts tell their discounts are added
    """
    padded = [first] * (order - 1) + list(text)
    found = {
        n: Counter(tuple(padded[i - n + 1 : i + 1]) for i in range(order - 1, len(padded))) for n in range(1, order + 1)
    }
    counts = {order: found[order]}
    for n in range(order - 1, 0, -1):
        counts[n] = Counter(gram[1:] for gram in found[n + 1])
    probability = 1 / size
    for n in range(1, order + 1):
        seen = {
            gram[-1]: count for gram, count in counts[n].items() if gram[:-1] == tuple(history[len(history) - n + 1 :])
        }
        if seen:
            of_count = Counter(counts[n].values())
            discount = dict.fromkeys((1, 2, 3), 0.5)
            if all(of_count[k] for k in (1, 2, 3, 4)):
                y = of_count[1] / (of_count[1] + 2 * of_count[2])
                discount = {k: k - (k + 1) * y * of_count[k + 1] / of_count[k] for k in (1, 2, 3)}
                told.add(n)
            taken = {each: min(max(discount[min(count, 3)], 0), min(count, 3)) for each, count in seen.items()}
            own = seen.get(token, 0) - taken.get(token, 0)
            probability = (own + sum(taken.values()) * probability) / sum(seen.values())
    return probability


def test_kneser_ney_is_what_its_definition_says():
    rng = np.random.default_rng(0)
    text = np.concatenate([rng.integers(0, 3, 300), rng.integers(0, 6, 200), [6, 6]])
    model, other, told = KneserNey.of(text, 9, 3, first=2), rng.integers(0, 9, 40), set()
    padded = [2, 2, *other]
    expected = [kneser_ney(text, padded[i : i + 2], token, 3, 9, 2, told) for i, token in enumerate(other)]
    np.testing.assert_allclose(model.probabilities(other), expected, rtol=1e-12)
    assert told


@pytest.mark.parametrize("order", [1, 2, 5])
def test_kneser_ney_probabilities_sum_to_one(order):
    rng = np.random.default_rng(1)
    model = KneserNey.of(rng.integers(0, 5, 400), 7, order, first=1)
    for history in ([], [1], [6, 2], [0, 1, 2, 3, 4]):
        total = sum(model.probabilities(np.array([*history, after]))[-1] for after in range(7))
        assert total == pytest.approx(1)


def test_longer_histories_tell_more_of_a_text_that_repeats_itself():
    text = np.tile([0, 0, 1, 0, 1, 1], 50)
    found = [ngrams.perplexity(KneserNey.of(text, 2, order), text) for order in (1, 2, 4)]
    assert found[0] == pytest.approx(2, rel=0.01)
    assert found[2] < 1.1 < found[1]
