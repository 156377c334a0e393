"""The checks on a circuit as a whole: names, graph, expressions. Each returns the problems it finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from neuro_mpc.descriptions import graph, latex, shipped
from neuro_mpc.descriptions.circuit_tables import (
    BEFORE,
    INPUT,
    NAME,
    Parameter,
    Projection,
    SynapseType,
    is_parameter_name,
)
from neuro_mpc.descriptions.connections import connection_problems
from neuro_mpc.descriptions.formulas import IN_INITIAL_VALUES, SIZES, formula
from neuro_mpc.descriptions.functions import FUNCTIONS, RANDOM_FUNCTIONS
from neuro_mpc.descriptions.ties import tie_problems
from neuro_mpc.errors import DescriptionError, did_you_mean

if TYPE_CHECKING:
    from neuro_mpc.descriptions.circuit import Circuit

FUNCTION_NAMES = {*FUNCTIONS, *RANDOM_FUNCTIONS}
NO_COMPARTMENT = {BEFORE, "stimulus", "r", *FUNCTION_NAMES}
GIVEN = "_stimulus"
RESERVED = {"r", *SIZES, *FUNCTION_NAMES}
MOST_POPULATIONS = 500
ENDS = "compartment = … in a projection says where it ends; the default is input"


def problems_of(circuit: Circuit) -> list[DescriptionError]:
    """All that keeps a circuit from being run; the graph is checked only where the names are right."""
    problems = [
        *_names(circuit),
        *_roles(circuit),
        *_ends(circuit),
        *_activations(circuit),
        *_compartments(circuit),
        *_predictions(circuit),
        *_synapses(circuit),
    ]
    return problems or [
        *_initial_values(circuit),
        *connection_problems(circuit),
        *tie_problems(circuit),
        *_graph(circuit),
    ]


def _names(circuit: Circuit) -> Iterator[DescriptionError]:
    rule = "a letter (a to z, A to Z), then such letters, digits, _ or -, at most 40 characters"
    for kind in ("population", "projection", "synapse"):
        names = list(getattr(circuit, kind))
        for name in names:
            if not NAME.fullmatch(name):
                yield DescriptionError(f"not a name for a {kind}", key=f"{kind}.{name}", found=name, expected=rule)
        # Generated code knows no "-", so that these two would be the same there.
        folded = {name.replace("-", "_"): name for name in reversed(names)}
        for name in names:
            if (other := folded[name.replace("-", "_")]) != name:
                yield DescriptionError(f"differs from {other!r} only in - and _", key=f"{kind}.{name}", found=name)
    if not circuit.name.strip():
        yield DescriptionError("is empty", key="name", expected="a name for the circuit")


def _roles(circuit: Circuit) -> Iterator[DescriptionError]:
    roles = [population.role for population in circuit.population.values()]
    if "target" not in roles:
        yield DescriptionError(
            "no population with role = 'target'",
            key="population",
            expected="at least one, whose prediction is compared with what the protocol gives",
            hint='role = "target" in one [population.NAME]',
        )
    if "free" not in roles:
        yield DescriptionError("no free population", key="population", expected="at least one with a size")
    if len(roles) > MOST_POPULATIONS:
        yield DescriptionError(f"{len(roles)} populations", key="population", expected=f"at most {MOST_POPULATIONS}")


def _ends(circuit: Circuit) -> Iterator[DescriptionError]:
    populations = ", ".join(circuit.population)
    for name, projection in circuit.projection.items():
        for key, end, forbidden in (
            ("from", projection.source, {"target": "nothing starts at a target"}),
            (
                "to",
                projection.target,
                {"stimulus": "a stimulus is given, not predicted", "constant": "a constant rate is not predicted"},
            ),
        ):
            place = {"key": f"projection.{name}.{key}", "found": end}
            if end not in circuit.population:
                yield DescriptionError(
                    "unknown population",
                    **place,
                    hint=did_you_mean(end, circuit.population),
                    expected=f"a population of this circuit ({populations})",
                )
            elif rule := forbidden.get(circuit.population[end].role):
                yield DescriptionError(rule, **place)


def _activations(circuit: Circuit) -> Iterator[DescriptionError]:
    for name, population in circuit.population.items():
        if population.activation is not None:
            yield from _formula_problems(population.activation, ["r"], f"population.{name}.activation", ["r"])


def _compartments(circuit: Circuit) -> Iterator[DescriptionError]:
    """Names of compartments, and whether the population has them."""
    for name, projection in circuit.projection.items():
        compartment, place = projection.compartment, {"key": f"projection.{name}.compartment"}
        population = circuit.population.get(projection.target)
        if not is_parameter_name(compartment) or compartment in NO_COMPARTMENT:
            reserved = f" other than {', '.join(sorted(NO_COMPARTMENT))}"
            yield DescriptionError(
                "is a reserved name" if compartment in NO_COMPARTMENT else "not a name for a compartment",
                found=compartment,
                expected=f"a letter (a to z, A to Z), then such letters, digits or _,{reserved}",
                **place,
            )
        elif population and population.role == "target" and compartment != INPUT:
            yield DescriptionError(
                "a target population has a single compartment", found=compartment, expected=INPUT, **place
            )
        elif compartment in _named_twice(circuit, projection.target):
            yield DescriptionError(
                f"is what the compartment {compartment.removesuffix(GIVEN)!r} calls its input from stimuli",
                found=compartment,
                expected="another name",
                **place,
            )


def _named_twice(circuit: Circuit, population: str) -> set[str]:
    """Compartments whose variables are those of another one, too: of what stimuli send to it."""
    names = {*circuit.compartments(population)}
    return {name for name in names if name.endswith(GIVEN) and name.removesuffix(GIVEN) in names - {INPUT}}


def _predictions(circuit: Circuit) -> Iterator[DescriptionError]:
    """Whether a prediction names the compartments of its population, all of them, and can be differentiated."""
    for name, population in circuit.population.items():
        if population.role != "free":
            continue
        key = f"population.{name}.prediction"
        text = INPUT if population.prediction is None else population.prediction
        ended_in = {projection.compartment for projection in circuit.incoming(name).values()}
        names = sorted({*ended_in, INPUT, BEFORE})
        problems = [*_formula_problems(text, names, key, names)]
        for each in problems:
            if each.problem.startswith("unknown name"):  # of the two, the projection's may be the one that is misspelt
                each.hint = f"{each.hint} {ENDS}".strip()
        yield from problems
        unnamed = set() if problems else ended_in - formula(text, names).names
        if unnamed:
            yield DescriptionError(
                f"does not name the compartment {min(unnamed)!r}, in which projections end",
                key=key,
                found=text,
                expected=f"an expression in {', '.join(names)}",
                hint=ENDS,
            )


def _synapses(circuit: Circuit) -> Iterator[DescriptionError]:
    known = [*circuit.synapse, *shipped.files("synapse")]
    for name, projection in circuit.projection.items():
        if projection.synapse not in circuit.synapse:
            yield DescriptionError(
                "unknown synapse type",
                key=f"projection.{name}.synapse",
                found=projection.synapse,
                expected=", ".join(sorted(set(known))),
                hint=did_you_mean(projection.synapse, known) or f"define [synapse.{projection.synapse}]",
            )
    for name, synapse in circuit.synapse.items():
        parameters, key = list(synapse.parameter), f"synapse.{name}"
        yield from _parameter_names(parameters, f"{key}.parameter")
        yield from _symbols(synapse, f"{key}.parameter")
        for moment in ("mean", "variance"):
            text = getattr(synapse, moment)
            yield from _formula_problems(text, [*parameters, "n"], f"{key}.{moment}", parameters)
        yield from _formula_problems(synapse.spike, [*parameters, "n"], f"{key}.spike", [])


def _parameter_names(names: Iterable[str], key: str) -> Iterator[DescriptionError]:
    for name in names:
        if not is_parameter_name(name) or name in RESERVED:
            is_reserved = name in RESERVED
            yield DescriptionError(
                "is a reserved name" if is_reserved else "not a name for a parameter",
                key=f"{key}.{name}",
                found=name,
                expected="a letter (a to z, A to Z), then such letters, digits or _"
                if not is_reserved
                else f"a name other than {', '.join(sorted(RESERVED))}",
            )


def _symbols(synapse: SynapseType, key: str) -> Iterator[DescriptionError]:
    for name, parameter in synapse.parameter.items():
        if parameter.symbol is not None and (problem := latex.problem_of(parameter.symbol)):
            yield DescriptionError(
                problem,
                key=f"{key}.{name}.symbol",
                found=parameter.symbol,
                expected=r"LaTeX of a symbol, such as '\Xi' or '\hat{q}_0'",
            )


def _formula_problems(text: str, names: list[str], key: str, differentiated: list[str]) -> Iterator[DescriptionError]:
    try:
        read = formula(text, names, key=key)
    except DescriptionError as error:
        yield error
        return
    for name in differentiated:
        if name in read.differentiable:
            continue
        from neuro_mpc.descriptions import expressions  # SymPy is slow to import

        try:
            expressions.derivative(expressions.parse(text, names), name, key=key)
        except DescriptionError as error:
            yield error


def _initial_values(circuit: Circuit) -> Iterator[DescriptionError]:
    for name, synapse in circuit.synapse.items():
        for parameter_name, parameter in synapse.parameter.items():
            key = f"synapse.{name}.parameter.{parameter_name}.initial"
            yield from initial_problems(parameter.initial, parameter, key)
    for name, projection in circuit.projection.items():
        yield from _own_initial_values(circuit, name, projection)


def _own_initial_values(circuit: Circuit, name: str, projection: Projection) -> Iterator[DescriptionError]:
    parameters = circuit.synapse[projection.synapse].parameter
    for parameter_name, value in projection.initial.items():
        key = f"projection.{name}.initial.{parameter_name}"
        if parameter_name in parameters:
            yield from initial_problems(value, parameters[parameter_name], key)
        else:
            yield DescriptionError(
                f"unknown parameter of {projection.synapse}",
                key=key,
                found=parameter_name,
                expected=", ".join(parameters),
                hint=did_you_mean(parameter_name, parameters),
            )


def initial_problems(value: str | float, parameter: Parameter, key: str) -> Iterator[DescriptionError]:
    """What is wrong with an initial value: its expression, or a constant outside the bounds."""
    try:
        number = formula(value, IN_INITIAL_VALUES, key=key, random=True).number
    except DescriptionError as error:
        yield error
        return
    if number is not None and not within(number, parameter):
        yield DescriptionError(
            "outside the bounds", key=key, found=value, expected=bounds_text(parameter.low, parameter.high)
        )


def within(value: float, parameter: Parameter) -> bool:
    """Whether a number is between the bounds of a parameter, bounds included."""
    above = parameter.low is None or value >= parameter.low
    return above and (parameter.high is None or value <= parameter.high)


def bounds_text(low: float | None, high: float | None) -> str:
    """ "between 0 and 0.99", "at least 0", "at most 1"; one of the bounds is required."""
    if low is None or high is None:
        return f"at most {high:g}" if low is None else f"at least {low:g}"
    return f"between {low:g} and {high:g}"


def _graph(circuit: Circuit) -> Iterator[DescriptionError]:
    if loop := graph.loop(circuit.senders()):
        yield DescriptionError(
            f"a loop without delay: {' → '.join(loop)}",
            key="projection",
            expected="every loop has a delay",
            hint="delay = 1 in one of its projections",
        )
    sources = {
        name: [projection.source for projection in circuit.incoming(name).values()] for name in circuit.population
    }
    ancestors = {*circuit.targets}.union(*(graph.reachable(sources, target) for target in circuit.targets))
    for name, population in circuit.population.items():
        if population.role == "target" and not circuit.incoming(name):
            yield DescriptionError(
                "nothing predicts this target",
                key=f"population.{name}",
                expected=f'a projection with to = "{name}"',
            )
        if name not in ancestors:
            yield DescriptionError(
                "reaches nothing: no projections lead from here to a target",
                key=f"population.{name}",
                expected=f'a projection with from = "{name}"',
            )
