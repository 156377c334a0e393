"""Terminals, streams and home folders that are not as usual: what only tells how a run proceeds never ends it."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

import neuro_mpc as nm
from neuro_mpc import cli
from neuro_mpc.runs import terminal
from neuro_mpc.runs.progress import PlainProgress, ProgressBar, print_at_once, progress_on, spinner_for
from neuro_mpc.sweeps.progress import PlainSweep, sweep_progress_on
from neuro_mpc.system import cache_folder, processes


def stream(encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError

    def flush(self):
        raise BrokenPipeError


def told_on(console: Console) -> None:
    with ProgressBar(console) as bar:
        bar.stage("größer → π")
        bar.start(2)
        bar.update(1, 3.0)
        bar.tested(1, {"accuracy": 0.5})
        bar.finish("ended … π")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_bar_is_drawn_in_the_letters_of_the_terminal(encoding):
    output = stream(encoding)
    told_on(Console(file=terminal.ByProduct(output), force_terminal=True, width=80))
    output.flush()
    assert b"accuracy 0.5" in output.buffer.getvalue()
    assert ("ended … π" in output.buffer.getvalue().decode(encoding)) == (encoding == "utf-8")


def test_the_spinner_of_a_terminal_without_unicode_is_plain():
    assert spinner_for(Console(file=stream("latin-1"))) == "line"
    assert spinner_for(Console(file=stream("utf-8"))) == "dots"


@pytest.mark.parametrize("broken", [Broken(), None])
def test_a_reader_that_has_left_ends_nothing(broken, monkeypatch):
    monkeypatch.setattr(sys, "stdout", broken)
    print_at_once("learning")
    told_on(Console(file=terminal.ByProduct(broken), force_terminal=True))
    closed = io.StringIO()
    closed.close()
    print("told", file=terminal.ByProduct(closed), flush=True)


def test_a_closed_pipe_changes_no_exit_code():
    code = "import sys\nfrom neuro_mpc.runs.progress import print_at_once as tell\nsys.stdin.readline()\n"
    code += "for k in range(9): tell('learning')\nsys.exit(7)"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as child:
        child.stdout.close()
        child.stdin.write(b"\n")
        child.stdin.close()
        assert child.stderr.read() == b""
    assert child.returncode == 7


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    console = Console(file=io.StringIO(), force_terminal=True)
    assert isinstance(progress_on(console), PlainProgress)
    assert type(sweep_progress_on(console)) is PlainSweep


def test_letters_that_an_encoding_lacks_are_shown_by_number(monkeypatch):
    output = stream("ascii")
    monkeypatch.setattr(sys, "stdout", output)
    terminal.take_all_letters()
    print("π", flush=True)
    assert output.buffer.getvalue() == b"\\u03c0\n"


class Full(io.StringIO):
    """Standard output on a disk without free space; of Python, not of the system, which a test could not give back."""

    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def on_full_disk(monkeypatch):
    """The exit code of a command whose standard output is on a full disk."""

    def ended(*arguments):
        # Not before the test itself runs: pytest puts a stream of its own there.
        monkeypatch.setattr(sys, "stdout", Full())
        with pytest.raises(SystemExit) as raised:
            cli.app(arguments)
        return raised.value.code

    return ended


@pytest.mark.parametrize("asked", [("show", "mpl"), ("show", "mpl", "--latex"), ("list",), ("--version",)])
def test_a_result_that_cannot_be_written_is_told_without_a_traceback(asked, on_full_disk, capfd):
    assert on_full_disk(*asked) == cli.REFUSED
    assert capfd.readouterr().err.startswith("neuro-mpc: standard output cannot be written: No space left")


def test_a_run_file_is_not_blamed_for_it(on_full_disk, monkeypatch, capfd):
    asked = {"open_run": lambda path, careful: io.StringIO(), "report": lambda tree, out: out}
    for name, function in asked.items():
        monkeypatch.setitem(vars(nm), name, function)
    assert on_full_disk("report", "run.nc", "--out", "run.html") == 0
    assert capfd.readouterr().err == ""


def test_an_error_that_cannot_be_told_keeps_its_exit_code(on_full_disk, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Full())
    assert on_full_disk("show", "lost") == cli.REFUSED


def test_a_reader_that_has_left_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Broken())
    with pytest.raises(BrokenPipeError):
        terminal.write_result("equations")


class TestHome:
    @pytest.fixture
    def homeless(self, monkeypatch, tmp_path):
        """A user without a name, as in a container, whose temporary files go to `tmp_path`."""

        def home():
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(Path, "home", home)
        for name in ("HOME", "XDG_CACHE_HOME", "NEURO_MPC_CACHE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(cache_folder.tempfile, "tempdir", str(tmp_path))
        made = (processes._private_home, cache_folder._of_this_process)
        for each in made:
            each.cache_clear()
        yield
        for each in made:
            each.cache_clear()

    def test_programs_are_kept_in_a_temporary_folder_of_the_user_which_is_told(self, homeless, tmp_path):
        folder = tmp_path / f"neuro_mpc-{os.getuid()}"
        assert cache_folder.cache_directory() == folder
        assert folder.stat().st_mode & 0o777 == 0o700
        assert f"kept in {folder}, as a home folder cannot be written; NEURO_MPC_CACHE" in cache_folder.fallback()

    @pytest.mark.parametrize("plant", [lambda path: path.mkdir(0o777), lambda path: path.symlink_to("/")])
    def test_a_temporary_folder_that_others_could_write_to_is_not_used(self, homeless, tmp_path, plant):
        folder = tmp_path / f"neuro_mpc-{os.getuid()}"
        plant(folder)
        if not folder.is_symlink():
            folder.chmod(0o777)
        assert cache_folder.cache_directory() not in (folder, folder.resolve())
        assert cache_folder.cache_directory().parent == tmp_path

    def test_a_folder_that_was_chosen_is_used(self, homeless, tmp_path, monkeypatch):
        monkeypatch.setenv("NEURO_MPC_CACHE", str(tmp_path / "chosen"))
        assert cache_folder.cache_directory() == tmp_path / "chosen"
        assert cache_folder.fallback() == ""

    def test_a_home_that_cannot_be_written_is_not_used(self, monkeypatch, tmp_path):
        monkeypatch.delenv("NEURO_MPC_CACHE", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
        assert cache_folder.cache_directory() == tmp_path / "home" / "neuro_mpc"
        assert cache_folder.fallback() == ""
        (tmp_path / "home").write_text("no folder")
        assert cache_folder.cache_directory() != tmp_path / "home" / "neuro_mpc"
        assert str(tmp_path / "home" / "neuro_mpc") in cache_folder.fallback()

    def test_children_get_a_home_that_is_theirs(self, homeless):
        home = Path(processes.environment()["HOME"])
        assert home.is_dir()
        assert home.stat().st_mode & 0o077 == 0
