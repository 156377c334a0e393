"""Plain Brian2: `Synapses`, a copy of the circuit for every step and trial, in C++ standalone, single precision."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from brian2 import Network, NeuronGroup, Synapses, device, ms, prefs, set_device
from cases import CLASSES, RATE, Sequences

HIDDEN = """
dr/dt = (-err + int(r > 0)*(A + f*V))/tau : 1
f = clip(r, 0, 1e30) : 1
D_all = D_in + D : 1
err = r - (G_in + G + sqrt(D_all)*epsilon) : 1
q = err*epsilon*int(D_all > 0)/sqrt(D_all + 1e-30*int(D_all <= 0)) : 1
A = A_later + A_out : 1
V = V_later + V_out : 1
G : 1
D : 1
A_later : 1
V_later : 1
A_out : 1
V_out : 1
G_in : 1 (constant)
D_in : 1 (constant)
epsilon : 1 (constant)
tau : second (shared, constant)
"""
OUTPUT = """
u = G + sqrt(D)*epsilon : 1
y = exp(u)/total : 1
err = target - y : 1
q = err*epsilon*int(D > 0)/sqrt(D + 1e-30*int(D <= 0)) : 1
G : 1
D : 1
total : 1
target : 1 (constant)
epsilon : 1 (constant)
"""
PROJECTION = """
m : 1 (constant)
v : 1 (constant)
G_post = m*f_pre : 1 (summed)
D_post = v*f_pre**2 : 1 (summed)
{A}_pre = m*err_post : 1 (summed)
{V}_pre = v*q_post : 1 (summed)
"""
CLOCK = '{ std::ofstream _times("times.txt", std::ios::app); _times << (double)std::clock()/CLOCKS_PER_SEC << "\\n"; }'


class Iterations:
    """A compiled program that does a number of iterations each time it is run."""

    TRIALS, ITERATIONS = 2, 50

    def __init__(self, case: Sequences, threads: int):
        case = Sequences(units=case.units, trials=self.TRIALS, steps=case.steps)
        self._folder = tempfile.TemporaryDirectory()
        prefs.core.default_float_dtype = np.float32
        prefs.devices.cpp_standalone.openmp_threads = 0
        set_device("cpp_standalone", build_on_run=False, directory=self._folder.name)
        network = self._network(case)
        network.run(0 * ms)
        for slot in ("before_network_run", "after_network_run"):
            device.insert_code(slot, CLOCK)
        network.run(self.ITERATIONS * ms)
        device.build(directory=self._folder.name, compile=True, run=False)

    @staticmethod
    def _network(case: Sequences) -> Network:
        (x, target), (noise, noise_out), moments = case.batch, case.noise, case.moments
        steps, trials, units = noise.shape
        hidden = NeuronGroup(noise.size, HIDDEN, method="euler", dt=1 * ms)
        output = NeuronGroup(trials * CLASSES, OUTPUT, dt=1 * ms)
        hidden.tau, hidden.epsilon = 1 / RATE * ms, noise.ravel()
        hidden.G_in, hidden.D_in = (x @ moments["input"][0].T).ravel(), (x**2 @ moments["input"][1].T).ravel()
        output.target, output.epsilon = target.ravel(), noise_out.ravel()
        later = Synapses(hidden, hidden, PROJECTION.format(A="A_later", V="V_later"))
        row, post, pre = (
            each.ravel()
            for each in np.meshgrid(np.arange((steps - 1) * trials), np.arange(units), np.arange(units), indexing="ij")
        )
        later.connect(i=row * units + pre, j=(row + trials) * units + post)
        read = Synapses(hidden, output, PROJECTION.format(A="A_out", V="V_out"))
        trial, label, unit = (
            each.ravel() for each in np.meshgrid(np.arange(trials), np.arange(CLASSES), np.arange(units), indexing="ij")
        )
        read.connect(i=((steps - 1) * trials + trial) * units + unit, j=trial * CLASSES + label)
        for synapses, name, places in [(later, "recurrent", (post, pre)), (read, "output", (label, unit))]:
            synapses.m, synapses.v = (moment[places] for moment in moments[name])
        norm = Synapses(output, output, "total_post = exp(u_pre) : 1 (summed)")
        trial, label, other = (
            each.ravel()
            for each in np.meshgrid(np.arange(trials), np.arange(CLASSES), np.arange(CLASSES), indexing="ij")
        )
        norm.connect(i=trial * CLASSES + other, j=trial * CLASSES + label)
        return Network(hidden, output, later, read, norm)

    def run(self, count: int) -> None:
        self.measured(count)

    def measured(self, count: int) -> dict[str, float]:
        """Processor time of an iteration, scaled to the trials of the case; whatever the count, ITERATIONS are run."""
        times = Path(self._folder.name) / "times.txt"
        times.unlink(missing_ok=True)
        subprocess.run(
            [os.path.join(self._folder.name, "main")], cwd=self._folder.name, check=True, stdout=subprocess.DEVNULL
        )
        begin, end = map(float, times.read_text().split())
        seconds = (end - begin) / self.ITERATIONS * self.scale
        return {"wall": seconds, "processor": seconds}


def make(case: Sequences, threads: int) -> Iterations:
    made = Iterations.__new__(Iterations)
    made.scale = case.trials / Iterations.TRIALS
    made.__init__(case, threads)
    return made
