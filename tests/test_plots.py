"""Figures: every one for every kind of run, nothing cut off, and errors that name the option to set."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from analysed import SEQUENCE, circuit, synapses_run
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from matplotlib.text import Text

import neuro_mpc as nm
from neuro_mpc.descriptions.toml_text import to_toml
from neuro_mpc.errors import RunFileError
from neuro_mpc.plots import FIGURES, plot_run, style
from neuro_mpc.plots.learning import chance_level
from neuro_mpc.plots.sequences import ALLOWED, FORBIDDEN, GIVEN, kinds_of
from neuro_mpc.reports import results
from neuro_mpc.runfile import access

SHORT = {"presentations": 60, "snapshots": 3, "units": 12}
DIGITS = {**SHORT, "measure": "accuracy", "classes": 10, "read": "last", "generation": False}
LONG_NAME = "a-population-with-a-name-of-forty-letter"
RUNS = {
    "toy language": {"presentations": 600, "snapshots": 5},
    "rows of pixels, two snapshots": {**DIGITS, "width": 28, "steps": 28, "snapshots": 2, "measure": "perplexity"},
    "single pixels": {**DIGITS, "width": 1, "steps": 300},
    "gaussian read-out, trajectory": {
        **SHORT,
        "readout": "gaussian",
        "measure": None,
        "generation": False,
        "trajectory": 4,
    },
    "many populations": {**SHORT, "hidden": (LONG_NAME, *(f"area{k}" for k in range(2)))},
    "unfinished, one presentation": {**SHORT, "complete": False, "presentations": 1},
}


OVER_LEARNING = ("learning", "synapses", "variability", "asymmetry")
OVER_STEPS = ("traces", "profiles", "populations", "selectivity", "surprise")
# All but the circuit, where the long name has no place, and what tells nothing of populations.
NAMED = ("traces", "synapses", "variability", "asymmetry", "profiles", "populations", "selectivity", "surprise")
# Figures that what is special of a kind changes; of the other kinds all are drawn.
CHANGED = {
    "rows of pixels, two snapshots": ("circuit", *OVER_LEARNING),
    "single pixels": OVER_STEPS,
    "many populations": NAMED,
    "unfinished, one presentation": OVER_LEARNING,
}


def drawable(options):
    needed = {"sequences": options.get("generation", True), "inference": options.get("trajectory", 0)}
    needed["selectivity"] = options.get("readout") != "gaussian"
    experiments = ("precision", "oddball", "omission", "mismatch", "lesion", "psychometric", "ensemble", "generation")
    needed |= dict.fromkeys(experiments, False)  # and learned precisions
    return [name for name in FIGURES if needed.get(name, True)]


def test_every_figure_of_what_was_recorded_is_drawn(example, tmp_path):
    """That figures of all that can be recorded draw it, is tested next and of the report."""
    few = example(**SHORT | {"samples": False, "snapshots": 0})
    paths = plot_run(few, out=tmp_path / "all.png")
    assert [path.name for path in paths] == ["all-circuit.png", "all-learning.png", "all-sequences.png"]
    widths = {imread(path).shape[1] for path in paths}
    assert widths <= {int(size * 300) for size in (style.SINGLE, style.DOUBLE)}


@pytest.mark.filterwarnings("error", "ignore:.*deprecated:DeprecationWarning")  # older matplotlib, newer pyparsing
@pytest.mark.parametrize("kind", RUNS)
def test_no_text_is_cut_off_or_lies_on_another(example, kind):
    """Of every figure that a kind of run changes, on pages of one or of two columns."""
    run = example(**RUNS[kind])
    with style.applied():
        for name in CHANGED.get(kind, drawable(RUNS[kind])):
            pages = FIGURES[name](run)
            assert {page.get_figwidth() for page in pages} <= {style.SINGLE, style.DOUBLE}, name
            for page in pages:
                _assert_clear(page, name)


def _assert_clear(figure, name):
    figure.draw_without_rendering()
    ticks = {label for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())}
    shown = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    boxes = {text: text.get_window_extent() for text in shown if text not in ticks}
    page = figure.bbox.padded(1)
    for text, box in boxes.items():
        within = page.x0 <= box.x0 <= box.x1 <= page.x1 and page.y0 <= box.y0 <= box.y1 <= page.y1
        assert within, f"{name}: {text.get_text()!r} leaves the page"
    texts = [text.get_text() for text in boxes]
    touching = [(texts[one], texts[other]) for one, other in _overlapping(list(boxes.values()))]
    assert not touching, name


def _overlapping(boxes) -> np.ndarray:
    """Pairs of boxes that share more than a margin of half a pixel."""
    corners = np.array([box.padded(-0.5).get_points() for box in boxes]).reshape(-1, 2, 2)
    low, high = corners.min(axis=1), corners.max(axis=1)
    return np.argwhere(np.triu((low[:, None] <= high).all(axis=-1) & (low <= high[:, None]).all(axis=-1), k=1))


@pytest.mark.parametrize(
    ("figure", "options", "setting"),
    [
        ("learning", {"presentations": 0}, "learning.presentations"),
        ("synapses", {"snapshots": 1}, "recording.synapses_every"),
        ("synapses", {"snapshots": 0}, "recording.synapses_every"),
        ("traces", {"samples": False}, "recording.samples"),
        ("sequences", {"generation": False}, "test.generate"),
        ("variability", {"snapshots": 0}, "recording.synapses_every"),
        ("asymmetry", {"snapshots": 0}, "recording.synapses_every"),
        ("profiles", {"samples": False}, "recording.samples"),
        ("populations", {"samples": False}, "recording.samples"),
        ("selectivity", {"samples": False}, "recording.samples"),
        ("surprise", {"samples": False}, "recording.samples"),
        ("inference", {}, "recording.trajectory"),
    ],
)
def test_what_was_not_recorded_is_named_with_its_option(example, tmp_path, figure, options, setting):
    base = {**SHORT, "samples": False} if "presentations" in options else SHORT
    run = example(**base | options)
    with pytest.raises(RunFileError, match=setting):
        plot_run(run, figure, tmp_path)


def test_a_last_snapshot_that_was_kept_is_not_on_the_way():
    run = xr.Dataset({"m": ("snapshot", [1.0, 2, 3, 4])}, {"presentation": ("snapshot", [0, 10, 20, 10])})
    assert access.while_learning(run)["m"].values.tolist() == [1, 2, 3]
    assert access.while_learning(run.isel(snapshot=slice(3)))["m"].values.tolist() == [1, 2, 3]
    names = [access.snapshot_name(run, run["presentation"].values, index) for index in (0, 2, -1)]
    assert names == ["before training", "after 20 presentations", "selected state, after 10 presentations"]
    assert access.snapshot_name(run, np.array([0, 10, 0]), -1) == "selected state, after 0 presentations"
    begun = run.assign_attrs(start_presentation=200)
    assert access.snapshot_name(begun, np.array([0])) == "initial state, after 200 presentations"


@pytest.mark.parametrize(("presentations", "note"), [(400, "10 presentations each, one run"), (60, "")])
def test_a_learning_curve_says_what_its_bands_are(example, presentations, note):
    (page,) = FIGURES["learning"](example(**{**SHORT, "presentations": presentations}))
    assert bool(page.axes[0].collections) == bool(note)
    assert page.get_suptitle() == (note and f"medians and 10th to 90th percentiles of {note}")


@pytest.mark.parametrize("further", [1, 2, 3])
def test_measures_of_several_targets_have_room(example, further):
    run = example(**SHORT)
    learning = run["learning"].to_dataset()
    (measure,) = [name for name in ("accuracy", "correct_letter_ratio") if name in learning]
    measures = {f"{measure}_choice_{number}": learning[measure] for number in range(further)}
    run["learning"] = xr.DataTree(learning.assign(measures))
    with style.applied():
        (page,) = FIGURES["learning"](run)
        assert len(page.axes) == 2 + further
        _assert_clear(page, "learning")
        inner = page.get_window_extent()
        assert min(axes.get_window_extent().width for axes in page.axes) > 0.38 * inner.width


def test_measures_stand_side_by_side_in_a_place_that_is_not_high(example):
    run = example(**SHORT)
    learning = run["learning"].to_dataset()
    run["learning"] = xr.DataTree(learning.assign(further=learning["correct_letter_ratio"]))
    for height, rows in ((60, 1), (120, 2)):
        with nm.plots.paper(height_mm=height) as figure:
            drawn = nm.plots.draw(run, "learning", into=figure.subfigures())
            assert len({axes.get_subplotspec().rowspan.start for axes in drawn.axes}) == rows


def test_values_are_no_classes_of_which_units_could_tell(example):
    run = example(**RUNS["gaussian read-out, trajectory"])
    with pytest.raises(RunFileError, match="has no symbols: its read-out is gaussian"):
        FIGURES["selectivity"](run)
    shown = run["stimulus"].to_dataset()
    run["stimulus"] = xr.DataTree(shown.assign(stimulus=shown["stimulus"] / 2))  # no symbols any more
    (page,) = FIGURES["populations"](run)
    assert "hidden: all states" in {text.get_text() for text in page.findobj(Text)}


def test_variability_is_compared_among_weights_that_vary():
    """The target's bias has point weights: nothing is to be read of it."""
    random = np.random.default_rng(0)
    vary = {"m": random.normal(size=(2, 4, 4)), "pi": np.full((2, 4, 4), 0.2), "Xi": np.full((2, 4, 4), 0.1)}
    names = {"in": ("input", "hidden", SEQUENCE), "out": ("hidden", "output", SEQUENCE)}
    tables = circuit({**names, "offset": ("hidden", "output", "point")})
    run = synapses_run({"in": vary, "out": vary, "offset": {"m": vary["m"]}})
    run.attrs["circuit"] = to_toml(tables)
    (page,) = FIGURES["variability"](run)
    labels = [[label.get_text() for label in axes.get_yticklabels()] for axes in page.axes[3:5]]
    assert labels == [["in", "out"], ["in"]]
    assert page.axes[4].get_xlabel() == "out − other"


def test_a_population_of_one_unit_has_no_pairs():
    run = synapses_run({"own": {"m": np.ones((1, 1, 1)), "pi": np.zeros((1, 1, 1)), "Xi": np.zeros((1, 1, 1))}})
    run.attrs["circuit"] = run.attrs["circuit"].replace('role = "free"', 'role = "free"\nsize = 1')
    with pytest.raises(RunFileError, match="no two units"):
        FIGURES["asymmetry"](run)


def test_every_projection_has_a_look_of_its_own_over_units(example):
    for page in FIGURES["variability"](example(**RUNS["many populations"])):
        (axes,) = (axes for axes in page.axes if axes.get_ylabel() == "variability\nreceived")
        looks = [(line.get_color(), line.get_linestyle(), line.get_marker()) for line in axes.lines]
        assert len(looks) > 4
        assert len(set(looks)) == len(looks)


def test_weights_that_are_points_have_no_figure_of_variances(tmp_path):
    run = synapses_run({"own": {"m": np.random.default_rng(0).normal(size=(2, 4, 4))}}, "point")
    with pytest.raises(RunFileError, match="no weight of this run has a variance"):
        plot_run(run, "variability", tmp_path)
    (page,) = FIGURES["asymmetry"](run)
    assert [axes.get_xlabel() for axes in page.axes] == ["mean of the weight $i \\to j$", "presentations learned"]
    assert results.variability(run) == ([], [])


def test_files_are_named_after_run_and_figure(example_run, example_path, tmp_path, monkeypatch):
    for name, pages in {"learning": 1, "synapses": 2}.items():
        monkeypatch.setitem(FIGURES, name, lambda run, pages=pages: [style.new_figure(1, 1) for _ in range(pages)])
    for run in (example_run, example_path, str(example_path)):
        assert plot_run(run, "learning") == [example_path.parent / "run-learning.png"]
    assert plot_run(example_run, "learning", tmp_path) == [tmp_path / "run-learning.png"]
    assert plot_run(example_run, "learning", tmp_path / "energy.pdf") == [tmp_path / "energy.pdf"]
    pages = plot_run(example_run, "synapses", tmp_path / "s.svg")
    assert pages == [tmp_path / "s-1.svg", tmp_path / "s-2.svg"]


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_the_same_figure_is_the_same_file(example_run, tmp_path, suffix):
    first, second = (plot_run(example_run, "learning", tmp_path / f"{k}.{suffix}")[0] for k in "ab")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("figure", "out", "problem"),
    [
        ("learnin", None, "did you mean 'learning'"),
        ("phase", None, "one of circuit, learning, synapses, traces, sequences"),
        ("learning", "a.docx", r"\.png, \.pdf, \.svg"),
        ("learning", "nowhere/a.png", "nowhere does not exist"),
    ],
)
def test_wrong_requests_say_what_is_possible(example_run, tmp_path, figure, out, problem):
    with pytest.raises(RunFileError, match=problem):
        plot_run(example_run, figure, out and tmp_path / out)


def test_chance_is_what_guessing_scores(example):
    run = example(**SHORT)
    assert chance_level(run, "correct_letter_ratio") == 2 / 26
    assert chance_level(run, "accuracy") == 1 / 26
    assert chance_level(run, "perplexity") == 26
    assert chance_level(run, "something else") is None


def test_forbidden_transitions_are_those_off_the_ring_steps(example_run):
    sequences = np.array([[0, 2, 6, 7], [25, 1, 3, 1], [24, 0, 0, 4]])
    expected = [
        [GIVEN, ALLOWED, ALLOWED, FORBIDDEN],
        [GIVEN, ALLOWED, ALLOWED, FORBIDDEN],
        [GIVEN, ALLOWED, FORBIDDEN, ALLOWED],
    ]
    np.testing.assert_array_equal(kinds_of(sequences, example_run["generation"]), expected)


@pytest.mark.parametrize("names", ["BELIEF PREDICTION ERROR", "BEFORE AFTER", "BEFORE OUTPUT"])
def test_colours_can_be_told_apart_in_grey(names):
    lightness = sorted(_lightness(getattr(style, name)) for name in names.split())
    assert np.diff(lightness).min() > 20


def _lightness(colour):
    """CIE L*, 0 … 100, of an sRGB colour."""
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16


def test_drawing_needs_neither_brian2_nor_a_window():
    needless = {"brian2", "matplotlib.pyplot", "scipy.optimize"}
    code = f"import sys, neuro_mpc.plots; assert not {needless} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
