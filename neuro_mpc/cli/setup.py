"""What a command is about: the circuit and the protocol that its arguments and settings stand for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

import neuro_mpc as nm

if TYPE_CHECKING:
    from neuro_mpc.descriptions.protocol import ExperimentProtocol


@dataclass(frozen=True)
class Setup:
    """The descriptions, the trained circuit to start from, if any, and the seed."""

    circuit: "nm.Circuit"
    protocol: "nm.Protocol | ExperimentProtocol"
    seed: int
    start: "nm.Trained | None" = None


def set_up(
    first: str,
    second: str | None,
    settings: list[str] | None,
    *,
    start: Path | None = None,
    start_at: int | None = None,
    seed: int | None = None,
) -> Setup:
    """What the arguments CIRCUIT PROTOCOL, or --from RUN and PROTOCOL, and the settings stand for."""
    from neuro_mpc.descriptions.loading import changed, parse_settings

    for_circuit, for_protocol = parse_settings(settings or [])
    if start is None:
        if second is None or start_at is not None:
            missing = "PROTOCOL" if second is None else "--from"
            raise typer.BadParameter(f"{missing} is missing: CIRCUIT and PROTOCOL, or --from RUN and PROTOCOL")
        return Setup(nm.load_circuit(first, for_circuit), nm.load_protocol(second, for_protocol), seed or 0)
    if second is not None:
        raise typer.BadParameter(f"--from takes the circuit of {start}: leave {first} out, or use --set")
    from neuro_mpc.simulation.trained import on_task_of

    trained = nm.load_trained(start, start_at)
    protocol = changed(on_task_of(nm.load_protocol(first), trained), for_protocol)
    circuit = changed(trained.unsized(), for_circuit)
    return Setup(circuit, protocol, trained.seed if seed is None else seed, trained)
