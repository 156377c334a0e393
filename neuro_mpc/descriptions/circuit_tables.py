"""The parts of a circuit: populations, projections and synapse types. Data only."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from neuro_mpc.descriptions.tables import Formula, Table, problem

LARGEST = 1_000_000
Size = Annotated[int, Field(ge=1, le=LARGEST)]


class Population(Table):
    """Units of one role: clamped to the stimulus, free (belief, prediction, error), or clamped to the target.

    role        what clamps the units: the "stimulus", nothing ("free"), or the "target"
    size        number of units; for clamped populations it comes from the protocol
    activation  f, an expression in the belief ``r``; free populations only, by default the identity ``r``
    readout     "softmax" (cross-entropy, the default) or "gaussian" (linear, squared error); target only
    """

    role: Literal["stimulus", "free", "target"] = "free"
    size: Size | None = None
    activation: str | None = None
    readout: Literal["softmax", "gaussian"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_role(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        by_role = {"free": ("activation", "r"), "target": ("readout", "softmax")}
        name, default = by_role.get(str(data.get("role", "free")), ("size", None))
        return {**data, name: default} if data.get(name) is None and default else data

    @model_validator(mode="after")
    def _fits_the_role(self) -> Self:
        if self.role == "free" and self.size is None:
            raise problem("a free population needs a size", expected="size = number of units")
        if self.role != "free" and self.activation is not None:
            raise problem(f"a {self.role} population has no activation", hint="remove activation")
        if self.role != "target" and self.readout is not None:
            raise problem(f"a {self.role} population has no readout", hint='role = "target", or remove readout')
        return self


class Parameter(Table):
    """One parameter of every synapse of a type.

    initial      a number, or an expression in n, n_pre, n_post, normal(mean, std), uniform(low, high), identity()
    low, high    bounds within which learning keeps the parameter; unbounded by default
    rate_factor  factor on the learning rate; 0 keeps the parameter constant
    symbol       its symbol in LaTeX
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
    """

    description: str = ""
    mean: str
    variance: str = "0"
    spike: str = "0"
    parameter: dict[str, Parameter]


class Projection(Table):
    """All-to-all synapses of one type from one population to another, with a delay in sequence steps.

    from     population that sends
    to       population that receives
    delay    steps by which the input is late; 0: the same step
    synapse  name of a synapse type, in this file or shipped
    initial  parameter → initial value, which overrides that of the synapse type
    """

    source: str = Field(alias="from")
    target: str = Field(alias="to")
    delay: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    synapse: str
    initial: dict[str, Formula] = {}


NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


def is_parameter_name(name: str) -> bool:
    """Whether a name can stand in an expression."""
    return bool(PARAMETER_NAME.fullmatch(name)) and not keyword.iskeyword(name)
