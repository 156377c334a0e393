"""The figure of a trial: everything that was clamped, and the inputs of compartments."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from in_process import started
from matplotlib.colors import to_hex

import neuro_mpc as nm
from neuro_mpc.networks import launch
from neuro_mpc.plots import FIGURES, clamped, style

STEPS, TRIALS = 5, 8


def point(source, target, **more):
    return {"from": source, "to": target, "synapse": "point", **more}


CIRCUIT = nm.Circuit(
    name="two-of-each",
    population={
        "seen": {"role": "stimulus"},
        "heard": {"role": "stimulus"},
        "hidden": {"size": 6, "prediction": "sigmoid(gate)*before + (1 - sigmoid(gate))*tanh(input)"},
        "place": {"role": "target", "readout": "gaussian"},
        "choice": {"role": "target"},
    },
    projection={
        "seen": point("seen", "hidden"),
        "heard": point("heard", "hidden", compartment="gate"),
        "place": point("hidden", "place"),
        "choice": point("hidden", "choice"),
    },
)


def simulated(**tables):
    rng = np.random.default_rng(0)
    choice = np.tile(np.arange(STEPS) % 3, (TRIALS, 1))
    choice[:, 2] = -1  # is not told
    data = {
        "seen": rng.standard_normal((TRIALS, STEPS, 4)),
        "heard": rng.standard_normal((TRIALS, STEPS, 1)),
        "place": rng.standard_normal((TRIALS, STEPS, 2)),
        "choice": choice,
    }
    protocol = nm.Protocol(
        name="both",
        stimulus={"source": "arrays", "validation": 0.25, "test": 0.25},
        target={"read": "every"},
        learning={"rate": 0.01, "batch": TRIALS // 2, "presentations": 1},
        **{"recording": {"samples": [-1]}, **tables},
    )
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one presentation teaches nothing
        patch.setattr(launch, "start", started)
        return nm.simulate(CIRCUIT, protocol, data=data, backend="numpy")


@pytest.fixture(scope="module")
def run():
    return simulated()


@pytest.fixture(scope="module")
def trajectory():
    """The run in time, with every iteration."""
    return simulated(
        inference={"scheme": "relaxation", "iterations": 3, "step_duration": 50},
        recording={"samples": [-1], "trajectory": True},
    )


@pytest.fixture(scope="module")
def rows(run):
    """The panels of the figure, row by row."""
    with style.applied():
        (page,) = FIGURES["traces"](run)
        panels = [axes for axes in page.axes if axes.get_label() != "<colorbar>"]
    return np.array(panels).reshape(-1, 4)


def headings(panels):
    return [text.get_text() for axes in panels for text in axes.texts if len(text.get_text()) > 1]


def lines(axes):
    return {line.get_label(): line.get_ydata() for line in axes.lines}


def test_each_stimulus_and_target_has_a_row(run, rows):
    assert headings(rows[0]) == ["stimulus", "place (a.u.)", "place error"]
    assert headings(rows[1]) == ["stimulus", "choice probability", "choice error"]
    assert rows[0, 0].get_ylabel() == "seen unit"
    assert rows[1, 0].get_ylabel() == "heard (a.u.)"
    shown = run["stimulus"].dataset.isel(sample=0, trial=0)
    np.testing.assert_array_equal(rows[0, 0].images[0].get_array(), shown["stimulus"].values.T)
    np.testing.assert_array_equal(rows[1, 0].lines[0].get_ydata(), shown["stimulus_heard"].values[:, 0])
    outputs = {name: run[f"neural/{name}"].dataset["output"].isel(sample=0, trial=0) for name in ("place", "choice")}
    for row, output in zip(rows, outputs.values()):
        np.testing.assert_array_equal(row[1].images[0].get_array(), output.values.T)


def test_a_class_that_is_not_told_is_not_shown(run, rows):
    ringed = rows[1, 1].lines[0]
    assert list(ringed.get_xdata()) == [0, 1, 3, 4]
    assert list(ringed.get_ydata()) == [0, 1, 0, 1]
    output = run["neural/choice"].dataset["output"].isel(sample=0, trial=0).values
    of_target = lines(rows[1, 3])["of the target"]
    assert np.isnan(of_target[2])
    np.testing.assert_array_equal(of_target[[0, 1, 3, 4]], output[[0, 1, 3, 4], [0, 1, 0, 1]])


@pytest.mark.parametrize(
    ("wanted", "softmax", "dark"),
    [([0, 1, 0], True, [1]), ([0, 0, 0], True, []), ([np.nan] * 3, True, []), ([0.5, -1, np.nan], False, [])],
)
def test_of_what_is_read_once_the_class_is_dark_and_values_are_marked(wanted, softmax, dark):
    output = xr.DataArray([[0.2, 0.5, 0.3]], {"step": [4]}, ("step", "unit"))
    with style.applied():
        figure = style.new_figure(4, 2)
        panels = figure.subplots(1, 3)
        clamped.plot_target(panels, output.copy(data=[wanted]), xr.Dataset({"output": output}), "", softmax)
    bars = panels[0].patches
    np.testing.assert_array_equal([bar.get_height() for bar in bars], output[0])
    assert [place for place, bar in enumerate(bars) if to_hex(bar.get_facecolor()) == style.OUTPUT.lower()] == dark
    marks = [line.get_ydata() for line in panels[0].lines if line.get_marker() == "_"]
    np.testing.assert_array_equal(marks, [] if softmax else [wanted])
    told = ["unit of the target", "other units"] if softmax else ["output", "target"]
    assert [text.get_text() for text in panels[2].get_legend().get_texts()] == told


def test_compartments_follow_their_population(run, rows):
    assert headings(rows[2]) == ["belief (a.u.)", "prediction (a.u.)", "error (a.u.)"]
    assert headings(rows[3]) == ["input (a.u.)", "gate (a.u.)"]
    assert not rows[3, 2].axison
    traces = run["neural/hidden"].dataset.isel(sample=0, trial=0)
    unit = int(traces["belief"].std("step").argmax("unit"))
    assert {rows[row, 3].get_ylabel() for row in (2, 3)} == {f"unit {unit} (a.u.)"}
    for name, variable in {"input": "input", "gate": "input_gate"}.items():
        np.testing.assert_array_equal(lines(rows[3, 3])[name], traces[variable].isel(unit=unit).values)


def test_energies_of_all_targets_have_their_colour_and_each_its_own_line(trajectory):
    with style.applied():
        (page,) = FIGURES["inference"](trajectory)
    looks = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in page.axes[0].lines}
    assert {name: looks[name][0] for name in ("hidden", "place", "choice")} == {
        "hidden": style.ERROR,
        "place": style.OUTPUT,
        "choice": style.OUTPUT,
    }
    assert looks["place"][1] != looks["choice"][1]


def test_times_of_steps_stand_apart(trajectory):
    with style.applied():
        pages = FIGURES["traces"](trajectory)
        for page in pages:
            page.draw_without_rendering()
            for axes in (each for each in page.axes if each.get_xlabel() == "time (ms)"):
                first, last = axes.get_xlim()
                labels = [label for label in axes.get_xticklabels() if first <= label.get_position()[0] <= last]
                assert [label.get_text() for label in labels] == ["0", "100", "200"]
                boxes = [label.get_window_extent() for label in labels]
                assert all(left.x1 + left.height < right.x0 for left, right in pairwise(boxes))
    assert pages


def test_of_many_projections_markers_leave_room_for_dashes():
    for index in range(24):
        look = style.projection_style(index, 800)
        assert look["markevery"] == 100
        assert style.projection_style(index, 5)["markevery"] == 1
    names = {tuple(look.items()) for look in map(style.projection_style, range(24))}
    assert len(names) == 24
