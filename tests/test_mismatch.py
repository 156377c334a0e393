"""Mismatch experiments on tiny circuits, and their analysis on responses that are known beforehand."""

import gzip
import runpy
import sys
from collections import Counter
from pathlib import Path

import mismatched
import numpy as np
import pytest
import xarray as xr
from drawn import texts

import neuro_mpc as nm
from neuro_mpc import analysis
from neuro_mpc.runfile.record import RunFile

pytestmark = pytest.mark.usefixtures("in_this_process")

BLOCKS = ["standard", "sequence", "sensorimotor", "duration", "local", "global",
          "control-1", "control-2", "control-3", "control-4", "many-standards", "repetition"]  # fmt: skip
TASK = {
    "stimulus.contexts": ["standard"],
    "stimulus.controls": ["control-1"],
    "stimulus.scale": 0.02,
    "stimulus.directions": 4,
    "stimulus.phases": 2,
    "stimulus.noise": 0,
    "inference.iterations": 2,
    "learning.batch": 30,
    "learning.presentations": 1,
    "recording.samples": [],
    "test.split": "validation",
}


@pytest.fixture(scope="module")
def learned(tmp_path_factory, in_this_process):
    path = tmp_path_factory.mktemp("mismatch") / "run.nc"
    circuit = nm.load_circuit("mpl-mismatch", {"population.hidden.size": 5})
    nm.simulate(circuit, nm.load_protocol("mismatch", TASK), backend="numpy", out=path).close()
    return path


@pytest.fixture(scope="module")
def shown(learned):
    protocol = nm.load_protocol(
        "mismatch-responses", {"experiment.blocks": BLOCKS, "experiment.scale": 0.1, "experiment.trials": 2}
    )
    return nm.simulate(None, protocol, start=learned, backend="numpy")


@pytest.fixture(scope="module")
def results(shown):
    return analysis.experiment(shown, "mismatch")


def cells(results):
    return Counter(zip(results["block"].values.tolist(), results["stimulus"].values.tolist(), strict=True))


def test_every_deviant_is_shown_in_its_context_and_in_its_control(results):
    found = cells(results)
    changed = ("orientation_45", "orientation_90", "halt", "omission")
    for context, control, stimuli in (
        ("standard", "control-1", (*changed, "orientation_0")),
        ("sequence", "control-2", (*changed, "orientation_0")),
        ("sensorimotor", "control-4", ("coupled",)),
        ("duration", "control-3", ("delay_150", "delay_343", "delay_500", "delay_1000", "omission")),
        ("local", "global", ("orientation_0", "orientation_90")),
    ):
        for stimulus in stimuli:
            assert found[context, stimulus] == found[control, stimulus] == 2
    assert found["repetition", "repetition_1"] == found["repetition", "repetition_5"] == 2
    assert not found["control-1", "orientation_22.5"]


def test_every_paradigm_of_the_museum_is_measured_in_one_run(shown):
    found = analysis.paradigms(shown)
    assert found["paradigm"].values.tolist() == [
        "standard", "sequence", "sensorimotor", "duration", "omission",
        "usual element", "repetition", "many standards", "local", "global",
    ]  # fmt: skip
    assert found.sizes["run"] == 1
    assert (found["reference"] > 0).all()
    assert (abs(found["index"]) < 1).all()
    with pytest.raises(nm.RunFileError, match="experiment.blocks"):
        analysis.paradigms(recorded()[:0])


def test_a_control_has_the_history_of_its_context(results):
    onset = {block: set(results["onset"].values[results["block"].values == block].tolist()) for block in BLOCKS}
    assert onset["standard"] == onset["control-1"] == {16}
    assert onset["sequence"] == onset["control-2"] == {24}
    assert onset["local"] == onset["global"] == {19}


def test_the_table_says_what_is_seen_at_the_onset(results):
    trial, start = results["presentation_trial"].values, results["start_step"].values
    for number, (stimulus, onset) in enumerate(zip(results["stimulus"].values, results["onset"].values, strict=True)):
        rows = results.isel(presentation=(trial == number) & (start == onset))
        if stimulus in ("omission", "halt"):
            assert rows["TrialType"].values[0].endswith(stimulus)
        if stimulus.startswith("orientation_"):
            assert np.degrees(rows["Orientation"].values[0]) == pytest.approx(float(stimulus.split("_")[1]))
        if stimulus in ("delay_500", "delay_1000"):
            assert not rows.sizes["presentation"]  # when the next one was due, nothing came


def test_what_is_seen_minus_its_prediction_is_the_error(results):
    np.testing.assert_array_less(0, np.abs(results["seen_error"].values).max())
    assert results["seen_error"].dims == ("step", "trial", "seen_unit")
    assert results["hidden_belief"].dims == ("step", "trial", "hidden_unit")


def test_fatigue_of_the_input_responds_less_to_the_standard_than_to_a_new_direction(shown):
    means = analysis.mismatch_means(shown, quantity="adaptation")
    names = zip(means["block"].values, means["stimulus"].values, strict=True)
    mean = dict(zip(names, means["mean"].values, strict=True))
    assert mean["standard", "orientation_0"] < 0.9 * mean["standard", "orientation_90"]
    assert mean["standard", "orientation_0"] < 0.9 * mean["many-standards", "orientation_0"]
    assert mean["repetition", "repetition_5"] < mean["repetition", "repetition_1"]
    found = analysis.adaptation_and_deviance(shown, quantity="adaptation", draws=20)
    assert float(found["mean"].sel(part="adaptation")) > 0.005


def test_parts_of_the_error_make_up_its_size(shown):
    size, positive, negative = (
        analysis.mismatch_responses(shown, quantity=quantity) for quantity in ("error", "positive", "negative")
    )
    np.testing.assert_allclose(size, positive + negative, rtol=1e-5)


def test_the_window_has_to_be_shown(shown):
    with pytest.raises(nm.RunFileError, match="0 to 6000 ms"):
        analysis.mismatch_responses(shown, window=(0, 6000))
    with pytest.raises(nm.RunFileError, match="no rate of 'hidden'"):
        analysis.mismatch_responses(shown, "hidden", "rate")


def test_it_needs_a_circuit_that_has_learned_of_mismatch(tmp_path):
    toy = tmp_path / "toy.nc"
    toy.write_bytes(gzip.decompress((Path(__file__).parent / "runs" / "plain-1.1.nc.gz").read_bytes()))
    with pytest.raises(nm.DescriptionError, match="mismatch session"):
        nm.simulate(None, nm.load_protocol("mismatch-responses"), start=toy, backend="numpy")


def recorded(seed=0, slope=1.5, offset=0.2, noise=0.0, trials=6, units=7):
    """Responses of units as of a recording: deviants are slope · control + offset."""
    random = np.random.default_rng(seed)
    rate = random.uniform(1, 3, units)
    rows = []
    for stimulus, factor in (("orientation_45", 1.0), ("halt", 0.5)):
        for block in ("standard", "control-1"):
            mean = factor * rate if block == "control-1" else slope * factor * rate + offset
            rows += [(block, stimulus, mean + noise * random.standard_normal(units)) for _ in range(trials)]
    block, stimulus, values = zip(*rows, strict=True)
    names = {"block": ("trial", list(block)), "stimulus": ("trial", list(stimulus))}
    return xr.DataArray(np.array(values), names, ("trial", "unit"))


def at(found, measure, stimulus="all"):
    chosen = found.isel(comparison=int(np.flatnonzero(found["stimulus"].values == stimulus)[0])).sel(measure=measure)
    return [float(chosen[name]) for name in ("mean", "low", "high")]


@pytest.mark.parametrize(("slope", "offset"), [(1.5, 0.2), (1.0, 0.0), (0.0, 2.0)])
def test_slope_and_offset_are_those_of_deviants_on_controls(slope, offset):
    found = analysis.mismatch(recorded(slope=slope, offset=offset), draws=20)
    np.testing.assert_allclose(at(found, "slope"), slope, atol=1e-9)
    np.testing.assert_allclose(at(found, "offset"), offset, atol=1e-9)
    deviant, control = at(found, "deviant")[0], at(found, "control")[0]
    assert at(found, "difference")[0] == pytest.approx(deviant - control)
    assert at(found, "index")[0] == pytest.approx((deviant - control) / (deviant + control))
    assert found.attrs["over"] == "trial"
    assert found["unit_deviant"].shape == (1, 3, 7)


def test_intervals_hold_the_truth_over_trials_and_over_recordings():
    for source in (recorded(noise=0.3, trials=20), [recorded(seed, noise=0.3, units=5) for seed in range(5)]):
        found = analysis.mismatch(source, draws=200)
        mean, low, high = at(found, "slope", "orientation_45")
        assert low < mean < high
        assert low < 1.5 < high
    assert found.attrs["over"] == "run"
    assert (found.attrs["number"], found.attrs["interval"]) == (5, "t")


def test_contexts_without_their_control_are_not_compared():
    told = "there are the blocks standard\n  try: experiment.blocks .* standard and control-1, sequence and control-2"
    with pytest.raises(nm.RunFileError, match=told):
        one = recorded()
        analysis.mismatch(one.isel(trial=one["block"].values == "standard"))


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Run files of two seeds."""
    circuit, protocol = nm.load_circuit("mpl-mismatch"), nm.load_protocol("mismatch")
    paths = [tmp_path_factory.mktemp("known") / f"run{seed}.nc" for seed in range(2)]
    for seed, path in enumerate(paths):
        with RunFile(path, circuit=circuit, protocol=protocol, seed=seed, backend="numpy", threads=1) as record:
            record.experiment(mismatched.mismatch(seed))
    return paths


def test_deviance_and_adaptation_are_what_was_put_into_the_results(known):
    with nm.open_run(known[0]) as run:
        found = analysis.mismatch(run, draws=20)
        assert set(found["context"].values) == {"standard", "sequence", "sensorimotor", "duration", "local", "global"}
        assert at(found, "index")[0] == pytest.approx(0.2, abs=0.01)
        assert at(found, "index", "orientation_0")[0] == pytest.approx(-1 / 3, abs=0.01)
        assert at(found, "slope")[0] == pytest.approx(1.5, abs=0.05)
        parts = analysis.adaptation_and_deviance(run, draws=20)["mean"]
        np.testing.assert_allclose(parts, [1.5, 1.5], atol=0.05)
        assert at(analysis.mismatch(run, quantity="adaptation", draws=20), "index")[0] == pytest.approx(0, abs=0.01)
        before = analysis.mismatch_course(run, "hidden")
        assert float(before.sel(lag=slice(None, -1)).max()) < 0.6
        assert before["lag"].values.tolist() == [-600, -450, -300, -150, 0, 150, 300, 450]


def test_responses_that_are_all_the_same_in_the_control_have_no_slope():
    """By rounding, the mean of seven times 0.1 is not 0.1; over two stimuli with other controls there is a slope."""
    block, stimulus = np.repeat(["standard", "control-1"], 4), np.tile(["halt", "halt", "omission", "omission"], 2)
    values = np.random.default_rng(0).normal(size=(8, 7))
    values[block == "control-1"] = 0.1
    shown = {"block": ("trial", block), "stimulus": ("trial", stimulus)}
    found = analysis.mismatch(xr.DataArray(values, shown, ("trial", "unit")), draws=20)
    assert np.isnan(at(found, "slope")).all()
    assert np.isfinite(at(found, "index")).all()
    values[6:] = 0.3
    found = analysis.mismatch(xr.DataArray(values, shown, ("trial", "unit")), draws=20)
    assert np.isnan(at(found, "slope", "halt")).all()
    rise = values[2:4].mean() - values[:2].mean()
    assert at(found, "slope")[0] == pytest.approx(rise / 0.2)


def test_the_number_is_that_of_the_trials_that_are_compared():
    """The fewest behind a mean; blocks that are not compared do not count."""
    shown = {
        ("standard", "orientation_0"): 9,
        ("standard", "halt"): 40,
        ("control-1", "orientation_0"): 35,
        ("control-1", "halt"): 31,
        ("control-2", "orientation_22.5"): 2,
    }
    block, stimulus = (np.repeat([cell[place] for cell in shown], list(shown.values())) for place in (0, 1))
    values = np.random.default_rng(0).normal(size=(len(block), 3))
    responses = xr.DataArray(
        values, {"block": ("trial", block), "stimulus": ("trial", stimulus)}, ("trial", "unit"), name="responses"
    )
    usual = analysis.adaptation_and_deviance(responses, draws=20)
    assert {name: usual.attrs[name] for name in ("number", "over", "interval")} == {
        "number": 9,
        "over": "trial",
        "interval": "t",
    }
    rare = analysis.mismatch(responses.isel(trial=(stimulus == "halt") | (block == "control-2")), draws=20)
    assert (rare.attrs["number"], rare.attrs["interval"]) == (31, "bootstrap")
    means = analysis.mismatch_means(responses, draws=20)
    assert (means.attrs["number"], means.attrs["over"]) == (2, "trial")
    assert analysis.mismatch_means([responses, responses], draws=20).attrs["number"] == 2


def test_the_recipe_prints_numbers_and_draws_every_context(known, tmp_path, monkeypatch, capsys):
    recipes = Path(__file__).parents[1] / "analysis"
    monkeypatch.syspath_prepend(recipes)
    monkeypatch.setattr(sys, "argv", ["mismatch", *map(str, known), "--out", str(tmp_path / "figure.svg")])
    runpy.run_path(str(recipes / "mismatch.py"), run_name="__main__")
    *numbers, drawn = capsys.readouterr().out.splitlines()
    assert "error: mean and 95 % interval over 2 runs" in numbers
    assert any(line.startswith("repetition_5") for line in numbers)
    assert {"sensorim.", "fatigue of the input", "deviance index", "slope 1.50"} <= set(texts(drawn))
