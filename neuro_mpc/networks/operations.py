"""What a phase of a circuit does, as data: matrix products, element-wise code and a few reductions.

A *phase* (`neuro_mpc.networks.phase_runner`) is one Brian2 code object that executes these operations in order, for
one tile of trials after the other (`neuro_mpc.networks.rows`).  Operations name arrays by the names of the phase's
variables. `lower` says what an operation is made of: calls of kernels (`templates/cpp/kernels`;
`neuro_mpc.networks.kernels` for NumPy), blocks, guards and loops (`neuro_mpc.networks.statements`).

A new operation is one class with its `lower`, and a kernel where it is no composition.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

from neuro_mpc.networks.rows import Rows, Span, Steps, Stretch, Visit
from neuro_mpc.networks.statements import (
    Call,
    Elementwise,
    Extent,
    Guard,
    Pointer,
    Scalar,
    Statement,
)

# Numbers that every kernel may be given: of the tile, of the loop around, and one for each trial of the tile.
FIRST, WIDTH, ITERATION, PER_TRIAL = "_first", "_width", "_iteration", "_per_trial"
LATER_TILE = "_first > 0"  # sums over trials continue where the tiles before have ended


def of_trials(name: str) -> Pointer:
    """The tile's part of a variable that holds one number for each trial."""
    return Pointer(name, Extent(first=1))


class Operation(ABC):
    """One thing that a phase does."""

    @abstractmethod
    def lower(self, visit: Visit) -> Iterable[Statement]:
        """The statements that do it to the steps that are visited."""


@dataclass(frozen=True)
class Passage(Operation):
    """target = [target] + what passes from `source` by `weights`, in one direction of a projection.

    weights  a variable of synapses; "": what passes is passed as it is
    sizes    of the weights, as the kernel takes them: (outputs, inputs) of a product
    """

    target: str
    source: str
    weights: str
    span: Span
    sizes: tuple[int, ...]
    accumulate: bool = False
    kernel: str = "packed_product"

    def over(self, steps: Stretch, source: Pointer, target: Pointer) -> Iterable[Statement]:
        """The kernel's call for some steps, from where source and target begin."""
        weights = [Pointer(self.weights)] if self.weights else []
        passing = source, *weights, int(self.accumulate), target
        return steps.visit(Call(self.kernel, steps.rows, *self.sizes, *passing))


class Forward(Passage):
    """target(s) = [target(s)] + source(s − delay) Wᵀ, W (post × pre), `weights` packed forward."""

    def lower(self, visit):
        steps = visit.stretch(self.span.first, self.span.stop)
        source = self.span.pre.of(self.source, steps.shifted(-self.span.delay))
        return self.over(steps, source, self.span.post.of(self.target, steps))


@dataclass(frozen=True)
class Variance(Operation):
    """The variance that arrives by a projection; where the scale of noise is 0, no number depends on it: it is zero."""

    passage: Forward

    def lower(self, visit):
        passage, scale = self.passage, Scalar("noise_scale")
        yield Guard(scale, "!=", 0, tuple(passage.lower(visit)))
        if not passage.accumulate:
            steps, rows = visit.stretch(passage.span.first, passage.span.stop), passage.span.post
            zero = Call("fill_zero", rows.of(passage.target, steps), rows.size(steps))
            yield Guard(scale, "==", 0, tuple(steps.visit(zero)))


class Feedback(Passage):
    """target(s − delay) = [target(s − delay)] + source(s) W, W (post × pre), `weights` packed backward."""

    def lower(self, visit):
        steps = visit.stretch(self.span.first_within, self.span.stop, ahead=self.span.delay)
        target = self.span.pre.of(self.target, steps.shifted(-self.span.delay))
        return self.over(steps, self.span.post.of(self.source, steps), target)


@dataclass(frozen=True)
class Pack(Operation):
    """target = the weights `source` (post × pre) in the order in which products read them: those of Forward (`forward`)
    or those of Feedback."""

    target: str
    source: str
    post: int
    pre: int
    forward: bool

    def lower(self, visit):
        inputs, outputs = (self.pre, self.post) if self.forward else (self.post, self.pre)
        yield Call("pack_weights", int(self.forward), inputs, outputs, Pointer(self.source), Pointer(self.target))


@dataclass(frozen=True)
class HebbianSum(Operation):
    """target (post × pre) = Σ over steps and trials of post(s)ᵀ pre(s − delay), or of the pairs of units that another
    kernel sums; `sizes` are those of the target.

    transposed   what is summed is added to a target (pre × post), which holds the sums of its own projection
    """

    target: str
    post: str
    pre: str
    span: Span
    sizes: tuple[int, ...]
    kernel: str = "sum_over_rows"
    transposed: bool = False

    def lower(self, visit):
        first, stop = self.span.first_learned, self.span.stop
        steps = visit.stretch(first, stop) if visit.moves else Stretch(first, stop - first)
        factors = self.span.post.of(self.post, steps), self.span.pre.of(self.pre, steps.shifted(-self.span.delay))
        if self.transposed:
            added = Call(self.kernel, *self.sizes, steps.rows, *factors[::-1], 1, Pointer(self.target))
            return steps.visit(added)
        return self._own(steps, *factors)

    def _own(self, steps: Stretch, *factors: Pointer) -> Iterable[Statement]:
        sum_of_steps = Call(self.kernel, *self.sizes, steps.rows, *factors, LATER_TILE, Pointer(self.target))
        if steps.within or steps.count <= 0:  # at other steps nothing is received, or no error felt
            nothing = Call("fill_zero", Pointer(self.target), math.prod(self.sizes))
            yield Guard(FIRST, "==", 0, (nothing,))
        yield from steps.visit(sum_of_steps)


@dataclass(frozen=True)
class OneHot(Operation):
    """target = a one at the unit of the symbol of its row (no one for symbol −1)."""

    target: str
    symbols: str
    rows: Rows
    symbol_rows: Rows

    def lower(self, visit):
        steps = visit.steps_of(self.rows)
        symbols, target = self.symbol_rows.of(self.symbols, steps), self.rows.of(self.target, steps)
        return steps.visit(Call("one_hot_rows", symbols, steps.rows, self.rows.units, target))


@dataclass(frozen=True)
class Block(Operation):
    """Element-wise Brian2 code, by the name of its block of abstract code, over the rows of a population."""

    block: str
    rows: Rows

    def lower(self, visit):
        steps = visit.steps_of(self.rows)
        return steps.visit(Elementwise(self.block, self.rows.begin(steps), self.rows.size(steps)))


@dataclass(frozen=True)
class Zero(Operation):
    """Set those of the current steps to zero that feedback does not set.

    unless   the steps that it sets, in stretches that have no step in common
    """

    target: str
    rows: Rows
    unless: tuple[Steps, ...]

    def remaining(self, visit: Visit) -> list[Steps]:
        """The steps that are set to zero, in stretches."""
        first, end = self.rows.first_step, self.rows.stop
        if visit.known is not None and (first, end) not in self.unless:
            return [(first, end)]  # what a window's errors reach depends on the window: they are set afterwards
        stretches = []
        for start, stop in sorted(self.unless):
            if start < stop:
                stretches.append((first, start))
                first = stop
        return [(start, stop) for start, stop in (*stretches, (first, end)) if start < stop]

    def lower(self, visit):
        for start, stop in self.remaining(visit):
            steps = visit.stretch(start, stop)
            yield from steps.visit(Call("fill_zero", self.rows.of(self.target, steps), self.rows.size(steps)))


@dataclass(frozen=True)
class Carry(Operation):
    """Fill the history with the last steps of the presentation before (if `carrying` is set), else with zeros."""

    target: str
    rows: Rows

    def lower(self, visit):
        history = Stretch(self.rows.first_step - self.rows.history, self.rows.history)
        steps = history.shifted(self.rows.steps), history
        last, before = (self.rows.of(self.target, each) for each in steps)
        yield Call("carry_rows", Scalar("carrying"), last, before, self.rows.size(history))


@dataclass(frozen=True)
class Noise(Operation):
    """Standard normal noise × `noise_scale`, a function of seed, stream, presentation, trial, step and unit only
    (not drawn while `drawing` is 0).

    batch   trials of the presentation, which other programs may share: those of this one begin at `first_trial`
    """

    target: str
    rows: Rows
    stream: int
    batch: int

    def lower(self, visit):
        steps, stream = visit.steps_of(self.rows), (Scalar("noise_counter"), Scalar("noise_key"), self.stream)
        first, width = FIRST, WIDTH
        if visit.single:
            first, width = f"{self.batch}*(_step - {self.rows.first_step}) + _first + _trial", 1
        place = steps.count, self.batch, self.rows.units, Scalar("first_trial"), first, width
        target = self.rows.of(self.target, steps)
        filling = Call("fill_normal", target, *place, *stream, Scalar("noise_scale"))
        return steps.visit(Guard(Scalar("drawing"), "!=", 0, (filling,)))


@dataclass(frozen=True)
class Softmax(Operation):
    """target = softmax(source), row by row."""

    target: str
    source: str
    rows: Rows

    def lower(self, visit):
        steps = visit.steps_of(self.rows)
        arrays = (self.rows.of(name, steps) for name in (self.source, self.target))
        return steps.visit(Call("softmax_rows", *arrays, steps.rows, self.rows.units))


ENERGIES_OF = {
    "gaussian": "add_half_square",
    "softmax": "add_cross_entropy",
    "surprise": "add_surprise",
    "sum": "add_sum",
}
"""Form of an energy → the kernel that adds it."""


@dataclass(frozen=True)
class Energy(Operation):
    """target[trial] += factor times ½ Σ source² over steps and units ("gaussian"), −Σ label · log softmax(source)
    ("softmax"), −Σ log of the outputs `label` of softmax(source) at the symbols of rows ("surprise"), or Σ source
    ("sum"); the first term of each trial starts from zero.

    symbols   variable that holds one of each row, and where it lies
    """

    target: str
    source: str
    rows: Rows
    form: str = "gaussian"
    label: str = ""
    first: bool = True
    factor: float = 1.0
    symbols: tuple[tuple[str, Rows], ...] = ()

    def lower(self, visit):
        steps, trials = visit.steps_of(self.rows), 1 if visit.single else WIDTH
        energy = Pointer(self.target, Extent(first=1, trial=int(visit.single)))
        read = [self.rows.of(name, steps) for name in (self.source, self.label) if name]
        read += [rows.of(name, steps) for name, rows in self.symbols]
        if self.first:
            zero = Call("fill_zero", energy, trials)
            yield Guard("_step", "==", 0, (zero,)) if visit.single else zero
        size = steps.rows, self.rows.units
        yield from steps.visit(Call(ENERGIES_OF[self.form], *read, *size, self.factor, energy, trials))


@dataclass(frozen=True)
class Repeat(Operation):
    """target[trial] = source[trial], numbers of which each trial has one."""

    target: str
    source: str

    def lower(self, visit):
        yield Call("copy_rows", WIDTH, 1, of_trials(self.source), 0, of_trials(self.target))


@dataclass(frozen=True)
class Choose(Operation):
    """The most probable output of step s − 1 becomes the stimulus of step s, one-hot or (`symbolic`) its number."""

    target: str
    source: str
    stimulus: Rows
    output: Rows
    symbolic: bool = False

    def lower(self, visit):
        steps = visit.stretch(self.output.first_step + 1, visit.steps)
        output, stimulus = self.output.of(self.source, steps.shifted(-1)), self.stimulus.of(self.target, steps)
        kernel = "choose_symbols" if self.symbolic else "choose_rows"
        return steps.visit(Call(kernel, output, self.output.units, stimulus, self.stimulus.units, steps.rows))


@dataclass(frozen=True)
class Clip(Operation):
    """Scale a matrix (post × pre) to at most `limit` in a norm, "spectral" or "frobenius", or in its "largest"
    entry."""

    target: str
    post: int
    pre: int
    limit: float
    norm: str = "spectral"

    def lower(self, visit):
        yield Call(f"clip_{self.norm}_norm", Pointer(self.target), self.post, self.pre, float(self.limit))
