"""Circuits in running programs, on which experiments are conducted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.descriptions.experiments import EXPERIMENTS
from neuro_mpc.experiments.performance import perform
from neuro_mpc.networks import launch
from neuro_mpc.simulation import initial
from neuro_mpc.simulation.plans import plan_of
from neuro_mpc.simulation.presentation import Presenter

LANGUAGE = {
    "stimulus.letters": 8,
    "stimulus.transitions": [1, 3],
    "stimulus.length": 6,
    "stimulus.load": 2.0,
    "learning.batch": 12,
    "learning.presentations": 40,
    "learning.rate": 0.3,
    "test.generate": 4,
    "test.every": 0,
    "recording.synapses_every": 0,
    "recording.samples": [],
}
DIGITS = {
    "learning.batch": 12,
    "learning.presentations": 2,
    "test.every": 0,
    "test.ensemble": 0,
    "recording.samples": [],
}
TWO_LAYERS = """
name = "two layers"
[population.input]
role = "stimulus"
[population.low]
size = 9
activation = "relu(r)"
[population.high]
size = 7
activation = "tanh(r)"
[population.output]
role = "target"
readout = "gaussian"
[projection.bottom]
from = "input"
to = "low"
synapse = "gaussian"
[projection.middle]
from = "low"
to = "high"
synapse = "spike-and-slab"
[projection.again]
from = "low"
to = "low"
delay = 1
synapse = "spike-and-slab"
[projection.top]
from = "high"
to = "output"
synapse = "point"
"""
TASKS = {
    "layers": (None, "digits-rows", DIGITS),
    "mpl": ("mpl", "toy-language", LANGUAGE),
    "pc": ("pc", "toy-language", LANGUAGE),
    "causal": ("mpl", "toy-language", LANGUAGE | {"inference.window": 0}),
    "causal-relaxation": (
        "mpl",
        "toy-language",
        LANGUAGE | {"inference.window": 0, "inference.scheme": "relaxation", "inference.iterations": 5},
    ),
    "digits": ("mpl", "digits-rows", DIGITS),
}


class Shown:
    """A circuit in a running program, with its stimuli."""

    def __init__(self, trained, data, presenter):
        self.trained, self.data, self.presenter = trained, data, presenter

    def conduct(self, module, **fields):
        kind = EXPERIMENTS.get(module.__name__.rpartition(".")[2])
        experiment = kind(kind.table(**fields))
        assert not list(experiment.problems(self.trained.circuit, self.data))
        return experiment.results(self.presenter, self.data, self.trained)

    def performance(self, trials=20):
        return perform(self.presenter, self.data, "test", np.arange(trials))


def described(task):
    name, protocol, settings = TASKS[task]
    circuit = nm.load_circuit(name, {"population.hidden.size": 12}) if name else nm.Circuit.from_toml(TWO_LAYERS)
    return circuit, nm.load_protocol(protocol, settings)


def in_file(path):
    nm.simulate(*described("mpl"), seed=3, backend="numpy", out=path).close()
    return nm.load_trained(path)


def untrained(task):
    """Where learning does not matter: the initial circuit in the place of a trained one."""
    circuit, protocol = described(task)
    data = stimuli.load_task(protocol, circuit, 3)
    circuit = circuit.sized(data.width, data.classes)
    parameters = initial.draw(circuit, protocol, 3)
    return nm.Trained("nowhere", "run.nc", circuit, protocol, 3, 0, (0,), parameters)


@contextmanager
def circuits_shown(folder_for: Callable[[str], Path]) -> Iterator[Callable[[str], Shown]]:
    """task → a circuit in a running program, made once; the trained one is that of "mpl"."""
    made: dict[str, Shown] = {}
    with ExitStack() as stack:

        def make(task: str) -> Shown:
            if task not in made:
                folder = folder_for(task)
                trained = in_file(folder / "run.nc") if task == "mpl" else untrained(task)
                data = stimuli.load_task(trained.protocol, trained.circuit, 3)
                plan = plan_of(trained.circuit, trained.protocol, 12, data)
                program = stack.enter_context(launch.start(plan, "numpy", folder))
                presenter = Presenter(program, plan, trained.protocol, 3)
                presenter.load(trained.parameters)
                made[task] = Shown(trained, data, presenter)
            return made[task]

        yield make
