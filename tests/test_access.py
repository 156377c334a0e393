"""What analysis and figures ask of a run: symbols, names of snapshots and of measures, the rate that was found."""

import warnings
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr

import neuro_mpc as nm
from neuro_mpc.runfile import access, labels, paths
from neuro_mpc.runfile.finished import Finished, measure_of
from neuro_mpc.runfile.record import FOUND_RATE, RunFile

CIRCUIT = """
[population.hidden]
role = "free"
[population.out]
role = "target"
[projection.in]
synapse = "own"
[projection.other]
[synapse.own.parameter.m]
[synapse.own.parameter.pi]
symbol = "\\\\pi"
[synapse.own.parameter.mean]
"""


def run(groups=None, **attributes):
    return xr.DataTree.from_dict({"/": xr.Dataset(attrs=attributes), **(groups or {})})


def test_a_parameter_is_called_by_its_symbol_its_letter_or_its_name():
    described = run(circuit=CIRCUIT)
    assert access.symbol(described, "in", "pi") == "$\\pi$"
    assert access.symbol(described, "in", "m") == "$m$"
    assert access.symbol(described, "in", "mean") == "mean"
    assert access.symbol(described, "other", "pi") == "pi"
    assert access.symbol(described, "nowhere", "v") == "$v$"


def test_a_description_is_read_once_however_many_projections_ask_for_it(monkeypatch):
    described, texts, loads = run(circuit=CIRCUIT + "# once"), [], access.tomllib.loads
    monkeypatch.setattr(access.tomllib, "loads", lambda text: (texts.append(text), loads(text))[1])
    assert {access.symbol(described, "in", "m") for _ in range(3)} == {"$m$"}
    assert texts == [CIRCUIT + "# once"]


def test_the_target_is_the_population_of_that_role():
    assert access.target_population(run(circuit=CIRCUIT)) == "out"
    assert access.target_population(run(circuit="")) == ""
    assert access.population(run(circuit=CIRCUIT), "hidden") == {"role": "free"}
    with pytest.raises(nm.RunFileError, match="the circuit in this run is no TOML"):
        access.target_population(run(circuit="="))


@pytest.mark.parametrize(
    ("presentations", "index", "started", "name"),
    [
        ([0, 10], 0, {}, "before training"),
        ([0, 10], 1, {}, "after 10 presentations"),
        ([0, 1000], -1, {}, "after 1,000 presentations"),
        ([0, 10], 0, {"start_presentation": 2000}, "initial state, after 2,000 presentations"),
        ([0, 10], 1, {"start_presentation": 2000}, "after 10 presentations"),
        ([0, 10, 20, 10], -1, {}, "selected state, after 10 presentations"),
        ([0, 10, 0], 2, {"start_presentation": 2000}, "selected state, after 0 presentations"),
        ([0, 10, 10], 2, {}, "after 10 presentations"),
        ([5, 3], 0, {}, "after 5 presentations"),
    ],
)
def test_a_snapshot_is_called_by_what_was_learned_before_it(presentations, index, started, name):
    assert access.snapshot_name(run(**started), np.array(presentations), index) == name


@pytest.mark.parametrize(
    ("presentations", "kept"), [([0, 10, 20, 10], 3), ([0, 10, 20], 3), ([0, 10, 10], 3), ([7], 1), ([7, 3], 1)]
)
def test_while_learning_a_selected_state_is_left_out(presentations, kept):
    snapshots = xr.Dataset({"m": ("snapshot", np.arange(len(presentations)))})
    snapshots = snapshots.assign_coords(presentation=("snapshot", presentations))
    assert access.while_learning(snapshots)["m"].values.tolist() == list(range(kept))


def test_symbols_are_those_of_the_text_or_of_what_was_generated():
    letters = np.frombuffer("a\nß\n<eos>".encode(), np.uint8)
    of_text = run({"/stimulus": xr.Dataset({"symbols": ("byte", letters)})})
    assert access.symbols(of_text) == ["a", "ß", "<eos>"]
    generated = run({"/stimulus": xr.Dataset(), "/generation": xr.Dataset(attrs={"symbols": "x\ny"})})
    assert access.symbols(generated) == ["x", "y"]
    for without, hint in ((run(), "a run of text"), (run(start_run="first.nc"), "first.nc")):
        with pytest.raises(nm.RunFileError, match="no names of symbols") as error:
            access.symbols(without)
        assert hint in str(error.value)


@pytest.mark.parametrize(
    ("protocol", "tests", "evaluated", "measure"),
    [
        ({}, {"accuracy": [0.2, 0.4], "test_loss": [3.0, 2.0]}, {}, {"accuracy": 0.4}),
        ({}, {"accuracy": [0.2, 0.4]}, {"accuracy": 0.5}, {"accuracy": 0.5}),
        ({"test": {"measure": "mean-squared-error"}}, {"mean_squared_error": [1.0], "accuracy": [0.5]}, {}, None),
        ({}, {"perplexity": [9.0, 8.0], "test_loss": [3.0, 2.0]}, {}, {"perplexity": 8.0}),
        ({}, {"accuracy": []}, {"accuracy": 0.5}, {}),
        ({}, {}, {"accuracy": 0.5}, {}),
    ],
)
def test_the_final_measure_is_that_of_the_evaluation_or_of_the_last_test(protocol, tests, evaluated, measure):
    def arrays(values):
        return {name: np.array(value) for name, value in values.items()}

    expected = {"mean_squared_error": 1.0} if measure is None else measure
    assert measure_of(protocol, arrays(tests), arrays(evaluated)) == expected


def test_a_final_measure_that_is_missing_is_no_number_and_not_masked():
    with netCDF4.Dataset("run.nc", "w", diskless=True) as file:
        file.protocol = '[test]\nmeasure = "accuracy"'
        learning = file.createGroup("learning")
        learning.createDimension("presentation", 2)
        accuracy = learning.createVariable("accuracy", "f4", ("presentation",), fill_value=np.nan)
        accuracy[:] = [0.5, np.nan]
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a masked element that becomes a number
            found = Finished.of(file)
    assert np.isnan(found.measures["accuracy"])
    assert (found.presentations, found.experiment, found.warnings) == (2, "", ())


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("accuracy", "fraction of the tested trials that are predicted correctly, with noise"),
        (
            "test_loss_mean_weights",
            "loss of the prediction on the tested trials, mean per trial, every weight at its mean",
        ),
        ("unheard_of", "unheard_of, with noise"),
        (
            "explained_variance_left_eye_network",
            "share of the variance of the values that the output explains, of the population left_eye, by a network "
            "whose weights are drawn",
        ),
    ],
)
def test_a_measure_of_the_evaluation_says_what_was_measured(name, label):
    assert labels.evaluation_label(name) == label


@pytest.mark.parametrize(
    ("name", "parts", "words"),
    [
        ("accuracy", ("accuracy", "", ""), "accuracy"),
        ("accuracy_side_network", ("accuracy", "side", "_network"), "accuracy of side"),
        ("mean_squared_error_of_mean", ("mean_squared_error", "", "_of_mean"), "mean squared error"),
        ("mean_squared_error_of_mean_eye", ("mean_squared_error", "eye", "_of_mean"), "mean squared error of eye"),
        (
            "mean_squared_error_eye_mean_weights",
            ("mean_squared_error", "eye", "_mean_weights"),
            "mean squared error of eye",
        ),
        (
            "perplexity_of_regression_next-word",
            ("perplexity", "next-word", "_of_regression"),
            "perplexity of next-word",
        ),
        ("spike_contradicted", ("spike_contradicted", "", ""), "spike contradicted"),
    ],
)
def test_measures_of_further_targets_are_told_by_their_population(name, parts, words):
    assert labels.measured(name) == parts
    assert labels.measured(name).words == words


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("noise", "standard normal noise of the presentation"),
        ("noise_gate", "standard normal noise of the compartment gate"),
        ("input", "input of the compartment input"),
        ("input_gate", "input of the compartment gate"),
        ("positive_error", "rate of the errors of what is more than predicted"),
        ("own_name", "own name"),
    ],
)
def test_a_variable_of_units_says_what_it_is(name, label):
    assert labels.neural_label(name) == label
    variable, _, compartment = name.partition("_")
    if compartment == "gate":
        assert labels.of_compartment(variable, compartment) == name
        assert labels.of_compartment(variable, "input") == variable


@pytest.mark.parametrize(
    ("stored", "found"), [(None, None), (0.5, 0.5), (1e-9, 1e-9), (0.0, ""), (-1.0, ""), (np.inf, ""), (np.nan, "")]
)
def test_the_rate_of_a_range_test_is_above_0_and_finite(stored, found):
    file = RunFile.__new__(RunFile)
    file.partial, file._file = Path("run.nc.partial"), netCDF4.Dataset("found.nc", "w", diskless=True)
    if stored is not None:
        file.rate_found(stored)
        assert file._file.getncattr(FOUND_RATE) == pytest.approx(stored, nan_ok=True)
    if found == "":
        with pytest.raises(nm.RunFileError, match="not a learning rate"):
            file.found_rate()
    else:
        assert file.found_rate() == found


def test_room_is_left_to_close_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "free_disk", lambda path: paths.RESERVE_BYTES + 10)
    paths.require_room(tmp_path / "run.nc", 10)
    with pytest.raises(OSError, match=r"1\.0 MiB are left"):
        paths.require_room(tmp_path / "run.nc", 11)


@pytest.mark.parametrize(("given", "told"), [("run.nc", "'run.nc' is no opened run"), (3, "int is no opened run")])
def test_what_is_no_opened_run_is_called_what_it_is(given, told):
    with pytest.raises(nm.RunFileError, match=told):
        access.group(given, "learning")


def test_groups_and_variables_are_told_apart():
    opened = run({"/learning": xr.Dataset({"loss": ("presentation", [1.0])})})
    assert access.group(opened, "learning") is opened["learning"]
    assert access.group(opened, "learning/loss") is access.group(opened, "nothing") is None
    assert access.variable(opened["learning"], "loss").values.tolist() == [1.0]
    with pytest.raises(KeyError, match="learning"):
        access.variable(opened, "learning")
    lacking = access.lacking(opened, "samples", "protocol.recording.samples=[-1]")
    assert (lacking.problem, lacking.hint.count("recording.samples")) == ("this run holds no samples", 1)
