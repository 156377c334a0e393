"""What the machine has to give: memory in nested control groups."""

import pytest

from neuro_mpc import machine

GIB = 2**30


def group(root, path: str, **files: object):
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"memory.{name}").write_text(f"{content}\n")


def inside(root, line: str):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(f"{line}\n")
    return root


@pytest.fixture
def slurm(tmp_path):
    """A job of 4 GiB in a machine of 64, whose step has no limit of its own."""
    root = inside(tmp_path, "0::/system.slice/slurmstepd.scope/job_7/step_0")
    group(root, "system.slice", max="max", high="max", current=40 * GIB)
    group(root, "system.slice/slurmstepd.scope/job_7", max=4 * GIB, high="max", current=GIB)
    group(root, "system.slice/slurmstepd.scope/job_7/step_0", max="max", current=GIB)
    return root


def test_a_group_around_that_of_the_process_limits_it(slurm):
    assert list(machine.left_in_groups(slurm)) == [3 * GIB]


def test_the_smallest_of_nested_groups_and_of_soft_limits_counts(slurm):
    group(slurm, "system.slice/slurmstepd.scope", max=64 * GIB, high=5 * GIB, current=3 * GIB)
    assert min(machine.left_in_groups(slurm)) == 2 * GIB


def test_files_in_memory_that_can_be_given_back_are_free(slurm):
    job = "system.slice/slurmstepd.scope/job_7"
    group(slurm, job, current=4 * GIB, stat=f"anon {GIB}\ninactive_file {3 * GIB}\nactive_file 0")
    assert list(machine.left_in_groups(slurm)) == [3 * GIB]
    group(slurm, job, current=9 * GIB, stat="anon 0")
    assert list(machine.left_in_groups(slurm)) == [0]


def test_groups_of_the_first_version_nest_too(tmp_path):
    root = inside(tmp_path, "3:cpu,cpuacct:/other\n4:memory:/slurm/uid_1/job_7/step_0\n0::/init.scope")
    unlimited = {"limit_in_bytes": 9223372036854771712, "usage_in_bytes": GIB}
    group(root, "memory", **unlimited)
    limited = {"limit_in_bytes": 2 * GIB, "usage_in_bytes": GIB, "stat": f"total_inactive_file {GIB // 2}"}
    group(root, "memory/slurm/uid_1/job_7", **limited)
    group(root, "memory/slurm/uid_1/job_7/step_0", **unlimited)
    assert min(machine.left_in_groups(root)) == 1.5 * GIB


@pytest.mark.parametrize("path", ["/", "/../../system.slice/docker", "/not/seen/here"])
def test_a_container_sees_its_own_group_at_the_root(tmp_path, path):
    root = inside(tmp_path, f"0::{path}")
    group(root, "", max=2 * GIB, current=GIB)
    assert list(machine.left_in_groups(root)) == [GIB]


def test_without_control_groups_there_are_no_limits(tmp_path):
    assert list(machine.left_in_groups(tmp_path)) == []


def test_what_is_free_is_the_least_of_all(monkeypatch):
    monkeypatch.setattr(machine, "left_in_groups", lambda: iter([GIB, 1]))
    assert machine.free_memory() == 1
