"""Blocks of Python on pages, run in their order in a folder with the files that they read; and that each has run.

They stand as they are, on shipped circuits and protocols that are made small, without a compiler; of a sweep the first
member runs.
"""

import sys
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import matplotlib.pyplot as plt
import pytest
from pages import IN_FOLDER, ROOT, blocks
from pictures import ink

import neuro_mpc as nm
from neuro_mpc.networks import operations

pytestmark = pytest.mark.usefixtures("in_this_process")

ELSEWHERE = {
    "causal": "causal_page",
    "circuits": "circuits_page",
    "own-data": "own_data_tutorial",
    "own-experiments": "own_experiments",
    "own-schemes": "own_schemes",
    "own-stimuli": "own_stimuli",
    "python": "python_page",
    "recordings": "export",
    "tutorial": "tutorial",
}
HERE = {
    f"docs/{name}.md"
    for name in (
        "analysis",
        "code-generation",
        "experiments",
        "guides/own-synapse",
        "guides/paper-figures",
        "guides/resume",
        "guides/slurm",
        "guides/workers",
        "how-to",
        "index",
        "sweeps",
    )
}
SCHEDULER = "tcp://10.0.0.1:8786"
SMALL = {
    "stimulus.letters": 6,
    "stimulus.transitions": [1, 2],
    "stimulus.length": 7,
    "stimulus.load": 4.0,
    "learning.presentations": 3,
    "learning.batch": 6,
    "test.every": 2,
    "test.ensemble": 0,
}


def test_every_block_of_python_has_run():
    with_code = {page for page in IN_FOLDER if blocks(page, "python")}
    assert with_code == HERE | {f"docs/{name}.md" for name in ELSEWHERE}
    for page, name in ELSEWHERE.items():
        assert f'"{page}.md"' in (ROOT / "tests" / f"test_{name}.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def small():
    """Shipped circuits of a few units and short protocols, and runs without a compiler."""
    load_circuit, load_protocol, simulate, whole = nm.load_circuit, nm.load_protocol, nm.simulate, nm.sweep

    def circuit(name, settings=None):
        return load_circuit(name, {"population.hidden.size": 6, **(settings or {})})

    def protocol(name, settings=None):
        return load_protocol(name, {**(settings or {}), **(SMALL if name == "toy-language" else {})})

    def sweep(swept, shown, over, seeds, *, out, scheduler=None, progress=None):
        assert scheduler in (None, SCHEDULER)
        first = {key: values[:1] for key, values in over.items()}
        described = (
            circuit(swept) if isinstance(swept, str) else swept,
            protocol(shown) if isinstance(shown, str) else shown,
        )
        return whole(*described, first, list(seeds)[:2], out=out, backend="numpy", workers=1)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nm, "load_circuit", circuit)
        patched.setattr(nm, "load_protocol", protocol)
        patched.setattr(nm, "simulate", lambda *given, **options: simulate(*given, **{"backend": "numpy", **options}))
        patched.setattr(nm, "sweep", sweep)
        yield


@pytest.fixture(scope="module")
def learned(small, tmp_path_factory):
    """The file of a run, as bytes."""
    file = tmp_path_factory.mktemp("learned") / "run.nc"
    nm.simulate(nm.load_circuit("mpl"), nm.load_protocol("toy-language"), out=file).close()
    return file.read_bytes()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    plt.close("all")


@pytest.fixture
def with_run(learned, folder):
    """The current folder, with the file of a run."""
    for name in ("run.nc", "run.nc.partial"):
        (folder / name).write_bytes(learned)
    return folder


def run(page, **names):
    """The names that the blocks of a page leave."""
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), names)
    return names


def test_a_run_is_analysed(with_run):
    names = run("docs/analysis.md")
    assert set(names["traces"]) >= {"belief", "prediction", "error", "rate"}
    assert {"component", "step", "trial"} <= set(names["paths"]["score"].dims)
    names["run"].close()


def test_an_experiment_starts_from_a_run(with_run):
    names = run("docs/experiments.md")
    assert names["found"].attrs["kind"] == "oddball"
    assert set(names["difference"]) == {"mean", "low", "high"}
    assert names["still"].parameters["recurrent"]["Xi"].max() == 0


def test_a_sweep_is_an_array_by_load_and_seed(folder, small):
    found = run("docs/sweeps.md")["found"]
    assert found["correct_letter_ratio"].dims == ("load", "seed")
    assert found["complete"].all()


def test_runs_are_read_while_they_are_written_and_answers_are_counted(with_run, capsys):
    names = run("docs/how-to.md", nm=nm)
    assert f"{len(names['wrong'])} of 300 wrong" in capsys.readouterr().out


def test_a_synapse_type_replaces_another(small):
    circuit = run("docs/guides/own-synapse.md")["circuit"]
    assert circuit.projection["recurrent"].synapse == "unreliable"
    assert "p*(1 - p)" in circuit.to_toml()


def test_a_run_that_is_complete_is_only_returned(folder, small):
    first = run("docs/guides/resume.md")["run"]
    before = (folder / "run.nc").read_bytes()
    again = run("docs/guides/resume.md")["run"]
    assert first.attrs["complete"] == again.attrs["complete"] == 1
    assert (folder / "run.nc").read_bytes() == before


def test_figures_are_vector_files(with_run):
    run("docs/guides/paper-figures.md")
    assert all((with_run / f"{name}.pdf").read_bytes().startswith(b"%PDF") for name in ("learning", "figure"))


def test_workers_of_slurm_are_handed_the_members(folder, small, monkeypatch):
    """The cluster is none: what it is asked for, and that its scheduler is handed to the sweep."""
    asked = {}
    cluster = SimpleNamespace(
        scale=lambda jobs: asked.update(jobs=jobs), close=lambda: asked.update(closed=True), scheduler_address=SCHEDULER
    )
    module = ModuleType("dask_jobqueue")
    module.SLURMCluster = lambda **options: asked.update(options) or cluster
    monkeypatch.setitem(sys.modules, "dask_jobqueue", module)
    found = run("docs/guides/slurm.md")["found"]
    assert (asked["jobs"], asked["processes"], asked["closed"]) == (20, 1, True)
    assert found["complete"].all()


def test_processes_share_the_batches_of_a_run(small):
    assert run("docs/guides/workers.md")["run"].attrs["workers"] == 2


def test_an_operation_of_ones_own_is_lowered_to_a_call():
    known = {name: getattr(operations, name) for name in ("Operation", "Call", "Rows")}
    decay = run("docs/code-generation.md", dataclass=dataclass, **known)["Decay"]
    assert issubclass(decay, operations.Operation)


def test_the_first_page_leads_to_a_figure(folder, capsys):
    """From the page's own data, far above chance; a third of the answers would be right."""
    names = run("docs/index.md", __name__="__main__")
    assert float(names["run"]["evaluation/accuracy"]) > 0.9
    assert float(names["run"]["evaluation/accuracy_of_regression"]) < 0.6
    assert "correct on trials it never saw: " in capsys.readouterr().out
    assert all(ink(folder / f"{name}.png") > 0.02 for name in ("learning", "traces"))
