"""What the results of a run are to be read with caution for, in words."""

from __future__ import annotations

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.rules.slab import contradiction
from neuro_mpc.simulation.initial import Parameters
from neuro_mpc.simulation.sampling import contradicted_share


def of_selection(protocol: Protocol, presentations: int) -> list[str]:
    """A learning whose tests decide on the very trials that are evaluated afterwards."""
    test = protocol.test
    if not (protocol.selects and presentations and test.split == "test") or test.measure == "correct-letter-ratio":
        return []
    what = 'test.keep = "best"' if test.keep == "best" else 'the schedule "plateau"'
    return [
        f'{what} selects on the split "test", which the evaluation is about: its results are too good '
        '(test.split = "validation" keeps the two apart)'
    ]


def of_spikes(circuit: Circuit, parameters: Parameters) -> list[str]:
    """Learned variances that the spikes contradict."""
    share = contradicted_share(circuit, parameters)
    drawn = "weights that are drawn, for an ensemble, vary more than the circuit with noise"
    return [f"{contradiction(share)}: {drawn} (bounds on the parameters keep the two consistent)"] if share else []
