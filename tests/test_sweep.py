"""Sweeps: what is refused, what is run again, and the combined file."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr
from small_sweeps import LOAD, described
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc import cli
from neuro_mpc.networks import cluster
from neuro_mpc.runfile.record import RunFile
from neuro_mpc.spelling import command_line
from neuro_mpc.sweeps import combined, members, workers
from neuro_mpc.sweeps.grid import grid

pytestmark = pytest.mark.usefixtures("in_this_process")


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


def test_what_all_points_have_wrong_is_told_once(tmp_path):
    with pytest.raises(nm.DescriptionError) as caught:
        nm.sweep(*described(), {"protocol.stimulus.lod": [1, 2]}, out=tmp_path, backend="numpy", dry_run=True)
    error = caught.value
    assert (error.source, error.key, error.problem) == ("--over", "protocol.stimulus.lod", "unknown key")
    assert "did you mean 'load'?" in error.hint


def test_a_file_is_no_folder_for_members(tmp_path):
    for told in ("the name of a file, not a folder", "a file, not a folder"):
        with pytest.raises(nm.RunError, match=f"sweep.nc is {told}") as caught:
            nm.sweep(*described(), {}, out=tmp_path / "sweep.nc", backend="numpy", dry_run=True)
        assert caught.value.hint == "a folder for the run files, such as sweep"
        (tmp_path / "sweep.nc").touch()


def test_files_of_other_runs_are_not_taken_for_members(simulated, tmp_path):
    swept(tmp_path, seeds=[0])
    simulated.clear()
    circuit, protocol = nm.load_circuit("mpl"), described()[1]
    with pytest.raises(nm.RunError, match=r"is of another run\n +circuit.population.hidden.size was 12, is 100"):
        nm.sweep(circuit, protocol, {LOAD: [1.0, 2.0, 4.0]}, [0], out=tmp_path, backend="numpy", workers=1)
    assert not simulated


def test_without_dask_there_is_no_cluster(monkeypatch, tmp_path, simulated):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    assert nm.sweep(*described(), {}, [0, 1], out=tmp_path, backend="numpy", workers=1)["complete"].values.all()
    with pytest.raises(nm.RunError, match=r"not installed\n.*pip install '.\[sweep\]'"):
        nm.sweep(*described(), {}, [2, 3], out=tmp_path, backend="numpy", scheduler="tcp://127.0.0.1:8786")


def test_more_members_than_memory_holds_are_refused(simulated, tmp_path, monkeypatch):
    monkeypatch.setattr(workers.machine, "free_memory", lambda: 1_500_000_000)
    with pytest.raises(nm.RunError, match=r"memory(.|\n)*workers=2"):
        nm.sweep(*described(), {}, range(5), out=tmp_path, backend="numpy", workers=5)
    assert not simulated


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


def test_members_of_a_circuit_with_a_mask_are_known_again(tmp_path, monkeypatch):
    """A run file has the checksum of a mask in place of the mask."""
    circuit, protocol = described()
    ring = np.roll(np.eye(12, dtype=int), 1, axis=1)
    masked = nm.changed(circuit, {"projection.recurrent.connect": ring})
    protocol = nm.changed(protocol, {"learning.presentations": 1, "test.every": 0})
    options = {"out": tmp_path, "backend": "numpy", "workers": 1}
    nm.sweep(masked, protocol, {LOAD: [1.0]}, **options)
    monkeypatch.setattr(members, "simulate", lambda *_, **__: pytest.fail("ran again"))
    nm.sweep(masked, protocol, {LOAD: [1.0]}, **options)
    other = nm.changed(circuit, {"projection.recurrent.connect": ring.T})
    with pytest.raises(
        nm.RunError, match=r"(?s)is of another run\n +circuit\.projection\.recurrent\.connect\.sha256 was"
    ):
        nm.sweep(other, protocol, {LOAD: [1.0]}, **options)


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


def test_a_member_that_the_disk_does_not_give_back_is_told_and_the_others_are_combined(
    simulated, tmp_path, monkeypatch
):
    swept(tmp_path, seeds=(0,))
    real = combined._variables

    def failing(run, group):
        if group == "evaluation" and "load=2," in run.filepath():
            raise RuntimeError("NetCDF: HDF error")  # of netCDF, where a read fails
        return real(run, group)

    monkeypatch.setattr(combined, "_variables", failing)
    with pytest.warns(UserWarning, match=r"load=2,seed=0\.nc: .*NetCDF: HDF error"):
        found = swept(tmp_path, seeds=(0,))
    assert found["complete"].values.tolist() == [[1], [0], [1]]
    monkeypatch.undo()
    assert swept(tmp_path, seeds=(0,))["complete"].values.all()


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


@pytest.mark.parametrize("address", ["banana", "tcp://banana", "tcp://127.0.0.1:port", "tcp://127.0.0.1:99999"])
def test_what_is_no_address_of_a_scheduler_is_refused_at_once(simulated, tmp_path, address):
    pytest.importorskip("distributed")
    with pytest.raises(nm.RunError, match=r"is not the address of a scheduler\n.*tcp://"):
        nm.sweep(*described(), {}, [0], out=tmp_path, backend="numpy", scheduler=address)
