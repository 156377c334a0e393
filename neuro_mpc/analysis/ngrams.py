"""Baselines of language: predictions of the next token from counts of tokens, of pairs, or of longer n-grams
(`neuro_mpc.analysis.kneser_ney`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuro_mpc.analysis.kneser_ney import KneserNey

K = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # candidates for k


@dataclass(frozen=True)
class Unigram:
    """P(w) = (c(w) + k) / (N + k V), the same wherever a token stands.

    counts  c, how often each of the V tokens was learned (V,); N of them in all
    k       added to each count
    """

    counts: np.ndarray
    k: float

    @classmethod
    def of(cls, tokens: np.ndarray, size: int, k: float, first: int = 0) -> Unigram:
        """Learned from the numbers of tokens in the order of the text, each below `size`."""
        return cls(np.bincount(_numbers(tokens, size), minlength=size), k)

    def probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """Probability of each token of a text (tokens,)."""
        with np.errstate(invalid="ignore"):
            return (self.counts[tokens] + self.k) / (self.counts.sum() + self.k * len(self.counts))

    def guesses(self, tokens: np.ndarray) -> np.ndarray:
        """The most probable token at each place of a text (tokens,)."""
        return np.full(len(tokens), self.counts.argmax())


@dataclass(frozen=True)
class Bigram:
    """P(w | v) = (c(v, w) + k) / (c(v) + k V), v being the token before: add-k, without interpolation.

    pairs   v V + w of each pair that was learned, rising
    counts  c(v, w) of these pairs
    before  c(v), how often each token came before another one (V,)
    k       added to each count
    first   what comes before the first token of a text
    """

    pairs: np.ndarray
    counts: np.ndarray
    before: np.ndarray
    k: float
    first: int

    @classmethod
    def of(cls, tokens: np.ndarray, size: int, k: float, first: int = 0) -> Bigram:
        """Learned from the numbers of tokens in the order of the text, each below `size`."""
        tokens = _numbers(tokens, size)
        before = _shifted(tokens, first)
        pairs, counts = np.unique(before * size + tokens, return_counts=True)
        return cls(pairs, counts, np.bincount(before, minlength=size), k, first)

    def probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """Probability of each token after the one before (tokens,); NaN where k = 0 leaves it open."""
        before, size = _shifted(tokens, self.first), len(self.before)
        with np.errstate(invalid="ignore"):
            return (self._counted(before * size + tokens) + self.k) / (self.before[before] + self.k * size)

    def _counted(self, pairs: np.ndarray) -> np.ndarray:
        place = np.searchsorted(self.pairs, pairs).clip(max=len(self.pairs) - 1)
        return np.where(self.pairs[place] == pairs, self.counts[place], 0)

    def guesses(self, tokens: np.ndarray) -> np.ndarray:
        """The most probable token at each place of a text (tokens,), of equal ones the first number."""
        size = len(self.before)
        before, after = np.divmod(self.pairs, size)
        order = np.lexsort((-after, self.counts))  # the last write below is that of the most frequent pair
        best = np.zeros(size, np.int64)
        best[before[order]] = after[order]
        return best[_shifted(tokens, self.first)]


Ngram = Unigram | Bigram


def chosen(
    kind: type[Ngram],
    learned: np.ndarray,
    validation: np.ndarray,
    size: int,
    first: int = 0,
    candidates: Sequence[float] = K,
) -> Ngram:
    """An n-gram model of the text `learned`, with the k of least perplexity on the text `validation`.

    first   what comes before the first token of a text
    """
    models = [kind.of(learned, size, k, first) for k in candidates]
    return min(models, key=lambda model: perplexity(model, validation))


def perplexity(model: Ngram | KneserNey, tokens: np.ndarray) -> float:
    """exp of the mean of −ln P over all tokens of a text; infinite where one of them is impossible."""
    tokens = np.asarray(tokens, np.int64)
    with np.errstate(divide="ignore"):
        return float(np.exp(-np.log(model.probabilities(tokens)).mean()))


def accuracy(model: Ngram, tokens: np.ndarray) -> float:
    """Fraction of the tokens of a text that are the most probable ones at their place."""
    tokens = np.asarray(tokens, np.int64)
    return float((model.guesses(tokens) == tokens).mean())


def _shifted(tokens: np.ndarray, first: int) -> np.ndarray:
    return np.concatenate([[first], tokens[:-1]]).astype(np.int64)


def _numbers(tokens: np.ndarray, size: int) -> np.ndarray:
    tokens = np.asarray(tokens, np.int64)
    if not len(tokens) or tokens.min() < 0 or tokens.max() >= size:
        raise ValueError(f"the tokens of a text are numbers from 0 to {size - 1}, at least one")
    return tokens
