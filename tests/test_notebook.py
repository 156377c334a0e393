"""What notebooks show of circuits, protocols and runs, and the summary of a run at a prompt."""

import re
from html.parser import HTMLParser

import pytest

import neuro_mpc as nm


class Cells(HTMLParser):
    """The texts of a page, and whether all that it opens is closed."""

    def __init__(self, html):
        super().__init__()
        self.texts, self.open = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

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
