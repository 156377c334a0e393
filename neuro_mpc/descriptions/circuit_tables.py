"""The parts of a circuit: populations, projections and synapse types. Data only."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    model_serializer,
    model_validator,
)

from neuro_mpc.descriptions.connections import Connection
from neuro_mpc.descriptions.tables import Formula, Listed, NotNegative, Positive, Table, problem

LARGEST = 1_000_000
INPUT, BEFORE = "input", "before"
"""The compartment in which projections end by default, and the belief one step earlier, as predictions name them."""

KEYS = {"source": "from", "target": "to"}  # in TOML; in Python, these are words of the language, or say too little
Size = Annotated[int, Field(ge=1, le=LARGEST)]


class SplitErrors(Table):
    """Prediction errors of two populations, one for each sign, whose rates cannot be negative.

    positive  gain of the errors of what is more than predicted
    negative  gain of the errors of what is less than predicted; 0 removes either
    baseline  rate of both without an error

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.Population(size=100, errors=nm.SplitErrors(negative=0.5)).errors.positive
    1.0
    """

    positive: NotNegative = 1.0
    negative: NotNegative = 1.0
    baseline: NotNegative = 0.0


def _errors(value: object) -> object:
    if value in ("signed", "split"):
        return None if value == "signed" else SplitErrors()
    if value is None or isinstance(value, SplitErrors):
        return value
    if isinstance(value, Mapping):
        return SplitErrors.model_validate(value)
    raise problem("is no kind of errors", expected='"signed", "split", or a table of positive, negative, baseline')


LEAST_PRECISION, MOST_PRECISION = 1e-12, 1e12  # their errors squared are numbers in single precision, too
PrecisionBound = Annotated[float, Field(ge=LEAST_PRECISION, le=MOST_PRECISION)]


class LearnedPrecision(Table):
    """The precision Π of a population's prediction errors, learned: it approaches 1/⟨(r − h)²⟩.

    learned      "population": all units share one; "unit": each has its own
    initial      what learning begins with
    low, high    bounds within which learning keeps it; `high` is required where beliefs can move to what makes errors
                 vanish: there Π would grow without end
    rate_factor  factor on the learning rate; 0 keeps the precision constant

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> learned = nm.LearnedPrecision(learned="unit", high=100)
    >>> nm.Population(role="target", readout="gaussian", precision=learned).precision.initial
    1.0
    """

    learned: Literal["population", "unit"]
    initial: PrecisionBound = 1.0
    low: PrecisionBound | None = None
    high: PrecisionBound | None = None
    rate_factor: NotNegative = 1.0

    @model_validator(mode="after")
    def _begins_within_its_bounds(self) -> Self:
        low, high = self.low or LEAST_PRECISION, self.high or MOST_PRECISION
        if not low < high:
            raise problem(f"low = {low:g} is not below high = {high:g}", expected="low < high")
        if not low <= self.initial <= high:
            raise problem(f"initial = {self.initial:g} is out of bounds", expected=f"between {low:g} and {high:g}")
        return self

    @property
    def logarithms(self) -> tuple[float, float, float]:
        """The natural logarithms of the lower bound, of what learning begins with, and of the upper bound."""
        values = self.low or LEAST_PRECISION, self.initial, self.high or MOST_PRECISION
        low, initial, high = map(math.log, values)
        return low, initial, high


_POSITIVE = TypeAdapter(Positive, config=Table.model_config)


def _precision(value: object) -> float | LearnedPrecision | None:
    if value is None or isinstance(value, LearnedPrecision):
        return value
    return LearnedPrecision.model_validate(value) if isinstance(value, Mapping) else _POSITIVE.validate_python(value)


class Population(Table):
    """Units of one role: given a stimulus, free (belief, prediction, error), compared with a target, or constant.

    role        "stimulus" (given by the protocol), "free", "target" (its prediction is compared with what the protocol
                gives), or "constant" (rate 1: a projection from it is a bias)
    size        number of units; those of a stimulus and a target come from the protocol, a constant population has one
    shape       their line, grid or volume, such as [16, 16], in place of size
    activation  expression f in the belief ``r``; free populations only, by default the identity ``r``
    prediction  expression h of what a free population predicts of its belief, in its compartments and ``before``, its
                own belief one step earlier; by default the compartment ``input`` itself
    readout     "softmax" (cross-entropy, the default) or "gaussian" (linear, squared error); target only
    channel     what the protocol gives to a stimulus or a target: by default the channel of the population's name, else
                the only one that fits
    precision   Π, the weight of the errors of a free or a target population, 1 by default; a table lets it be learned
    errors      "signed", or "split" into two populations that cannot be negative, for what is more and what is less
                than predicted; a table sets their gains and their baseline

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.Population(size=100, activation="relu(r)").role
    'free'
    >>> nm.Population(role="target").readout
    'softmax'
    """

    role: Literal["stimulus", "free", "target", "constant"] = "free"
    size: Size | None = None
    shape: Listed[Size] = ()
    activation: str | None = None
    prediction: str | None = None
    readout: Literal["softmax", "gaussian"] | None = None
    channel: str | None = None
    precision: Annotated[float | LearnedPrecision | None, BeforeValidator(_precision)] = None
    errors: Annotated[SplitErrors | Literal["signed", "split"] | None, BeforeValidator(_errors)] = None

    @model_serializer(mode="wrap")
    def _as_in_01(self, tables: SerializerFunctionWrapHandler) -> dict[str, Any]:
        table = _without(_without(tables(self), "shape", ()), "errors", None)
        return _without(_without(table, "prediction", None), "prediction", INPUT)

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_role(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        by_role = {"free": ("activation", "r"), "target": ("readout", "softmax"), "constant": ("size", 1)}
        data = {**data, "size": _units_of(data.get("shape"))} if data.get("size") is None else data
        name, default = by_role.get(str(data.get("role", "free")), ("size", None))
        return {**data, name: default} if data.get(name) is None and default else data

    @model_validator(mode="after")
    def _fits_the_role(self) -> Self:
        if self.role == "free" and self.size is None:
            raise problem("a free population needs a size", expected="size = number of units")
        if self.shape and math.prod(self.shape) != self.size:
            raise problem(
                f"size = {self.size} is not the number of units of shape = {list(self.shape)}", hint="leave size out"
            )
        allowed = {
            "activation": (self.activation, ("free",), "activation"),
            "prediction": (self.prediction, ("free",), "prediction of a belief of its own"),
            "readout": (self.readout, ("target",), "readout"),
            "channel": (self.channel, ("stimulus", "target"), "channel"),
            "precision": (self.precision, ("free", "target"), "errors, and no precision of them"),
            "errors": (self.errors, ("free", "target"), "errors"),
        }
        for name, (value, roles, noun) in allowed.items():
            if value is not None and self.role not in roles:
                instead = " or ".join(f'role = "{role}"' for role in roles)
                raise problem(f"a {self.role} population has no {noun}", hint=f"{instead}, or remove {name}")
        return self

    @model_validator(mode="after")
    def _precision_can_be_learned(self) -> Self:
        if self.learned_precision and self.readout == "softmax":
            raise problem(
                "a softmax has no variance of errors for a precision to learn: it would be an inverse temperature",
                expected='precision = a number, or readout = "gaussian"',
            )
        if self.learned_precision and self.role == "free" and self.learned_precision.high is None:
            raise problem(
                "the learned precision of a free population grows without end, as beliefs collapse onto predictions",
                expected="precision.high = the largest precision",
            )
        return self

    @property
    def learned_precision(self) -> LearnedPrecision | None:
        """How the precision of the errors is learned; None where it is a number."""
        return self.precision if isinstance(self.precision, LearnedPrecision) else None

    @property
    def split(self) -> SplitErrors | None:
        """The gains and the baseline of errors that are split; None where they are signed."""
        return self.errors if isinstance(self.errors, SplitErrors) else None


def _without(table: dict[str, Any], name: str, default: object) -> dict[str, Any]:
    """A table without a key that 0.1 did not know, where it has its default: what was learned keeps its digest."""
    return {key: value for key, value in table.items() if key != name or value != default}


def _units_of(shape: object) -> int | None:
    """The number of units of a shape that may not be checked yet."""
    sizes = list(shape) if isinstance(shape, list | tuple) else []
    return math.prod(sizes) if sizes and all(type(size) is int for size in sizes) else None


class Parameter(Table):
    """One parameter of every synapse of a type.

    initial      a number, or an expression in n, n_pre, n_post, i, j, normal(mean, std), uniform(low, high), identity()
    low, high    bounds within which learning keeps the parameter; unbounded by default
    rate_factor  factor on the learning rate; 0 keeps the parameter constant
    symbol       its symbol in LaTeX

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.Parameter(initial="uniform(0.5, 0.9)", low=0.01, high=0.99).rate_factor
    1.0
    """

    initial: Formula
    low: float | None = None
    high: float | None = None
    rate_factor: Annotated[float, Field(ge=0)] = 1.0
    symbol: str | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise problem(f"low = {self.low} is not below high = {self.high}", expected="low < high")
        return self


class SynapseType(Table):
    """A weight's distribution, as expressions in the parameters and the fan-in ``n``.

    description  one line, for `neuro-mpc list`
    parameter  a table for each parameter, by its name
    mean      mean μ of the weight
    variance  variance v of the weight
    spike     probability that the weight is zero; otherwise, it is normal

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> unreliable = nm.SynapseType(
    ...     mean="p*a/n",
    ...     variance="p*(1 - p)*a**2/n**2",
    ...     spike="1 - p",
    ...     parameter={
    ...         "a": nm.Parameter(initial="normal(0, sqrt(n))"),
    ...         "p": nm.Parameter(initial="uniform(0.5, 0.9)", low=0.01, high=0.99),
    ...     },
    ... )
    >>> list(unreliable.parameter)
    ['a', 'p']
    """

    description: str = ""
    mean: str
    variance: str = "0"
    spike: str = "0"
    parameter: dict[str, Parameter]


class Projection(Table):
    """Synapses of one type from one population to another, with a delay in sequence steps.

    from     population that sends
    to       population that receives
    delay    steps by which the input is late; 0: the same step
    synapse  name of a synapse type, in this file or shipped
    compartment  the part of the population that receives: what its `prediction` calls the sum of what ends there
    connect  the pairs of units that have a synapse: "all"; "one-to-one", each unit from the one of the same number;
             or a table of `random`, `local` or `mask`. A synapse that is not there is no zero: it takes no part in
             anything. n, the fan-in, is the number of synapses of a unit: 1 one-to-one; with a table, their mean over
             units (of random ones the expected one), and at least 1
    initial  parameter → initial value, which overrides that of the synapse type
    tied     name of a projection of the same synapse type with as many units at opposite ends, whose synapses this one
             reads the other way round: it has none of its own, and both learn the same ones. n is that of the other

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> recurrent = nm.Projection(
    ...     source="hidden", target="hidden", delay=1, synapse="spike-and-slab", initial={"m": "n*identity()"}
    ... )
    >>> print(recurrent.to_toml())
    from = "hidden"
    to = "hidden"
    delay = 1
    synapse = "spike-and-slab"
    <BLANKLINE>
    [initial]
    m = "n*identity()"
    <BLANKLINE>
    """

    model_config = ConfigDict(alias_generator=lambda name: KEYS.get(name, name))

    source: str
    target: str
    delay: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    synapse: str
    compartment: str = INPUT
    connect: Connection = "all"
    initial: dict[str, Formula] = {}
    tied: str | None = None

    @model_serializer(mode="wrap")
    def _as_in_01(self, tables: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without(_without(_without(tables(self), "connect", "all"), "compartment", INPUT), "tied", None)


NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


def is_parameter_name(name: str) -> bool:
    """Whether a name can stand in an expression."""
    return bool(PARAMETER_NAME.fullmatch(name)) and not keyword.iskeyword(name)
