"""What a sweep over a circuit does, as data: matrix products, element-wise code and a few reductions.

A *sweep* (`neuro_mpc.network.phase_runner`) is one Brian2 code object that visits the rows of several populations,
tile by tile, and executes these operations in order.  A row is the state of one population at one sequence step
in one trial; a *tile* is a block of trials with all their steps together, small enough to stay in cache:

    row(step, trial) = first_row(tile) + (step − first_step + history) · width(tile) + trial

Operations name arrays by the names of the sweep's variables; each target's template knows how to execute them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class Rows:
    """Where the arrays of one population lie: `units` columns; rows for `steps` steps from `first_step`, after
    `history` rows that hold the steps before the first one."""

    units: int
    steps: int
    history: int = 0
    first_step: int = 0

    def elements(self, trials: int) -> int:
        return (self.history + self.steps) * trials * self.units


@dataclass(frozen=True)
class Span:
    """A projection's synapses in time: `post` at step s receives from `pre` at step s − `delay`.

    silent    steps of `post`, counted from the first of the sequence, whose error is not fed back
    """

    post: Rows
    pre: Rows
    delay: int = 0
    silent: int = 0

    @property
    def first(self) -> int:
        """First postsynaptic step that receives anything (from the history, if there is one)."""
        return max(self.post.first_step, self.delay + self.pre.first_step - self.pre.history)

    @property
    def first_within(self) -> int:
        """First postsynaptic step whose error is fed back: its source lies inside the sequence."""
        return max(self.post.first_step, self.delay + self.pre.first_step, self.silent)

    @property
    def stop(self) -> int:
        return self.post.first_step + self.post.steps


@dataclass(frozen=True)
class Forward:
    """target(s) = [target(s)] + source(s − delay) Wᵀ, W (post × pre), `weights` packed forward."""

    kind: ClassVar[str] = "forward"
    target: str
    source: str
    weights: str
    span: Span
    accumulate: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return self.target, self.source, self.weights


@dataclass(frozen=True)
class Pack:
    """target = the weights `source` (post × pre) in the order in which products read them: those of Forward (`forward`)
    or those of Feedback."""

    kind: ClassVar[str] = "pack"
    target: str
    source: str
    post: int
    pre: int
    forward: bool

    @property
    def names(self) -> tuple[str, ...]:
        return self.target, self.source


@dataclass(frozen=True)
class Feedback:
    """target(s − delay) = [target(s − delay)] + source(s) W, W (post × pre), `weights` packed backward."""

    kind: ClassVar[str] = "feedback"
    target: str
    source: str
    weights: str
    span: Span
    accumulate: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        return self.target, self.source, self.weights


@dataclass(frozen=True)
class HebbianSum:
    """target (post × pre) = Σ over steps and trials of post(s)ᵀ pre(s − delay)."""

    kind: ClassVar[str] = "hebbian_sum"
    target: str
    post: str
    pre: str
    span: Span

    @property
    def names(self) -> tuple[str, ...]:
        return self.target, self.post, self.pre


@dataclass(frozen=True)
class Gather:
    """target(s) = [target(s)] + the column of W (post × pre) of the symbol at s − delay; nothing for symbol −1."""

    kind: ClassVar[str] = "gather"
    target: str
    symbols: str
    weights: str
    span: Span
    pre: int
    accumulate: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return self.target, self.symbols, self.weights


@dataclass(frozen=True)
class Scatter:
    """target (post × pre) = Σ over steps and trials of post(s), each in the column of the symbol at s − delay."""

    kind: ClassVar[str] = "scatter"
    target: str
    post: str
    symbols: str
    span: Span
    pre: int

    @property
    def names(self) -> tuple[str, ...]:
        return self.target, self.post, self.symbols


@dataclass(frozen=True)
class OneHot:
    """target = a one at the unit of the symbol of its row (no one for symbol −1)."""

    kind: ClassVar[str] = "one_hot"
    target: str
    symbols: str
    rows: Rows
    symbol_rows: Rows

    @property
    def names(self) -> tuple[str, ...]:
        return self.target, self.symbols


@dataclass(frozen=True)
class Block:
    """Element-wise Brian2 code, by the name of its block of abstract code, over the rows of a population."""

    kind: ClassVar[str] = "block"
    block: str
    rows: Rows
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Zero:
    """Set those of the current steps to zero that the feedback of a projection does not reach."""

    kind: ClassVar[str] = "zero"
    target: str
    rows: Rows
    unless: Span

    @property
    def reached(self) -> tuple[int, int]:
        """Steps of the presynaptic population from … up to … that the feedback sets."""
        first = self.unless.first_within - self.unless.delay
        return first, max(first, self.unless.stop - self.unless.delay)

    @property
    def unreached(self) -> list[tuple[int, int]]:
        """The other steps, from … up to …, in at most two stretches."""
        first, stop = self.reached
        stretches = [(self.rows.first_step, first), (stop, self.rows.first_step + self.rows.steps)]
        return [(start, end) for start, end in stretches if start < end]

    @property
    def names(self) -> tuple[str, ...]:
        return (self.target,)


@dataclass(frozen=True)
class Carry:
    """Fill the history with the last steps of the presentation before (if `carrying` is set), else with zeros."""

    kind: ClassVar[str] = "carry"
    target: str
    rows: Rows

    @property
    def names(self) -> tuple[str, ...]:
        return self.target, "carrying"


@dataclass(frozen=True)
class Noise:
    """Standard normal noise × `noise_scale`, a function of seed, stream, presentation, trial, step and unit only
    (not drawn while `drawing` is 0)."""

    kind: ClassVar[str] = "noise"
    target: str
    rows: Rows
    stream: int

    @property
    def names(self) -> tuple[str, ...]:
        return self.target, "noise_key", "noise_counter", "noise_scale", "drawing"


@dataclass(frozen=True)
class Softmax:
    """target = softmax(source), row by row."""

    kind: ClassVar[str] = "softmax"
    target: str
    source: str
    rows: Rows

    @property
    def names(self) -> tuple[str, ...]:
        return self.target, self.source


@dataclass(frozen=True)
class Energy:
    """target[trial] += ½ Σ source² over steps and units ("gaussian"), or −Σ label · log softmax(source)
    ("softmax"); the first term of each trial starts from zero."""

    kind: ClassVar[str] = "energy"
    target: str
    source: str
    rows: Rows
    form: str = "gaussian"
    label: str = ""
    first: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        return (self.target, self.source) + ((self.label,) if self.label else ())


@dataclass(frozen=True)
class Settle:
    """Stop the trials whose energy changed by less than `tolerance` times itself since the last iteration, or
    all of the tile once the sum of their energies `limited` passed `energy_limit`; end the loop when none moves."""

    kind: ClassVar[str] = "settle"
    energies: tuple[str, ...]
    limited: str
    last: str
    moving: tuple[tuple[str, Rows], ...]
    used: str

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.energies, self.last, self.used, "tolerance", "energy_limit", *(name for name, _ in self.moving))


@dataclass(frozen=True)
class Backtrack:
    """Set what each trial multiplies its last `change` with, its gain: a trial whose energy did not rise goes on with
    a somewhat longer step, one whose energy rose takes back half of its last step.

    stage     "start": before the first step, "step": before each step, "end": trials that rose take their step back
    rounding  what an energy may rise by, relative to itself
    gains     variables that hold a trial's gain, one value per unit and step
    """

    kind: ClassVar[str] = "backtrack"
    stage: str
    energies: tuple[str, ...]
    last: str
    length: str
    used: str
    gains: tuple[tuple[str, Rows], ...]
    tau: float
    rounding: float

    @property
    def names(self) -> tuple[str, ...]:
        return (
            *self.energies,
            self.last,
            self.length,
            self.used,
            "tolerance",
            "inference_dt",
            *(name for name, _ in self.gains),
        )


@dataclass(frozen=True)
class Choose:
    """The most probable output of step s − 1 becomes the stimulus of step s, one-hot or (`symbolic`) its number."""

    kind: ClassVar[str] = "choose"
    target: str
    source: str
    stimulus: Rows
    output: Rows
    symbolic: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return self.target, self.source


@dataclass(frozen=True)
class Clip:
    """Scale a matrix (post × pre) to at most `limit` in a norm, "spectral" or "frobenius"."""

    kind: ClassVar[str] = "clip"
    target: str
    post: int
    pre: int
    limit: float
    norm: str = "spectral"

    @property
    def names(self) -> tuple[str, ...]:
        return (self.target,)


@dataclass(frozen=True)
class Section:
    """Operations in order: once over all steps, step by step (`forward`, `backward`), or repeated
    (`repeat`: as often as the scalar variable `count` says, over all steps); only `when` (not `unless`) that scalar
    is set.  What is repeated may contain other sections."""

    kind: ClassVar[str] = "section"
    operations: tuple[Operation, ...]
    loop: str = "once"
    count: str = ""
    when: str = ""
    unless: str = ""

    @property
    def names(self) -> set[str]:
        found = {name for operation in self.operations for name in operation.names}
        return found | {name for name in (self.count, self.when, self.unless) if name}


Operation = (
    Forward
    | Pack
    | Feedback
    | HebbianSum
    | Gather
    | Scatter
    | OneHot
    | Block
    | Zero
    | Carry
    | Noise
    | Softmax
    | Energy
    | Settle
    | Backtrack
    | Choose
    | Clip
    | Section
)


@dataclass(frozen=True)
class Tiling:
    """How the trials of a presentation are split; (first trial, number of trials) of each tile.

    Tiles that hold none but the last `idle_trials` (a scalar) are not visited."""

    trials: int
    width: int
    tiles: tuple[tuple[int, int], ...] = field(init=False)

    def __post_init__(self) -> None:
        starts = range(0, self.trials, self.width)
        tiles = tuple((start, min(self.width, self.trials - start)) for start in starts)
        object.__setattr__(self, "tiles", tiles)
