"""Children of a run: what they know of the folder and the environment of the user, and how they end."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import neuro_mpc as nm
from neuro_mpc.__main__ import leave_current_folder
from neuro_mpc.networks import launch, usable
from neuro_mpc.system import processes

pytestmark = pytest.mark.slow

ROOT = Path(nm.__file__).parents[1]
SMALL = {
    "stimulus.transitions": [1],
    "learning.presentations": 2,
    "learning.batch": 5,
    "stimulus.load": 1.0,
    "inference.iterations": 5,
    "test.every": 0,
    "recording.samples": [],
    "recording.synapses_every": 0,
}
MODULES = ("netCDF4", "random", "typer", "numpy", "brian2", "xarray", "json", "sitecustomize", "usercustomize", "evil")


def small():
    return nm.load_circuit("mpl", {"population.hidden.size": 4}), nm.load_protocol("toy-language", SMALL)


@pytest.fixture
def strange_folder(tmp_path, monkeypatch):
    """The current folder, full of modules, settings and programs that leave a mark when they are executed."""
    folder = tmp_path / "strange"
    folder.mkdir()
    mark = f"open({str(folder)!r} + '/executed-' + __name__, 'w').close()\n"
    for name in MODULES:
        (folder / f"{name}.py").write_text(mark)
    (folder / "brian_preferences").write_text(f"logging.file_log = open({str(folder / 'executed-preferences')!r}, 'w')")
    (folder / "matplotlibrc").write_text("backend: module://evil\n")
    for name in ("g++", "c++", "make"):
        (folder / name).write_text(f"#!/bin/sh\ntouch {folder}/executed-{name}\n")
        (folder / name).chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f":{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", str(folder), "."]))
    monkeypatch.setenv("MPLBACKEND", "module://evil")
    return folder


def executed(folder):
    return sorted(path.name for path in folder.glob("executed-*"))


def test_nothing_of_the_current_folder_runs_when_a_run_is_made_and_read(strange_folder):
    nm.simulate(*small(), backend="numpy", out="run.nc").close()
    nm.open_run("run.nc", careful=True).close()
    assert launch.available("cpp") in ("cpp", "numpy")  # looks for compilers
    assert executed(strange_folder) == []


@pytest.mark.parametrize("command", [["list"], ["check", "mpl", "toy-language", "--backend", "numpy"]])
def test_nothing_of_the_current_folder_runs_in_a_command(strange_folder, command):
    (strange_folder / "sitecustomize.py").unlink()  # Python itself imports it, by an empty entry of PYTHONPATH
    (strange_folder / "usercustomize.py").unlink()
    start = ["-P", "-c", "from neuro_mpc.__main__ import main; main()"]
    here = {
        "PYTHONPATH": os.pathsep.join(["", str(ROOT)]),
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "MPLBACKEND": "module://x",
    }
    done = subprocess.run([sys.executable, *start, *command], env=here, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert executed(strange_folder) == []


COMMANDS = """
import sys
from neuro_mpc.__main__ import main
def with_one_figure():
    from neuro_mpc.reports import pictures
    pictures.CHAPTERS = {"Learning": ("learning",)}
    pictures.FIGURES = {"learning": pictures.FIGURES["learning"]}
for words in (
    "run oddball --from run.nc --out odd.nc --backend numpy --set protocol.experiment.split=train",
    "plot run.nc --figure learning",
    "report run.nc",
    "generate run.nc --prompt a --length 3 --backend numpy",
    "sweep mpl toy-language --out sweep --seeds 1 --backend numpy --set circuit.population.hidden.size=4 SET",
):
    sys.argv = ["neuro-mpc", *words.replace("SET", SETTINGS).split()]
    if sys.argv[1] == "report":
        with_one_figure()  # all of them take a while to draw
    try:
        main()
    except SystemExit as end:
        print("ended", sys.argv[1], end.code)
"""


def test_nothing_of_the_folder_of_a_run_file_runs_in_any_command(strange_folder):
    """One process for all commands; each starts its own to simulate and to read."""
    nm.simulate(*small(), backend="numpy", out="run.nc").close()
    for name in ("sitecustomize.py", "usercustomize.py"):  # Python itself imports them, by an empty entry of PYTHONPATH
        (strange_folder / name).unlink()
    settings = " ".join(f"--set protocol.{key}={json.dumps(value).replace(' ', '')}" for key, value in SMALL.items())
    here = {
        "PYTHONPATH": os.pathsep.join(["", str(ROOT)]),
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "MPLBACKEND": "module://evil",
    }
    code = f"SETTINGS = {settings!r}\n{COMMANDS}"
    done = subprocess.run([sys.executable, "-P", "-c", code], env=here, capture_output=True, text=True)
    ended = [line for line in done.stdout.splitlines() if line.startswith("ended")]
    assert ended == [f"ended {name} 0" for name in ("run", "plot", "report", "generate", "sweep")], done.stderr
    assert executed(strange_folder) == []


def test_the_command_leaves_the_folder_that_python_put_first(strange_folder, monkeypatch):
    monkeypatch.setattr(sys, "path", ["", str(strange_folder), os.curdir, str(ROOT)])
    leave_current_folder()
    assert sys.path == [str(ROOT)]


def test_a_child_finds_the_package_and_the_folders_of_the_path_but_nothing_else_beside_them(tmp_path, monkeypatch):
    package, extra = tmp_path / "clone", tmp_path / "extra"
    package.mkdir()
    extra.mkdir()
    (package / "neuro_mpc").symlink_to(ROOT / "neuro_mpc")
    (package / "beside.py").write_text("")
    (extra / "wanted.py").write_text("")
    monkeypatch.chdir(package)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", str(extra)]))
    code = "import importlib.util as u, json, sys; import neuro_mpc.errors\n"
    code += "print(json.dumps([bool(u.find_spec('beside')), bool(u.find_spec('wanted')), sys.path]))"
    (extra / "shown.py").write_text(code)
    command = processes.python("shown")
    command[command.index(processes.__file__)] = str(package / "neuro_mpc" / "system" / "processes.py")
    said = processes.run(command, environment=processes.environment(), stdout=subprocess.PIPE).stdout
    beside, wanted, path = json.loads(said)
    assert (beside, wanted) == (False, True)
    assert str(package) not in path


def test_the_environment_of_a_child_is_stated(monkeypatch):
    for name in ("MPLBACKEND", "PYTHONSTARTUP", "PYTHONHOME", "BRIAN_SECRET", "HDF5_PLUGIN_PATH"):
        monkeypatch.setenv(name, "module://notebook")
    for name in ("CXXFLAGS", "LC_ALL", "OMP_PLACES", "NEURO_MPC_CACHE"):
        monkeypatch.setenv(name, "of the user")
    given = processes.environment()
    assert given["MPLBACKEND"] == "agg"
    assert {given[name] for name in ("CXXFLAGS", "LC_ALL", "OMP_PLACES", "NEURO_MPC_CACHE")} == {"of the user"}
    assert not {"PYTHONSTARTUP", "PYTHONHOME", "BRIAN_SECRET", "HDF5_PLUGIN_PATH"} & set(given)


@pytest.mark.parametrize("name", ["PATH", "LD_LIBRARY_PATH", "CPATH", "PYTHONPATH"])
def test_an_empty_entry_of_a_search_path_is_not_the_current_folder(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, os.pathsep.join(["", "/usr/lib", "lib", ".", str(tmp_path), "/opt"]))
    assert processes.environment()[name] == os.pathsep.join(["/usr/lib", "/opt"])
    monkeypatch.setenv(name, ":")
    assert name not in processes.environment()


def test_check_fails_where_a_run_could_not_start(tmp_path, monkeypatch):
    (tmp_path / "brian2.py").write_text("raise ImportError('of another environment')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    usable.require_usable.cache_clear()
    with pytest.raises(nm.RunError, match=r"cannot import what simulates(?s:.*)of another environment"):
        nm.check(*small(), backend="numpy")


def test_what_works_is_tried_once_until_something_is_installed(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(usable, "try_to_import", lambda: tried.append(1))
    monkeypatch.setenv("NEURO_MPC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "installed"))
    for installed, times in [("", 1), ("", 1), ("other", 2), ("", 2)]:
        if installed:
            (tmp_path / "installed" / installed).mkdir(parents=True)
        usable.require_usable.cache_clear()
        usable.require_usable("numpy")
        assert len(tried) == times
    usable.require_usable.cache_clear()


def is_alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ended(number: int) -> bool:
    for _ in range(500):
        if not is_alive(number):
            return True
        time.sleep(0.01)
    return False


def test_a_pipe_that_fails_to_close_costs_nothing_of_what_came_through_it():
    with processes.Child(["/bin/echo", "told"], environment={}, stdout=subprocess.PIPE) as child:
        assert child.stdout.read() == b"told\n"
        os.close(child.stdout.fileno())
        child.stdout.close()  # of a descriptor that is closed, which the system calls an error
        assert child.stdout.closed


def test_what_was_written_to_a_pipe_and_does_not_arrive_is_an_error():
    with processes.Child(["/bin/true"], environment={}, stdin=subprocess.PIPE) as child:
        child.wait()
        child.stdin.write(b"lost")
        with pytest.raises(BrokenPipeError):
            child.stdin.close()


@pytest.mark.parametrize("number", [errno.EINTR, errno.EIO, errno.EDQUOT])
def test_a_pipe_that_fails_while_a_program_starts_is_not_laid_on_the_program(number, monkeypatch):
    real, failed = subprocess.os.close, []

    def close(descriptor):
        real(descriptor)
        if not failed and sys._getframe(1).f_code.co_name == "_execute_child":
            failed.append(descriptor)
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess.os, "close", close)
    with pytest.raises(processes.StartError, match="no process can be started"):
        processes.run(["/bin/true"], environment={})
    assert failed


def test_a_program_that_cannot_be_executed_is_told_as_such(tmp_path):
    (tmp_path / "no-program").write_text("text")
    for path in (tmp_path / "no-program", tmp_path / "none"):
        with pytest.raises((FileNotFoundError, PermissionError)) as error:
            processes.run([str(path)], environment={})
        assert not isinstance(error.value, processes.StartError)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
class TestEnd:
    def test_a_child_takes_with_it_what_it_has_started(self):
        family = ["/bin/sh", "-c", "sleep 60 & echo $!; wait"]
        with processes.Child(family, environment={}, stdout=subprocess.PIPE) as child:
            grandchild = int(child.stdout.readline())
            assert is_alive(grandchild)
        assert ended(grandchild)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
    def test_a_compiler_does_not_outlive_the_run_that_was_ended(self, number, tmp_path):
        (tmp_path / "compiling.py").write_text(
            "import subprocess, time\nprint(subprocess.Popen(['sleep', '60']).pid, flush=True)\ntime.sleep(60)\n"
        )
        code = "from neuro_mpc.system import processes as p\np.run(p.python('compiling'), environment=p.environment())"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as run:
            compiler = int(run.stdout.readline())
            run.send_signal(number)
            run.stdout.close()
        assert ended(compiler)
