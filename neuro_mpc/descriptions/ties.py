"""The checks on tied projections, which read the synapses of another one the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from neuro_mpc.errors import DescriptionError, did_you_mean

if TYPE_CHECKING:
    from neuro_mpc.descriptions.circuit import Circuit


def tie_problems(circuit: Circuit) -> Iterator[DescriptionError]:
    """What keeps projections from sharing synapses, in a circuit whose names are right."""
    for name, projection in circuit.projection.items():
        if projection.tied is None:
            continue
        if projection.tied in circuit.projection:
            yield from _misfits(circuit, name, projection.tied)
        else:
            yield DescriptionError(
                "unknown projection",
                key=f"projection.{name}.tied",
                found=projection.tied,
                expected=", ".join(each for each in circuit.untied),
                hint=did_you_mean(projection.tied, circuit.untied),
            )


def _misfits(circuit: Circuit, name: str, owner: str) -> Iterator[DescriptionError]:
    key, tied, own = f"projection.{name}", circuit.projection[name], circuit.projection[owner]
    if own.tied is not None:
        yield DescriptionError(
            "is tied itself" if owner != name else "is this projection itself",
            key=f"{key}.tied",
            found=owner,
            expected=f"a projection with synapses of its own: {', '.join(circuit.untied)}",
        )
        return
    if tied.synapse != own.synapse:
        yield DescriptionError(
            f"the synapses are those of {owner}", key=f"{key}.synapse", found=tied.synapse, expected=own.synapse
        )
    if tied.initial:
        yield DescriptionError(
            f"the synapses are those of {owner}",
            key=f"{key}.initial",
            found=tied.initial,
            expected=f"initial values in projection.{owner}",
        )
    for each, table in ((name, tied), (owner, own)):
        if table.connect != "all":
            yield DescriptionError(
                "tied projections connect all pairs", key=f"projection.{each}.connect", expected='"all"'
            )
    for end, other in ((tied.source, own.target), (tied.target, own.source)):
        sizes = circuit.population[end].size, circuit.population[other].size
        if None not in sizes and sizes[0] != sizes[1]:
            yield DescriptionError(
                f"{end} has {sizes[0]} units, {other} {sizes[1]}",
                key=f"{key}.tied",
                found=owner,
                expected="as many units at the opposite ends",
            )
