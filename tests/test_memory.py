"""What a run holds and writes does not grow with the length of training beyond what the protocol asks for."""

import gc
import tracemalloc

import numpy as np

import neuro_mpc as nm
from neuro_mpc import stimuli
from neuro_mpc.runfile import record
from neuro_mpc.runs.progress import SilentProgress

KILOBYTE, BLOCK = 1000, 20


class Memory(SilentProgress):
    """Python's memory at the end of each block of presentations, without what only waits to be collected."""

    def __init__(self):
        self.held = []

    def start(self, total):
        tracemalloc.start()

    def update(self, presentation, free_energy):
        if presentation % BLOCK == 0:
            gc.collect()
            self.held.append(tracemalloc.get_traced_memory()[0])


def test_a_longer_training_holds_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "BLOCK_ROWS", BLOCK)
    settings = {"learning.presentations": 4 * BLOCK, "recording": {}, "test": {}}
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 5})
    memory = Memory()
    try:
        protocol = nm.load_protocol("digits-rows", settings)
        run = nm.simulate(circuit, protocol, backend="numpy", progress=memory, out=tmp_path / "run.nc")
    finally:
        tracemalloc.stop()
    begin, end = memory.held[0], memory.held[-1]
    assert end - begin < 20 * KILOBYTE, f"{(end - begin) / KILOBYTE:.0f} kB more at the end"
    with run:
        assert run["synapses/input"].sizes["snapshot"] == 2
        assert run["learning"].sizes == {"presentation": 4 * BLOCK, "test": 2}
        assert "neural" not in run.children


def test_a_batch_is_all_that_is_encoded():
    circuit = nm.load_circuit("mpl")
    data = stimuli.load_task(nm.load_protocol("digits-rows"), circuit, 0)
    tracemalloc.start()
    try:
        for _ in range(20):
            stimulus, target = data.batch("train", np.arange(50))
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * (stimulus.nbytes + target.nbytes) + 10 * KILOBYTE
    assert peak < 6 * (stimulus.nbytes + target.nbytes) + 10 * KILOBYTE
