"""The Python API as notebooks use it: names, NumPy values, seeds, runs in memory, and messages in its own words."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import neuro_mpc as nm
from neuro_mpc import spelling
from neuro_mpc.descriptions.loading import parse_settings
from neuro_mpc.simulation import arguments

pytestmark = pytest.mark.usefixtures("in_this_process")

SMALL = {
    "stimulus.length": 4,
    "learning.presentations": 2,
    "learning.batch": 5,
    "stimulus.load": 1.0,
    "test.every": 0,
    "test.generate": 2,
    "recording.samples": [-1],
    "recording.synapses_every": 0,
}


@pytest.fixture(scope="module")
def small():
    return nm.load_circuit("mpl", {"population.hidden.size": 4}), nm.load_protocol("toy-language", SMALL)


@pytest.fixture(scope="module")
def run(small):
    return nm.simulate(*small, backend="numpy", seed=np.int64(3))


def refused(call, kind=nm.DescriptionError):
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "plain"),
    [
        ("learning.batch", np.int64(7), 7),
        ("learning.batch", np.array(7), 7),
        ("learning.batch", xr.DataArray(7), 7),
        ("learning.rate", np.float32(0.5), 0.5),
        ("learning.rate", np.int16(1), 1.0),
        ("recording.trajectory", np.bool_(False), False),
        ("recording.samples", np.array([0, -1]), (0, -1)),
        ("recording.samples", list(np.arange(2)), (0, 1)),
        ("recording.samples", range(2), (0, 1)),
        ("data_dir", Path("/data"), "/data"),
        ("protocol.data_dir", np.str_("data"), "data"),
        ("inference.iterations", np.array([[0, 5], [2, 3]]), ((0, 5), (2, 3))),
        ("learning.initial.m", np.float64(0.5), 0.5),
    ],
)
def test_values_of_numpy_are_those_of_toml(key, value, plain):
    found = nm.load_protocol("toy-language", {key: value})
    for part in key.removeprefix("protocol.").split("."):
        found = found[part] if isinstance(found, dict) else getattr(found, part)
    assert found == plain
    assert type(found) is type(plain)
    tables = {"stimulus": {"source": "toy-language"}, "target": {"read": "every"}, "name": "own"}
    tables["learning"] = {"rate": np.float64(1), "batch": np.uint8(2), "epochs": np.int32(1)}
    assert nm.Protocol.from_tables(tables) == nm.Protocol(**tables)


@pytest.mark.parametrize("value", [np.float64(7.5), np.array([7]), np.datetime64("2024-01-15"), 1j])
def test_values_of_the_wrong_kind_stay_refused(value):
    assert "overrides: protocol.learning.batch" in refused(
        lambda: nm.load_protocol("toy-language", {"learning.batch": value})
    )


def test_names_and_paths_stand_for_descriptions(tmp_path, small):
    nm.save_circuit(small[0], tmp_path / "c.toml")
    nm.save_protocol(small[1], tmp_path / "p.toml")
    synapses = nm.check(*small, backend="numpy").synapses
    assert nm.check(tmp_path / "c.toml", str(tmp_path / "p.toml"), backend="numpy").synapses == synapses
    assert nm.check("mpl", "toy-language", backend="numpy").synapses > synapses
    over = {"protocol.stimulus.load": np.array([0.5, 1])}
    swept = nm.sweep(tmp_path / "c.toml", tmp_path / "p.toml", over, np.arange(2), out=tmp_path / "s", dry_run=True,
                     backend="numpy", progress=True)  # fmt: skip
    assert swept.sizes == {"load": 2, "seed": 2}


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda c, p: nm.check(p, c), "the circuit comes first"),
        (lambda c, p: nm.check("toy-language", "mpl"), "toy-language is a protocol, not a circuit"),
        (lambda c, p: nm.check("mpl", "pc"), "pc is a circuit, not a protocol"),
        (lambda c, p: nm.check(3, p), "expected: a circuit, its name, or the path"),
        (lambda c, p: nm.check(c, None), "expected: a protocol, its name, or the path"),
        (lambda c, p: nm.check("protocols/ptb.toml", p), "is a protocol, not a circuit"),
        (lambda c, p: nm.check("mlp", p), "did you mean 'mpl'"),
    ],
)
def test_what_is_no_description_is_told(monkeypatch, small, call, told):
    monkeypatch.chdir(Path(__file__).parents[1])
    assert told in refused(lambda: call(*small))


def test_a_run_file_is_where_to_start_from(example_path):
    text = refused(lambda: nm.load_circuit(example_path))
    assert "is a run file, not a circuit" in text
    assert f'start="{example_path}"' in text
    assert "is a run file, not a protocol" in refused(lambda: nm.load_protocol(example_path))


@pytest.mark.parametrize("seed", [3, np.int64(3), np.uint8(3), np.array(3), 0, arguments.LARGEST_SEED])
def test_seeds_of_any_integer_type(seed):
    assert arguments.seed(seed) == int(seed)
    assert type(arguments.seed(seed)) is int


@pytest.mark.parametrize("seed", [-1, 1.0, True, np.True_, "3", 2**63, 2**70, np.float64(3), [3]])
def test_other_seeds_are_refused_before_anything_is_prepared(monkeypatch, tmp_path, small, seed):
    monkeypatch.setattr(nm.stimuli, "load", None)
    for call in (
        lambda: nm.simulate(*small, seed=seed, backend="numpy"),
        lambda: nm.check(*small, seed=seed),
        lambda: nm.sweep(*small, {}, [seed], out=tmp_path),
    ):
        text = refused(call)
        assert "seed: is" in text
        assert "a whole number from 0 to 2**63 − 1" in text


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_threads_are_a_number_of_cores(small, threads):
    assert "threads: is" in refused(lambda: nm.simulate(*small, threads=threads, backend="numpy"))
    assert "threads: is" in refused(lambda: nm.check(*small, threads=threads))


def test_progress_is_shown_where_it_is_asked_for(small, capsys):
    assert nm.simulate(*small, backend="numpy", progress=False).attrs["seed"] == 0
    assert capsys.readouterr().out == ""
    nm.simulate(*small, backend="numpy", progress=True)
    told = capsys.readouterr().out
    assert "learning" in told
    assert told.endswith("\ncomplete\n")


@pytest.mark.usefixtures("one_figure")
def test_a_run_in_memory_is_drawn_reported_and_started_from(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    assert nm.plot_run(run, "learning") == [Path("run-learning.png")]
    assert nm.report(run) == Path("run.html")
    assert {path.name for path in tmp_path.iterdir()} == {"run-learning.png", "run.html"}
    assert nm.load_trained(run).name == "a run in memory"
    assert "this run holds no trajectory" in refused(lambda: nm.analysis.inference_energy(run), nm.RunFileError)


def test_measures_take_a_run_and_a_name(run):
    analysis = nm.analysis
    weights, traces = analysis.weights(run, "recurrent"), analysis.traces(run, "hidden")
    for name in ("entropy", "determinism", "unit_variability"):
        measure = getattr(analysis, name)
        xr.testing.assert_equal(measure(run, "recurrent"), measure(weights))
    for name in ("histogram", "pairs"):
        measure = getattr(analysis, name)
        xr.testing.assert_equal(measure(run, "recurrent"), measure(weights["mean"]))
    xr.testing.assert_equal(analysis.profile(run, "hidden", "unit"), analysis.profile(traces, "unit"))
    xr.testing.assert_equal(analysis.tuning(run, "hidden"), analysis.selectivity(run, "hidden"))
    of_pairs = analysis.asymmetry(analysis.pairs(run, "recurrent"))
    np.testing.assert_array_equal(analysis.asymmetry(run, "recurrent"), of_pairs)
    assert "did you mean 'recurrent'" in refused(lambda: analysis.asymmetry(run, "recurent"), nm.RunFileError)
    assert 'entropy(run, "input")' in refused(lambda: analysis.entropy(run), nm.RunFileError)
    assert "did you mean 'recurrent'" in refused(lambda: analysis.entropy(run, "recurent"), nm.RunFileError)


def test_public_names_are_listed():
    assert dir(nm) == sorted([*nm.__all__, "analysis", "plots", "stimuli"])
    assert nm.analysis.weights
    assert nm.plots.FIGURES


def test_descriptions_do_not_change(small):
    circuit, _ = small
    for change in (
        lambda: setattr(circuit.population["hidden"], "size", 50),
        lambda: delattr(circuit, "name"),
        lambda: circuit.population.update(other={}),
        lambda: circuit.population.__setitem__("hidden", {}),
        lambda: circuit.population.pop("hidden"),
    ):
        assert "nm.changed(circuit" in refused(change)
    assert nm.changed(circuit, {"population.hidden.size": 50}).population["hidden"].size == 50
    assert circuit.population["hidden"].size == 4
    assert pickle.loads(pickle.dumps(circuit)) == copy.deepcopy(circuit) == circuit
    assert "name=…, description=…, population=…" in refused(lambda: nm.Circuit("x", {}, {}))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("protocol.data_dir=2024-01-15", "2024-01-15"),
        ("protocol.data_dir=1984", "1984"),
        ('protocol.data_dir="a b"', "a b"),
        ("protocol.stimulus.train=2024.10", "2024.10"),
        ("circuit.population.hidden.activation=r", "r"),
        ("circuit.synapse.point.mean=1", "1"),
        ("protocol.learning.rate=.5", 0.5),
        ("protocol.learning.rate=5.", 5.0),
        ("protocol.learning.rate=-.5e-3", -0.0005),
        ("protocol.learning.rate=1e3", 1000.0),
        ("protocol.learning.initial.m=0.5", 0.5),
        ("protocol.recording.samples=[0, -1]", [0, -1]),
        ("protocol.learning.rate=12:30:00", "12:30:00"),
    ],
)
def test_settings_of_the_command_line(setting, value):
    found = {**parse_settings([setting])[0], **parse_settings([setting])[1]}
    assert list(found.values()) == [value]
    assert type(*found.values()) is type(value)


def test_another_source_begins_with_its_own_keys():
    settings = {"stimulus.source": "digits", "test.measure": "accuracy", "target.read": "last"}
    assert nm.load_protocol("toy-language", settings).stimulus.pixels_per_step == 8
    settings["stimulus.pixels_per_step"] = 16
    assert nm.load_protocol("mnist-rows", settings).stimulus.pixels_per_step == 16


def test_what_settings_break_is_no_fault_of_the_file():
    text = refused(lambda: nm.load_protocol("toy-language", {"stimulus.source": "digits"}))
    assert text.startswith("overrides: protocol: digits has no letters")
    assert "toy-language.toml" not in text


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("another path, or --overwrite to replace it", "another path, or overwrite=True to replace it"),
        ("--resume or --accept-changes.", "resume=True or accept_changes=True."),
        ("--backend numpy needs none; --workers 3", 'backend="numpy" needs none; workers=3'),
        ("start: --from run.nc", 'start: start="run.nc"'),
        ("--set: a.b: unknown key", "overrides: a.b: unknown key"),
        (
            "again with --set protocol.recording.samples=[-1] --set protocol.recording.trajectory=true, too",
            'again with nm.load_protocol(…, {"recording.samples": [-1], "recording.trajectory": True}), too',
        ),
        ("--set circuit.population.hidden.size=5.", 'nm.load_circuit(…, {"population.hidden.size": 5}).'),
        ("--set protocol.stimulus.checksums={}", 'nm.load_protocol(…, {"stimulus.checksums": {}})'),
        ("type neuro-mpc run lesion --from run.nc", "type neuro-mpc run lesion --from run.nc"),
        ("--param=3, --seedling", "--param=3, --seedling"),
    ],
)
def test_messages_name_arguments_in_python_and_options_on_the_command_line(message, told):
    error = nm.RunError(message)
    assert str(error) == told
    with spelling.command_line():
        assert str(error) == message


def test_ends_of_a_projection_have_the_names_of_python(tmp_path):
    tables = nm.load_circuit("mpl").tables()
    tables["projection"]["input"]["to"] = "hiden"
    assert "projection.input.to (in Python target): unknown population" in refused(lambda: nm.Circuit(**tables))
    (tmp_path / "own.toml").write_text(nm.load_circuit("mpl").to_toml().replace('to = "hidden"', 'to = "hiden"'))
    assert "projection.input.to: unknown population" in refused(lambda: nm.load_circuit(tmp_path / "own.toml"))


@pytest.mark.parametrize(
    "given", [{}, 3, None, [1], b"mpl", nm.load_circuit("mpl")], ids=lambda value: type(value).__name__
)
class TestWrongTypes:
    """What is neither a name nor a path is told as that, before anything is read."""

    @pytest.mark.parametrize("kind", ["circuit", "protocol"])
    def test_of_a_name(self, kind, given):
        with pytest.raises(nm.DescriptionError, match="is not a name or a path") as caught:
            getattr(nm, f"load_{kind}")(given)
        assert caught.value.found == type(given).__name__

    @pytest.mark.parametrize("function", [nm.open_run, nm.load_trained, nm.summary, nm.report, nm.generate])
    def test_of_a_run(self, function, given):
        with pytest.raises(nm.RunFileError, match="is not the path of a run file"):
            function(given)

    def test_of_a_file_to_write(self, given):
        with pytest.raises(nm.DescriptionError, match="path: is not a path"):
            nm.save_circuit(nm.load_circuit("mpl"), given)

    def test_of_overrides(self, given):
        if given != {}:
            with pytest.raises(nm.DescriptionError, match="overrides: are not a mapping"):
                nm.changed(nm.load_circuit("mpl"), given)


def test_tables_in_place_of_a_name_are_told_what_takes_them():
    with pytest.raises(nm.DescriptionError) as caught:
        nm.load_protocol({"name": "mine"})
    assert caught.value.hint == "nm.Protocol(**tables)"
