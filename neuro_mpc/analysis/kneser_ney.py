"""Interpolated, modified Kneser–Ney n-grams (Chen & Goodman 1999): the strongest predictions from counts alone.

The history of a token is a path backwards in time: that of k tokens is a child of that of the k − 1 latest ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Order:
    """The n-grams of one length: their histories, and what follows them.

    children   number of the shorter history · V + the token before it, rising: its place is the number of a history
    grams      number of a history · V + the token that follows, rising
    counts     how often (of shorter n-grams: after how many different tokens) it does (gram,)
    discounts  what is taken from counts of 1, of 2 and of more
    """

    children: np.ndarray
    grams: np.ndarray
    counts: np.ndarray
    discounts: np.ndarray

    def interpolated(self, histories: np.ndarray, tokens: np.ndarray, size: int, shorter: np.ndarray) -> np.ndarray:
        """P of tokens after histories (−1: never seen), given that after the shorter ones."""
        total, left = (np.bincount(self.grams // size, each, len(self.children)) for each in (self.counts, self._taken))
        known = np.flatnonzero((histories >= 0) & (total[histories] > 0))
        at, found = _places(self.grams, histories[known] * size + tokens[known])
        counted = np.where(found, (self.counts - self._taken)[at], 0.0)
        probability = shorter.copy()
        history = histories[known]
        probability[known] = (counted + left[history] * shorter[known]) / total[history]
        return probability

    @property
    def _taken(self) -> np.ndarray:
        return self.discounts[np.minimum(self.counts, 3) - 1]


@dataclass(frozen=True)
class KneserNey:
    """P(w | history) = (c − d(c))/Σ c + what was taken, by P(w | history without its first token); at last by 1/V.

    orders  of n-grams of 1, 2, … tokens
    size    V, the number of different tokens
    first   what comes before the first token of a text
    """

    orders: tuple[Order, ...]
    size: int
    first: int

    @classmethod
    def of(cls, tokens: np.ndarray, size: int, order: int, first: int = 0) -> KneserNey:
        """Learned from the numbers of tokens in the order of the text, each below `size`."""
        tokens = np.asarray(tokens, np.int64)
        if not len(tokens) or tokens.min() < 0 or tokens.max() >= size:
            raise ValueError(f"the tokens of a text are numbers from 0 to {size - 1}, at least one")
        children, histories = [np.zeros(1, np.int64)], np.zeros(len(tokens), np.int64)
        for back in range(1, order):
            found, histories = np.unique(histories * size + _earlier(tokens, back, first), return_inverse=True)
            children.append(found)
        grams, counts = np.unique(histories * size + tokens, return_counts=True)
        orders = [Order(children[-1], grams, counts, _discounts(counts))]
        for longer, own in zip(children[:0:-1], children[-2::-1], strict=True):
            histories, following = np.divmod(orders[0].grams, size)
            grams, counts = np.unique(longer[histories] // size * size + following, return_counts=True)
            orders.insert(0, Order(own, grams, counts, _discounts(counts)))
        return cls(tuple(orders), size, first)

    def probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """Probability of each token of a text after those before it (tokens,)."""
        tokens = np.asarray(tokens, np.int64)
        histories, probability = np.zeros(len(tokens), np.int64), np.full(len(tokens), 1 / self.size)
        for back, order in enumerate(self.orders):
            if back:
                at, found = _places(order.children, histories * self.size + _earlier(tokens, back, self.first))
                histories = np.where(found & (histories >= 0), at, -1)
            probability = order.interpolated(histories, tokens, self.size, probability)
        return probability


def _earlier(tokens: np.ndarray, back: int, first: int) -> np.ndarray:
    """The token so many places earlier."""
    return np.concatenate([np.full(min(back, len(tokens)), first, np.int64), tokens[:-back]])


def _places(known: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where numbers stand in a rising list, and whether they do."""
    at = np.searchsorted(known, wanted).clip(max=len(known) - 1)
    return at, known[at] == wanted


def _discounts(counts: np.ndarray) -> np.ndarray:
    """d(1), d(2) and d(3, …) from how many n-grams have each count; of a text too small to tell, a half."""
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(float)
    if not n.all():
        return np.full(3, 0.5)
    ratio = n[0] / (n[0] + 2 * n[1])
    return np.clip([k - (k + 1) * ratio * n[k] / n[k - 1] for k in (1, 2, 3)], 0, [1, 2, 3])
