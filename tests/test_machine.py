"""What the machine has to give: memory and cores in nested control groups."""

import pytest

from neuro_mpc import machine
from neuro_mpc.system import control_groups

GIB = 2**30


def group(root, path: str, controller: str = "memory", **files: object):
    folder = root / "sys/fs/cgroup" / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{controller}.{name}").write_text(f"{content}\n")


def inside(root, line: str, mounted: str = ""):
    (root / "proc/self").mkdir(parents=True)
    if mounted:
        (root / "proc/self/mountinfo").write_text(f"1 0 0:1 / / rw - ext4 /dev/sda rw\n{mounted}\n")
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
    assert list(control_groups.free_memory(slurm)) == [3 * GIB]


def test_the_smallest_of_nested_groups_and_of_soft_limits_counts(slurm):
    group(slurm, "system.slice/slurmstepd.scope", max=64 * GIB, high=5 * GIB, current=3 * GIB)
    assert min(control_groups.free_memory(slurm)) == 2 * GIB


def test_files_in_memory_that_can_be_given_back_are_free(slurm):
    job = "system.slice/slurmstepd.scope/job_7"
    group(slurm, job, current=4 * GIB, stat=f"anon {GIB}\ninactive_file {3 * GIB}\nactive_file 0")
    assert list(control_groups.free_memory(slurm)) == [3 * GIB]
    group(slurm, job, current=9 * GIB, stat="anon 0")
    assert list(control_groups.free_memory(slurm)) == [0]


def test_groups_of_the_first_version_nest_too(tmp_path):
    root = inside(tmp_path, "3:cpu,cpuacct:/other\n4:memory:/slurm/uid_1/job_7/step_0\n0::/init.scope")
    unlimited = {"limit_in_bytes": 9223372036854771712, "usage_in_bytes": GIB}
    group(root, "memory", **unlimited)
    limited = {"limit_in_bytes": 2 * GIB, "usage_in_bytes": GIB, "stat": f"total_inactive_file {GIB // 2}"}
    group(root, "memory/slurm/uid_1/job_7", **limited)
    group(root, "memory/slurm/uid_1/job_7/step_0", **unlimited)
    assert min(control_groups.free_memory(root)) == 1.5 * GIB


@pytest.mark.parametrize("path", ["/", "/../../system.slice/docker", "/not/seen/here"])
def test_a_container_sees_its_own_group_at_the_root(tmp_path, path):
    root = inside(tmp_path, f"0::{path}")
    group(root, "", max=2 * GIB, current=GIB)
    assert list(control_groups.free_memory(root)) == [GIB]


CONTAINER = "/docker/0af3"
MOUNTS = {
    "version 1": f"35 31 0:32 {CONTAINER} /sys/fs/cgroup/memory ro shared:9 - cgroup cgroup rw,memory",
    "version 2": f"35 31 0:32 {CONTAINER} /sys/fs/cgroup/memory rw - cgroup2 cgroup rw",
}


@pytest.mark.parametrize(("version", "limit"), [("version 1", "limit_in_bytes"), ("version 2", "max")])
def test_a_job_within_a_container_is_limited_though_its_path_is_that_of_the_system_around(tmp_path, version, limit):
    root = inside(tmp_path, f"4:memory:{CONTAINER}/job_7/step_0\n0::{CONTAINER}/job_7/step_0", MOUNTS[version])
    group(root, "memory", **{limit: 8 * GIB})
    group(root, "memory/job_7", **{limit: 2 * GIB})
    group(root, "memory/job_7/step_0", **{limit: GIB})
    assert list(control_groups.free_memory(root)) == [GIB, 2 * GIB, 8 * GIB]


def test_groups_are_found_where_they_are_mounted(tmp_path):
    root = inside(
        tmp_path, "4:cpu,memory:/a", r"35 31 0:32 / /sys/fs/cgroup/all\040of\040it rw - cgroup x rw,cpu,memory"
    )
    group(root, "all of it/a", limit_in_bytes=GIB)
    group(root, "all of it", "cpu", cfs_quota_us=250_000, cfs_period_us=100_000)
    assert list(control_groups.free_memory(root)) == [GIB]
    assert list(control_groups.cores(root)) == [3]


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", []), ("50000 100000", [1]), ("400000 100000", [4]), ("9 0", []), ("", [])]
)
def test_the_time_that_a_group_grants_limits_the_cores(slurm, monkeypatch, quota, cores):
    group(slurm, "system.slice/slurmstepd.scope/job_7", "cpu", max=quota)
    found = list(control_groups.cores(slurm))
    assert found == cores
    monkeypatch.setattr(control_groups, "cores", lambda: found)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: range(6), raising=False)
    assert machine.cores() == min([6, *cores])


def test_without_control_groups_there_are_no_limits(tmp_path):
    assert list(control_groups.free_memory(tmp_path)) == []


def test_what_is_free_is_the_least_of_all(monkeypatch):
    monkeypatch.setattr(control_groups, "free_memory", lambda: iter([GIB, 1]))
    assert machine.free_memory() == 1
