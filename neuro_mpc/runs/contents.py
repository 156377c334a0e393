"""How many objects the file of a run will hold: its groups, variables, and dimensions, each an object of HDF5."""

from __future__ import annotations

from neuro_mpc.descriptions.protocol import Protocol
from neuro_mpc.errors import RunError
from neuro_mpc.examination.limits import MOST_OBJECTS
from neuro_mpc.networks.plan import Plan
from neuro_mpc.runs.estimate import traces
from neuro_mpc.simulation.connections import connects_some
from neuro_mpc.simulation.precisions import owners

# Groups with their dimensions and coordinates, without other variables.
OF_SNAPSHOTS = 1 + 3 + 1  # snapshot, post, pre; presentation
OF_PRECISIONS = 1 + 2 + 1 + 1  # snapshot, unit; presentation; and their only variable
OF_SAMPLES = 1 + 4 + 3  # sample, iteration, trial, unit; presentation, step, time
OF_STIMULI = 1 + 3 + 3  # sample, trial, bytes of symbols; presentation, step, trial_number, symbols
OF_THE_REST = 200  # learning, tests, evaluation, answers, an experiment


def objects(plan: Plan, protocol: Protocol) -> int:
    """The number of objects in the file of a run, at most."""
    circuit = plan.circuit
    of_synapses = sum(
        OF_SNAPSHOTS + connects_some(circuit, name) + len(plan.rules.synapses[name].parameters)
        for name in circuit.untied
    )
    of_samples = OF_STIMULI + 3 * (len(circuit.stimuli) + len(circuit.targets))
    recorded = protocol.recording.populations or (*circuit.free, *circuit.targets)
    of_samples += sum(OF_SAMPLES + traces(plan, name) for name in recorded)
    precise = OF_PRECISIONS * len(owners(circuit))
    return of_synapses + precise + bool(protocol.recording.samples) * of_samples + OF_THE_REST


def refuse_too_many(plan: Plan, protocol: Protocol) -> None:
    """Raises RunError for a run whose file could not be opened once it is written."""
    number = objects(plan, protocol)
    if number > MOST_OBJECTS:
        raise RunError(
            f"the run file would hold about {number:,} groups, variables and dimensions, for "
            f"{len(plan.circuit.population):,} populations and {len(plan.circuit.projection):,} projections; "
            f"one may hold {MOST_OBJECTS:,}",
            hint="fewer populations and projections"
            + (", or recording.samples = []" if protocol.recording.samples else ""),
        )
