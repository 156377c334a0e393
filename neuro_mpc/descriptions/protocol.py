"""What a protocol is: stimulus, target, inference, learning, test and recording. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from neuro_mpc.descriptions.experiments import ExperimentTable
from neuro_mpc.descriptions.expressions import SIZES, parse
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable
from neuro_mpc.descriptions.tables import (
    AtLeastOne,
    BelowOne,
    Count,
    Formula,
    NotNegative,
    Positive,
    Table,
    formula,
    listed,
    problem,
)
from neuro_mpc.errors import DescriptionError


class Target(Table):
    """read: the output is read, and corrected, at "every" step or at the "last" one."""

    read: Literal["every", "last"]


def _iterations(value: object) -> int | tuple[tuple[int, int], ...]:
    whole = lambda number, least: type(number) is int and number >= least  # noqa: E731
    if whole(value, 1):
        return value
    pairs = value if isinstance(value, (list, tuple)) else ()
    if not pairs or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise problem("is neither a number nor a list of pairs", expected="such as 100 or [[0, 100], [40, 200]]")
    pairs = tuple(map(tuple, pairs))
    starts = [start for start, _ in pairs]
    if not all(whole(start, 0) and whole(number, 1) for start, number in pairs):
        raise problem("has a pair that is not [presentation, iterations]", expected="such as [[0, 100], [40, 200]]")
    if starts[0] != 0 or starts != sorted(set(starts)):
        raise problem("the presentations do not rise from 0", expected="such as [[0, 100], [40, 200]]")
    return pairs


class Inference(Table):
    """How beliefs follow the energy.

    scheme             "fixed-prediction" (held at the ancestral pass) or "relaxation" (predictions follow); the others
                       reach the beliefs of relaxation in fewer iterations: "momentum" (beliefs keep some of their
                       velocity), "sweeps" (errors relax in a sweep backwards in steps, beliefs follow in one forwards)
    rate               dt/τ of one Euler step; in sweeps of the first one, from which each trial's step adapts
    momentum           velocity that a belief keeps from one iteration to the next ("momentum" only)
    iterations         steps, or pairs of the presentation (counted from 0) and the steps from there on
    tolerance          relaxation of a trial ends when its energy changes by less than so much of itself; 0: never
    energy_limit       relaxation of a batch ends when the energy of its free populations' errors, summed over its
                       trials, passes this: it diverges (the released code stops at 10,000); 0: no limit
    redraw_noise       draw noise anew between inference and learning, as the released code does
    variance_feedback  q = e ε / sqrt(D) ("exact"), or q = e ε as in the code released with the paper
    output_feedback    beliefs hear of the output's error at "every" step that is read, or at the "last" one only, as in
                       the released code of the toy language (synapses to the output learn from all of them)
    """

    scheme: Literal["fixed-prediction", "relaxation", "momentum", "sweeps"] = "fixed-prediction"
    rate: Positive = 0.1
    momentum: BelowOne = 0.9
    iterations: Annotated[int | tuple[tuple[int, int], ...], PlainValidator(_iterations)] = 100
    tolerance: NotNegative = 0.0
    energy_limit: NotNegative = 0.0
    redraw_noise: bool = False
    variance_feedback: Literal["exact", "as-released"] = "exact"
    output_feedback: Literal["every", "last"] = "every"

    @model_validator(mode="after")
    def _fits_the_scheme(self) -> Self:
        if self.scheme == "sweeps" and self.energy_limit:
            raise problem("the energy never rises in sweeps, so that it has no limit", expected="energy_limit = 0")
        if self.scheme == "sweeps" and self.output_feedback == "last":
            raise problem(
                "sweeps are judged by the energy, of which the output's every error is a part",
                expected='output_feedback = "every"',
            )
        return self

    @property
    def settles(self) -> bool:
        """Whether trials may stop before the last iteration."""
        return self.tolerance > 0 or self.energy_limit > 0

    def iterations_at(self, presentation: int) -> int:
        """Iterations of the inference of a presentation, counted from 0."""
        if isinstance(self.iterations, int):
            return self.iterations
        return [number for start, number in self.iterations if start <= presentation][-1]


class Schedule(Table):
    """Course of the learning rate.

    kind     "plateau": the rate is multiplied by `factor` whenever a test is no better than the best before it
    factor   "step": the rate is multiplied by it after each stretch of training
    every    "step": epochs of a stretch; or, in their place, every_presentations
    first    "step": length of the first stretch, in the same unit, where it differs
    floor    lowest rate of "step", "plateau" and "cosine"
    warmup   presentations over which the rate rises linearly from 0
    """

    kind: Literal["constant", "step", "plateau", "cosine"] = "constant"
    factor: Annotated[float, Field(gt=0, le=1)] = 0.5
    every: AtLeastOne | None = None
    every_presentations: AtLeastOne | None = None
    first: AtLeastOne | None = None
    floor: NotNegative = 0.0
    warmup: Count = 0

    @model_validator(mode="after")
    def _steps_once(self) -> Self:
        missing = (self.every, self.every_presentations).count(None)
        if missing == 0 or (missing == 2 and self.kind == "step"):
            found = "neither" if missing else "both"
            raise problem(f"{found} of every and every_presentations are given", expected="exactly one of them")
        if self.first and missing == 2:
            raise problem("first is given, without the stretches that come after it", hint="give every, too")
        return self


def _initial_values(value: object) -> dict[str, str | float | dict[str, str | float]]:
    """PARAMETER → value, PROJECTION → {PARAMETER → value}; splits keys at a dot, checks expressions."""
    if not isinstance(value, Mapping):
        raise problem("is not a table", expected='such as m = "normal(0, 1)" or recurrent.m = "n*identity()"')
    nested: dict[str, Any] = {}
    for name, entry in value.items():
        projection, dot, parameter = str(name).partition(".")
        entries = {parameter: entry} if dot else entry
        if isinstance(entries, Mapping):
            before = nested[projection] if isinstance(nested.get(projection), dict) else {}
            nested[projection] = {
                **before,
                **{str(key): _initial_value(each) for key, each in entries.items()},
            }
        else:
            nested[projection] = _initial_value(entries)
    return {name: entry for name, entry in nested.items() if entry != {}}


def _initial_value(value: object) -> str | float:
    checked = formula(value)
    try:
        parse(checked, SIZES, random=True)
    except DescriptionError as error:
        raise problem(f"{error.problem} in {value!r}", expected=error.expected, hint=error.hint) from None
    return checked


class Learning(Table):
    """How parameters follow the energy.

    rate       of the optimizer
    batch      trials per presentation
    epochs     passes through the training trials; or, in their place, a number of presentations
    decay      a parameter θ moves by −rate·decay·θ besides (decoupled weight decay)
    clip       largest norm of a gradient matrix; 0: none
    clip_norm  "spectral" (largest singular value, as in the paper) or "frobenius" (far less to compute)
    clip_parameters  names of the parameters that are clipped; empty: all
    backoff    where the energy diverges (or stays above 100 times that of the beginning), go back to the last
               multiple of so many presentations and go on with half the rate; 0: stop where it diverges
    rate_factor  PARAMETER → factor on the rate, besides that of its synapse type
    initial    PARAMETER, or PROJECTION.PARAMETER → initial value, in place of those of the circuit
    """

    optimizer: Literal["adam", "sgd"] = "adam"
    rate: NotNegative
    batch: AtLeastOne
    epochs: Count | None = None
    presentations: Count | None = None
    beta1: BelowOne = 0.9
    beta2: BelowOne = 0.999
    epsilon: Positive = 1e-8
    decay: NotNegative = 0.0
    clip: NotNegative = 0.0
    clip_norm: Literal["spectral", "frobenius"] = "spectral"
    clip_parameters: listed(str) = ()
    backoff: Count = 0
    schedule: Schedule = Schedule()
    rate_factor: dict[str, NotNegative] = {}
    initial: Annotated[dict[str, Formula | dict[str, Formula]], PlainValidator(_initial_values)] = {}

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if (self.epochs is None) == (self.presentations is None):
            found = "neither" if self.epochs is None else "both"
            raise problem(f"{found} of epochs and presentations are given", expected="exactly one of them")
        if self.schedule.floor > self.rate:
            raise problem("schedule.floor is above the rate", expected=f"a floor of at most {self.rate}")
        return self


class Test(Table):
    """What is tested, and how often.

    every     presentations between tests; 0: before and after learning only
    every_epochs  epochs between tests, in place of presentations
    split     whose trials are tested while learning goes on; the evaluation after it uses "test"
    ensemble  networks that the evaluation draws from the learned distributions; 0: none
    generate  letters to generate from each letter ("correct-letter-ratio" only)
    keep      what learning ends with: the parameters of the "best" of the tests, or the "last" ones
    """

    __test__ = False  # not a case for pytest

    measure: Literal["accuracy", "correct-letter-ratio", "perplexity"] = "accuracy"
    every: Count = 0
    every_epochs: Count = 0
    split: Literal["test", "validation"] = "test"
    ensemble: Annotated[int, Field(ge=0, le=10_000)] = 0
    generate: AtLeastOne = 10
    keep: Literal["last", "best"] = "last"

    @model_validator(mode="after")
    def _counts_once(self) -> Self:
        if self.every and self.every_epochs:
            raise problem("both of every and every_epochs are given", expected="one of them")
        return self


def _once(numbers: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(numbers)) < len(numbers):
        raise problem("names a presentation twice", expected="different numbers")
    return numbers


class Recording(Table):
    """What is kept in the run file.

    synapses_every  presentations between snapshots of the synapses; 0: first and last
    samples         presentations whose neural traces are kept; -1 is the last one
    populations     whose traces; empty: all
    trials          first trials of the batch; 0: all
    trajectory      keep every iteration of inference
    """

    synapses_every: Count = 0
    samples: Annotated[listed(int), AfterValidator(_once)] = ()
    populations: listed(str) = ()
    trials: Count = 4
    trajectory: bool = False


class Protocol(Table):
    """A stimulus protocol; with an experiment, one on a trained circuit that learns no more.

    Raises DescriptionError for one that cannot be run on any circuit.
    """

    name: str
    description: str = ""
    precision: Literal["float32", "float64"] = "float32"
    data_dir: str | None = None
    stimulus: StimulusTable
    target: Target
    inference: Inference = Inference()
    learning: Learning
    test: Test = Test()
    recording: Recording = Recording()
    experiment: ExperimentTable | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not self.name.strip():
            raise problem("the name is empty", expected="a name for the protocol")
        if self.test.measure == "correct-letter-ratio" and not SOURCES.get(self.stimulus.source).generates:
            raise problem(f"{self.stimulus.source} has no letters to generate", hint='test.measure = "accuracy"')
        if self.experiment is not None and self.learning.presentations != 0:
            raise problem("an experiment does not learn", hint="learning.presentations = 0")
        if self.test.measure == "perplexity" and self.target.read != "every":
            raise problem("perplexity is that of every symbol", hint='target.read = "every"')
        if self.selects and self.learning.backoff:
            raise problem(
                "learning.backoff cannot go back past tests that decide",
                hint='learning.backoff = 0, or test.keep = "last" and another schedule',
            )
        return self

    @property
    def selects(self) -> bool:
        """Whether tests decide on the rate, or on the parameters that learning ends with."""
        return self.test.keep == "best" or self.learning.schedule.kind == "plateau"


class ExperimentProtocol(Table):
    """An experiment on a trained circuit: stimulus, target and inference are those of the run it starts from."""

    name: str
    description: str = ""
    experiment: ExperimentTable

    def on(self, trained: Protocol) -> Protocol:
        """The whole protocol, on the task of another one."""
        tables = trained.tables()
        learning = {name: value for name, value in tables["learning"].items() if name != "epochs"}
        changes = {**self.tables(), "learning": {**learning, "presentations": 0}, "recording": {}}
        return Protocol.from_tables({**tables, **changes}, self.name)
