"""What the synapses of a projection have done to the beliefs of a population: the influences that credit in time keeps.

An influence is ∂h/∂μ or ∂h/∂v of a population's predictions with respect to a moment of each weight, by all paths
through earlier beliefs. Kept in full ("influence") it has as many numbers as units times synapses; of its diagonal
("trace") each synapse keeps its influence on the unit that it ends on.
"""

from __future__ import annotations

from dataclasses import dataclass

from neuro_mpc.descriptions import graph
from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.networks.plan import Plan
from neuro_mpc.rules.derivation import PopulationRules


@dataclass(frozen=True)
class Influence:
    """The influence of a projection's synapses on a population, for its last steps: as many as its delays reach back.

    group    name of its group, whose variables are `mu` and, of weights that vary, `v`
    units    of the population; of a diagonal 1, as each synapse has its own
    """

    projection: str
    population: str
    group: str
    units: int
    synapses: int
    slots: int

    @property
    def size(self) -> int:
        """Numbers of one step."""
        return self.units * self.synapses


def passages(circuit: Circuit, diagonal: bool) -> list[str]:
    """The projections between free populations, on which influences pass; on a diagonal, from a unit to itself."""
    return [
        name
        for name, each in circuit.projection.items()
        if {each.source, each.target} <= set(circuit.free) and (each.source == each.target or not diagonal)
    ]


def informed(circuit: Circuit, diagonal: bool) -> list[str]:
    """The free populations whose beliefs are heard of at later steps; on a diagonal, by themselves."""
    within = passages(circuit, diagonal) if diagonal else circuit.projection
    late = {circuit.projection[name].source for name in within if circuit.projection[name].delay}
    return [name for name in circuit.free if name in late]


def influences(plan: Plan) -> list[Influence]:
    """All influences that a plan keeps, populations in the order of evaluation."""
    if not plan.credit:
        return []
    circuit, diagonal = plan.circuit, plan.credit == "trace"
    heard = informed(circuit, diagonal)
    onward = {name: set() if diagonal else graph.reachable(circuit.receivers(), name) for name in circuit.free}
    matter = [name for name in circuit.free if name in heard or onward[name] & set(heard)]
    return [
        _influence(plan, projection, name, diagonal)
        for name in matter
        for projection, table in circuit.projection.items()
        if table.target == name or (table.target in circuit.free and name in onward[table.target])
    ]


def _influence(plan: Plan, projection: str, population: str, diagonal: bool) -> Influence:
    circuit = plan.circuit
    post, pre = circuit.shape(projection)
    leaving = [circuit.projection[name] for name in passages(circuit, diagonal)]
    reach = max((each.delay for each in leaving if each.source == population), default=0)
    group = f"{plan.synapses_name(projection)}_on_{population.replace('-', '_')}"
    return Influence(
        projection, population, group, 1 if diagonal else circuit.size_of(population), post * pre, 1 + reach
    )


def numbers_passed_on(plan: Plan) -> int:
    """Multiplications that take the influences of a trial from one step to the next."""
    total = 0
    for each in influences(plan):
        moments = len(plan.moments(each.projection))
        arriving = [plan.circuit.projection[name] for name in passages(plan.circuit, plan.credit == "trace")]
        senders = [plan.circuit.size_of(table.source) for table in arriving if table.target == each.population]
        total += moments * each.size * (len(senders) if plan.credit == "trace" else sum(senders) + 1)
    return total


def credited(plan: Plan) -> list[str]:
    """The free populations that have credit units."""
    kept = influences(plan)
    return [name for name in plan.circuit.free if any(each.population == name for each in kept)]


def credit_equations(rules: PopulationRules, diagonal: bool) -> str:
    """Brian2 equations of the credit units of a population: the slope of its rates, what its noise makes of a variance,
    and (but for a diagonal) what the errors of later steps say about its beliefs."""
    linked, lines = ["r"], [f"slope = {rules.slope.text} : 1 (constant over dt)"]
    (compartment,) = rules.predicted.compartments.values()
    if compartment.varies:
        lines.append(f"gain = {compartment.noise_by_deviation} : 1 (constant over dt)")
        linked += [compartment.noise, *compartment.variances]
    if not diagonal:
        lines.append(f"heard = {rules.feedback} : 1 (constant over dt)")
        linked += rules.feedback_names
    return "\n".join([*lines, *(f"{name} : 1 (linked)" for name in dict.fromkeys(linked))])
