"""Attributes of another kind than runs write are refused by name, wherever they are read."""

import re

import matplotlib.pyplot as plt
import netCDF4
import numpy as np
import pytest
import xarray as xr
from conftest import circuit_text, description
from test_experiment_analysis import MADE, lesion, responses

import neuro_mpc as nm
from neuro_mpc import analysis
from neuro_mpc.plots import FIGURES
from neuro_mpc.runfile.attributes import KINDS, attribute
from neuro_mpc.runfile.record import RunFile


@pytest.fixture
def changed(tmp_path):
    """A run file of an experiment, some of whose attributes are replaced, or removed where they are None."""
    opened = []

    def change(results, place, **attributes):
        path = tmp_path / "run.nc"
        circuit = description("example", circuit_text(["hidden"], 8, 8, 4, "softmax"))
        with RunFile(
            path, circuit=circuit, protocol=description("made", ""), seed=0, backend="numpy", threads=1
        ) as file:
            file.experiment(results)
        with netCDF4.Dataset(path, "a") as file:
            owner = file[place] if place else file
            for name, value in attributes.items():
                owner.delncattr(name) if value is None else owner.setncattr(name, value)
        opened.append(nm.open_run(path))
        return opened[-1]

    yield change
    for run in opened:
        run.close()
    plt.close("all")


NO_TEXT, NO_NUMBER = "'7', not a text", "'soon', not a"
CASES = [
    ("kind", 7, lambda run: analysis.experiment(run), "oddball", NO_TEXT),
    ("kind", None, lambda run: analysis.experiment(run, "oddball"), "oddball", "missing, not a text"),
    ("onset", "soon", lambda run: analysis.by_window(run), "oddball", f"{NO_NUMBER} whole number"),
    ("onset", np.array([1, 2]), lambda run: FIGURES["oddball"](run), "oddball", "not a whole number"),
    ("onset", None, lambda run: FIGURES["omission"](run), "omission", "missing, not a whole number"),
    ("chance", "soon", lambda run: analysis.lesion_curves(run), "lesion", f"{NO_NUMBER} number"),
    ("chance_loss", None, lambda run: FIGURES["lesion"](run), "lesion", "missing, not a number"),
    ("counted", 7, lambda run: FIGURES["lesion"](run), "lesion", NO_TEXT),
    ("noise", "soon", lambda run: analysis.ensembles(run), "ensemble", f"{NO_NUMBER} number"),
    ("mean_weights", None, lambda run: FIGURES["ensemble"](run), "ensemble", "missing, not a number"),
    ("transitions", "soon", lambda run: FIGURES["generation"](run), "generation", f"{NO_NUMBER[:-2]} whole numbers"),
    ("transitions", np.array([0.5]), lambda run: FIGURES["generation"](run), "generation", "not whole numbers"),
    ("symbols", 7, lambda run: FIGURES["generation"](run), "generation", NO_TEXT),
]


@pytest.mark.parametrize(("name", "value", "use", "made", "told"), CASES)
def test_an_attribute_of_another_kind_is_refused_with_its_file_and_what_is_expected(
    changed, tmp_path, name, value, use, made, told
):
    run = changed(MADE[made](), "experiment", **{name: value})
    with pytest.raises(nm.RunFileError) as caught:
        use(run)
    text = str(caught.value)
    assert str(tmp_path / "run.nc") in text
    assert re.search(rf"the attribute {name}( of experiment)? is .*{told}", text)


@pytest.mark.parametrize(
    ("meanings", "told"),
    [
        (7, "the attribute flag_meanings of condition is '7', not a text"),
        ("one", "condition does not number the 1 names in its flag_meanings"),
    ],
)
def test_names_that_cannot_be_told_from_their_numbers_are_refused(changed, meanings, told):
    with pytest.raises(nm.RunFileError, match=told):
        analysis.responses(changed(responses("oddball"), "experiment/condition", flag_meanings=meanings))


def test_attributes_of_the_root_are_refused_likewise(changed):
    run = changed(lesion(), "", complete="soon")
    with pytest.raises(nm.RunFileError, match="the attribute complete is 'soon', not a whole number"):
        nm.report(run)
    del run.attrs["circuit"]
    with pytest.raises(nm.RunFileError, match="the attribute circuit is missing, not a text"):
        analysis.surprise(run)
    run.attrs["circuit"] = "name = ["
    with pytest.raises(nm.RunFileError, match="the circuit in .* is no TOML"):
        analysis.surprise(run)


def test_a_run_in_memory_is_refused_likewise():
    run = xr.DataTree.from_dict({"/experiment": lesion().assign_attrs(chance="low")})
    with pytest.raises(nm.RunFileError, match="this run: the attribute chance is 'low', not a number"):
        analysis.lesion_curves(run)


SOUND = {
    "a text": ["", "a"],
    "a number": [1, 0.5, np.float32(2), np.int64(3)],
    "a whole number": [1, np.int32(2), "3", "-4"],
    "whole numbers": [1, np.int64(2), [1, 2], np.array([3, 4])],
}


@pytest.mark.parametrize("name", KINDS)
def test_what_runs_write_is_read_as_it_is(name):
    for value in SOUND[KINDS[name].expected]:
        found = attribute(xr.Dataset(attrs={name: value}), name)
        assert np.array_equal(found, int(value) if KINDS[name].expected == "a whole number" else value)
