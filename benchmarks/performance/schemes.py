"""What each scheme of inference costs to reach the energy that plain relaxation reaches in 100 iterations."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
from measuring import pin, ratio
from with_framework import TAU_SECONDS

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.networks.launch import start
from neuro_mpc.networks.plan import Plan
from neuro_mpc.simulation.presentation import Presenter

TRIALS, TAUGHT = 128, 300
SCHEMES = {"relaxation": 100, "momentum": 30, "sweeps": 10}


class Inference:
    """Inference of one batch by a trained circuit under a scheme."""

    def __init__(self, scheme: str, circuit: nm.Circuit, protocol: nm.Protocol, parameters: dict, batch: tuple):
        self.folder = tempfile.TemporaryDirectory()
        steps = len(batch[0])
        plan = Plan(circuit, TRIALS, steps, "last", scheme)
        self.program = start(plan, "cpp", Path(self.folder.name))
        pin(self.program._process.pid, sorted(os.sched_getaffinity(0))[-1:])
        self.presenter = Presenter(self.program, plan, protocol, 0)
        self.presenter.load(parameters)
        self.presenter._show(*batch, 0)
        self.program.set(inference_dt=0.1 * TAU_SECONDS)

    def infer(self, iterations: int) -> tuple[float, float]:
        """Mean energy of a trial, and seconds of processor time that inference took."""
        self.program.set(iterations=iterations)
        self.presenter._phases(predicting=True)
        self.program.get("iterations")
        clock = (~self.program._process.pid << 3) | 2
        begin = time.clock_gettime(clock)
        self.presenter._phases(inferring=True)
        loss, hidden = self.program.get("loss", "energy_hidden")
        return float(np.mean(loss + hidden)), time.clock_gettime(clock) - begin


def schemes(options) -> None:
    """cost of inference to the energy of 100 plain iterations, on a trained circuit, one core"""
    circuit, protocol, parameters, batch = trained()
    found = {name: Inference(name, circuit, protocol, parameters, batch) for name in SCHEMES}
    target, _ = found["relaxation"].infer(SCHEMES["relaxation"])
    start_energy, _ = found["relaxation"].infer(0)
    print(f"energy a trial: {start_energy:.4f} before inference, {target:.4f} after 100 iterations of relaxation")
    costs = {}
    for name, most in SCHEMES.items():
        needed = next(count for count in range(1, most + 1) if found[name].infer(count)[0] <= target * (1 + 1e-6))
        seconds = np.median([found[name].infer(needed)[1] for _ in range(options.repeats)])
        energies = ", ".join(f"{found[name].infer(count)[0]:.4f} after {count}" for count in (1, 3, 10, 30))
        costs[name] = seconds
        print(f"{name:12} {needed:4d} iterations {seconds * 1e3:9.2f} ms   energy {energies}")
    for name in ("momentum", "sweeps"):
        ratio("schemes", name, "relaxation", costs[name] / costs["relaxation"], at_most=0.25)


def trained() -> tuple[nm.Circuit, nm.Protocol, dict, tuple]:
    """A circuit that learned MNIST (the digits of scikit-learn where its files are not there), and a batch."""
    name = "mnist-rows" if "NEURO_MPC_DATA" in os.environ else "digits-rows"
    settings = {
        "learning.epochs": None,
        "learning.presentations": TAUGHT,
        "learning.batch": TRIALS,
        "test.every": 0,
        "test.ensemble": 0,
    }
    protocol, circuit = nm.load_protocol(name, settings), nm.load_circuit("mpl")
    run = nm.simulate(circuit, protocol)
    parameters = {
        projection: {each: values[-1].values for each, values in node.data_vars.items()}
        for projection, node in run["synapses"].children.items()
    }
    data = stimuli.load(protocol, circuit, 0)
    return circuit.sized(data.width, data.classes), protocol, parameters, data.batch("train", np.arange(TRIALS))


PARTS = {"schemes": schemes}
