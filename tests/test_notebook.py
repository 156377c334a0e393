"""What notebooks show of circuits, protocols and runs, and the summary of a run at a prompt."""

import base64
import re
import sys
from html.parser import HTMLParser
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

import neuro_mpc as nm
from neuro_mpc.descriptions.recorded import without_masks
from neuro_mpc.reports.described import circuit_tables
from neuro_mpc.runs.notebook_progress import NotebookProgress
from neuro_mpc.runs.reporting import progress_of
from neuro_mpc.sweeps.members import Outcome
from neuro_mpc.sweeps.notebook_progress import NotebookSweep
from neuro_mpc.sweeps.reporting import sweep_progress_of
from neuro_mpc.system.notebook import in_notebook


class Cells(HTMLParser):
    """The texts of a page, and whether all that it opens is closed."""

    def __init__(self, html):
        super().__init__()
        self.texts, self.open, self.pictures = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "br":
            return
        self.open.append(tag)
        self.pictures += [dict(attrs)] if tag == "img" else []

    def handle_startendtag(self, tag, attrs):
        self.pictures += [dict(attrs)] if tag == "img" else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def texts(html):
    page = Cells(html)
    assert page.open == []
    return page.texts


def test_a_circuit_shows_its_populations_projections_and_synapse_types():
    shown = texts(nm.load_circuit("mpl", {"population.hidden.size": 7})._repr_html_())
    assert shown[0] == "Circuit mpl"
    assert shown[1].startswith(" Meta predictive learning")
    assert {"hidden", "7", "relu(r)", "recurrent", "49", "spike-and-slab", "m/n"} <= set(shown)


ROWS = ["110", "010", "001"]


@pytest.mark.parametrize(
    ("connect", "keys", "synapses"),
    [
        ("all", {}, "9"),
        ("one-to-one", {}, "3"),
        ({"mask": ROWS}, {}, "4"),
        ({"random": 0.5}, {}, "about 4"),
        ({"local": 1.0}, {}, "7"),  # of a line of three all but the two ends from each other
        ({"local": 1.0}, {"size": 4, "shape": [2, 2]}, "12"),  # of a square all but those across
    ],
)
def test_a_circuit_tells_how_many_synapses_there_are(connect, keys, synapses):
    tables = nm.load_circuit("mpl").sized(2, 2).tables()
    tables["population"]["hidden"] |= {"size": 3, **keys}
    tables["projection"]["recurrent"]["connect"] = connect
    for described_as in (tables, without_masks(nm.Circuit.from_tables(tables, "some")).tables()):
        ((_, _, rows),) = [table for table in circuit_tables(described_as) if table[0] == "Projections"]
        assert {row[0]: row[4] for row in rows}["recurrent"] == synapses


def test_a_circuit_shows_its_drawing_with_the_names_of_what_is_connected():
    (picture,) = Cells(nm.load_circuit("mpl")._repr_html_()).pictures
    assert picture["alt"] == "Drawing of the circuit mpl: input to hidden, hidden to hidden, hidden to output"
    kind, _, data = picture["src"].partition(";base64,")
    assert kind == "data:image/svg+xml"
    root = ElementTree.fromstring(base64.b64decode(data))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.findall(".//{*}text") == []  # letters are curves, in whatever fonts a viewer has


def test_a_circuit_too_large_to_draw_shows_its_tables(monkeypatch):
    monkeypatch.setattr("neuro_mpc.plots.circuit.MOST", 1)
    page = Cells(nm.load_circuit("mpl")._repr_html_())
    assert page.pictures == []
    assert "recurrent" in page.texts


class Place:
    """What a notebook shows in one place; each picture of it replaces the one before."""

    def __init__(self):
        self.shown = []

    def __call__(self, first, display_id):
        assert display_id
        self.update(first)
        return self

    def update(self, shown):
        self.shown.append(shown)


def notebook_progress(times):
    place = Place()
    return NotebookProgress(place, clock=iter(times).__next__), place


def test_progress_in_a_notebook_is_one_bar_drawn_again_in_its_place():
    progress, place = notebook_progress([float(k) for k in range(20)])
    with progress:
        progress.stage("learning <1>")
        progress.start(40)
        progress.update(10, 3.25)
        progress.tested(10, {"accuracy": 0.5})
        progress.warning("little data")
    last = place.shown[-1]
    assert repr(last) == "learning <1>, 10 of 40 presentations, free energy 3.25, accuracy 0.500\nwarning: little data"
    html = last._repr_html_()
    assert '<progress value="10" max="40" aria-label="presentations"' in html
    assert "learning <1>" in "".join(texts(html))
    assert "\x1b" not in html


def test_progress_in_a_notebook_is_drawn_a_few_times_a_second():
    progress, place = notebook_progress([0.0, 0.1, *(0.1 + 0.01 * k for k in range(1, 100))])
    progress.start(100)
    for presentation in range(1, 50):
        progress.update(presentation, 1.0)
    assert len(place.shown) == 2 + 2  # one at the beginning, one at the start, and one every fifth of a second


def test_a_sweep_in_a_notebook_is_one_bar_with_what_failed_below():
    place = Place()
    with NotebookSweep(place, clock=iter(float(k) for k in range(40)).__next__) as progress:
        progress.say("4 members\nseed: 0, 1, 2, 3")
        progress.start(4)
        progress.learned("seed=0", 0.25)
        progress.ended(Outcome("seed=1", "no <memory>"), "seed=1: failed: no <memory>")
        progress.ended(Outcome("seed=0", measures={"accuracy": 0.5}), "seed=0: 3 s, accuracy 0.500")
        progress.learned("seed=2", 0.5)
    assert repr(place.shown[1]) == "4 members\nseed: 0, 1, 2, 3"
    last = place.shown[-1]
    words = "2 of 4 members, seed=0: 3 s, accuracy 0.500"
    assert repr(last).split("\n") == [words, "4 members", "seed: 0, 1, 2, 3", "seed=1: failed: no <memory>"]
    html = last._repr_html_()
    assert '<progress value="2.5" max="4" aria-label="members"' in html
    assert texts(html) == [" " + words, *repr(last).split("\n")[1:]]


def test_a_run_with_progress_shows_the_bar_of_notebooks_in_a_notebook_alone(monkeypatch):
    place = Place()
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    terminal = SimpleNamespace(get_ipython=lambda: None)
    for interactive, expected in ((kernel, True), (terminal, False), (None, False)):
        monkeypatch.setitem(sys.modules, "IPython", interactive)
        assert in_notebook() == expected
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=place))
    for progress_in, bar, last in ((progress_of, NotebookProgress, "complete"), (sweep_progress_of, NotebookSweep, "")):
        with progress_in(True) as progress:
            assert isinstance(progress, bar)
        assert repr(place.shown[-1]) == last


def test_a_run_that_failed_is_not_told_to_be_complete(monkeypatch):
    place = Place()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object())))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=place))
    with pytest.raises(nm.RunError), progress_of(True) as progress:
        progress.stage("learning")
        raise nm.RunError("the free energy became infinite")
    assert repr(place.shown[-1]) == "learning"


def test_a_protocol_shows_what_differs_from_its_defaults():
    html = nm.load_protocol("toy-language", {"learning.batch": 77})._repr_html_()
    schedule = "kind = cosine, factor = 0.5, floor = 0, warmup = 0"
    assert {"stimulus", "toy-language", "learning", "77", schedule} <= set(texts(html))
    faint = re.findall(r'<tr style="[^"]*opacity[^"]*"><th[^>]*>(\w+)<', html)
    assert {"beta1", "trajectory", "letters"} <= set(faint)
    assert {"source", "batch", "epochs"}.isdisjoint(faint)
    assert "Protocol lesion" in texts(nm.load_protocol("lesion")._repr_html_())


def test_names_are_only_text():
    html = nm.load_circuit("mpl", {"description": "<script>alert(1)</script>"})._repr_html_()
    assert "<script>" not in html
    assert " <script>alert(1)</script>" in texts(html)


@pytest.fixture
def run(example_path):
    with nm.open_run(example_path) as run:
        yield run


def test_a_summary_tells_results_synapses_and_what_is_recorded(run, example_path):
    summary = nm.summary(run)
    assert str(nm.summary(example_path)) == str(summary)
    text, html = str(summary), texts(summary._repr_html_())
    assert repr(summary) == text
    name = "example on protocol"  # a file whose protocol has no name
    assert text.splitlines()[0] == name
    assert html[0] == f"Run {name}"
    presentations = f"{run['learning'].sizes['presentation']:,}"
    assert re.search(rf"\n  presentations learned +{presentations}\n", text)
    assert "Synapses after learning" in html
    for path in (node.path for node in run.subtree if node.data_vars):
        assert re.search(rf"\n  {path} +\w", text)
        assert path in html
    lines = text.partition("Recorded\n")[2].partition("\n\n")[0].splitlines()
    assert len({re.match(r"  \S+ +", line).end() for line in lines}) == 1  # columns are aligned


def test_a_run_that_is_not_complete_says_so_and_a_file_of_others_is_refused(run):
    del run.attrs["complete"]
    assert str(nm.summary(run)).splitlines()[0].endswith(", not complete")
    del run.attrs["circuit"]
    with pytest.raises(nm.RunFileError, match="circuit"):
        nm.summary(run)
