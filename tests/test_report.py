"""The report of a run: one page that needs nothing else, whoever wrote the run file."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from conftest import write_example
from markupsafe import Markup
from typer.testing import CliRunner

import neuro_mpc as nm
import neuro_mpc.plots
import neuro_mpc.reports.report
from neuro_mpc import cli
from neuro_mpc.reports import equations, pictures

SMALL = {"units": 12, "presentations": 30, "snapshots": 3}
EMPTY = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta"}


class Page(HTMLParser):
    """Tags, addresses and text of a page; every tag has to be closed in its order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.addresses, self.open, self.texts = set(), [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action", "data")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.open += [] if tag in EMPTY else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with nm.open_run(write_example(tmp_path_factory.mktemp("runs") / "run.nc", **SMALL)) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    return nm.report(run, tmp_path_factory.mktemp("report") / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(page):
    found = Page(page)
    assert found.tags.isdisjoint({"script", "link", "iframe", "object", "form"})
    assert all(each.startswith(("data:image/png;base64,", "#")) for each in found.addresses)
    assert "@import" not in page
    assert "url(" not in page
    assert "default-src 'none'" in page


def test_what_keys_can_scroll_has_a_name(page):
    scrolled = re.findall('<div class="scroll"[^>]*>', page)
    assert len(scrolled) > 10
    assert all(re.search('role="group" aria-label="[^"]+" tabindex="0"', each) for each in scrolled)


def test_what_scrolls_says_so_on_narrow_screens(page):
    """In words where a picture is narrower than its 576 px and the page's margins, by a shadow for tables."""
    assert "min-width: min(36rem" in page
    assert '@media screen and (max-width: 615px) {\n  figure:not(.narrow) .scroll::before { content: "Scroll' in page
    assert ".scroll { overflow-x: auto; overflow-wrap: normal; background:\n  linear-gradient" in page


def test_the_page_has_a_dark_form_whose_pictures_keep_their_paper(page):
    """Or browsers would darken what pictures are drawn on."""
    assert "color-scheme: light dark" in page
    dark = page.partition("@media screen and (prefers-color-scheme: dark)")[2].partition("@media")[0]
    assert "figure img { background: #fff" in dark
    light = page.partition("@media")[0]
    named = set(re.findall(r"(--[a-z]+):", light))
    assert named == set(re.findall(r"(--[a-z]+):", dark))
    assert set(re.findall(r"var\((--[a-z]+)\)", page)) <= named


def test_pictures_tell_in_words_what_they_draw_by_what(page):
    words = re.findall(r'<img [^>]*alt="([^"]*)"', page)
    assert (
        "Learning curves: energy per trial (nats) by presentations learned; correct letter ratio by presentations"
        in (" ".join(words))
    )
    assert not any(sign in each for each in words for sign in "$\\{")


def test_the_links_lead_to_sections(page):
    places = [each[1:] for each in Page(page).addresses if each.startswith("#")]
    assert len(places) == 9
    assert all(f'id="{place}"' in page for place in places)


def test_every_figure_that_can_be_drawn_is_there(run, page):
    drawn = nm.plots.FIGURES
    chapters = {chapter: names for chapter, names in pictures.CHAPTERS.items() if chapter != pictures.EXPERIMENT}
    expected = {name for names in chapters.values() for name in names} - {"inference", "precision"}
    assert expected <= set(drawn)
    for name in expected:
        assert f'alt="{pictures.TITLES[name]}' in page
    assert "learned the precision" not in page  # as few circuits do
    assert "of the kind" not in page  # experiments are other files, and not missing here
    assert "holds no trajectory of inference" in " ".join(Page(page).texts)
    assert "protocol.recording.trajectory=true" in page
    assert "cannot be drawn" not in page


def test_numbers_of_the_run_are_told(run, page):
    words = " ".join(" ".join(Page(page).texts).split())
    ratio = run["learning"]["correct_letter_ratio"].values
    assert f"correct letter ratio, first and last test {ratio[0]:.4g} → {ratio[-1]:.4g}" in words
    assert "presentations learned 30" in words
    assert words.startswith("example ")
    assert "seed 0" in words


def test_equations_are_those_of_the_circuit(tmp_path):
    found = equations.written(nm.load_circuit("mpl", {"population.hidden.size": 7}).to_toml())
    titles = [section.title for section, _ in found.sections]
    assert titles == ["Free energy", "Population hidden", "Population output", "Synapses spike-and-slab"]
    lines = {f"{left} = {right}" for _, rows in found.sections for left, right, _ in rows}
    assert "G<sub>t</sub> = μ<sup>input</sup> x<sub>t</sub> + μ<sup>recurrent</sup> f(r<sub>t−1</sub>)" in lines


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("x_t²", "x<sub>t</sub>²"),
        ("e_{t+1}[output]", "e<sub>t+1</sub><sup>output</sup>"),
        ("μ[a<b]ᵀ", "μ<sup>a&lt;b</sup>\u2009ᵀ"),
        ("my_rate < 1", "my_rate &lt; 1"),
    ],
)
def test_indices_are_marked_and_the_rest_is_escaped(text, html):
    assert equations.marked(text) == Markup(html)


def test_a_circuit_without_equations_is_told(run, one_figure):
    broken = run.copy()
    broken.attrs["circuit"] = 'name = "x"\n[population.a]\nrole = "<b>nobody</b>"\n'
    text = nm.reports.report.rendered(broken)
    assert "cannot be derived from this circuit" in text
    assert "<b>" not in text


def test_what_a_stranger_wrote_is_only_text(run, one_figure):
    evil = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}'
    broken = run.copy()
    quoted = evil.replace('"', '\\"')
    broken.attrs["circuit"] = f'name = "{quoted}"\ndescription = "{quoted}"\n' + run.attrs["circuit"].partition("\n")[2]
    broken.attrs["protocol"] += f'[learning]\n"{quoted}" = "{quoted}"\n'
    broken.attrs |= {"seed": evil, "compiler": evil}
    found = Page(nm.reports.report.rendered(broken))
    assert "script" not in found.tags
    assert len([each for each in found.addresses if not each.startswith("#")]) == 1  # the picture
    assert sum(evil in text for text in found.texts) >= 6


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "<script>alert(1)<\\script>", "$\\frac{a$", "a\nb"])
def test_names_and_labels_that_a_stranger_wrote_are_only_text(run, one_figure, name):
    broken = xr.DataTree.from_dict({path: node.to_dataset(inherit=False) for path, node in run.subtree_with_keys})
    projection = next(iter(broken["synapses"].children))
    broken[f"synapses/{name}"] = broken[f"synapses/{projection}"].copy()
    broken["learning"].attrs["long_name"] = name
    texts = ("start_run", "start_changed", "start_presentation", "changes", "precision", "created", "threads")
    broken.attrs |= dict.fromkeys(texts, name)
    found = Page(nm.reports.report.rendered(broken))
    assert "script" not in found.tags
    assert sum(text.strip() == name for text in found.texts) >= len(texts)


@pytest.mark.parametrize("attribute", [np.array([1, 2, 3]), np.float64("nan"), np.int64(-1)])
def test_attributes_of_another_kind_are_shown_as_text(run, one_figure, attribute):
    broken = run.copy()
    broken.attrs |= dict.fromkeys(
        ("start_run", "start_changed", "start_presentation", "changes", "precision"), attribute
    )
    assert "Provenance" in "".join(Page(nm.reports.report.rendered(broken)).texts)


@pytest.mark.parametrize(
    "circuit",
    [
        "population = 3\nprojection = [1, 2]",
        "name = 7\n[population]\na = 1\n[projection.p]\nfrom = [1]\nto = 2",
    ],
)
def test_tables_that_are_none_do_no_harm(run, one_figure, circuit):
    broken = run.copy()
    broken.attrs["circuit"] = circuit
    assert "cannot be derived" in nm.reports.report.rendered(broken)


def test_an_unfinished_run_says_so(example, one_figure):
    assert "is not complete" in nm.reports.report.rendered(example(complete=False, samples=False, **SMALL))


def test_descriptions_that_cannot_be_read_are_refused(run, one_figure):
    broken = run.copy()
    broken.attrs["circuit"] = "= 1"
    with pytest.raises(nm.RunFileError, match="the circuit in .*is no TOML"):
        nm.reports.report.rendered(broken)


def test_where_the_report_goes(example, one_figure, tmp_path):
    opened = example(**SMALL)
    assert nm.report(opened) == nm.report(tmp_path / "0.nc") == nm.report(str(tmp_path / "0.nc")) == tmp_path / "0.html"
    (tmp_path / "folder").mkdir()
    assert nm.report(opened, tmp_path / "folder") == tmp_path / "folder" / "0.html"
    with pytest.raises(nm.RunFileError, match="a report is HTML"):
        nm.report(opened, tmp_path / "report.pdf")
    with pytest.raises(nm.RunFileError, match="does not exist"):
        nm.report(opened, tmp_path / "none" / "report.html")


def test_the_command_prints_the_path(example, one_figure, tmp_path):
    example(**SMALL)
    result = CliRunner().invoke(cli.app, ["report", str(tmp_path / "0.nc"), "--out", str(tmp_path / "r.html")])
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(tmp_path / "r.html")
    assert CliRunner().invoke(cli.app, ["report", str(tmp_path / "none.nc")]).exit_code == 2


def test_a_report_does_without_brian2():
    code = "import sys, neuro_mpc; neuro_mpc.report, neuro_mpc.open_run; print('brian2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
