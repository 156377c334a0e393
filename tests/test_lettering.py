"""Text in figures: drawn as it is written, in fonts that have it, whatever else the user or the run brings."""

import itertools
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.cbook import is_math_text

from neuro_mpc import plots
from neuro_mpc.errors import RunFileError
from neuro_mpc.plots import FIGURES, fonts, lettering, plot_run, style

TOKENS = ["$$", "$a_{", r"$\frac$", "50%_^", r"\$x$", "это", "$x$"]
SMALL = {"presentations": 20, "snapshots": 2, "units": 6}


@pytest.fixture
def spoken(example):
    """A run whose letters are words with signs that mean something to TeX."""
    run = example(**SMALL)
    names = [f"{TOKENS[k % len(TOKENS)]}{k}" for k in range(26)]
    run["generation"].attrs["symbols"] = "\n".join(names)
    return run, names


@pytest.mark.parametrize("text", TOKENS)
def test_every_character_is_drawn(text):
    written = lettering.literal(text)
    assert not is_math_text(written)
    assert written.replace(r"\$", "$") == text


@pytest.mark.parametrize(
    ("name", "drawn"), [(" ", "␣"), ("\t", "⇥"), ("", "∅"), ("a b", "a␣b"), ("\x07", "�"), ("d" * 50, "d" * 11 + "…")]
)
def test_a_symbol_has_ink_and_room(name, drawn):
    assert lettering.symbol(name) == drawn


def test_symbols_stand_below_their_columns_as_written_and_apart(spoken):
    run, names = spoken
    with style.applied(run):
        (figure,) = FIGURES["selectivity"](run)
        figure.draw_without_rendering()
        ticks = figure.axes[0].get_xticklabels()
    shown = [tick.get_text() for tick in ticks]
    assert not any(map(is_math_text, shown))
    assert len(shown) > 6
    assert [text.replace(r"\$", "$") for text in shown] == [name for name in names if lettering.literal(name) in shown]
    boxes = [tick.get_window_extent() for tick in ticks]
    assert not any(one.overlaps(other) for one, other in itertools.pairwise(boxes))


def test_figures_of_words_with_dollars_and_blanks_are_drawn(spoken):
    run, _ = spoken
    run["generation"].attrs["symbols"] = "\n".join(["", " ", *TOKENS, *"abcdefghijklmnopq"])
    with style.applied(run):
        for name in ("populations", "sequences"):
            for figure in FIGURES[name](run):
                figure.draw_without_rendering()


def test_latex_that_matplotlib_lacks_gives_way_to_the_name():
    circuit = r"""
[projection.in]
synapse = "s"
[synapse.s.parameter.q]
symbol = '\bm{q}'
[synapse.s.parameter.p]
symbol = '\pi'
"""
    run = SimpleNamespace(attrs={"circuit": circuit})
    assert lettering.parameter(run, "in", "q") == "q"
    assert lettering.parameter(run, "in", "p") == r"$\pi$"


def test_settings_of_the_user_change_nothing(example_run, tmp_path):
    (usual,) = plot_run(example_run, "learning", tmp_path / "usual.svg")
    theirs = {"axes.grid": True, "lines.linewidth": 9, "figure.dpi": 33, "text.parse_math": False, "font.size": 20}
    with matplotlib.rc_context(theirs):
        (other,) = plot_run(example_run, "learning", tmp_path / "other.svg")
        assert matplotlib.rcParams["lines.linewidth"] == 9
    assert other.read_bytes() == usual.read_bytes()


def test_a_figure_that_fails_is_named_and_leaves_the_others(example_run, tmp_path, monkeypatch):
    def failing(_):
        raise ValueError("no such bin\nand more")

    monkeypatch.setattr(plots, "FIGURES", {"traces": failing, "learning": FIGURES["learning"]})
    with pytest.warns(UserWarning, match="the figure 'traces' cannot be drawn: ValueError: no such bin\n"):
        drawn = plot_run(example_run, out=tmp_path)
    assert [path.name for path in drawn] == ["run-learning.png"]
    with pytest.raises(RunFileError, match=r"run\.nc: the figure 'traces' cannot be drawn: ValueError: no such bin"):
        plot_run(example_run, "traces", tmp_path)


def test_the_usual_font_needs_no_other():
    assert len(fonts.families("abc äöü Πξ → …")) <= 2


def test_characters_that_no_font_has_are_told_once():
    unassigned = chr(0x378)
    with pytest.warns(UserWarning, match=f"no font of this system covers {unassigned}: .* Noto Sans") as told:
        fonts.families(["a", unassigned])
    assert len(told) == 1


def test_other_scripts_are_taken_from_where_they_are(monkeypatch):
    monkeypatch.setattr(fonts, "USUAL", ("DejaVu Sans Display",))  # a few signs of mathematics
    assert fonts.families("abc")[-1].startswith("DejaVu Sans")


def test_a_font_of_choice_comes_first(example_run, tmp_path):
    with style.applied(font="DejaVu Serif"):
        assert matplotlib.rcParams["font.family"][0] == "DejaVu Serif"
    (path,) = plot_run(example_run, "learning", tmp_path / "a.svg", font="DejaVu Serif")
    assert "DejaVu Serif" in path.read_text(encoding="utf-8")
    with pytest.raises(RunFileError, match="there is no font 'DejaVu Serf'.*\n.*DejaVu Serif"):
        plot_run(example_run, "learning", tmp_path, font="DejaVu Serf")


def test_characters_come_from_symbols_and_circuit():
    tree = xr.DataTree.from_dict({"/": xr.Dataset(attrs={"circuit": "ä"}), "/experiment": xr.Dataset()})
    tree["experiment"].attrs["symbols"] = "这\n狗"
    assert {"ä", "这", "狗"} <= fonts.characters_of(tree)
    assert not np.isin(list("é"), list(fonts.characters_of(tree))).any()
