"""Drawing the initial parameters of every synapse from their expressions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from neuro_mpc.descriptions import shipped
from neuro_mpc.descriptions.arithmetic import evaluated
from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_checks import bounds_text
from neuro_mpc.descriptions.circuit_tables import Parameter
from neuro_mpc.descriptions.formulas import IN_INITIAL_VALUES, Draw, Formula, formula
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.errors import DescriptionError, did_you_mean
from neuro_mpc.randomness import generator
from neuro_mpc.rules.spike import contradicted
from neuro_mpc.simulation.connections import connects_some, existing, mask_for, only
from neuro_mpc.simulation.precisions import initial_precisions

Parameters = dict[str, dict[str, np.ndarray]]


def draw(circuit: Circuit, protocol: Protocol, seed: int) -> Parameters:
    """projection → parameter → initial values, float64 of the circuit's `shape`, of a sized circuit; NaN where there is
    no synapse. Precisions that are learned stand beside projections (`neuro_mpc.simulation.precisions`).

    A value of the protocol's ``learning.initial`` takes precedence over that of the projection, and that over the one
    of the synapse type; PROJECTION.PARAMETER takes precedence over PARAMETER. Every parameter of every projection has a
    random stream of its own, so that a change of one leaves the others as they were.

    Raises DescriptionError where values leave their bounds, are not finite, or make a negative variance.
    """
    _refuse_unknown(circuit, protocol)
    parameters = {name: _projection(circuit, protocol, name, seed) for name in circuit.untied}
    refuse_impossible(circuit, parameters)
    return {**parameters, **initial_precisions(circuit)}


def refuse_impossible(circuit: Circuit, parameters: Parameters) -> None:
    """Raises DescriptionError for parameters that make no distribution of weights."""
    for name in circuit.untied:
        _refuse_impossible_moments(circuit, name, parameters[name])
        _refuse_impossible_spike(circuit, name, parameters[name])


def _projection(circuit: Circuit, protocol: Protocol, name: str, seed: int) -> dict[str, np.ndarray]:
    types = circuit.synapse[circuit.projection[name].synapse].parameter
    mask = mask_for(circuit, name, seed)
    return {
        parameter: _parameter(circuit, protocol, name, parameter, types[parameter], seed, mask) for parameter in types
    }


def _parameter(
    circuit: Circuit,
    protocol: Protocol,
    projection: str,
    name: str,
    parameter: Parameter,
    seed: int,
    mask: np.ndarray | None,
) -> np.ndarray:
    value, place = _stated_value(circuit, protocol, projection, name)
    try:
        stated = formula(value, IN_INITIAL_VALUES, random=True, **place)
        values = only(mask, _values(stated, circuit, projection, generator(seed, projection, name)))
    except (ValueError, MemoryError) as problem:
        raise DescriptionError(str(problem), found=value, **place) from None
    low = -np.inf if parameter.low is None else parameter.low
    high = np.inf if parameter.high is None else parameter.high
    if not np.isfinite(values if mask is None else values[mask]).all():
        raise DescriptionError("gives values that are not finite", found=value, **place)
    if (outside := (values < low) | (values > high)).any():
        raise DescriptionError(
            f"{name} out of bounds: {outside.sum()} of {values.size} values, such as {values[outside][0]:g}",
            found=value,
            expected=bounds_text(parameter.low, parameter.high),
            **place,
        )
    return values


def _stated_value(
    circuit: Circuit, protocol: Protocol, projection: str, name: str
) -> tuple[str | float, dict[str, str]]:
    """The initial value that counts, and where it stands."""
    overrides, table = protocol.learning.initial, circuit.projection[projection]
    own, common = overrides.get(projection), overrides.get(name)
    if isinstance(own, Mapping) and name in own:
        return own[name], {"source": protocol.name, "key": f"learning.initial.{projection}.{name}"}
    if common is not None and not isinstance(common, Mapping):
        return common, {"source": protocol.name, "key": f"learning.initial.{name}"}
    if name in table.initial:
        return table.initial[name], {
            "source": circuit.name,
            "key": f"projection.{projection}.initial.{name}",
        }
    key = f"synapse.{table.synapse}.parameter.{name}.initial"
    return circuit.synapse[table.synapse].parameter[name].initial, {"source": circuit.name, "key": key}


def _values(stated: Formula, circuit: Circuit, projection: str, rng: np.random.Generator) -> np.ndarray:
    """The formula for every synapse of a projection, its random calls drawn in the order of the text."""
    shape, table = circuit.shape(projection), circuit.projection[projection]
    receivers = np.arange(shape[0], dtype=float)[:, None]
    values: dict[str, object] = {
        "n": float(circuit.fan_in(projection)),
        "n_pre": float(circuit.size_of(table.source)),
        "n_post": float(circuit.size_of(table.target)),
        "i": receivers if table.connect == "one-to-one" else np.arange(shape[1], dtype=float),
        "j": receivers,
    }
    with np.errstate(all="ignore"):  # what is not finite is refused by the caller
        for draw in stated.draws:
            arguments = [evaluated(each, values) for each in draw.arguments]
            values[draw.variable] = _drawn(draw, arguments, shape, table.connect == "one-to-one", rng)
        return np.array(np.broadcast_to(stated.evaluate(values), shape))


def _drawn(
    draw: Draw, arguments: list[np.ndarray], shape: tuple[int, int], one_to_one: bool, rng: np.random.Generator
) -> np.ndarray:
    if draw.function == "identity":
        if one_to_one:
            return np.ones(shape)
        if shape[0] != shape[1]:
            raise ValueError(f"identity() needs as many receivers as senders, here {shape[0]} and {shape[1]}")
        return np.eye(shape[0])
    if draw.function == "normal":
        mean, deviation = arguments
        if (deviation < 0).any():
            raise ValueError("normal(mean, std) needs std ≥ 0")
        return rng.normal(mean, deviation, shape)
    low, high = arguments
    if (low > high).any():
        raise ValueError("uniform(low, high) needs low ≤ high")
    return rng.uniform(low, high, shape)


def _refuse_unknown(circuit: Circuit, protocol: Protocol) -> None:
    """Refuses names in ``learning.initial`` and ``learning.rate_factor`` that mean nothing.

    A parameter of a shipped synapse type may be absent from the circuit, and so may a projection for which a shipped
    protocol states values: a protocol serves several circuits.
    """
    names = {parameter for synapse in circuit.synapse.values() for parameter in synapse.parameter}
    shipped_names = shipped.synapse_parameters()
    for name in protocol.learning.rate_factor:
        if name not in names | shipped_names:
            raise DescriptionError(
                "unknown parameter",
                source=protocol.name,
                key=f"learning.rate_factor.{name}",
                expected=", ".join(sorted(names | shipped_names)),
                hint=did_you_mean(name, names | shipped_names),
            )
    for name, value in protocol.learning.initial.items():
        if isinstance(value, Mapping):
            _refuse_unknown_projection(circuit, protocol, name, value, shipped_names)
        elif name not in names | shipped_names:
            raise DescriptionError(
                "unknown parameter",
                source=protocol.name,
                key=f"learning.initial.{name}",
                expected=", ".join(sorted(names | shipped_names)),
                hint=did_you_mean(name, names | shipped_names),
            )


def _refuse_unknown_projection(
    circuit: Circuit, protocol: Protocol, name: str, values: Mapping[str, object], shipped_names: set[str]
) -> None:
    if name in circuit.untied:
        _refuse_unknown_parameters(circuit, protocol, name, values, shipped_names)
    elif values != shipped.initial_values(protocol.name).get(name):
        tied = circuit.projection[name].tied if name in circuit.projection else None
        raise DescriptionError(
            f"has the synapses of {tied}, and no values of its own" if tied else "unknown projection",
            source=protocol.name,
            key=f"learning.initial.{name}",
            expected=", ".join(sorted(circuit.untied)),
            hint=f"learning.initial.{tied}" if tied else did_you_mean(name, circuit.untied),
        )


def _refuse_unknown_parameters(
    circuit: Circuit, protocol: Protocol, projection: str, values: Mapping[str, object], shipped_names: set[str]
) -> None:
    known = {*circuit.synapse[circuit.projection[projection].synapse].parameter, *shipped_names}
    for name in values:
        if name not in known:
            raise DescriptionError(
                "unknown parameter",
                source=protocol.name,
                expected=", ".join(sorted(known)),
                key=f"learning.initial.{projection}.{name}",
                hint=did_you_mean(name, known),
            )


def _of_existing(circuit: Circuit, projection: str, parameters: Mapping[str, np.ndarray]) -> dict[str, object]:
    """What the formulas of a synapse type name, of the synapses that there are."""
    mask = existing(parameters) if connects_some(circuit, projection) else None
    values = parameters if mask is None else {name: each[mask] for name, each in parameters.items()}
    return {**values, "n": float(circuit.fan_in(projection))}


def _refuse_impossible_moments(circuit: Circuit, projection: str, parameters: Mapping[str, np.ndarray]) -> None:
    name = circuit.projection[projection].synapse
    synapse, values = circuit.synapse[name], _of_existing(circuit, projection, parameters)
    for moment, text in (("mean", synapse.mean), ("variance", synapse.variance)):
        with np.errstate(all="ignore"):
            moment_values = formula(text, values).evaluate(values)
        # Rounding may leave a variance that is zero a little below it.
        slack = 1e-12 * max(1.0, float(np.abs(moment_values).max(initial=0.0))) if moment == "variance" else np.inf
        if not (np.isfinite(moment_values).all() and (moment_values >= -slack).all()):
            problem = f"the parameters of {projection} make a {moment} that is negative or not finite"
            raise DescriptionError(problem, source=circuit.name, key=f"synapse.{name}.{moment}", found=text)


def _refuse_impossible_spike(circuit: Circuit, projection: str, parameters: Mapping[str, np.ndarray]) -> None:
    """A weight that is zero with probability p has at least the variance μ² p/(1 − p)."""
    name = circuit.projection[projection].synapse
    synapse, values = circuit.synapse[name], _of_existing(circuit, projection, parameters)
    place = {"source": circuit.name, "key": f"synapse.{name}.spike", "found": synapse.spike}
    with np.errstate(all="ignore"):
        mean, variance, spike = (
            formula(text, values).evaluate(values) for text in (synapse.mean, synapse.variance, synapse.spike)
        )
        too_small = contradicted(mean, np.maximum(variance, 0), spike)  # rounding may leave a little less than zero
    if not ((spike >= 0) & (spike <= 1)).all():
        raise DescriptionError(f"the parameters of {projection} make no probability", expected="0 to 1", **place)
    if too_small.any():
        raise DescriptionError(
            f"with this spike the weights of {projection} vary more than the variance says, "
            f"in {too_small.sum():,} of {too_small.size:,} synapses",
            expected="variance ≥ mean**2*spike/(1 - spike)",
            hint="bounds on the parameters (low, high) keep the two consistent, during learning, too",
            **place,
        )
