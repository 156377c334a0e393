"""How parameters learn: the table ``[learning]`` of a protocol, in a form for each optimiser, found by its name.

The optimisers are in `neuro_mpc.networks.optimizers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainValidator, model_validator

from neuro_mpc.descriptions import formulas
from neuro_mpc.descriptions.plugins import Registry
from neuro_mpc.descriptions.tables import (
    LARGEST_NUMBER,
    AtLeastOne,
    BelowOne,
    Count,
    Formula,
    Listed,
    NotNegative,
    OpenTable,
    Positive,
    Table,
    formula,
    problem,
)
from neuro_mpc.errors import DescriptionError

OPTIMIZERS: Registry = Registry("optimiser", "neuro_mpc.optimizers", "neuro_mpc.networks.optimizers")


class Schedule(Table):
    """Course of the learning rate.

    kind     "constant"; "step": multiplied by `factor` after each stretch of training; "plateau": multiplied by it
             after each test that is no better than the best before it; "cosine": falls to `floor` along a cosine
    factor   factor of "step" and "plateau"
    every, every_presentations  "step": length of a stretch, in epochs or in presentations
    first    "step": length of the first stretch, in the same unit, if it differs
    floor    lowest rate of "step", "plateau" and "cosine"
    warmup   presentations over which the rate rises linearly from 0

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.Schedule(kind="step", factor=0.1, every=20).stretch
    20
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
            number = "neither" if missing else "both"
            raise problem(f"{number} of every and every_presentations are given", expected="exactly one of them")
        if self.first and missing == 2:
            raise problem("first is given, without the stretches that come after it", hint="give every as well")
        return self

    @property
    def stretch(self) -> int:
        """Length of a stretch of "step", in epochs or presentations; 0 where there are none."""
        return self.every_presentations or self.every or 0


AUTO = "auto"


def _rate(value: object) -> float | str:
    """A rate, or the word for one that a range test finds."""
    if value == AUTO:
        return AUTO
    expected = f'a number of at least 0, or "{AUTO}"'
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise problem("is not a number", expected=expected)
    if not abs(value) <= LARGEST_NUMBER:
        raise problem("is not finite", expected=expected)
    if value < 0:
        raise problem("is out of range", expected=expected)
    return float(value)


def _initial_values(value: object) -> dict[str, str | float | dict[str, str | float]]:
    """PARAMETER → value, PROJECTION → {PARAMETER → value}; splits keys at a dot, checks expressions."""
    if not isinstance(value, Mapping):
        raise problem("is not a table", expected='such as m = "normal(0, 1)" or recurrent.m = "n*identity()"')
    nested: dict[str, Any] = {}
    for name, entry in value.items():
        projection, dot, parameter = str(name).partition(".")
        entries = {parameter: entry} if dot else entry
        if isinstance(entries, Mapping):
            others = nested[projection] if isinstance(nested.get(projection), dict) else {}
            nested[projection] = {
                **others,
                **{str(key): _initial_value(initial) for key, initial in entries.items()},
            }
        else:
            nested[projection] = _initial_value(entries)
    return {name: entry for name, entry in nested.items() if entry != {}}


def _initial_value(value: object) -> str | float:
    checked = formula(value)
    try:
        formulas.formula(checked, formulas.IN_INITIAL_VALUES, random=True)
    except DescriptionError as error:
        raise problem(f"{error.problem} in {value!r}", expected=error.expected, hint=error.hint) from None
    return checked


Credit = Literal["sequence", "local", "trace", "influence"]


class Learning(OpenTable):
    """How parameters learn; `optimizer` chooses the optimiser, which may have keys of its own.

    The form of an optimiser is a subclass with its name as a literal `optimizer`.

    optimizer  name of the optimiser
    rate       learning rate; "auto": a range test finds it before learning begins
    batch      trials per presentation
    epochs, presentations  how long to learn, in passes through the training trials or in presentations: give one
    beta1, beta2  decay factors of the running means of gradients and of their squares, for optimisers that have them
    epsilon    added to denominators, to avoid division by zero
    decay      a parameter θ also moves by −rate·decay·θ (decoupled weight decay)
    clip       largest norm of a gradient matrix; 0: no limit
    clip_norm  "spectral" (largest singular value, as in the paper) or "frobenius" (much cheaper)
    credit     how an error reaches the synapses that caused it at earlier steps: "sequence", it is passed back in time;
               "local", it is not; forwards in time, through what each synapse did to its own unit ("trace") or to all
               units ("influence": the gradient, at a cost of units times synapses). By default "sequence", in windows
               of inference "local"
    every      learn after each "presentation", or within it after each "step", before the next step is predicted: with
               inference.window = 0 and credit "local"
    clip_parameters  names of the parameters that are clipped; empty: all
    backoff    N > 0: if the energy diverges (or stays above 100 times its initial value), return to the last
               multiple of N presentations and continue at half the rate; 0: stop if it diverges
    rate_factor  PARAMETER → factor on the rate, in addition to that of its synapse type
    schedule   course of the learning rate
    initial    PARAMETER, or PROJECTION.PARAMETER → initial value, which overrides that of the circuit

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> nm.Learning(rate=0.01, batch=50, epochs=3, schedule=nm.Schedule(kind="cosine")).optimizer
    'adam'
    """

    registry = OPTIMIZERS
    tag = "optimizer"
    default_tag = "adam"

    optimizer: str = default_tag
    rate: Annotated[float | Literal["auto"], PlainValidator(_rate)]
    batch: AtLeastOne
    epochs: Count | None = None
    presentations: Count | None = None
    beta1: BelowOne = 0.9
    beta2: BelowOne = 0.999
    epsilon: Positive = 1e-8
    decay: NotNegative = 0.0
    clip: NotNegative = 0.0
    clip_norm: Literal["spectral", "frobenius"] = "spectral"
    clip_parameters: Listed[str] = ()
    credit: Credit | None = None
    every: Literal["presentation", "step"] = "presentation"
    backoff: Count = 0
    schedule: Schedule = Schedule()
    rate_factor: dict[str, NotNegative] = {}
    initial: Annotated[dict[str, Formula | dict[str, Formula]], PlainValidator(_initial_values)] = {}

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if (self.epochs is None) == (self.presentations is None):
            number = "neither" if self.epochs is None else "both"
            raise problem(f"{number} of epochs and presentations are given", expected="exactly one of them")
        if self.rate != AUTO and self.schedule.floor > self.rate:
            raise problem("schedule.floor is above the rate", expected=f"a floor of at most {self.rate}")
        return self
