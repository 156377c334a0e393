"""What a protocol is: stimulus, target, inference, learning, test and recording. Data only."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from neuro_mpc.descriptions.experiments import ExperimentTable
from neuro_mpc.descriptions.inference import Inference
from neuro_mpc.descriptions.learning import Credit, Learning
from neuro_mpc.descriptions.sources import SOURCES, StimulusTable
from neuro_mpc.descriptions.tables import AtLeastOne, Count, Listed, Table, problem


def _once(numbers: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(numbers)) < len(numbers):
        raise problem("names a number twice", expected="different numbers")
    return numbers


def _steps(value: object) -> str | tuple[int, ...]:
    """The name of some steps, or their numbers in ascending order."""
    if value in ("every", "last"):
        return str(value)
    numbers = value if isinstance(value, list | tuple) else ()
    if not numbers or not all(type(number) is int and number >= 0 for number in numbers):
        raise problem("names no steps", expected='"every", "last", or a list of numbers from 0 on, such as [3, 7]')
    return tuple(sorted(_once(tuple(numbers))))


Steps = Annotated[Literal["every", "last"] | tuple[int, ...], PlainValidator(_steps)]


class ReadOut(Table):
    """What a population's prediction is compared with, and when.

    read   the steps that are compared: "every", the "last", or a list of their numbers, the first of which is 0
    kind   "given": what the channel gives; "next": what it gives one step later; "same": what it also shows
    where  a channel: only the steps at which it has a value, or a class, other than 0 are compared

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.ReadOut(read="last").kind
    'given'
    """

    read: Steps = "every"
    kind: Literal["given", "next", "same"] = "given"
    where: str | None = None


class Target(ReadOut):
    """What the predictions of target populations are compared with, and when.

    population  POPULATION → the same keys, where one of several target populations differs

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.Target(read="every", population={"choice": nm.ReadOut(read="last")}).of("choice").read
    'last'
    """

    read: Steps = Field()
    population: dict[str, ReadOut] = {}

    @property
    def steps_given(self) -> Literal["every", "last"]:
        """The steps for which a source has to give the target: the last one alone, where no other is read."""
        every = {self.read, *(each.read for each in self.population.values())}
        return "last" if every == {"last"} else "every"

    def of(self, population: str) -> ReadOut:
        """What holds for one target population."""
        return self.population.get(population, self)


Measure = Literal["accuracy", "correct-letter-ratio", "perplexity", "mean-squared-error", "explained-variance"]


class Test(Table):
    """What is tested, and how often.

    measure   of classes "accuracy" (the default) or "perplexity" per symbol, of values "mean-squared-error" (the
              default) or "explained-variance", or the "correct-letter-ratio" of generated strings
    every     presentations between tests; 0: only before and after learning
    every_epochs  epochs between tests, in place of presentations
    split     whose trials are tested during learning; the final evaluation uses "test"
    ensemble  networks that the evaluation draws from the learned distributions; 0: none
    generate  letters to generate from each letter ("correct-letter-ratio" only)
    keep      parameters that learning ends with: those of the "best" test, or the "last"
    weights   in tests during learning, "drawn" from their distributions, as in learning, or the "mean" of each

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.Test(measure="perplexity", keep="best").split
    'test'
    """

    __test__ = False  # not a case for pytest

    measure: Measure | None = None
    every: Count = 0
    every_epochs: Count = 0
    split: Literal["test", "validation"] = "test"
    ensemble: Annotated[int, Field(ge=0, le=10_000)] = 0
    generate: AtLeastOne = 10
    keep: Literal["last", "best"] = "last"
    weights: Literal["drawn", "mean"] = "drawn"

    @model_validator(mode="after")
    def _counts_once(self) -> Self:
        if self.every and self.every_epochs:
            raise problem("both of every and every_epochs are given", expected="one of them")
        return self


class Recording(Table):
    """What is kept in the run file.

    synapses_every  presentations between snapshots of the synapses; 0: only first and last
    samples         presentations whose neural traces are kept; -1 is the last one
    populations     populations whose traces are kept; empty: all
    trials          number of trials kept, from the first of the batch on; 0: all
    trajectory      keep every iteration of inference
    answers         keep the answer to every test trial after learning

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.Recording(samples=[0, -1]).trials
    4
    """

    synapses_every: Count = 0
    samples: Annotated[Listed[int], AfterValidator(_once)] = ()
    populations: Listed[str] = ()
    trials: Count = 4
    trajectory: bool = False
    answers: bool = False


class Protocol(Table):
    """What a circuit is shown, and how it infers, learns and is tested; or an experiment on a trained circuit.

    Parameters
    ----------
    name : str
        Name of the protocol, in run files and messages.
    description : str, optional
        One line, for ``neuro-mpc list``.
    precision : {"float32", "float64"}, optional
        Precision of all floating-point numbers.
    data_dir : str, optional
        Folder of the data files; by default, $NEURO_MPC_DATA and the cache are searched.
    stimulus : StimulusTable
        Source of the trials, with its settings.
    target : Target
        When the output is read.
    inference : Inference, optional
        Scheme by which beliefs are inferred, with its settings.
    learning : Learning
        Optimiser, rate and length of learning.
    test : Test, optional
        What is tested, and how often.
    recording : Recording, optional
        What is kept in the run file.
    experiment : ExperimentTable, optional
        Experiment on a trained circuit; without one, the circuit learns.

    Raises
    ------
    DescriptionError
        The tables do not make a protocol that can be run on any circuit; all problems are listed.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> protocol = nm.Protocol(
    ...     name="short",
    ...     stimulus={"source": "toy-language", "load": 1.0},
    ...     target={"read": "every"},
    ...     learning={"rate": 0.5, "batch": 10, "epochs": 1},
    ... )
    >>> protocol.inference.scheme
    'fixed-prediction'
    """

    whole = True

    name: str
    description: str = ""
    precision: Literal["float32", "float64"] = "float32"
    data_dir: str | None = None
    stimulus: StimulusTable
    target: Target
    inference: Inference = Field(default_factory=Inference)
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
            raise problem("perplexity needs a prediction at every step", hint='target.read = "every"')
        self._credits_in_time()
        if self.selects and self.learning.backoff:
            raise problem(
                "learning.backoff cannot undo what tests have decided",
                hint='learning.backoff = 0, or test.keep = "last" and another schedule',
            )
        return self

    def _credits_in_time(self) -> None:
        """Refuses credit that does not fit the inference."""
        window, credit = self.inference.window, self.credit
        if (window == "sequence") != (credit == "sequence"):
            expected = 'learning.credit = "sequence"' if window == "sequence" else '"local", "trace" or "influence"'
            hint = "inference.window = 0" if window == "sequence" else "leave learning.credit out"
            text = f'learning.credit = "{credit}" does not fit inference.window = {window!r}'
            raise problem(text.replace("'", '"'), expected=expected, hint=hint)
        if credit in ("trace", "influence") and window != 0:
            text = f'learning.credit = "{credit}" credits the past with errors that know of their own step alone'
            raise problem(text, expected="inference.window = 0")
        if self.learning.every == "step" and (window != 0 or credit != "local" or self.inference.redraw_noise):
            raise problem(
                'learning.every = "step" learns from the errors of a step alone',
                expected='inference.window = 0, learning.credit = "local" and redraw_noise = false',
            )
        if credit in ("trace", "influence") and self.inference.variance_feedback == "as-released":
            text = f'learning.credit = "{credit}" is derived from the exact feedback'
            raise problem(text, expected='inference.variance_feedback = "exact"')

    def _repr_html_(self) -> str:
        return html_of(self)

    @property
    def credit(self) -> Credit:
        """How errors reach synapses, also where the protocol does not say it."""
        return self.learning.credit or ("sequence" if self.inference.window == "sequence" else "local")

    @property
    def selects(self) -> bool:
        """Whether tests decide on the rate, or on the parameters that learning ends with."""
        return self.test.keep == "best" or self.learning.schedule.kind == "plateau"


def html_of(protocol: Protocol | ExperimentProtocol) -> str:
    """The tables that notebooks show. What makes them stands above the descriptions, and is imported once needed."""
    return import_module("neuro_mpc.reports.notebook").of_protocol(protocol)


class ExperimentProtocol(Table):
    """An experiment on a trained circuit: target and inference are those of the run it starts from, and so is the
    stimulus unless another is stated."""

    whole = True

    name: str
    description: str = ""
    stimulus: StimulusTable | None = None
    experiment: ExperimentTable

    def _repr_html_(self) -> str:
        return html_of(self)

    def on(self, trained: Protocol) -> Protocol:
        """The whole protocol, on the task of another one."""
        tables = trained.tables()
        learning = {name: value for name, value in tables["learning"].items() if name != "epochs"}
        changes = {**self.tables(), "learning": {**learning, "presentations": 0}, "recording": {}}
        return Protocol.from_tables({**tables, **changes}, self.name)
