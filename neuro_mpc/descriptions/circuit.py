"""What a circuit is: populations, projections and synapse types, checked as a whole. Data only."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from neuro_mpc.descriptions import shipped
from neuro_mpc.descriptions.tables import Formula, Table, problem
from neuro_mpc.errors import DescriptionError

LARGEST = 1_000_000
Size = Annotated[int, Field(ge=1, le=LARGEST)]


class Population(Table):
    """Units of one role: clamped to the stimulus, free (belief, prediction, error), or clamped to the target.

    role        what the units are given: the "stimulus", nothing ("free"), or the "target"
    size        that of clamped populations comes from the protocol
    activation  f, an expression in the belief ``r``; free populations only, the identity ``r`` by default
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

    initial      number, or expression in n, n_pre, n_post, normal(mean, std), uniform(low, high), identity()
    low, high    bounds that learning keeps to; without them, unbounded
    rate_factor  factor on the learning rate; 0 holds the parameter still
    symbol       LaTeX of its name
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
    mean      μ
    variance  v
    spike     probability that the weight is zero; otherwise, and without a spike, it is normal
    """

    description: str = ""
    mean: str
    variance: str = "0"
    spike: str = "0"
    parameter: dict[str, Parameter]


class Projection(Table):
    """All-to-all synapses of one type from a population to another, `delay` sequence steps late.

    from, to  population that sends, population that receives
    delay    steps by which the input is late; 0: of the same step
    synapse  name of a synapse type, of this file or shipped
    initial  parameter → initial value, in place of that of the synapse type
    """

    source: str = Field(alias="from")
    target: str = Field(alias="to")
    delay: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    synapse: str
    initial: dict[str, Formula] = {}


class Circuit(Table):
    """A graph of populations and projections, with all the synapse types it uses.

    name         of the circuit, in run files and messages
    description  one line, for `neuro-mpc list`
    population   a table for each population, by its name
    projection   a table for each projection, by its name
    synapse      a table for each synapse type, by its name; those that are shipped need none

    Shipped synapse types are filled in by name. Raises DescriptionError for a circuit that cannot be run.
    """

    name: str
    description: str = ""
    population: dict[str, Population]
    projection: dict[str, Projection]
    synapse: dict[str, SynapseType] = {}

    @model_validator(mode="before")
    @classmethod
    def _with_shipped_synapses(cls, data: Any) -> Any:
        return with_shipped_synapses(data) if isinstance(data, Mapping) else data

    @model_validator(mode="after")
    def _whole(self, info: ValidationInfo) -> Self:
        # Imported here: the checks read circuits, and a circuit checks itself.
        from neuro_mpc.descriptions.circuit_checks import problems_of

        source = (info.context or {}).get("source", "")
        if problems := problems_of(self):
            raise DescriptionError.collect(problems, source)
        return self

    @property
    def stimulus(self) -> str:
        """Name of the population that is clamped to the stimulus."""
        return self._of_role("stimulus")[0]

    @property
    def target(self) -> str:
        """Name of the population that is clamped to the target."""
        return self._of_role("target")[0]

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the free populations in the order of evaluation: senders without delay come first."""
        return tuple(name for name in evaluation_order(self)[0] if self.population[name].role == "free")

    @property
    def components(self) -> tuple[tuple[str, ...], ...]:
        """The free populations in the order of evaluation, those that hear of each other (at any delay) together."""
        reached = {name: self._reached(name) for name in self.free}
        found: dict[str, tuple[str, ...]] = {}
        for name in self.free:
            together = tuple(
                each for each in self.free if each == name or (each in reached[name] and name in reached[each])
            )
            found.setdefault(together[0], together)
        senders = {first: [other for other in found if other != first and first in reached[other]] for first in found}
        return tuple(found[first] for first in TopologicalSorter(senders).static_order())

    def is_recurrent(self, component: tuple[str, ...]) -> bool:
        """Whether a component's steps depend on each other."""
        return len(component) > 1 or any(each.source in component for each in self.incoming(component[0]).values())

    def _reached(self, start: str) -> set[str]:
        """Populations that hear of `start`, by any number of projections."""
        found, waiting = set(), [start]
        while waiting:
            new = {each.target for each in self.outgoing(waiting.pop()).values()} - found
            found |= new
            waiting += new
        return found

    def _of_role(self, role: str) -> list[str]:
        return [name for name, population in self.population.items() if population.role == role]

    def incoming(self, population: str) -> dict[str, Projection]:
        """name → projection of those that end in `population`."""
        return {name: each for name, each in self.projection.items() if each.target == population}

    def outgoing(self, population: str) -> dict[str, Projection]:
        """name → projection of those that start in `population`."""
        return {name: each for name, each in self.projection.items() if each.source == population}

    def sized(self, stimulus_width: int, target_width: int) -> Circuit:
        """The circuit with all its sizes; DescriptionError where the clamped ones contradict its own."""
        tables = self.tables()
        for name, width in ((self.stimulus, stimulus_width), (self.target, target_width)):
            size = self.population[name].size
            if size not in (None, width):
                raise DescriptionError(
                    "the size contradicts the protocol",
                    source=self.name,
                    found=size,
                    key=f"population.{name}.size",
                    expected=str(width),
                    hint="leave size out",
                )
            tables["population"][name]["size"] = width
        return Circuit.from_tables(tables, self.name)

    def shape(self, projection: str) -> tuple[int, int]:
        """(n_post, n_pre) of a projection; the circuit has to be sized."""
        each = self.projection[projection]
        return self._size(each.target), self._size(each.source)

    def fan_in(self, projection: str) -> int:
        """n, the number of presynaptic units of a projection; the circuit has to be sized."""
        return self._size(self.projection[projection].source)

    def _size(self, population: str) -> int:
        size = self.population[population].size
        if size is None:
            raise DescriptionError(
                "the size is not known yet",
                source=self.name,
                key=f"population.{population}.size",
                hint="circuit.sized(stimulus_width, target_width)",
            )
        return size


def with_shipped_synapses(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a circuit with the shipped synapse types that it names and does not define itself."""
    projections, synapses = tables.get("projection"), tables.get("synapse", {})
    if not isinstance(projections, Mapping) or not isinstance(synapses, Mapping):
        return dict(tables)
    named = [_synapse_name(each) for each in projections.values()]
    found = {name: shipped.synapse_type(name) for name in named if isinstance(name, str) and name not in synapses}
    return {**tables, "synapse": {**synapses, **{name: table for name, table in found.items() if table}}}


def _synapse_name(projection: object) -> object:
    return projection.get("synapse") if isinstance(projection, Mapping) else getattr(projection, "synapse", None)


def evaluation_order(circuit: Circuit) -> tuple[list[str], list[str]]:
    """The populations in topological order by projections without delay, and a loop if there is one."""
    order, state = [], dict.fromkeys(circuit.population, "new")
    for start in circuit.population:
        if loop := _visit(circuit, start, state, order, []):
            return order, loop
    return order, []


def _visit(circuit: Circuit, name: str, state: dict[str, str], order: list[str], path: list[str]) -> list[str]:
    """Depth first over the senders of `name`; returns a loop in the direction of the projections."""
    if state.get(name) != "new":
        return [name, *reversed(path[path.index(name) :])] if state.get(name) == "open" else []
    state[name] = "open"
    for each in circuit.incoming(name).values():
        if each.delay == 0 and (loop := _visit(circuit, each.source, state, order, [*path, name])):
            return loop
    state[name] = "done"
    order.append(name)
    return []


NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


def is_parameter_name(name: str) -> bool:
    """Whether a name can stand in an expression."""
    return bool(PARAMETER_NAME.fullmatch(name)) and not keyword.iskeyword(name)
