"""How the synapses of a projection lie in memory, and which kernels that makes of its sums.

Forward, backward and Hebbian sums of all-to-all synapses are matrix products. Where some pairs only are connected they
are the same products, of moments that are zero elsewhere (`neuro_mpc.rules.derivation.SynapseRules`). One-to-one
synapses are n numbers, not n², and their sums go unit by unit. Where symbols are sent, their columns are looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from neuro_mpc.networks.operations import Clip, Feedback, Forward, HebbianSum, Pack
from neuro_mpc.networks.rows import Span

_OPPOSITE = {"forward": "backward", "backward": "forward"}


@dataclass(frozen=True)
class Connectivity:
    """The synapses of one projection: a matrix, post × pre, whose moments are packed for products; subclasses are what
    is no such matrix.

    group    name of the group of the synapses
    shape    of their arrays
    passes   kernel of what passes by them; `sums` that of their Hebbian sums; `own` that of what predictions owe them
    """

    group: str
    shape: tuple[int, int]
    passes: ClassVar[str] = "packed_product"
    sums: ClassVar[str] = "sum_over_rows"
    own: ClassVar[str] = "add_rates"

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape, as kernels take it."""
        return self.shape

    def weights(self, moment: str, direction: str) -> str:
        """The variable that is read of a moment by what passes "forward" or "backward"."""
        return f"{self.group}_{moment}_{direction}"

    def forward(self, target: str, source: str, moment: str, span: Span, accumulate: bool) -> Forward:
        """target(s) = [target(s)] + what arrives from source(s − delay) by a moment of the weights."""
        weights = self.weights(moment, "forward")
        return Forward(target, source, weights, span, self.sizes, accumulate=accumulate, kernel=self.passes)

    def feedback(self, target: str, source: str, moment: str, span: Span, accumulate: bool) -> Feedback:
        """target(s − delay) = [target(s − delay)] + what comes back from source(s)."""
        weights = self.weights(moment, "backward")
        return Feedback(target, source, weights, span, self.sizes[::-1], accumulate=accumulate, kernel=self.passes)

    def hebbian_sum(self, total: str, post: str, pre: str, span: Span) -> HebbianSum:
        """A variable of the synapses = Σ over steps and trials of post(s) pre(s − delay)."""
        return HebbianSum(f"{self.group}_{total}", post, pre, span, self.sizes, self.sums)

    def clip(self, variable: str, limit: float, norm: str) -> Clip:
        """Scale a variable of the synapses to at most `limit` in a norm of its matrix."""
        return Clip(f"{self.group}_{variable}", *self.shape, limit, norm)

    def packing(self, moments: Sequence[str], direction: str) -> list[tuple[str, Pack]]:
        """What has to be packed for products in a direction: (variable, operation that packs it) each."""
        packs = [(f"{moment}_{direction}", f"{self.group}_{moment}") for moment in moments]
        forward = direction == "forward"
        return [(packed, Pack(f"{self.group}_{packed}", weights, *self.shape, forward)) for packed, weights in packs]


class Transposed(Connectivity):
    """Another projection's matrix, read the other way round: what it packs backward passes forward, and what learning
    sums is added to its sums."""

    @property
    def sizes(self):
        return self.shape[::-1]

    def weights(self, moment, direction):
        return super().weights(moment, _OPPOSITE[direction])

    def hebbian_sum(self, total, post, pre, span):
        return HebbianSum(f"{self.group}_{total}", post, pre, span, self.shape, self.sums, transposed=True)

    def packing(self, moments, direction):
        return super().packing(moments, _OPPOSITE[direction])


class Unpacked(Connectivity):
    """Synapses whose moments are read as they are."""

    def weights(self, moment, direction):
        return f"{self.group}_{moment}"

    def packing(self, moments, direction):
        return []


class UnitByUnit(Unpacked):
    """The diagonal of a matrix, one synapse for each unit."""

    passes, sums, own = "scale_rows", "sum_unit_products", "add_unit_rates"

    @property
    def sizes(self):
        return self.shape[:1]

    def clip(self, variable, limit, norm):
        # The spectral norm of a diagonal matrix is its largest entry.
        return super().clip(variable, limit, "largest" if norm == "spectral" else norm)


class Columns(Unpacked):
    """A matrix whose presynaptic units are symbols: at most one of them is active, and its column is what arrives."""

    passes, sums, own = "gather_columns", "scatter_columns", "add_symbol"


class Past(UnitByUnit):
    """No synapses: what a unit itself was one step earlier is what arrives."""

    passes = "copy_rows"

    def weights(self, moment, direction):
        return ""
