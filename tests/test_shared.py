"""Processes that share the trials of each batch: equal to one process up to the order of sums."""

import os
import shutil
import signal
from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import small_language

import neuro_mpc as nm
from neuro_mpc.networks import cluster, launch, remote, shared
from neuro_mpc.networks.layout import groups, is_of_trials
from neuro_mpc.networks.phases import sums
from neuro_mpc.networks.rows import Rows
from neuro_mpc.networks.schemes.interface import tile_widths
from neuro_mpc.runfile.paths import partial_path, saved_path
from neuro_mpc.runs.preparation import prepare
from neuro_mpc.simulation.presentation import Presenter

SMALL = {
    "precision": "float64",
    "stimulus.letters": 5,
    "stimulus.length": 4,
    "stimulus.load": 4.0,
    "learning.batch": 8,
    "learning.presentations": 6,
    "test.every": 3,
    "test.generate": 3,
    "recording.synapses_every": 2,
    "recording.samples": [1],
    "recording.trials": 0,
}
HIDDEN = {"population.hidden.size": 6}
TOLERANCE = 1e-12
RELAXATION = {"inference.scheme": "relaxation", "inference.iterations": 5, "learning.rate": 0.01}
STEPWISE = {**RELAXATION, "inference.window": 0, "learning.every": "step", "learning.credit": "local"}
SPLIT = {"population.hidden.errors": "split", "projection.recurrent.connect": {"random": 0.5}}
SHARED = {
    "Adam": ("mpl", {}, {"recording.answers": True}),
    "SGD": ("mpl", {}, {"learning.optimizer": "sgd", "learning.clip": 1e-3, "learning.rate": 0.3}),
    "point weights": ("pc", {}, {"learning.decay": 1e-3, "learning.clip_norm": "frobenius"}),
    "relaxation": ("mpl", SPLIT, {**RELAXATION, "recording.trajectory": True}),
    "tolerance": ("mpl", {}, {**RELAXATION, "inference.iterations": 20, "inference.tolerance": 0.03}),
    "momentum": ("pc", {}, {**RELAXATION, "inference.scheme": "momentum", "inference.redraw_noise": True}),
    "sweeps": ("mpl", {}, {**RELAXATION, "inference.scheme": "sweeps", "inference.tolerance": 1e-3}),
    "steps": ("mpl", {}, STEPWISE),
    "influence": ("mpl", {}, {"inference.window": 0, "learning.credit": "influence"}),
}


@pytest.fixture
def here(in_this_process):
    """Runs on NumPy are in this very process."""


def described(case: str) -> tuple[nm.Circuit, nm.Protocol]:
    name, circuit, settings = SHARED[case]
    return nm.load_circuit(name, HIDDEN | circuit), nm.load_protocol("toy-language", SMALL | settings)


def simulated(circuit, protocol, **options):
    return nm.simulate(circuit, protocol, **{"seed": 3, "backend": "numpy", **options})


def assert_equal(one, other, tolerance: float = TOLERANCE) -> None:
    """All numbers of two runs, each within `tolerance` times the largest of its array."""
    for node in one.subtree:
        for name, expected in node.to_dataset(inherit=False).variables.items():
            found, scale = other[node.path].to_dataset()[name].values, np.nanmax(np.abs(expected.values), initial=0)
            where = f"{node.path}/{name}"
            np.testing.assert_allclose(found, expected.values, rtol=0, atol=tolerance * scale, err_msg=where)


@pytest.mark.parametrize(("case", "workers"), [(case, 4 if case == "Adam" else 2) for case in SHARED])
def test_a_run_is_that_of_one_process(here, case, workers, monkeypatch):
    monkeypatch.setattr(shared, "WORTH_A_THREAD", 0 if workers == 4 else shared.WORTH_A_THREAD)
    alone, together = (simulated(*described(case), workers=number) for number in (1, workers))
    assert (alone.attrs["workers"], together.attrs["workers"]) == (1, workers)
    assert alone["synapses/recurrent"].sizes["snapshot"] >= 4
    assert_equal(alone, together)


def test_own_targets_with_missing_values_and_precisions_that_are_learned(here):
    circuit = nm.Circuit(
        name="own",
        population={
            "x": {"role": "stimulus"},
            "hidden": {"size": 3, "activation": "tanh(r)", "precision": {"learned": "population", "high": 100.0}},
            "y": {"role": "target", "readout": "gaussian", "precision": {"learned": "unit", "high": 100.0}},
        },
        projection={
            "in": {"from": "x", "to": "hidden", "synapse": "spike-and-slab"},
            "again": {"from": "hidden", "to": "hidden", "delay": 1, "synapse": "spike-and-slab"},
            "out": {"from": "hidden", "to": "y", "synapse": "point"},
        },
    )
    protocol = nm.Protocol(
        name="own",
        precision="float64",
        stimulus={"source": "arrays"},
        target={"read": "every"},
        inference={"scheme": "relaxation", "iterations": 5},
        learning={"rate": 0.05, "batch": 6, "presentations": 6},
    )
    x, y = np.random.default_rng(0).standard_normal((2, 24, 4, 2))
    y[::3, 1] = np.nan
    alone, together = (simulated(circuit, protocol, data={"x": x, "y": y}, workers=number) for number in (1, 3))
    assert set(alone["precision"].children) == {"hidden", "y"}
    assert_equal(alone, together)


def test_streams_that_carry_their_state_on_are_resumed_by_as_many_processes(here, tmp_path):
    (tmp_path / "text.txt").write_text("\n".join(small_language.TEXT))
    task = small_language.language(), small_language.protocol(tmp_path)
    alone, together = (simulated(*task, workers=number) for number in (1, 2))
    assert_equal(alone, together)

    def stopped(presenter, presentation, *shown):
        if presentation == 5:
            raise nm.RunError("stopped")
        return begin(presenter, presentation, *shown)

    begin, out = Presenter.begin_learning, tmp_path / "run.nc"
    with patch.object(Presenter, "begin_learning", stopped), pytest.raises(nm.RunError, match="stopped"):
        simulated(*task, workers=2, out=out, checkpoint_every=0)
    with pytest.raises(nm.RunError, match="workers was 2, is 1"):
        simulated(*task, out=out, resume=True)
    other = tmp_path / "other.nc"  # whose streams lie in another order
    for path_of in (partial_path, saved_path):
        shutil.copy(path_of(out), path_of(other))
    with simulated(*task, out=other, resume=True, accept_changes=True) as resumed:
        assert_equal(alone, resumed)
    with simulated(*task, workers=2, out=out, resume=True) as resumed:
        assert_equal(together, resumed, 0.0)


def test_trials_in_tiles_of_other_widths_are_the_same_trials():
    rows, rng = Rows(units=3, steps=2, history=1), np.random.default_rng(0)
    trials = rng.random((3, 7, 3))  # history and steps, trials, units

    def tiled(*widths):
        return np.concatenate([tile.ravel() for tile in np.split(trials, np.cumsum(widths)[:-1], axis=1)])

    for before, after in (((7,), (3, 4)), ((3, 3, 1), (7,)), ((2, 2, 2, 1), (4, 3))):
        np.testing.assert_array_equal(rows.retiled(tiled(*before), before, after), tiled(*after))


def test_tiles_are_those_of_the_threads_and_processes_that_a_run_had():
    plan = prepare(*described("Adam"), backend="numpy", threads=1).plan
    assert tile_widths(plan, 1, 1) == [8]
    assert tile_widths(plan, 3, 1) == [3, 3, 2]
    assert tile_widths(plan, 1, 2) == [4, 4]
    assert tile_widths(plan, 3, 2) == [2, 2, 2, 2]


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run_which_can_be_resumed(in_this_process, tmp_path):
    task = nm.load_circuit("mpl", HIDDEN), nm.load_protocol("toy-language", {**SMALL, "recording.samples": []})
    begin, out = Presenter.begin_learning, tmp_path / "run.nc"

    def killing(presenter, presentation, *shown):
        if presentation == 4:
            presenter.program.programs[1]._process.kill()
        return begin(presenter, presentation, *shown)

    with (
        patch.object(launch, "start", in_this_process),
        patch.object(Presenter, "begin_learning", killing),
        pytest.raises(nm.RunError, match=r"worker 2 of 2\) was killed by signal 9(.|\n)*resume"),
    ):
        simulated(*task, workers=2, out=out, checkpoint_every=0)
    assert saved_path(out).exists()
    with simulated(*task, workers=2, out=out, resume=True) as resumed:
        assert_equal(simulated(*task), resumed)


@pytest.mark.slow
def test_compiled_programs_share_a_batch(here):
    if launch.available("cpp") != "cpp":
        pytest.skip("needs a C++ compiler")
    circuit, protocol = described("Adam")
    assert_equal(simulated(circuit, protocol), simulated(circuit, protocol, backend="cpp", workers=2), 1e-9)


def test_what_cannot_be_shared_is_refused_before_anything_is_computed(monkeypatch):
    monkeypatch.setattr(launch, "start", None)
    circuit = nm.load_circuit("mpl", HIDDEN)
    for settings, workers, told in (
        ({}, 3, r"workers: cannot share the 8 trials of a batch equally\s+found: 3\s+expected: one of 1, 2, 4, 8"),
        ({"learning.batch": 1}, 2, r"cannot share the one trial of a batch equally"),
        ({**RELAXATION, "inference.energy_limit": 0.1}, 2, r"inference.energy_limit: ends the inference of a batch"),
        ({}, 0, r"workers: is out of range"),
    ):
        with pytest.raises(nm.DescriptionError, match=told):
            simulated(circuit, nm.load_protocol("toy-language", SMALL | settings), workers=workers)


def test_a_cluster_is_refused_before_anything_is_computed(monkeypatch):
    monkeypatch.setattr(launch, "start", None)
    task = described("Adam")
    with pytest.raises(nm.DescriptionError, match=r"workers: shares no batch among the workers of a scheduler"):
        simulated(*task, scheduler="tcp://127.0.0.1:8786")
    with pytest.raises(nm.RunError, match="'banana' is not the address of a scheduler"):
        simulated(*task, scheduler="banana", workers=2)
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(nm.RunError, match="dask.distributed, which is not installed"):
        simulated(*task, scheduler="tcp://127.0.0.1:8786", workers=2)


def test_what_is_summed_is_of_synapses_and_what_is_of_trials_is_not():
    circuit, protocol = described("Adam")
    plan = prepare(circuit, protocol, backend="numpy", threads=1).plan
    of_trials = is_of_trials(plan)
    assert not any(map(of_trials, sums(plan)))
    assert {"input_synapses_H1", "input_synapses_H2", "output_synapses_H2"} <= set(sums(plan))
    assert [of_trials(name) for name in ("hidden_belief_r", "loss", "rate")] == [True, True, False]
    assert {group.name for group in groups(plan) if of_trials(f"{group.name}_x")} == {
        group.name for group in groups(plan) if not group.name.endswith("_synapses")
    }


def test_an_estimate_counts_the_memory_of_every_process_and_what_they_share_of_the_time():
    protocol = nm.load_protocol("toy-language")
    one, four = (nm.check("mpl", protocol, backend="numpy", workers=number) for number in (1, 4))
    assert four.memory > one.memory + 3 * 200e6
    assert one.seconds / 4 < four.seconds < one.seconds


@pytest.mark.slow
def test_workers_of_a_cluster_share_a_batch_and_one_that_dies_ends_the_run(in_this_process, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(remote, "SECONDS_TO_ASK", 1)
    task, out = described("Adam"), tmp_path / "run.nc"
    alone = simulated(*task)
    monkeypatch.setattr(launch, "start", in_this_process)
    local = {"threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(n_workers=2, **local) as local_cluster, distributed.Client(local_cluster) as client:
        there = {"scheduler": local_cluster.scheduler_address, "workers": 2}
        assert_equal(alone, simulated(*task, **there))
        monkeypatch.setattr(remote, "SECONDS_FOR_WORKERS", 0.1)
        with pytest.raises(nm.RunError, match=r"has 2 workers and not 4\n.*workers=2"):
            simulated(*task, **{**there, "workers": 4})
        monkeypatch.setattr(remote, "SECONDS_FOR_WORKERS", 20)
        begin, processes = Presenter.begin_learning, client.run(os.getpid)

        def killing(presenter, presentation, *shown):
            if presentation == 4:
                os.kill(processes[max(processes)], signal.SIGKILL)
            return begin(presenter, presentation, *shown)

        monkeypatch.setattr(Presenter, "begin_learning", killing)
        with pytest.raises(nm.RunError, match=r"tcp://[^ ]* \(worker 2 of 2\) cannot be reached(.|\n)*resume"):
            simulated(*task, **there, out=out, checkpoint_every=0)
        monkeypatch.setattr(Presenter, "begin_learning", begin)
    monkeypatch.undo()
    with simulated(*task, workers=2, out=out, resume=True) as resumed:
        assert_equal(alone, resumed)


def test_workers_that_compute_with_something_else_are_refused():
    class Future:
        def __init__(self, result=None):
            self.about = lambda backend: Future(("mark", {}, {**remote.computed_with(backend), "numpy": "0.1"}))
            self.value = result or self

        def result(self, timeout):
            return self.value

    circuit, protocol = described("Adam")
    plan = prepare(circuit, protocol, backend="numpy", threads=1).plan
    client = SimpleNamespace(as_current=nullcontext)
    with pytest.raises(nm.RunError, match=r"tcp://10.0.0.1:80 and this machine compute with other versions of numpy:"):
        remote.RemoteProgram(client, Future(), "tcp://10.0.0.1:80", plan, "numpy")


@pytest.mark.parametrize(("idle", "parts"), [(0, [0, 0, 0, 0]), (5, [0, 1, 2, 2]), (8, [2, 2, 2, 2])])
def test_idle_trials_are_the_last_ones_of_the_last_programs(idle, parts):
    together = shared.SharedProgram.__new__(shared.SharedProgram)
    together.shares, together._trials = 4, 2
    assert list(together._parts("idle_trials", idle)) == parts
