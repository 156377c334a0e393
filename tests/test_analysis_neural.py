"""Measures of neural traces against cases whose answer is known in closed form."""

import subprocess
import sys
import tomllib
import tracemalloc

import numpy as np
import pytest
import xarray as xr
from analysed import neural_run

import neuro_mpc as nm
from neuro_mpc import analysis
from neuro_mpc.descriptions.toml_text import to_toml
from neuro_mpc.errors import RunFileError

STEPS, TRIALS, CLASSES = 3, 4, 2


def one_hot(numbers, classes):
    return np.eye(classes)[numbers]


def target(steps=STEPS, trials=TRIALS, classes=CLASSES):
    return one_hot(np.arange(steps * trials).reshape(steps, trials) % classes, classes)


def predicted(logits, shown):
    """The traces of a softmax population with these logits."""
    output = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return {"prediction": logits, "output": output, "error": shown - output}


def observed(values):
    """(…, unit) as a DataArray of observations."""
    return xr.DataArray(np.asarray(values, float), dims=("trial", "unit"))


def symbols(numbers, names=""):
    return xr.DataArray(np.asarray(numbers), dims="trial", attrs={"symbols": names})


def test_a_trajectory_ends_with_its_last_iteration():
    belief = np.full((5, STEPS, TRIALS, 2), np.nan)
    belief[:3] = np.arange(3.0)[:, None, None, None]
    run = neural_run({"hidden": {"belief": belief}}, target())
    traces = analysis.traces(run, "hidden")
    assert traces["belief"].dims == ("iteration", "step", "trial", "unit")
    np.testing.assert_array_equal(traces["iteration"], [0, 1, 2])
    assert (analysis.settled(traces)["belief"] == 2).all()


def test_trials_that_a_smaller_batch_lacks_are_left_out():
    belief = np.ones((STEPS, TRIALS, 2))
    belief[:, 3] = np.nan
    run = neural_run({"hidden": {"belief": belief}}, target())
    assert analysis.traces(run, "hidden").sizes["trial"] == 3


def test_a_profile_is_the_root_mean_square_or_the_mean_over_the_rest():
    step, unit = np.arange(3.0)[:, None, None], np.array([1.0, -1.0])
    run = neural_run({"hidden": {"belief": step * unit * np.ones((1, TRIALS, 1))}}, target())
    traces = analysis.traces(run, "hidden")
    np.testing.assert_allclose(analysis.profile(traces, "step")["belief"], [0, 1, 2])
    np.testing.assert_allclose(analysis.profile(traces, "step", "mean")["belief"], [0, 0, 0])
    np.testing.assert_allclose(analysis.profile(traces, "unit", "mean")["belief"], [1, -1])
    assert analysis.profile(traces, ("step", "unit"))["belief"].dims == ("step", "unit")


def test_energy_along_inference_is_half_the_squared_error_and_the_cross_entropy():
    shown, iteration = target(), np.arange(4)[:, None, None, None]
    error = iteration * np.ones((1, STEPS, TRIALS, 5))
    output = {"prediction": 1000 * shown * (iteration == 3)}  # beyond what the exponential can hold
    run = neural_run({"hidden": {"error": error}, "output": output}, shown)
    energy = analysis.inference_energy(run)
    assert energy.dims == ("population", "iteration", "step")
    for step in range(STEPS):
        np.testing.assert_allclose(energy.sel(population="hidden", step=step), 2.5 * np.arange(4) ** 2)
        np.testing.assert_allclose(energy.sel(population="output", step=step), [np.log(2)] * 3 + [0])


def test_populations_that_were_not_recorded_are_missed_in_the_total_of_the_energy():
    shown = target()
    error = {"error": np.ones((2, STEPS, TRIALS, 5))}
    whole = neural_run({"hidden": error, "output": {"prediction": np.zeros((2, *shown.shape))}}, shown)
    assert analysis.inference_energy(whole).attrs["unrecorded"] == ""
    assert analysis.inference_energy(neural_run({"hidden": error}, shown)).attrs["unrecorded"] == "output"


def test_energy_of_a_gaussian_read_out_at_the_last_step():
    shown = target(steps=1)
    traces = {"output": np.zeros((2, 1, TRIALS, CLASSES)), "error": np.zeros((2, 1, TRIALS, CLASSES))}
    hidden = {"error": np.ones((2, STEPS, TRIALS, 1))}
    run = neural_run({"hidden": hidden, "output": traces}, shown, readout="gaussian")
    energy = analysis.inference_energy(run)
    np.testing.assert_allclose(energy.sel(population="output", step=STEPS - 1), 0.5)
    assert energy.sel(population="output", step=0).isnull().all()
    np.testing.assert_allclose(energy.sel(population="hidden"), 0.5)


def test_energy_along_inference_is_the_free_energy_of_the_run():
    """With precisions that are constant or learned, two targets, and targets that are missing."""
    rng = np.random.default_rng(0)
    learned = {"learned": "unit", "initial": 3.0, "high": 100.0}
    circuit = nm.Circuit(
        name="weighed",
        population={
            "x": nm.Population(role="stimulus"),
            "hidden": nm.Population(size=4, precision=learned),
            "upper": nm.Population(size=3, precision=5.0),
            "y": nm.Population(role="target", readout="gaussian", precision=2.0),
            "c": nm.Population(role="target", precision=0.5),
        },
        projection={
            name: nm.Projection(source=source, target=target, synapse="gaussian")
            for name, source, target in (
                ("in", "x", "hidden"),
                ("up", "hidden", "upper"),
                ("out", "upper", "y"),
                ("which", "upper", "c"),
            )
        },
    )
    values = rng.standard_normal((40, 3, 2))
    values[::3, 1, 0] = np.nan
    protocol = nm.Protocol(
        name="weighed",
        stimulus=nm.stimuli.Arrays(),
        target={"read": "every"},
        inference={"scheme": "relaxation", "iterations": 6, "rate": 0.05},
        learning={"rate": 0.3, "batch": 8, "presentations": 4},
        recording={"samples": [0, 3], "trials": 0, "trajectory": True},
        test={"every": 0},
    )
    data = {"x": rng.standard_normal((40, 3, 2)), "y": values, "c": rng.integers(0, 3, (40, 3))}
    with pytest.warns(UserWarning, match="does worse"):
        run = nm.simulate(circuit, protocol, data=data, backend="numpy")
    for sample, presentation in enumerate((0, 3)):
        energy = analysis.inference_energy(run, sample).sum(("population", "step"))
        for iteration, name in ((0, "free_energy_start"), (-1, "free_energy")):
            expected = run["learning"][name][presentation]
            np.testing.assert_allclose(energy[iteration], expected, rtol=1e-5, err_msg=f"{name}, {presentation}")
    # What learning ends with, where that is an earlier state, is no precision of the presentations after it.
    precisions = run["precision/hidden"].to_dataset()
    run["precision/hidden"] = xr.DataTree(xr.concat([precisions, precisions.isel(snapshot=[0])], "snapshot"))
    xr.testing.assert_equal(analysis.inference_energy(run, 1).sum(("population", "step")), energy)


def test_of_several_targets_the_first_with_classes_has_the_symbols():
    run = neural_run({"hidden": {"rate": np.ones((STEPS, TRIALS, 1))}}, target(), readout="gaussian")
    with pytest.raises(RunFileError, match=r"output, has no symbols: its read-out is gaussian"):
        analysis.labels(run)
    tables = tomllib.loads(run.attrs["circuit"])
    tables["population"]["choice"] = {"role": "target", "readout": "softmax"}
    run.attrs["circuit"] = to_toml(tables)
    chosen = np.arange(TRIALS) % 3
    dimensions = ("sample", "target_step_choice", "trial", "target_unit_choice")
    shown = run["stimulus"].to_dataset()
    run["stimulus"] = xr.DataTree(shown.assign(target_choice=(dimensions, one_hot(chosen, 3)[None, None])))
    np.testing.assert_array_equal(analysis.labels(run), np.tile(chosen, (STEPS, 1)))


def test_stimuli_of_many_dimensions_take_no_more_memory_than_they_have():
    run = neural_run({"hidden": {"rate": np.ones((STEPS, TRIALS, 1))}}, target())
    shown = np.ones((1, STEPS, TRIALS, 200), np.float32)
    variables = {f"stimulus_{name}": (("sample", "step", "trial", f"unit_{name}"), shown) for name in "abc"}
    run["stimulus"] = xr.DataTree(run["stimulus"].to_dataset().assign(variables))
    tracemalloc.start()
    found = analysis.labels(run)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.sizes["trial"] == TRIALS
    assert peak < 3e6  # their product has a hundred million entries


def test_components_of_a_plane_are_the_plane():
    rng = np.random.default_rng(0)
    axes, _ = np.linalg.qr(rng.normal(size=(6, 2)))
    states = rng.normal(size=(40, 5, 2)) * [5, 1]
    states -= states.mean((0, 1))
    values = xr.DataArray(states @ axes.T + np.arange(6), dims=("step", "trial", "unit"))
    found = analysis.principal_components(values)
    assert found["explained"].sel(component=[1, 2]).sum() == pytest.approx(1)
    assert found["explained"][2] == pytest.approx(0, abs=1e-12)
    plane = found["loading"].sel(component=[1, 2]).values
    np.testing.assert_allclose(plane.T @ plane, axes @ axes.T, atol=1e-10)
    again = (found["score"] * found["loading"]).sum("component") + found["mean"]
    np.testing.assert_allclose(again.transpose(*values.dims), values, atol=1e-10)
    np.testing.assert_allclose(
        (found["score"] ** 2).sum(("step", "trial"))[:2] / states.size * 2,
        np.linalg.eigvalsh(np.cov(states.reshape(-1, 2).T, bias=True))[::-1],
    )
    assert (found["loading"].max("unit") == abs(found["loading"]).max("unit")).all()


def test_components_leave_missing_states_out():
    values = observed([[1, 0], [-1, 0], [np.nan, 0]])
    found = analysis.principal_components(values)
    np.testing.assert_allclose(found["score"].sel(component=1), [1, -1, np.nan])
    assert found["explained"][0] == 1


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_what_rounding_leaves_of_a_constant_has_no_component(precision):
    values = observed(np.full((7, 3), 0.1)).astype(precision)
    found = analysis.principal_components(values)
    np.testing.assert_array_equal(found["explained"], 0)
    np.testing.assert_array_equal(found["score"], 0)
    values[:, 1] = np.arange(7)
    found = analysis.principal_components(values)
    assert found["explained"][0] == 1
    np.testing.assert_array_equal(found["loading"][0], [0, 1, 0])


def test_a_one_hot_unit_is_selective_and_a_constant_one_is_not():
    numbers = np.repeat(np.arange(4), 5)
    values = np.column_stack([numbers == 2, np.ones(20), np.zeros(20), -3.0 * (numbers == 1)])
    found = analysis.tuning(observed(values), symbols(numbers, "a\nb\nc\nd"))
    np.testing.assert_allclose(found["explained"], [1, 0, 0, 1])
    np.testing.assert_allclose(found["sparseness"], [1, 0, np.nan, 1], atol=1e-12)
    assert list(found["name"].values[found["preferred"]])[::3] == ["c", "b"]
    np.testing.assert_allclose(found["response"][0], [0, 0, 1, 0])
    np.testing.assert_array_equal(found["count"], [5, 5, 5, 5])


def test_a_unit_with_a_missing_value_has_no_explained_share_and_no_preference():
    values = np.array([[1.0, 1.0], [np.nan, 1.0], [2.0, 2.0], [2.0, 2.0]])
    found = analysis.tuning(observed(values), symbols(np.array([0, 0, 1, 1]), "a\nb"))
    assert np.isnan(found["explained"][0])
    assert found["explained"][1] == 1
    assert np.isnan(found["sparseness"][0])
    assert found["preferred"].values.tolist() == [-1, 1]


def test_the_explained_share_is_that_of_signal_and_noise_and_none_for_noise_alone():
    rng = np.random.default_rng(0)
    numbers = np.arange(60_000) % 3
    noise = rng.normal(size=(60_000, 1))
    signal = np.array([-1.0, 0.0, 1.0])[numbers][:, None]
    found = analysis.tuning(observed(signal + noise), symbols(numbers))
    assert float(found["explained"][0]) == pytest.approx((2 / 3) / (2 / 3 + 1), abs=0.01)
    few = analysis.tuning(observed(rng.normal(size=(30, 4000))), symbols(np.arange(30) % 10))
    assert float(few["explained"].mean()) == pytest.approx(0, abs=0.01)


def test_symbols_that_never_come_are_left_out():
    found = analysis.tuning(observed([[1], [2], [3]]), symbols([4, 4, 7]))
    np.testing.assert_array_equal(found["symbol"], [4, 7])
    np.testing.assert_allclose(found["response"][0], [1.5, 3])


def test_selectivity_reads_the_symbols_of_stimulus_and_target():
    shown = target()
    stimulus = one_hot((np.arange(STEPS * TRIALS).reshape(STEPS, TRIALS) // 2) % 2, 2)
    run = neural_run({"hidden": {"rate": shown, "error": stimulus}}, shown, stimulus)
    np.testing.assert_allclose(analysis.selectivity(run, "hidden")["explained"], 1)
    np.testing.assert_array_equal(analysis.selectivity(run, "hidden")["preferred"], [0, 1])
    errors = analysis.selectivity(run, "hidden", "error", of="stimulus")
    np.testing.assert_allclose(errors["response"], np.eye(2))
    assert analysis.selectivity(run, "hidden", steps=[0])["count"].sum() == TRIALS


def test_the_class_of_a_trial_holds_at_every_step():
    shown = target(steps=1)
    run = neural_run({"hidden": {"rate": np.ones((STEPS, TRIALS, 1))}}, shown)
    np.testing.assert_array_equal(analysis.labels(run), np.tile([0, 1, 0, 1], (STEPS, 1)))
    with pytest.raises(RunFileError, match='of="target"'):
        analysis.labels(run, "stimulus")


@pytest.mark.parametrize("missing", [0, np.nan])
def test_a_step_without_a_target_has_no_symbol_and_no_surprise(missing):
    """Beyond the end of a short sequence, or where none is asked for, no unit is the target."""
    shown = target().astype(float)
    shown[-1, 0] = missing
    output = np.full(shown.shape, 1 / shown.shape[-1])
    error = np.random.default_rng(0).normal(size=shown.shape)
    run = neural_run({"hidden": {"rate": shown, "error": error}, "output": {"output": output}}, shown)
    assert (analysis.labels(run) == -1).values.nonzero() == (STEPS - 1, 0)
    surprise = analysis.surprise(run)
    np.testing.assert_array_equal(np.isnan(surprise), analysis.labels(run) == -1)
    np.testing.assert_allclose(surprise.values[0], np.log(shown.shape[-1]))
    assert analysis.selectivity(run, "hidden")["symbol"].values.tolist() == [0, 1]
    assert analysis.selectivity(run, "hidden")["count"].sum() == STEPS * TRIALS - 1
    found = analysis.error_by_surprise(run, "hidden")
    assert found["count"].sum() == STEPS * TRIALS - 1
    assert np.isfinite(found["mean_surprise"]).all()


def test_values_that_are_missing_surprise_nobody_and_values_of_zero_do():
    shown = np.ones((STEPS, TRIALS, 2))
    shown[0], shown[1, :, 0], shown[2] = np.nan, np.nan, 0
    output = np.full(shown.shape, 3.0)
    error = np.where(np.isnan(shown), 0, shown - output)
    run = neural_run({"output": {"output": output, "error": error}}, shown, readout="gaussian")
    surprise = analysis.surprise(run).values
    assert np.isnan(surprise[0]).all()
    np.testing.assert_allclose(surprise[1:], np.repeat([[2.0], [9.0], *[[4.0]] * (STEPS - 3)], TRIALS, axis=1))
    found = analysis.error_by_surprise(run, "output", bins=1)
    assert found["count"].values == (STEPS - 1) * TRIALS
    np.testing.assert_allclose(found["error"][1:] ** 2 / 2, surprise[1:])


def test_surprise_is_that_of_the_prediction_before_inference():
    shown = target()
    probability = np.array([0.5, 0.1, 0.9, 1e-30])  # of the target, by trial
    odds = np.log(probability) - np.log1p(-probability)
    before = shown * odds[None, :, None]
    logits = np.stack([before, np.zeros_like(before)])
    run = neural_run({"output": predicted(logits, shown)}, shown, scheme="relaxation")
    np.testing.assert_allclose(analysis.surprise(run), np.tile(-np.log(probability), (STEPS, 1)), rtol=1e-6)
    np.testing.assert_allclose(analysis.surprise(run, after_inference=True), np.log(2))


def test_the_error_of_two_classes_is_a_known_function_of_surprise():
    rng = np.random.default_rng(0)
    shown = target(10, 200)
    traces = predicted(rng.normal(0, 2, shown.shape), shown)
    run = neural_run({"output": traces}, shown)
    found = analysis.error_by_surprise(run, "output", bins=5)
    np.testing.assert_allclose(found["error"], np.sqrt(2) * (1 - np.exp(-found["surprise"])), atol=1e-12)
    assert found.attrs["rank_correlation"] == pytest.approx(1)
    assert (found["low"] <= found["mean_error"]).all()
    assert (found["mean_error"] <= found["high"]).all()
    assert (found["mean_error"].diff("bin") > 0).all()
    assert int(found["count"].sum()) == 2000
    xr.testing.assert_identical(found, analysis.error_by_surprise(run, "output", bins=5))


def test_an_error_that_knows_nothing_of_surprise_has_a_flat_curve():
    rng = np.random.default_rng(1)
    shown = target(10, 300)
    hidden = {"error": rng.normal(size=(10, 300, 4))}
    run = neural_run({"hidden": hidden, "output": predicted(rng.normal(size=shown.shape), shown)}, shown)
    found = analysis.error_by_surprise(run, "hidden")
    assert abs(found.attrs["rank_correlation"]) < 0.05
    mean = float(found["error"].mean())
    assert ((found["low"] < mean * 1.02) & (mean * 0.98 < found["high"])).all()


def test_one_surprise_makes_one_bin():
    shown = target()
    run = neural_run({"output": predicted(np.zeros(shown.shape), shown)}, shown)
    found = analysis.error_by_surprise(run, "output")
    np.testing.assert_allclose(found["mean_surprise"], [np.log(2)])
    np.testing.assert_allclose(found["mean_error"], [np.sqrt(0.5)])
    assert np.isnan(found.attrs["rank_correlation"])


@pytest.mark.parametrize(
    ("measure", "setting"),
    [
        (lambda run: analysis.traces(run, "hidden"), "recording.samples"),
        (analysis.inference_energy, "recording.trajectory"),
        (analysis.surprise, "recording.samples"),
        (lambda run: analysis.error_by_surprise(run, "hidden"), "recording.samples"),
        (lambda run: analysis.selectivity(run, "hidden"), "recording.samples"),
        (analysis.labels, "recording.samples"),
    ],
)
def test_a_run_without_samples_is_told_the_option(example, measure, setting):
    with pytest.raises(RunFileError, match=setting):
        measure(example(presentations=3, snapshots=2, units=5, samples=False))


@pytest.mark.parametrize("scheme", ["relaxation", "momentum", "fixed-prediction"])
def test_the_setting_of_a_trajectory_turns_off_what_excludes_it(scheme):
    shown = target()
    run = neural_run({"hidden": {"error": np.ones((STEPS, TRIALS, 5))}}, shown, scheme=scheme)
    run.attrs["protocol"] += "energy_limit = 10.0\nredraw_noise = true\ntolerance = 0.0\n"
    with pytest.raises(RunFileError) as caught:
        analysis.inference_energy(run)
    settings = caught.value.hint.split(" --set ")[1:]
    assert settings == [
        "protocol.recording.samples=[-1]",
        "protocol.recording.trajectory=true",
        *([] if scheme == "relaxation" else ["protocol.inference.scheme=relaxation"]),
        "protocol.inference.energy_limit=0",
        "protocol.inference.redraw_noise=false",
    ]


def test_the_setting_of_a_population_can_be_pasted():
    shown = target()
    run = neural_run({"output": {"output": shown}}, shown)
    with pytest.raises(RunFileError) as caught:
        analysis.traces(run, "hidden")
    assert caught.value.hint.endswith("""protocol.recording.populations='["output", "hidden"]'""")


def test_what_else_was_not_recorded_is_told_with_its_option():
    shown = target()
    run = neural_run({"output": predicted(np.zeros(shown.shape), shown)}, shown, scheme="relaxation")
    with pytest.raises(RunFileError, match='"recording.trajectory": True'):
        analysis.surprise(run)
    with pytest.raises(RunFileError, match='"recording.trajectory": True'):
        analysis.profile(analysis.traces(run, "output"), "iteration")
    with pytest.raises(RunFileError, match="recording.populations"):
        analysis.traces(run, "hidden")
    with pytest.raises(RunFileError, match="did you mean 'output'"):
        analysis.traces(run, "outptu")
    with pytest.raises(RunFileError, match="'input' is a stimulus, which has no traces\n  try: run"):
        analysis.traces(run, "input")
    with pytest.raises(RunFileError, match="there is no sample 1"):
        analysis.traces(run, "output", sample=1)


def test_importing_analysis_needs_no_brian2_no_matplotlib_and_nothing_large_of_scipy():
    code = "import sys, neuro_mpc.analysis; assert not {'brian2', 'matplotlib', 'scipy.stats'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
