"""Which keys of a circuit and a protocol become code: the plans of runs, and of circuits that read on their own."""

from __future__ import annotations

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.inference import SCHEMES
from neuro_mpc.descriptions.learning import OPTIMIZERS
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.networks.plan import Plan, options_of
from neuro_mpc.stimuli import Task


def plan_of(circuit: Circuit, protocol: Protocol, trials: int, data: Task, threads: int = 1) -> Plan:
    """What the code generated for a run depends on."""
    learning, inference = protocol.learning, protocol.inference
    return Plan(
        circuit=circuit,
        trials=trials,
        steps=data.steps,
        read=data.read,
        scheme=inference.scheme,
        scheme_options=options_of(SCHEMES.get(inference.scheme), inference),
        variance_feedback=inference.variance_feedback,
        settles=inference.settles,
        limited=inference.energy_limit > 0,
        optimizer=learning.optimizer,
        optimizer_options=options_of(OPTIMIZERS.get(learning.optimizer), learning),
        decay=learning.decay,
        clip=learning.clip,
        clip_parameters=learning.clip_parameters,
        precision=protocol.precision,
        threads=threads,
        clip_norm=learning.clip_norm,
        rate_factors=tuple(learning.rate_factor.items()),
        symbolic=data.symbol_populations,
        output_feedback=inference.output_feedback,
        last_read=() if data.read == "last" else data.last_read,
        missing=data.with_missing,
        window=None if inference.window == "sequence" else inference.window,
        stepwise=learning.every == "step",
        credit=protocol.credit if protocol.credit in ("trace", "influence") else "",
    )


def plan_of_reader(circuit: Circuit, protocol: Protocol, texts: int) -> Plan:
    """The same for a circuit that is given symbols one by one, and predicts: it neither infers nor learns."""
    symbolic = circuit.stimulus, circuit.target
    return Plan(circuit=circuit, trials=texts, steps=1, precision=protocol.precision, symbolic=symbolic)
