"""How the synapses of a projection lie in memory, and what that makes of its sums: products, or unit by unit.

Forward, backward and Hebbian sums of all-to-all synapses are matrix products. Where some pairs only are connected they
are the same products, of moments that are zero elsewhere (`neuro_mpc.rules.derivation.SynapseRules`). One-to-one
synapses are n numbers, not n², and their sums go unit by unit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from neuro_mpc.network.operations import (
    Clip,
    Feedback,
    FeedbackEach,
    Forward,
    ForwardEach,
    HebbianSum,
    HebbianSumEach,
    Operation,
    Pack,
)
from neuro_mpc.network.rows import Span


@dataclass(frozen=True)
class Connectivity(ABC):
    """The synapses of one projection: the name of their group, and the shape of their arrays."""

    group: str
    shape: tuple[int, int]

    @abstractmethod
    def forward(self, target: str, source: str, moment: str, span: Span, accumulate: bool) -> Operation:
        """target(s) = [target(s)] + what arrives from source(s − delay) by a moment of the weights."""

    @abstractmethod
    def feedback(self, target: str, source: str, moment: str, span: Span, accumulate: bool) -> Operation:
        """target(s − delay) = [target(s − delay)] + what comes back from source(s)."""

    @abstractmethod
    def hebbian_sum(self, total: str, post: str, pre: str, span: Span) -> Operation:
        """A variable of the synapses = Σ over steps and trials of post(s) pre(s − delay)."""

    @abstractmethod
    def clip(self, variable: str, limit: float, norm: str) -> Operation:
        """Scale a variable of the synapses to at most `limit` in a norm of its matrix."""

    @abstractmethod
    def packing(self, moments: Sequence[str], direction: str) -> Iterator[tuple[str, Operation]]:
        """What has to be packed for products in a direction: (variable, operation that packs it) each."""


class Products(Connectivity):
    """A matrix, post × pre; its moments are packed for products."""

    def forward(self, target, source, moment, span, accumulate):
        return Forward(target, source, f"{self.group}_{moment}_forward", span, accumulate)

    def feedback(self, target, source, moment, span, accumulate):
        return Feedback(target, source, f"{self.group}_{moment}_backward", span, accumulate)

    def hebbian_sum(self, total, post, pre, span):
        return HebbianSum(f"{self.group}_{total}", post, pre, span)

    def clip(self, variable, limit, norm):
        return Clip(f"{self.group}_{variable}", *self.shape, limit, norm)

    def packing(self, moments, direction):
        for moment in moments:
            packed, weights = f"{moment}_{direction}", f"{self.group}_{moment}"
            yield packed, Pack(f"{self.group}_{packed}", weights, *self.shape, direction == "forward")


class UnitByUnit(Connectivity):
    """The diagonal of a matrix, one synapse for each unit."""

    def forward(self, target, source, moment, span, accumulate):
        return ForwardEach(target, source, f"{self.group}_{moment}", span, accumulate)

    def feedback(self, target, source, moment, span, accumulate):
        return FeedbackEach(target, source, f"{self.group}_{moment}", span, accumulate)

    def hebbian_sum(self, total, post, pre, span):
        return HebbianSumEach(f"{self.group}_{total}", post, pre, span)

    def clip(self, variable, limit, norm):
        # The spectral norm of a diagonal matrix is its largest entry.
        return Clip(f"{self.group}_{variable}", *self.shape, limit, "largest" if norm == "spectral" else norm)

    def packing(self, moments, direction):
        yield from ()


def connectivity(group: str, shape: tuple[int, int], one_to_one: bool) -> Connectivity:
    """The connectivity of the synapses of a projection."""
    return UnitByUnit(group, shape) if one_to_one else Products(group, shape)
