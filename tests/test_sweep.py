"""Sweeps: the grid, what is refused, what is run again, the combined file, and processes that die."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc import cli
from neuro_mpc.runfile.record import RunFile
from neuro_mpc.spelling import command_line
from neuro_mpc.sweeps import local, members, workers
from neuro_mpc.sweeps.grid import grid, parse_over, parse_seeds, settings_of
from neuro_mpc.sweeps.members import Job

LOAD = "protocol.stimulus.load"
SETTINGS = {"learning.presentations": 20, "learning.batch": 12, "test.every": 10}


def described():
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 12})
    return circuit, nm.load_protocol("toy-language", SETTINGS)


@pytest.fixture
def simulated(monkeypatch):
    """Runs that are only written: energies and ratios are known, seed 13 fails. The seeds that ran."""
    ran = []

    def simulate(circuit, protocol, *, seed, out, resume, overwrite, **_):
        ran.append((protocol.stimulus.load, seed))
        if seed == 13:
            raise nm.RunError("the energy diverged")
        load, options = protocol.stimulus.load, {"backend": "numpy", "threads": 1, "overwrite": True}
        with RunFile(out, circuit=circuit, protocol=protocol, seed=seed, **options) as record:
            for k in range(20):
                record.learning(k, load + k, 0.1 * k, load, 2 * k, 100)
            for k in range(0, 20, 10):
                record.test(k, {"correct_letter_ratio": load / 10 + seed / 100})
            record.evaluation({"correct_letter_ratio": load / 10, "correct_letter_ratio_network": np.full(2, seed)})
        return nm.open_run(out)

    monkeypatch.setattr(members, "simulate", simulate)
    return ran


def swept(folder, over=None, seeds=(0, 1), **options):
    over = {LOAD: [1.0, 2.0, 4.0]} if over is None else over
    return nm.sweep(*described(), over, seeds, out=folder, backend="numpy", workers=1, **options)


# --- the grid


def test_a_grid_holds_every_combination_once():
    made = grid({LOAD: [1, 2], "circuit.population.hidden.size": [5, 6, 7]}, [3, 4])
    found = list(made.members())
    assert made.shape == (2, 3, 2)
    assert len(found) == len(made) == 12
    assert len({member.name for member in found}) == 12
    assert found[0].name == "load=1,size=5,seed=3"
    assert settings_of(found[-1]) == ({"population.hidden.size": 7}, {"stimulus.load": 2})


def test_keys_with_the_same_end_are_told_apart():
    over = {"protocol.learning.rate": [1], "protocol.inference.rate": [1], "protocol.target.read": ["last"]}
    assert [axis.name for axis in grid(over, [0]).axes] == ["learning_rate", "inference_rate", "read"]


def test_names_of_files_are_plain_and_different():
    over = {"protocol.data_dir": ["/a/b", "/a_b", "x" * 200, "x" * 201]}
    names = [member.name for member in grid(over, [0]).members()]
    assert len(set(names)) == 4
    assert all("/" not in name and len(name) < 150 for name in names)


def test_numerals_and_dates_are_texts_where_the_field_is_one():
    over = parse_over(["protocol.data_dir=1984,2024-01-15", "protocol.stimulus.train=.5,007"])
    assert over == {"protocol.data_dir": ("1984", "2024-01-15"), "protocol.stimulus.train": (".5", "007")}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1,0.5,1", (0.1, 0.5, 1)),
        ("[2,4],[1,3]", ([2, 4], [1, 3])),
        ("normal(0, 1),0.5", ("normal(0, 1)", 0.5)),
        ('"normal(0, 1)","a,b"', ("normal(0, 1)", "a,b")),
        ("true,false", (True, False)),
        ("exact,as-released", ("exact", "as-released")),
    ],
)
def test_values_are_parted_as_toml_would(text, values):
    assert parse_over([f"protocol.x={text}"]) == {"protocol.x": values}


@pytest.mark.parametrize("text", ["protocol.x=", "protocol.x", "protocol.x=1,,2", "x=1", "protocl.x=1"])
def test_what_is_no_key_with_values_is_refused(text):
    with pytest.raises(nm.DescriptionError, match="over: "):
        parse_over([text])


def test_a_key_cannot_be_swept_twice():
    with pytest.raises(nm.DescriptionError, match="swept twice"):
        parse_over([f"{LOAD}=1", f"{LOAD}=2"])
    with pytest.raises(nm.DescriptionError, match="same value twice"):
        grid({LOAD: [1, 1.0]}, [0])


@pytest.mark.parametrize(("text", "seeds"), [("3", (3,)), ("0:3", (0, 1, 2)), ("0,4,2:4", (0, 4, 2, 3))])
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "-1", "1.5", "0:99999999", "1:2:3"])
def test_what_are_no_seeds_is_refused(text):
    with pytest.raises(nm.DescriptionError, match="seeds: "):
        parse_seeds(text)


@pytest.mark.parametrize("seeds", [[], [-1], [2, 2]])
def test_seeds_in_python_are_refused_too(seeds):
    with pytest.raises(nm.DescriptionError, match="seeds: "):
        grid({}, seeds)


def test_a_sweep_that_is_too_large_is_refused():
    with pytest.raises(nm.DescriptionError, match="too large"):
        grid({LOAD: range(1, 1001), "protocol.learning.rate": range(1000)}, [0])


# --- before anything runs


def test_all_points_are_checked_before_anything_runs(simulated, tmp_path):
    with pytest.raises(nm.DescriptionError, match=r"2 of 3 points.*\n.*load=0.01.*\n?.*0 strings") as error:
        swept(tmp_path, {LOAD: [1.0, 0.01, 1e6]})
    assert "load=1e+06" in str(error.value)
    assert not simulated
    assert not list(tmp_path.iterdir())


def test_an_unknown_key_is_refused(simulated, tmp_path):
    with pytest.raises(nm.DescriptionError, match="did you mean 'load'"):
        swept(tmp_path, {"protocol.stimulus.lod": [1.0]})
    assert not simulated


def test_files_of_other_runs_are_not_taken_for_members(simulated, tmp_path):
    swept(tmp_path, seeds=[0])
    simulated.clear()
    circuit, protocol = nm.load_circuit("mpl"), described()[1]
    with pytest.raises(nm.RunError, match=r"is of another run\n +circuit.population.hidden.size was 12, is 100"):
        nm.sweep(circuit, protocol, {LOAD: [1.0, 2.0, 4.0]}, [0], out=tmp_path, backend="numpy", workers=1)
    assert not simulated


def test_without_dask_there_is_no_cluster(monkeypatch, tmp_path, simulated):
    monkeypatch.setattr(workers, "find_spec", lambda name: None)
    assert nm.sweep(*described(), {}, [0, 1], out=tmp_path, backend="numpy", workers=1)["complete"].values.all()
    with pytest.raises(nm.RunError, match=r"not installed\n.*pip install '.\[sweep\]'"):
        nm.sweep(*described(), {}, [2, 3], out=tmp_path, backend="numpy", scheduler="tcp://127.0.0.1:8786")


def test_more_members_than_memory_holds_are_refused(simulated, tmp_path, monkeypatch):
    monkeypatch.setattr(workers.machine, "free_memory", lambda: 1_500_000_000)
    with pytest.raises(nm.RunError, match=r"memory(.|\n)*workers=2"):
        nm.sweep(*described(), {}, range(5), out=tmp_path, backend="numpy", workers=5)
    assert not simulated


# --- what is run, and what it gives


def test_the_combined_file_has_every_measure_at_its_place(simulated, tmp_path):
    found = swept(tmp_path)
    with xr.open_dataset(tmp_path / "sweep.nc") as written:
        xr.testing.assert_identical(written.load(), found)
    assert found["correct_letter_ratio"].dims == ("load", "seed")
    assert found["load"].attrs["key"] == LOAD
    assert (found.attrs["circuit"], found.attrs["protocol"]) == tuple(each.to_toml() for each in described())
    np.testing.assert_allclose(found["correct_letter_ratio"].sel(load=4.0), [0.4, 0.4])
    np.testing.assert_allclose(found["correct_letter_ratio_by_test"].sel(load=2.0, seed=1), [0.21, 0.21])
    np.testing.assert_allclose(found["test_presentation"].sel(load=2.0, seed=1), [0, 10])
    np.testing.assert_allclose(found["correct_letter_ratio_network"].sel(load=1.0, seed=1), [1, 1])
    np.testing.assert_allclose(found["free_energy"].sel(seed=0), [1 + 18.5, 2 + 18.5, 4 + 18.5])  # the last two of 20
    assert (found["complete"] == 1).all()
    assert (found["error"] == "").all()
    assert set(found["file"].values.flat) == {path.name for path in tmp_path.glob("load=*.nc")}


def test_a_member_that_fails_is_told_and_runs_again_alone(simulated, tmp_path):
    with pytest.warns(UserWarning, match=r"3 of 6 members are not complete:\n.*seed=13.*diverged"):
        found = swept(tmp_path, seeds=[0, 13])
    assert found["complete"].values.tolist() == [[1, 0]] * 3
    assert np.isnan(found["correct_letter_ratio"].sel(seed=13)).all()
    assert (found["error"].sel(seed=13) == "the energy diverged").all()
    simulated.clear()
    with pytest.warns(UserWarning, match="3 of 6 members are not complete"):
        swept(tmp_path, seeds=[0, 13])
    assert simulated == [(1.0, 13), (2.0, 13), (4.0, 13)]


@pytest.mark.parametrize(("on_command_line", "told"), [(True, "--overwrite"), (False, "overwrite=True")])
def test_errors_of_members_are_worded_for_who_started_the_sweep(monkeypatch, tmp_path, on_command_line, told):
    def refused(*_, **__):
        raise nm.RunError("it is of another run", hint="--overwrite to start again")

    monkeypatch.setattr(members, "simulate", refused)
    options = {"backend": "numpy", "threads": 1, "overwrite": False, "accept_changes": False}
    with command_line(on_command_line):
        ((job, _),) = members.checked(grid({LOAD: [1]}, [0]), *described(), tmp_path, **options)
    with ThreadPoolExecutor(1) as pool:  # a thread, as a process, knows no context of its caller
        outcome = pool.submit(members.learn, job).result()
    assert outcome.error == f"it is of another run\n  try: {told} to start again"


def test_what_is_complete_is_not_run_again_unless_asked(simulated, tmp_path):
    swept(tmp_path, seeds=[0])
    swept(tmp_path)
    assert simulated == [(1.0, 0), (2.0, 0), (4.0, 0), (1.0, 1), (2.0, 1), (4.0, 1)]
    swept(tmp_path, overwrite=True)
    assert len(simulated) == 12


@pytest.mark.parametrize("size", [0, 2000], ids=["empty", "cut short"])
def test_a_member_whose_file_is_damaged_is_told_and_the_others_run(simulated, tmp_path, size):
    swept(tmp_path, seeds=(0,))
    damaged = tmp_path / "load=2,seed=0.nc"
    content = damaged.read_bytes()[:size]
    damaged.write_bytes(content)
    simulated.clear()
    with pytest.warns(UserWarning, match="load=2,seed=0.nc: .* cannot be read as a run file"):
        found = swept(tmp_path)
    assert simulated == [(1.0, 1), (2.0, 1), (4.0, 1)]
    assert found["complete"].values.tolist() == [[1, 1], [0, 1], [1, 1]]
    assert "cannot be read as a run file" in str(found["error"].sel(load=2.0, seed=0).values)
    assert damaged.read_bytes() == content
    damaged.unlink()
    assert swept(tmp_path)["complete"].values.all()


def interrupt_at_load_2(monkeypatch):
    real = members.simulate

    def interrupted(circuit, protocol, **options):
        if protocol.stimulus.load == 2.0:
            raise KeyboardInterrupt
        return real(circuit, protocol, **options)

    monkeypatch.setattr(members, "simulate", interrupted)


def test_an_interrupted_sweep_leaves_what_is_complete(simulated, tmp_path, monkeypatch):
    interrupt_at_load_2(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        swept(tmp_path, seeds=[0])
    with xr.open_dataset(tmp_path / "sweep.nc") as found:
        assert found["complete"].values.ravel().tolist() == [1, 0, 0]


def test_members_of_an_older_sweep_are_not_taken_for_new_ones(simulated, tmp_path, monkeypatch):
    swept(tmp_path, seeds=[0])
    interrupt_at_load_2(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        swept(tmp_path, seeds=[0], overwrite=True)
    with xr.open_dataset(tmp_path / "sweep.nc") as found:
        assert found["complete"].values.ravel().tolist() == [1, 0, 0]
        assert np.isnan(found["correct_letter_ratio"].values.ravel()).tolist() == [False, True, True]


def test_the_command_prints_the_grid_and_the_members_and_fails_with_them(simulated, tmp_path):
    text = [
        "sweep",
        "mpl",
        "toy-language",
        "--over",
        f"{LOAD}=1,2",
        "--out",
        str(tmp_path / "out"),
        "--backend",
        "numpy",
        "--workers",
        "1",
        "--set",
        "circuit.population.hidden.size=12",
    ]
    result = CliRunner().invoke(cli.app, [*text, "--seeds", "0", "--dry-run"])
    assert result.exit_code == 0
    assert not simulated
    assert "2 members:\n  load = 1, 2\n  seed = 0\n2 to run; 1 at a time" in result.stdout
    assert not (tmp_path / "out").exists()
    result = CliRunner().invoke(cli.app, [*text, "--seeds", "0,13"])
    assert result.exit_code == 1
    assert "1 of 4  load=1,seed=0: " in result.stdout
    assert "correct letter ratio 0.100" in result.stdout
    assert "2 of 4  load=1,seed=13: failed: the energy diverged" in result.stdout
    assert "2 of 4 members are not complete" in result.stderr
    assert "the same command" in result.stderr


# --- processes


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
small = {"learning.presentations": 2, "learning.batch": 5, "inference.iterations": 5, "test.every": 0}
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


@pytest.mark.parametrize("address", ["banana", "tcp://banana", "tcp://127.0.0.1:port", "tcp://127.0.0.1:99999"])
def test_what_is_no_address_of_a_scheduler_is_refused_at_once(simulated, tmp_path, address):
    pytest.importorskip("distributed")
    with pytest.raises(nm.RunError, match=r"is not the address of a scheduler\n.*tcp://"):
        nm.sweep(*described(), {}, [0], out=tmp_path, backend="numpy", scheduler=address)


def test_a_scheduler_without_workers_is_told(monkeypatch):
    class Client:
        nthreads, subscribe_topic = dict, lambda *_: None

    monkeypatch.setattr(workers, "_client", lambda scheduler: nullcontext(Client()))
    monkeypatch.setattr(workers, "_run_on", lambda *_: iter(()))
    told = []
    assert not list(workers.run_all(JOBS, 0, "tcp://10.0.0.1:8786", lambda *_: None, told.append))
    assert "has no workers yet" in told[0]


def test_a_member_on_a_cluster_is_the_run_of_simulate(tmp_path):
    distributed = pytest.importorskip("distributed")
    circuit, protocol = described()
    alone = nm.simulate(circuit, protocol, seed=1, backend="numpy")
    local = {"processes": True, "dashboard_address": None}
    with distributed.LocalCluster(1, threads_per_worker=2, **local) as cluster:
        address = cluster.scheduler_address
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
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 1)
    with pytest.raises(nm.RunError, match="no scheduler of dask answers at tcp://127.0.0.1:1"):
        nm.sweep(*described(), {}, [0], out=tmp_path, backend="numpy", scheduler="tcp://127.0.0.1:1")
