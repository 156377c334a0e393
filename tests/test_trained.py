"""Starting from a run file: the circuit as it learned, evaluated, learning on, or refused with a reason."""

import numpy as np
import pytest
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc import cli

pytestmark = pytest.mark.usefixtures("in_this_process")

SMALL = {
    "stimulus.letters": 6,
    "stimulus.transitions": [1, 2],
    "stimulus.length": 5,
    "stimulus.load": 2.0,
    "learning.batch": 12,
    "learning.presentations": 4,
    "recording.synapses_every": 2,
    "recording.samples": [],
}


def protocol(**more):
    settings = {key.replace("__", "."): value for key, value in more.items()}
    return nm.load_protocol("toy-language", {**SMALL, **settings})


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run.nc"
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 12})
    nm.simulate(circuit, protocol(), seed=5, backend="numpy", out=out).close()
    return out


def last(run, name="recurrent"):
    return {each: values[-1].values for each, values in run[f"synapses/{name}"].data_vars.items()}


def test_a_trained_circuit_is_read_as_it_was_written(path):
    trained = nm.load_trained(path)
    with nm.open_run(path) as run:
        assert (trained.name, trained.seed, trained.presentation) == ("run.nc", 5, 4)
        assert trained.circuit.to_toml() == run.attrs["circuit"]
        assert trained.protocol.to_toml() == run.attrs["protocol"]
        for name in trained.circuit.projection:
            for each, values in last(run, name).items():
                np.testing.assert_array_equal(trained.parameters[name][each], values)
        assert nm.load_trained(run).sha256 == trained.sha256
        first = nm.load_trained(run, 0)
        np.testing.assert_array_equal(first.parameters["output"]["m"], run["synapses/output"]["m"][0])
    assert first.sha256 != trained.sha256


def test_parameters_of_ones_own_are_used_and_told(path):
    trained = nm.load_trained(path)
    own = np.full((12, 12), 0.5)
    changed = trained.with_parameters({"recurrent": {"m": own, "Xi": 0}}, "recurrent weights alike")
    assert (trained.changed, changed.changed) == ("", "recurrent weights alike")
    np.testing.assert_array_equal(changed.parameters["recurrent"]["pi"], trained.parameters["recurrent"]["pi"])
    np.testing.assert_array_equal(changed.parameters["input"]["m"], trained.parameters["input"]["m"])
    assert changed.sha256 != trained.sha256
    run = nm.simulate(None, protocol(learning__presentations=0), start=changed, backend="numpy")
    np.testing.assert_array_equal(run["synapses/recurrent"]["m"][-1], own)
    assert not run["synapses/recurrent"]["Xi"][-1].any()
    assert run.attrs["start_changed"] == "recurrent weights alike"
    assert run.attrs["start_sha256"] == changed.sha256
    with pytest.raises(nm.RunFileError, match="its parameters were changed"):
        changed.at(0)


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"recurent": {"m": 0}}, "parameters: unknown projection\n.*recurent(.*\n)*.*did you mean 'recurrent'"),
        ({"recurrent": {"q": 0}}, "parameters.recurrent: unknown parameter"),
        ({"recurrent": {"m": np.zeros((2, 2))}}, r"found: \(2, 2\)\n  expected: \(12, 12\), or a number"),
        ({"recurrent": {"pi": 2.0}}, "parameters.recurrent.pi: is out of bounds"),
        ({"recurrent": {"m": float("nan")}}, "parameters.recurrent.m: has values that are not finite"),
        ({"recurrent": {"m": "large"}}, "parameters.recurrent.m: is no array of numbers\n  found: 'large'"),
        ({"recurrent": {"m": [[1.0], [1.0, 2.0]]}}, "parameters.recurrent.m: is no array of numbers"),
    ],
)
def test_parameters_that_no_synapse_can_have_are_refused(path, parameters, problem):
    with pytest.raises(nm.DescriptionError, match=problem):
        nm.load_trained(path).with_parameters(parameters, "own")
    with pytest.raises(nm.DescriptionError, match="changed: does not say what was changed"):
        nm.load_trained(path).with_parameters({}, " ")


def test_an_evaluation_leaves_the_parameters_bit_for_bit(path):
    run = nm.simulate(None, protocol(learning__presentations=0), start=path, backend="numpy")
    assert run["learning"].sizes["presentation"] == 0
    assert run.attrs["seed"] == 5  # whose strings were learned and held out
    with nm.open_run(path) as trained:
        for name in ("input", "recurrent", "output"):
            for each, values in last(trained, name).items():
                np.testing.assert_array_equal(last(run, name)[each], values)
        ends = [float(each["learning"]["test_loss"][-1]) for each in (run, trained)]
    # The noise of a test depends on the presentations before it, which here are none.
    assert ends[0] == pytest.approx(ends[1], rel=0.2)
    assert run["evaluation"]["correct_letter_ratio_mean_weights"].dims == ()


def test_learning_goes_on_from_the_parameters_learned(path):
    trained = nm.load_trained(path)
    run = nm.simulate(None, protocol(learning__presentations=1), start=trained, seed=1, backend="numpy")
    before, after = (run["synapses/recurrent"]["m"][row].values for row in (0, -1))
    np.testing.assert_array_equal(before, trained.parameters["recurrent"]["m"].astype(np.float32))
    assert (before != after).any()
    assert run.attrs["start_run"] == "run.nc"
    assert run.attrs["start_presentation"] == "4"
    assert run.attrs["start_sha256"] == trained.sha256


def test_a_run_from_a_snapshot_repeats_the_learning_of_its_run(path):
    """With plain gradients nothing but the parameters is carried from one presentation to the next."""
    circuit = nm.load_circuit("mpl", {"population.hidden.size": 12})
    settings = {"learning__optimizer": "sgd", "learning__rate": 0.01, "recording__synapses_every": 1}
    shown = protocol(learning__presentations=2, **settings)
    run = nm.simulate(circuit, shown, seed=2, backend="numpy")
    again = nm.simulate(None, shown, start=nm.load_trained(run, 0), backend="numpy")
    for each, values in last(run).items():
        np.testing.assert_array_equal(last(again)[each], values)


def test_what_a_file_lacks_is_named(path):
    problem = r"after 3 presentations \(there are: 0, 2, 4\)[\s\S]*synapses_every\": 3"
    with pytest.raises(nm.RunFileError, match=problem):
        nm.load_trained(path, 3)

    def without_synapses(tree):
        return {name: each for name, each in tree.items() if "synapses" not in name}

    with pytest.raises(nm.RunFileError, match="synapses_every"):
        nm.load_trained(changed(path, without_synapses))


def changed(path, change):
    """The run with its tables, path → dataset, changed."""
    import xarray as xr

    with nm.open_run(path) as run:
        tree = {node.path: node.to_dataset(inherit=False).load() for node in run.subtree}
    return xr.DataTree.from_dict(change(tree))


@pytest.mark.parametrize(("value", "problem"), [(np.nan, "not finite"), (-0.5, "out of bounds")])
def test_damaged_parameters_are_refused(path, value, problem):
    def damage(tree):
        tree["/synapses/recurrent"]["pi"][-1, 0, 0] = value
        return tree

    with pytest.raises(nm.DescriptionError, match=f"synapses/recurrent/pi: .*{problem}"):
        nm.load_trained(changed(path, damage))


def test_another_task_and_another_circuit_are_refused(path):
    with pytest.raises(nm.RunFileError, match="12 × 6 synapses of the projection 'input', 12 × 8 are needed"):
        nm.check(None, nm.load_protocol("digits-rows"), start=path, backend="numpy")
    circuit = nm.load_circuit("pc", {"population.hidden.size": 12})
    with pytest.raises(nm.RunFileError, match="holds Xi, m, pi of the projection 'input', .* needs m"):
        nm.check(circuit, protocol(), start=path, backend="numpy")
    with pytest.raises(nm.RunError, match="a circuit is missing"):
        nm.simulate(None, protocol())


class TestCommandLine:
    def command(self, *words):
        settings = [word for key, value in SMALL.items() for word in ("--set", f"protocol.{key}={value}")]
        return CliRunner().invoke(cli.app, [*map(str, words), *settings])

    def test_a_circuit_is_given_or_started_from(self, path, monkeypatch):
        calls = []
        monkeypatch.setattr("neuro_mpc.runs.run.write_run", lambda *given, **choices: calls.append((given, choices)))
        words = [
            "run",
            "toy-language",
            "--from",
            path,
            "--from-presentation",
            2,
            "--out",
            "x.nc",
            "--set",
            "circuit.population.hidden.activation=tanh(r)",
        ]
        self.command(*words)
        (((circuit, shown), choices),) = calls
        assert circuit.population["hidden"].activation == "tanh(r)"
        assert (shown.name, choices["start"].presentation, choices["seed"]) == ("toy-language", 2, 5)

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["toy-language"], "PROTOCOL is missing"),
            (["mpl", "toy-language", "--from", "PATH"], "leave mpl out"),
            (["mpl", "toy-language", "--from-presentation", "3"], "--from is missing"),
        ],
    )
    def test_misuse_is_told(self, path, words, told):
        words = [str(path) if word == "PATH" else word for word in words]
        result = self.command("check", *words)
        assert result.exit_code == 2
        assert told in result.output

    def test_check_knows_trained_circuits(self, path):
        result = self.command("check", "toy-language", "--from", path, "--backend", "numpy")
        assert result.exit_code == 0
        assert "synapses" in result.output
