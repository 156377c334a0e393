"""The command line: what it passes on, what it prints, how it ends."""

import os
import re
import signal
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from finished_runs import finished
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc import __main__, cli
from neuro_mpc.runfile.finished import Finished
from neuro_mpc.runs import run as runs
from neuro_mpc.runs import task
from neuro_mpc.runs.quantities import duration
from neuro_mpc.stimuli import load_task

RUN = ["run", "mpl", "toy-language"]


def command(*arguments):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def learned(presentations=3, **tests):
    """The part of a run that the last line is made of."""
    variables = {name: ("test", np.asarray(values)) for name, values in tests.items()}
    learning = xr.Dataset({"loss": ("presentation", np.ones(presentations)), **variables})
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs={"protocol": ""}), "/learning": learning})


def done(**measures):
    """What a run came to."""
    return Finished(warnings=(), presentations=3, measures=measures, experiment="", start="")


@pytest.fixture
def pretend(monkeypatch):
    """Puts a function in the place of a public one, without importing the one it replaces."""
    return lambda name, function: monkeypatch.setitem(vars(nm), name, function)


@pytest.fixture
def pretend_run(monkeypatch):
    """Puts a function in the place of the one that writes a run."""
    return lambda function: monkeypatch.setattr(runs, "write_run", function)


@pytest.fixture
def simulated(pretend_run):
    """The arguments of every run that is to be written; none is."""
    calls = []

    def simulate(circuit, protocol, **choices):
        calls.append({"circuit": circuit, "protocol": protocol, **choices})
        return done(correct_letter_ratio=0.75)

    pretend_run(simulate)
    return calls


def test_run_passes_the_defaults_on(simulated, tmp_path):
    result = command(*RUN, "--out", tmp_path / "run.nc")
    assert result.exit_code == 0, result.output
    (call,) = simulated
    assert (call["circuit"], call["protocol"]) == (nm.load_circuit("mpl"), nm.load_protocol("toy-language"))
    names = ("out", "seed", "backend", "threads", "overwrite", "resume")
    assert [call[name] for name in names] == [tmp_path / "run.nc", 0, "cpp", 1, False, False]


def test_run_passes_every_option_on(simulated, tmp_path):
    options = ["--seed", 7, "--backend", "numpy", "--threads", 2, "--overwrite"]
    changes = ["--set", "circuit.population.hidden.size=50", "--set", "protocol.learning.batch=20"]
    assert command(*RUN, "--out", tmp_path / "run.nc", *options, *changes).exit_code == 0
    (call,) = simulated
    assert [call[name] for name in ("seed", "backend", "threads", "overwrite")] == [7, "numpy", 2, True]
    assert call["circuit"].population["hidden"].size == 50
    assert call["protocol"].learning.batch == 20


def test_run_resumes(simulated, tmp_path):
    assert command(*RUN, "--out", tmp_path / "run.nc", "--resume").exit_code == 0
    assert simulated[0]["resume"] is True


def test_run_ends_with_one_line(simulated, tmp_path):
    output = command(*RUN, "--out", tmp_path / "run.nc").stdout
    assert output.startswith(f"{tmp_path / 'run.nc'}: 3 presentations in ")
    assert output.endswith(" s, correct letter ratio 0.750\n")


def test_run_shows_progress(pretend_run, tmp_path):
    def simulate(circuit, protocol, *, progress, **choices):
        progress.stage("compiling")
        return done()

    pretend_run(simulate)
    assert command(*RUN, "--out", tmp_path / "run.nc").stdout.startswith("compiling\n")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--backend", "gpu"], "--backend"),
        (["--seed", "-1"], "--seed"),
        (["--threads", "0"], "--threads"),
        (["--overwrite", "--resume"], "choose one"),
        (["--set", "circuit.population.hiden.size=50"], "did you mean"),
        (["--set", "nonsense"], "nonsense"),
    ],
)
def test_run_refuses(simulated, tmp_path, wrong, told):
    result = command(*RUN, "--out", tmp_path / "run.nc", *wrong)
    assert result.exit_code == 2
    assert told in result.stderr
    assert not simulated


def test_run_needs_a_file_to_write(simulated):
    result = command(*RUN)
    assert result.exit_code == 2
    assert "--out" in result.stderr


def test_an_unknown_circuit_is_told_without_a_traceback(simulated, tmp_path):
    result = command("run", "mlp", "toy-language", "--out", tmp_path / "run.nc")
    assert result.exit_code == 2
    assert result.stderr.startswith("neuro-mpc: ")
    assert "mpl" in result.stderr
    assert "Traceback" not in result.output


def test_a_refused_run_is_told_without_a_traceback(pretend_run, tmp_path):
    def simulate(*_, **__):
        raise nm.RunError("the run file is there already")

    pretend_run(simulate)
    result = command(*RUN, "--out", tmp_path / "run.nc")
    assert (result.exit_code, result.stderr) == (2, "neuro-mpc: the run file is there already\n")


def test_a_mistake_of_ours_keeps_its_traceback(pretend_run, tmp_path):
    def simulate(*_, **__):
        raise ZeroDivisionError

    pretend_run(simulate)
    assert isinstance(command(*RUN, "--out", tmp_path / "run.nc").exception, ZeroDivisionError)


@pytest.mark.parametrize("recorded", [True, False])
def test_an_interruption_says_what_is_left(pretend_run, tmp_path, recorded):
    partial = tmp_path / "run.nc.partial"

    def simulate(*_, **__):
        if recorded:
            partial.touch()
        raise KeyboardInterrupt

    pretend_run(simulate)
    result = command(*RUN, "--out", tmp_path / "run.nc")
    assert result.exit_code == 130
    assert (str(partial) if recorded else "nothing was recorded") in result.stderr


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "words", [["export", "run.nc", "--to", "run.nwb"], ["plot", "run.nc"], ["report", "run.nc"], ["show", "mpl"]]
)
def test_every_command_says_that_it_was_interrupted(words, pretend):
    for name in ("open_run", "load_circuit"):
        pretend(name, interrupted)
    result = command(*words)
    assert (result.exit_code, result.stderr) == (130, "neuro-mpc: interrupted\n")


def test_a_command_that_is_interrupted_while_it_is_loaded_says_so(monkeypatch, capsys):
    monkeypatch.setattr(__main__, "_main", interrupted)
    with pytest.raises(SystemExit) as end:
        __main__.main()
    assert (end.value.code, capsys.readouterr().err) == (130, "neuro-mpc: interrupted\n")


def test_ctrl_c_ends_the_process_with_130_after_its_clean_up(tmp_path):
    code = f"""
import sys, time
from types import SimpleNamespace
def simulate(*_, out, **__):
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        out.with_name(out.name + ".partial").write_text("closed")
sys.modules["neuro_mpc.runs.run"] = SimpleNamespace(write_run=simulate)
from neuro_mpc.cli import app
app({[*RUN, "--out", str(tmp_path / "run.nc")]!r})
"""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    child = subprocess.Popen([sys.executable, "-c", code], **pipes)
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    told = child.communicate(timeout=30)[1]
    assert child.returncode == 130, told
    assert (tmp_path / "run.nc.partial").read_text() == "closed"
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        ({}, ""),
        ({"accuracy": [0.1, 0.96], "test_loss": [2.0, 1.0]}, ", accuracy 0.960"),
        ({"test_loss": [2.0, 1.25]}, ", test loss 1.25"),
        ({"accuracy": []}, ""),
    ],
)
def test_summary(tmp_path, tests, told):
    line = cli.summary(tmp_path, finished(learned(125, **tests), tmp_path), 3.21)
    assert line == f"{tmp_path}: 125 presentations in 3.2 s{told}"


def test_summary_prefers_the_evaluation(tmp_path):
    run = learned(125, accuracy=[0.1, 0.96])
    run["evaluation"] = xr.DataTree(xr.Dataset({"accuracy": 0.97}))
    assert cli.summary(tmp_path, finished(run, tmp_path), 3.21).endswith(", accuracy 0.970")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (61.4, "1 min 1 s"),
        (3599.6, "1 h 0 min"),
        (7380, "2 h 3 min"),
    ],
)
def test_duration(seconds, told):
    assert duration(seconds) == told


def test_list_names_what_is_shipped():
    result = command("list")
    assert result.exit_code == 0
    circuits, protocols = result.stdout.split("protocols\n")
    assert circuits.startswith("circuits\n")
    assert "\n  mpl " in circuits
    assert "  toy-language " in protocols
    assert re.search(r"\nsynapse types\n  excitatory +Excitatory spike and slab", protocols)
    assert re.search(r"\n  digits +The 8 × 8 digits", protocols.split("stimuli\n")[1])


@pytest.mark.parametrize(("options", "way"), [([], "text"), (["--latex"], "latex")])
def test_show_prints_the_equations(monkeypatch, options, way):
    show = type(sys)("neuro_mpc.rules.show")
    show.as_text = lambda circuit: f"text of {circuit.name} [x]"
    show.as_latex = lambda circuit: f"latex of {circuit.name} [x]"
    monkeypatch.setitem(sys.modules, "neuro_mpc.rules.show", show)
    assert command("show", "mpl", *options).stdout == f"{way} of mpl [x]\n"


def test_plot_prints_where_the_figures_are(pretend, tmp_path):
    run, drawn = learned(), []

    def plot_run(*given):
        drawn.append(given)
        return [tmp_path / "learning.png"]

    pretend("open_run", lambda path, careful: run)
    pretend("plot_run", plot_run)
    result = command("plot", "run.nc", "--figure", "learning", "--out", tmp_path / "learning.png")
    assert result.stdout == f"{tmp_path / 'learning.png'}\n"
    assert drawn == [(run, "learning", tmp_path / "learning.png", None)]


def test_plot_hands_several_runs_on_together(pretend, tmp_path):
    opened, drawn = {"a.nc": learned(), "b.nc": learned()}, []
    pretend("open_run", lambda path, careful: opened[str(path)])
    pretend("plot_run", lambda *given: drawn.append(given) or [tmp_path / "oddball.png"])
    assert command("plot", "a.nc", "b.nc", "--figure", "oddball").exit_code == 0
    assert drawn == [(list(opened.values()), "oddball", None, None)]


def test_plot_of_a_missing_file(tmp_path):
    result = command("plot", tmp_path / "none.nc")
    assert result.exit_code == 2
    assert "none.nc" in result.stderr


def test_check_tells_what_a_run_would_take():
    result = command("check", "mpl", "toy-language", "--backend", "numpy")
    assert result.exit_code == 0
    assert "15,200 synapses with 45,600 parameters" in result.stdout
    for what in ("memory", "disk", "time"):
        assert f"\n{what} " in result.stdout
    trials = "1,000 + 1,000 + 1,000 trials (train + validation + test)"
    assert result.stdout.startswith(f"shown    10 steps × 26 units, {trials}, 26 classes\n")
    assert "compiling" not in result.stdout


def test_check_counts_the_trials_of_each_class():
    result = command("check", "mpl", "digits-rows", "--backend", "numpy")
    assert "8 steps × 8 units, 1,297 + 200 + 300 trials (train + validation + test), 10 classes\n" in result.stdout
    counts = re.search(r"test: (.*)", result.stdout)[1].split(", ")
    assert [each.partition(": ")[0] for each in counts] == [str(number) for number in range(10)]
    assert sum(int(each.partition(": ")[2]) for each in counts) == 300


def test_classes_are_counted_where_they_are_asked_for():
    """Of five steps the second is read: half of the labels of a trial are those of its last step."""
    labels = np.array([[0, 1, 2, 2, 2]] * 6 + [[1, 0, 2, 2, 2]] * 3 + [[0, -1, 1, 1, 1]])
    data = {"x": np.zeros((10, 5, 2), np.float32), "label": labels}
    protocol = nm.Protocol(
        name="own",
        stimulus={"source": "arrays", "test": 0.5, "validation": 0},
        target={"read": [1]},
        learning={"rate": 0.1, "batch": 1, "epochs": 1},
    )
    found = task.as_text(load_task(protocol, nm.load_circuit("mpl"), 0, data))
    counts = {
        split: [int(count) for count in re.findall(r": (\d+)", line)]
        for split, line in re.findall(r"(train|test): (.*\d: .*)", found)
    }
    assert np.add(counts["train"], counts["test"]).tolist() == [3, 6, 0]


def test_many_classes_are_counted_in_a_line():
    names = [f"c{number}" for number in range(15)]
    labels = np.repeat(np.arange(14), np.arange(1, 15))
    circuit = nm.load_circuit("mpl").sized(1, 15)
    data = SimpleNamespace(
        with_missing=(),
        circuit=circuit, steps=1, widths={"input": 1, "output": 15}, symbol_populations=(), predicts_next=False,
        bound={"output": SimpleNamespace(names=names)}, has_classes=lambda target: True,
        size=lambda split: len(labels), wanted=lambda split, trials, target: labels[None],
    )  # fmt: skip
    told = task.as_text(data)
    assert "1 step × 1 unit, 105 + 105 + 105 trials" in told
    assert "test: from 0 (c14) to 14 (c13) trials a class, 1 class without any" in told


def test_check_refuses_what_memory_cannot_hold():
    large = ["--set", "circuit.population.hidden.size=46000", "--set", "protocol.precision=float64"]
    result = command("check", "mpl", "digits-rows", *large, "--backend", "numpy")
    assert result.exit_code == 2
    assert "the run needs about 833 GB of memory" in result.stderr
    assert "2,116,828,000 synapses" in result.stderr


def test_version():
    assert command("--version").stdout == f"neuro-mpc {nm.__version__}\n"


@pytest.mark.parametrize("name", ["run", "check", "show", "list", "plot", "runs", "diff", "doctor"])
def test_every_command_has_help(name):
    result = command(name, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: ")


def test_the_help_comes_at_once():
    """Well under half a second of work, counted in processor time so that a busy machine does not matter."""
    start = os.times()
    subprocess.run([sys.executable, "-m", "neuro_mpc", "--help"], check=True, capture_output=True)
    end = os.times()
    assert end.children_user + end.children_system - start.children_user - start.children_system < 0.5


def test_what_several_figures_warn_of_is_told_once_and_without_its_place(pretend, tmp_path):
    def report(tree, out):
        for _ in range(2):
            warnings.warn("the slab has no variance", stacklevel=1)
        return out

    pretend("open_run", lambda path, careful: SimpleNamespace(close=lambda: None))
    pretend("report", report)
    result = command("report", "run.nc", "--out", "run.html")
    assert result.stderr == "neuro-mpc: the slab has no variance\n"
    assert result.stdout == "run.html\n"
