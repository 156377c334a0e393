"""The onset of learning: curves whose onset and exponent are known, and the recipe that draws them."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from drawn import texts

import neuro_mpc as nm
from neuro_mpc.analysis import by_load, onset, power_law

LOADS = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0])


def curve(parameters, spread=0.0, seeds=5, loads=LOADS, rng=1):
    noise = spread * np.random.default_rng(rng).normal(size=(len(loads), seeds))
    values = power_law(loads, *parameters)[:, None] + noise
    return xr.DataArray(values, {"load": loads, "seed": range(seeds)}, ("load", "seed"))


@pytest.mark.parametrize(
    "parameters",
    [
        (0.0769, 0.4, 0.15, 1.0),
        (0.07, 0.5, 0.25, 0.5),
        (0.0689, 0.9, 0.02, 1.149),
        (0.2, 0.3, 0.33, 2.0),
    ],
)
def test_a_curve_without_noise_is_found_again(parameters):
    found = onset(curve(parameters), below=10, draws=5)
    np.testing.assert_allclose(found["value"], parameters, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(found["low"], found["high"], atol=5e-3)


def test_what_lies_above_the_window_does_not_count():
    parameters = (0.07, 0.4, 0.15, 1.3)
    values = curve(parameters)
    values[values["load"] > 0.7] = 1.0  # saturated
    found = onset(values, below=0.5, draws=5)
    assert found["load"].max() == 0.6
    np.testing.assert_allclose(found["value"], parameters, rtol=5e-3, atol=2e-3)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    parameters = (0.08, 0.4, 0.2, 1.0)
    held = np.zeros(4)
    for number in range(10):
        found = onset(curve(parameters, 0.01, seeds=12, rng=number), below=1, draws=60)
        held += (found["low"].values <= parameters) & (found["high"].values >= parameters)
    assert (held >= 7).all()  # 95 % of 10 are 9.5; fewer than 7 would come up once in a thousand times


def test_intervals_shrink_with_the_noise_and_hold_the_value():
    wide, narrow = (onset(curve((0.08, 0.4, 0.2, 1.0), noise), below=1, draws=60) for noise in (0.02, 0.002))
    assert ((narrow["high"] - narrow["low"]) < (wide["high"] - wide["low"])).all()
    for found in (wide, narrow):
        assert ((found["low"] <= found["value"]) & (found["value"] <= found["high"])).all()


def test_a_flat_curve_has_no_amplitude():
    found = onset(curve((0.08, 0.0, 0.2, 1.0)), draws=5)
    assert float(found["value"].sel(parameter="amplitude")) == pytest.approx(0)
    assert float(found["value"].sel(parameter="offset")) == pytest.approx(0.08)


def test_order_of_loads_and_dimensions_does_not_matter():
    values = curve((0.08, 0.4, 0.2, 1.0), 0.01)
    mixed = values.isel(load=np.random.default_rng(0).permutation(len(LOADS))).transpose("seed", "load")
    xr.testing.assert_allclose(onset(values, draws=20), onset(mixed, draws=20))


def test_missing_runs_are_left_out():
    values = curve((0.08, 0.4, 0.2, 1.0))
    values[3, 1], values[5] = np.nan, np.nan
    found = onset(values, below=1, draws=20)
    assert 0.4 not in found["load"]
    np.testing.assert_allclose(found["value"], (0.08, 0.4, 0.2, 1.0), atol=3e-3)


def test_too_few_loads_are_refused():
    with pytest.raises(nm.NeuroMPCError, match="need 5 loads with means below 0.1, and there are 4"):
        onset(curve((0.05, 0.4, 0.08, 1.0)), below=0.1)


def test_by_load_is_mean_deviation_and_interval_of_the_mean():
    values = curve((0.1, 0.5, 0.2, 1.0), 0.05, seeds=400)
    found = by_load(values)
    np.testing.assert_allclose(found["mean"], values.mean("seed"))
    np.testing.assert_allclose(found["deviation"], values.std("seed", ddof=1))
    np.testing.assert_allclose(found["high"] - found["low"], 2 * 1.96 * found["deviation"] / 20, rtol=0.1)


def test_by_load_of_missing_runs():
    values = curve((0.1, 0.5, 0.2, 1.0), 0.05)
    values[0], values[1, 1:] = np.nan, np.nan
    found = by_load(values)
    assert found["runs"].values.tolist()[:3] == [0, 1, 5]
    assert np.isnan(found["mean"][0])
    assert np.isnan(found["deviation"][1])
    assert float(found["mean"][1]) == float(values[1, 0])
    assert found["low"][:2].isnull().all()
    assert found["high"][:2].isnull().all()


def test_by_load_of_few_seeds_has_students_intervals():
    found = by_load(curve((0.1, 0.5, 0.2, 1.0), 0.05, seeds=3))
    np.testing.assert_allclose(found["high"] - found["mean"], 4.302653 / np.sqrt(3) * found["deviation"], rtol=1e-6)


def test_an_onset_of_one_seed_has_no_interval():
    found = onset(curve((0.1, 0.5, 0.2, 1.0), seeds=1), below=10, draws=5)
    assert found["value"].notnull().all()
    assert found["low"].isnull().all()
    assert found["high"].isnull().all()


def recipe(monkeypatch, *arguments):
    folder = Path(__file__).parents[1] / "analysis"
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "argv", ["data_load", *map(str, arguments)])
    runpy.run_path(str(folder / "data_load.py"), run_name="__main__")


def test_the_recipe_prints_and_draws_sweeps(tmp_path, monkeypatch, capsys):
    for name, settings in {
        "growing": {"learning.epochs": 100},
        "fixed": {"learning.presentations": 200},
    }.items():
        ratio = curve((0.08, 0.6, 0.1, 1.0), 0.001)
        found = xr.Dataset({"correct_letter_ratio": ratio, "complete": xr.ones_like(ratio, int)})
        found.attrs["protocol"] = nm.load_protocol("toy-language", settings).to_toml()
        (tmp_path / name).mkdir()
        found.to_netcdf(tmp_path / name / "sweep.nc")
    recipe(
        monkeypatch,
        tmp_path / "growing",
        tmp_path / "fixed" / "sweep.nc",
        "--draws",
        20,
        "--out",
        tmp_path / "figure.svg",
    )
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if line.startswith("| toy-language, exact rule, ")]
    assert ["100 epochs" in lines[0], "200 updates" in lines[1]] == [True, True]
    assert all(line.split("|")[4].strip().startswith("0.1") for line in lines)  # the onset
    assert "| paper | 0.0689 | 2.1 | 0.02 | 1.149 |" in printed
    assert {"data load: strings per hidden unit", "correct letter ratio", "chance"} <= texts(tmp_path / "figure.svg")


def test_the_recipe_refuses_what_is_no_sweep_over_load(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        recipe(monkeypatch, tmp_path, "--out", tmp_path / "figure.png")
    assert "sweep.nc is not there" in capsys.readouterr().err
