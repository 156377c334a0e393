"""Figures of runs as parts of figures of one's own."""

import matplotlib
import pytest
from matplotlib.figure import Figure, SubFigure

import neuro_mpc as nm
from neuro_mpc.system import notebook


@pytest.fixture
def figure():
    with nm.plots.paper(width_mm=120, height_mm=60) as figure:
        yield figure


def letters(part):
    """The letters of the panels of a part of a figure."""
    return [text.get_text() for axes in part.axes for text in axes.texts if text.get_fontweight() == "bold"]


def test_a_figure_for_print_has_its_size_and_its_style_and_leaves_no_trace():
    before = matplotlib.rcParams["font.size"]
    with nm.plots.paper(width_mm=89, height_mm=40) as figure:
        assert tuple(figure.get_size_inches() * 25.4) == pytest.approx((89, 40))
        assert matplotlib.rcParams["font.size"] == 7
        assert (matplotlib.rcParams["svg.fonttype"], matplotlib.rcParams["pdf.fonttype"]) == ("none", 42)
        lines = [figure.subplots().plot([0, 1])[0] for _ in range(2)]
        dashes = [line.get_linestyle() for line in figure.axes[0].plot([0, 1], [[0, 1], [1, 0]])]
        assert len(set(dashes)) == len(lines)  # told apart in grey
    assert matplotlib.rcParams["font.size"] == before


def test_a_notebook_shows_a_figure_for_print_once_it_is_drawn(monkeypatch):
    shown = []
    monkeypatch.setattr(notebook, "display", shown.append)
    with nm.plots.paper(width_mm=89, height_mm=40):
        pass
    assert not shown
    monkeypatch.setattr(notebook, "in_notebook", lambda: True)
    with nm.plots.paper(width_mm=89, height_mm=40) as figure:
        assert not shown
    assert shown == [figure]
    with pytest.raises(RuntimeError), nm.plots.paper():
        raise RuntimeError
    assert len(shown) == 1


def test_figures_show_themselves_as_they_were_drawn_in_their_size_in_print():
    with nm.plots.paper(width_mm=89, height_mm=40) as figure:
        figure.subplots().plot([0, 1])
        within = figure._repr_png_()
    with matplotlib.rc_context({"font.size": 20, "xtick.labelsize": 20, "savefig.facecolor": "red"}):
        assert figure._repr_png_() == within
    picture, size = within
    assert picture.startswith(b"\x89PNG")
    assert size == {"width": 336, "height": 151}


def test_a_figure_is_drawn_into_a_part_and_its_axes_are_returned(example_run, figure):
    left, right = figure.subfigures(1, 2)
    part = nm.plots.draw(example_run, "learning", into=left)
    assert part is left
    assert len(part.axes) == 2
    assert not right.axes
    assert part.axes[0].get_ylabel() == "energy per trial (nats)"


def test_axes_of_a_grid_give_their_place_away(example_run, figure):
    first, second = figure.subplots(1, 2)
    part = nm.plots.draw(example_run, "circuit", into=first)
    assert isinstance(part, SubFigure)
    assert first not in figure.axes
    assert second in figure.axes
    assert len(part.axes) == 1


def test_letters_continue_those_of_another_part_or_are_left_out(example_run, figure):
    parts = figure.subfigures(1, 3)
    drawn = [nm.plots.draw(example_run, "learning", part, letter=first) for part, first in zip(parts, ("a", "c", ""))]
    assert [letters(part) for part in drawn] == [["a", "b"], ["c", "d"], ["", ""]]


@pytest.mark.parametrize("name", ["synapses", "profiles", "traces", "populations"])
def test_pages_of_every_kind_fit_into_a_part(example_run, figure, name, tmp_path):
    part = nm.plots.draw(example_run, name, into=figure.subfigures(1, 2)[0])
    assert part.axes
    figure.savefig(tmp_path / "figure.svg")
    assert "<text" in (tmp_path / "figure.svg").read_text(encoding="utf-8")


def test_without_a_part_it_is_a_figure_of_the_size_of_print(example_path):
    drawn = nm.plots.draw(example_path, "learning")
    assert isinstance(drawn, Figure)
    assert drawn.get_size_inches()[0] * 25.4 == pytest.approx(183)


def test_a_second_page_is_drawn_by_its_number(example, figure):
    run = example(hidden=tuple(f"area-{number}" for number in range(5)))
    part = figure.subfigures(1, 2)[0]
    assert nm.plots.draw(run, "profiles", into=part, page=1) is part
    assert part.axes
    with pytest.raises(nm.RunFileError, match="has no page 7"):
        nm.plots.draw(run, "profiles", page=7)


@pytest.mark.parametrize(("name", "into", "told"), [("lerning", None, "learning"), ("learning", 3, "subfigures")])
def test_what_is_no_figure_or_no_place_is_told(example_run, name, into, told):
    with pytest.raises(nm.RunFileError) as caught:
        nm.plots.draw(example_run, name, into=into)
    assert told in caught.value.hint


def test_one_presentation_is_a_point(example, figure):
    part = nm.plots.draw(example(presentations=1, snapshots=2, samples=False), "learning", into=figure)
    assert all(line.get_marker() == "." for line in part.axes[0].get_lines()[:3])
