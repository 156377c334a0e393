"""Tasks of sources that tests make up, for a circuit with one stimulus and one target."""

import neuro_mpc as nm
from neuro_mpc.stimuli import Stimuli, Task


def task_of(source: Stimuli) -> Task:
    """The task of a source with a stimulus and classes that are asked for at every step."""
    circuit = nm.Circuit(
        name="classic",
        population={"input": {"role": "stimulus"}, "hidden": {"size": 1}, "output": {"role": "target"}},
        projection={
            "in": {"from": "input", "to": "hidden", "synapse": "point"},
            "out": {"from": "hidden", "to": "output", "synapse": "point"},
        },
    )
    return Task(nm.load_protocol("toy-language"), circuit, source)
