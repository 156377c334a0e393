"""How the command line is used: usage errors, --quiet and --json, and what a shell completes."""

import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from typer.main import get_command
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc import cli
from neuro_mpc.cli.answers import as_json
from neuro_mpc.runfile.finished import Finished

RUN = ["run", "mpl", "toy-language", "--out", "run.nc"]
MEMBERS = {"complete": [1, 0], "file": ["a.nc", "b.nc"], "error": ["", "it diverged"]}


def command(*words):
    return CliRunner().invoke(cli.app, list(words), prog_name="neuro-mpc")


def completed(line: str) -> list[str]:
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    asked = {"_NEURO_MPC_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return CliRunner().invoke(cli.app, [], prog_name="neuro-mpc", env=asked).stdout.split()


@pytest.fixture
def simulated(monkeypatch):
    """Instead of a run, its progress, a warning and what it came to."""

    def simulate(*_, progress, **__):
        progress.stage("compiling")
        progress.warning("little data")
        return Finished(("little data",), presentations=3, measures={"accuracy": np.nan}, experiment="", start="")

    monkeypatch.setattr("neuro_mpc.runs.run.write_run", simulate)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rnu"], "neuro-mpc: not a command\n  found: 'rnu'\n  expected: run, *did you mean 'run'?"),
        (["xyzzy"], "neuro-mpc: not a command\n  found: 'xyzzy'\n*try: neuro-mpc --help"),
        (["--vrsion"], "neuro-mpc: --vrsion: no such option\n  try: did you mean '--version'?"),
        (["run", "--bckend", "cpp"], "neuro-mpc: run: --bckend: no such option\n  try: did you mean '--backend'?"),
        (["run"], "neuro-mpc: run: CIRCUIT: missing\n  expected: a name*try: neuro-mpc run --help"),
        (RUN[:3], "neuro-mpc: run: --out: missing\n  expected: the run file"),
        ([*RUN, "--backend"], "neuro-mpc: run: --backend: lacks its value\n  expected: cpp and cython"),
        (["show", "mpl", "--latex=3"], "neuro-mpc: show: --latex: takes no value\n  try: neuro-mpc show --help"),
        ([*RUN, "more"], "neuro-mpc: run: more arguments than it takes\n  found: 'more'\n  expected: neuro-mpc run "),
        ([*RUN, "--backend", "nump"], "found: 'nump'\n  expected: cpp, cython, numpy\n  try: did you mean 'numpy'?"),
        (
            [*RUN, "--seed=-1"],
            "run: --seed: not a value that it takes\n  found: '-1'\n  expected: a whole number, 0 or",
        ),
        (["generate", "run.nc", "--temperature", "hot"], "found: 'hot'\n  expected: a number, 0 or more"),
        (["plot", "run.nc", "learning"], "learning is a figure, not a run file: choose it by --figure learning"),
        ([*RUN, "--overwrite", "--resume"], "neuro-mpc: run: --overwrite starts again, --resume continues: choose one"),
    ],
)
def test_a_usage_error_says_where_what_was_found_and_what_to_try(words, told):
    result = command(*words)
    assert result.exit_code == 2
    assert re.search(".*?".join(map(re.escape, told.split("*"))), result.stderr, re.DOTALL), result.stderr
    assert not result.stdout


@pytest.mark.parametrize(
    ("name", "told", "instead"),
    [
        ("mpl.toml", "not .toml", "mpl.nc"),
        ("run.CSV", "not .CSV", "run.nc"),
        ("a=0.5.py", "not .py", "a=0.5.nc"),
        ("run.nc.checkpoint", "not .checkpoint", "run.nc"),
    ],
)
def test_a_run_takes_no_name_of_another_kind_of_file(name, told, instead, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("neuro_mpc.runs.run.prepare", lambda *_, **__: pytest.fail("something was computed"))
    result = command(*RUN[:-1], name, "--overwrite")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"neuro-mpc: {name}: a run file is netCDF, {told}\n  try: {instead}\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["run.nc", "run", "a=0.5", "run.h5", "v2.nc4"])
def test_other_names_are_those_of_run_files(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr("neuro_mpc.runs.run.prepare", lambda *_, **__: asked.append(name))
    monkeypatch.setattr("neuro_mpc.runs.run._write", lambda *_: Finished((), 1, {}, experiment="", start=""))
    assert command(*RUN[:-1], name).exit_code == 0
    assert asked == [name]


def test_a_sweep_says_what_is_set_and_swept():
    key = "protocol.stimulus.load"
    options = ["--out", "folder", "--set", f"{key}=3", "--over", f"{key}=1,2", "--dry-run"]
    result = command("sweep", "mpl", "toy-language", *options)
    told = f"--over: {key}: is swept, and set as well\n  expected: one of the two\n  try: leave --set {key} out"
    assert (result.exit_code, result.stderr) == (2, f"neuro-mpc: {told}\n")


def test_without_arguments_there_is_help():
    result = command()
    assert result.exit_code == 2
    assert result.output.startswith("Usage: neuro-mpc ")


def test_every_command_can_be_quiet_and_answer_in_json():
    for name, each in vars(get_command(cli.app))["commands"].items():
        options = {option for parameter in each.params for option in parameter.opts}
        assert {"--quiet", "--json"} <= options, name


def test_json_is_the_only_line_of_the_output_and_progress_goes_to_stderr(simulated):
    result = command(*RUN, "--json")
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    told = json.loads(line)
    assert (told["files"], told["presentations"], told["warnings"]) == (["run.nc"], 3, ["little data"])
    assert told["measures"] == {"accuracy": None}  # JSON has no NaN
    assert result.stderr == "compiling\nwarning: little data\n"


def test_a_quiet_command_tells_of_nothing_but_warnings(simulated):
    result = command(*RUN, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "warning: little data\n")


def test_a_quiet_command_answers_in_json_without_progress(simulated):
    result = command(*RUN, "--quiet", "--json")
    assert json.loads(result.stdout)["presentations"] == 3
    assert result.stderr == "warning: little data\n"


def test_errors_of_a_quiet_command_are_told():
    result = command("show", "mlp", "--quiet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "mpl" in result.stderr


def test_what_is_shown_and_listed_is_told_in_json():
    equations = json.loads(command("show", "mpl", "--json").stdout)
    assert equations == {"circuit": "mpl", "text": command("show", "mpl").stdout.removesuffix("\n")}
    listed = json.loads(command("list", "--json").stdout)
    assert "mpl" in listed["circuits"]
    assert "toy-language" in listed["protocols"]
    assert command("list", "--quiet").stdout == ""


def test_an_estimate_is_told_in_json():
    told = json.loads(command("check", "mpl", "toy-language", "--backend", "numpy", "--json").stdout)
    assert told["synapses"] == 15_200
    assert {"memory", "disk", "seconds", "warnings"} <= told.keys()


def test_members_of_a_sweep_that_failed_are_told_in_json(monkeypatch):
    members = xr.Dataset({name: ("seed", values) for name, values in MEMBERS.items()})
    monkeypatch.setitem(vars(nm), "sweep", lambda *_, **__: members)
    result = command("sweep", "mpl", "toy-language", "--out", "folder", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["incomplete"] == [{"file": "b.nc", "error": "it diverged"}]
    assert (told["members"], told["files"]) == (2, ["folder/sweep.nc"])


def test_a_dry_run_tells_its_members_in_json_and_writes_no_file(monkeypatch):
    members = xr.Dataset({name: ("seed", values) for name, values in MEMBERS.items()})
    monkeypatch.setitem(vars(nm), "sweep", lambda *_, **__: members)
    result = command("sweep", "mpl", "toy-language", "--out", "folder", "--dry-run", "--json")
    assert (result.exit_code, json.loads(result.stdout)["files"]) == (0, [])
    assert command("sweep", "mpl", "toy-language", "--out", "folder", "--dry-run").stdout == ""


def test_paths_of_figures_are_told_in_json(monkeypatch):
    monkeypatch.setitem(vars(nm), "open_run", lambda path, careful: SimpleNamespace(close=lambda: None))
    monkeypatch.setitem(vars(nm), "plot_run", lambda *_: ["a.png", "b.png"])
    assert json.loads(command("plot", "run.nc", "--json").stdout) == {"files": ["a.png", "b.png"]}
    assert command("plot", "run.nc").stdout == "a.png\nb.png\n"


def test_json_has_no_numbers_that_json_lacks():
    assert as_json({"a": (float("inf"), 1.5), "b": {"c": float("nan")}}) == '{"a": [null, 1.5], "b": {"c": null}}'


@pytest.mark.skipif(sys.platform == "win32", reason="completion of bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("neuro-mpc sw", ["sweep"]),
        ("neuro-mpc run rao-ballard-", ["rao-ballard-surround"]),
        ("neuro-mpc run mpl adding", ["adding"]),
        ("neuro-mpc run mpl adding --backend num", ["numpy"]),
        ("neuro-mpc run mpl adding --set circuit.population.hidden.si", ["circuit.population.hidden.size="]),
        ("neuro-mpc run mpl adding --set protocol.learning.bat", ["protocol.learning.batch="]),
        ("neuro-mpc run --from run.nc adding --set protocol.learning.bat", ["protocol.learning.batch="]),
        ("neuro-mpc run lost adding --set circuit.po", []),
    ],
)
def test_the_shell_completes_commands_names_and_keys(line, offered):
    assert completed(line) == offered
