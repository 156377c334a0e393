"""A circuit and a protocol small enough to be swept."""

import neuro_mpc as nm

LOAD = "protocol.stimulus.load"
SETTINGS = {"learning.presentations": 20, "learning.batch": 12, "test.every": 10}


def described():
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 12})
    return circuit, nm.load_protocol("toy-language", SETTINGS)
