"""Which channel of a source each population of a circuit is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.errors import DescriptionError, did_you_mean
from neuro_mpc.stimuli.interface import STIMULUS, TARGET, Channel


def bound_channels(protocol: Protocol, circuit: Circuit, channels: Mapping[str, Channel]) -> dict[str, str]:
    """Population → name of its channel: as the circuit says, its own name, or the only one that fits."""
    _refuse_unknown(protocol, circuit, channels)
    bound: dict[str, str] = {}
    clamped = (*circuit.stimuli, *circuit.targets)
    for name in clamped:
        channel = circuit.population[name].channel or (name if name in channels else None)
        if channel is not None:
            bound[name] = _checked(protocol, circuit, name, channel, channels)
    shared = [name for name in circuit.targets if protocol.target.of(name).kind != "given"]
    given = [name for name in circuit.targets if name not in shared]
    for name in (*given, *circuit.stimuli, *shared):
        if name not in bound:
            bound[name] = _only_one(protocol, circuit, name, channels, _used(protocol, circuit, bound, name))
    for name in clamped:
        _refuse_kind(circuit, name, bound[name], channels[bound[name]])
    return {name: bound[name] for name in clamped}


def _used(protocol: Protocol, circuit: Circuit, bound: Mapping[str, str], population: str) -> set[str]:
    """Channels that serve another purpose; the same or the next step is that of a channel that is shown, too."""
    masks = {each for name in circuit.targets if (each := protocol.target.of(name).where)}
    role = circuit.population[population].role
    if role == "target" and protocol.target.of(population).kind != "given":
        return masks
    return masks | set(bound.values())


def _only_one(
    protocol: Protocol, circuit: Circuit, population: str, channels: Mapping[str, Channel], used: Iterable[str]
) -> str:
    role = circuit.population[population].role
    possible = [name for name, channel in channels.items() if role in channel.roles and name not in used]
    if role == "target":
        kind = "classes" if circuit.population[population].readout == "softmax" else "values"
        possible = [name for name in possible if channels[name].kind == kind] or (possible if kind == "values" else [])
    if len(possible) == 1:
        return possible[0]
    offered = ", ".join(possible or channels)
    raise DescriptionError(
        f"which channel is the {role} {population!r} given? "
        + (f"{len(possible)} would fit" if possible else "none of those that are left fits"),
        source=circuit.name,
        key=f"population.{population}.channel",
        expected=f"one of {offered}" if offered else f"a source with a channel; {protocol.stimulus.source} has none",
        hint=_hint(circuit, population, possible, channels),
    )


def _hint(circuit: Circuit, population: str, possible: list[str], channels: Mapping[str, Channel]) -> str:
    if possible:
        return f'channel = "{possible[0]}"'
    if circuit.population[population].readout != "softmax":
        another = f"data with a channel {population!r}"
        return another + (f'; channel = "{next(iter(channels))}" gives one to several populations' if channels else "")
    return 'classes are whole numbers: labels.astype("int32"); or readout = "gaussian", for values'


def _checked(
    protocol: Protocol, circuit: Circuit, population: str, channel: str, channels: Mapping[str, Channel]
) -> str:
    place = {"source": circuit.name, "key": f"population.{population}.channel", "found": channel}
    if channel not in channels:
        raise DescriptionError(
            f"{protocol.stimulus.source} has no such channel",
            expected=", ".join(channels),
            hint=did_you_mean(channel, channels),
            **place,
        )
    role = circuit.population[population].role
    same = role == TARGET and protocol.target.of(population).kind != "given"
    if role not in channels[channel].roles and not (same and STIMULUS in channels[channel].roles):
        fitting = [name for name, each in channels.items() if role in each.roles]
        raise DescriptionError(f"this channel is not for a {role}", expected=", ".join(fitting), **place)
    return channel


def _refuse_kind(circuit: Circuit, population: str, name: str, channel: Channel) -> None:
    if circuit.population[population].readout == "softmax" and channel.kind == "values":
        raise DescriptionError(
            f"a softmax read-out is compared with classes, and the channel {name!r} gives values",
            source=circuit.name,
            key=f"population.{population}.readout",
            found="softmax",
            expected='"gaussian", or a channel of whole numbers',
            hint=f'floats that number classes become whole numbers by {name}.astype("int32"); -1 is none',
        )


def _refuse_unknown(protocol: Protocol, circuit: Circuit, channels: Mapping[str, Channel]) -> None:
    for name, read_out in {"": protocol.target, **protocol.target.population}.items():
        if name and name not in circuit.targets:
            raise DescriptionError(
                "is not a target population of this circuit",
                source=protocol.name,
                key=f"target.population.{name}",
                found=name,
                expected=", ".join(circuit.targets),
                hint=did_you_mean(name, circuit.targets),
            )
        if read_out.where is not None and read_out.where not in channels:
            raise DescriptionError(
                f"{protocol.stimulus.source} has no such channel",
                source=protocol.name,
                key=key_of_target(protocol, name, "where") if name else "target.where",
                found=read_out.where,
                expected=", ".join(channels),
                hint=did_you_mean(read_out.where, channels),
            )


def key_of_target(protocol: Protocol, target: str, name: str) -> str:
    """The key of the protocol that says something of a target population."""
    return f"target.population.{target}.{name}" if target in protocol.target.population else f"target.{name}"
