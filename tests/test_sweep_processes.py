"""Sweeps in several processes, of this machine and of a cluster: processes that die, and what is left of them."""

import errno
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from small_sweeps import described

import neuro_mpc as nm
from neuro_mpc.networks import cluster
from neuro_mpc.sweeps import local, workers
from neuro_mpc.sweeps.members import Job
from neuro_mpc.system import processes

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("in_this_process")]
DYING = """
import json, os, signal, sys
for line in sys.stdin:
    name = json.loads(line)["name"]
    print(json.dumps({"name": name, "fraction": 0.5}), flush=True)
    if name == "seed=1":
        os.kill(os.getpid(), signal.SIGKILL)
    print(json.dumps({"outcome": {"name": name, "measures": {"pid": os.getpid()}}}), flush=True)
"""
JOBS = [
    Job(
        name=f"seed={k}",
        path="",
        circuit="",
        protocol="",
        seed=k,
        backend="numpy",
        threads=1,
        overwrite=False,
        accept_changes=False,
    )
    for k in range(6)
]


def test_a_member_whose_process_is_killed_fails_alone(monkeypatch):
    monkeypatch.setattr(local, "COMMAND", [sys.executable, "-c", DYING])
    told = []
    ended = {each.name: each for each in workers.run_all(JOBS, 2, None, lambda *each: told.append(each))}
    assert len(ended) == 6
    assert "was killed" in ended.pop("seed=1").error
    assert {each.error for each in ended.values()} == {""}
    assert sorted(told) == [(job.name, 0.5) for job in JOBS]


def test_a_process_that_the_system_does_not_start_fails_one_member_with_a_hint(monkeypatch):
    monkeypatch.setattr(local, "COMMAND", [sys.executable, "-c", DYING])
    start, failed = local._new_process, []

    def starting(command):
        if not failed:
            failed.append(command)
            raise processes.StartError(errno.EMFILE)
        return start(command)

    monkeypatch.setattr(local, "_new_process", starting)
    errors = [each.error for each in workers.run_all(JOBS[2:], 2, None, lambda *_: None)]
    told = "no process can be started: Too many open files\n  try: a higher limit of open files (ulimit -n)"
    assert sorted(errors) == ["", "", "", told]


def test_a_pipe_that_fails_costs_one_member_and_its_process(monkeypatch):
    monkeypatch.setattr(local, "COMMAND", [sys.executable, "-c", DYING])
    converse, failed = local._Worker._converse, []

    def conversing(worker, process, job):
        if not failed:
            failed.append(process)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return converse(worker, process, job)

    monkeypatch.setattr(local._Worker, "_converse", conversing)
    outcomes = list(workers.run_all(JOBS[2:], 2, None, lambda *_: None))
    assert sorted(each.error for each in outcomes) == ["", "", "", "its process cannot be reached: Input/output error"]
    assert failed[0].returncode is not None
    assert failed[0].pid not in {each.measures.get("pid") for each in outcomes}


def test_an_interrupted_sweep_leaves_no_process(monkeypatch):
    monkeypatch.setattr(local, "COMMAND", [sys.executable, "-c", DYING + "    import time; time.sleep(60)"])
    members = workers.run_all(JOBS[2:], 2, None, lambda *_: None)
    number = next(members).measures["pid"]
    members.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


UNGUARDED = """
import neuro_mpc as nm
circuit = nm.load_circuit("mpl", {"population.hidden.size": 4})
small = {"learning.presentations": 2, "learning.batch": 5, "inference.iterations": 5, "stimulus.length": 5}
small["test.every"] = 0
protocol = nm.load_protocol("toy-language", small)
print(nm.sweep(circuit, protocol, {}, [0, 1], out="swept", backend="numpy", workers=2)["complete"].values)
import sys
print("distributed" in sys.modules)
"""


def test_a_script_needs_no_guard_and_opens_no_port(tmp_path):
    (tmp_path / "script.py").write_text(UNGUARDED)
    (tmp_path / "random.py").write_text("raise SystemExit('executed')")
    environment = {**os.environ, "PYTHONPATH": str(Path(nm.__file__).parents[1])}
    command = [sys.executable, "-P", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "[1 1]\nFalse\n", done.stderr


def test_a_scheduler_without_workers_is_told(monkeypatch):
    class Client:
        nthreads, subscribe_topic = dict, lambda *_: None

    monkeypatch.setattr(cluster, "client", lambda scheduler: nullcontext(Client()))
    monkeypatch.setattr(workers, "_run_on", lambda *_: iter(()))
    told = []
    assert not list(workers.run_all(JOBS, 0, "tcp://10.0.0.1:8786", lambda *_: None, told.append))
    assert "has no workers yet" in told[0]


def test_a_member_on_a_cluster_is_the_run_of_simulate(tmp_path):
    distributed = pytest.importorskip("distributed")
    circuit, protocol = described()
    alone = nm.simulate(circuit, protocol, seed=1, backend="numpy")
    local = {"processes": True, "dashboard_address": None}
    with distributed.LocalCluster(1, threads_per_worker=2, **local) as local_cluster:
        address = local_cluster.scheduler_address
        found = nm.sweep(circuit, protocol, {}, [1], out=tmp_path / "new", backend="numpy", scheduler=address)
        own = {"stimulus": nm.stimuli.Arrays(), "test.measure": "accuracy"}
        given = {"data": {"wave": np.eye(6)[np.arange(90) % 6, None], "label": np.arange(90) % 3}, "backend": "numpy"}
        of_data = nm.sweep(
            circuit, nm.changed(protocol, own), {}, [1], out=tmp_path / "own", scheduler=address, **given
        )
    with nm.open_run(tmp_path / "new" / "seed=1.nc") as member:
        for name in ("free_energy", "correct_letter_ratio"):
            np.testing.assert_array_equal(member["learning"][name], alone["learning"][name])
    of_arrays = nm.simulate(circuit, nm.changed(protocol, own), seed=1, **given)
    assert of_data["accuracy"].item() == of_arrays["evaluation/accuracy"].item()
    last = alone["learning"]["free_energy"][-2:].mean()
    assert float(found["free_energy"].sel(seed=1)) == pytest.approx(float(last))


def test_a_scheduler_that_is_not_there(monkeypatch, tmp_path):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with pytest.raises(nm.RunError, match="no scheduler of dask answers at tcp://127.0.0.1:1"):
        nm.sweep(*described(), {}, [0], out=tmp_path, backend="numpy", scheduler="tcp://127.0.0.1:1")
