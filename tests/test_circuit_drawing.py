"""Drawings of circuits: nothing overlaps, senders stand below receivers, and all that a circuit says is there."""

from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawn import texts
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from pictures import ink
from typer.testing import CliRunner

import neuro_mpc as nm
from neuro_mpc.cli import app
from neuro_mpc.plots import style
from neuro_mpc.plots.circuit import Drawing, _words, connected, figure_of, plot_circuit
from neuro_mpc.plots.layers import Edge, Node, layers_of, layout, spread

NAMES = "abcdefghij"


@st.composite
def graphs(draw):
    """Up to ten nodes, each of which hears of an earlier one, with loops that are delayed."""
    number = draw(st.integers(2, 10))
    sizes = st.floats(3, 20)
    nodes = {
        name: Node(half, half + draw(st.floats(0, 9)), draw(sizes)) for name in NAMES[:number] for half in [draw(sizes)]
    }
    ends = [(draw(st.integers(0, index - 1)), index, 0) for index in range(1, number)]
    more = st.tuples(st.integers(0, number - 1), st.integers(0, number - 1), st.just(1))
    ends += draw(st.lists(more.filter(lambda each: each[0] != each[1]), max_size=8))
    label = st.floats(0, 15)
    return nodes, [Edge(NAMES[first], NAMES[last], draw(label), draw(label) / 3, delay) for first, last, delay in ends]


@settings(max_examples=12, deadline=None)
@given(graphs())
def test_nodes_and_labels_overlap_nowhere_and_edges_cross_no_node(graph):
    nodes, edges = graph
    found = layout(nodes, edges)
    boxes = [(x - each.left, x + each.right, y - each.height / 2, y + each.height / 2)
             for name, each in nodes.items() for x, y in [found.nodes[name]]]  # fmt: skip
    labels = [(x - each.width / 2, x + each.width / 2, y - each.height / 2, y + each.height / 2)
              for each, (x, y) in zip(edges, found.labels)]  # fmt: skip
    for one, other in combinations([*boxes, *labels], 2):
        assert one[1] < other[0] or other[1] < one[0] or one[3] < other[2] or other[3] < one[2]
    for edge, path in zip(edges, found.paths):
        assert np.sign(path[-1][1] - path[0][1]) == np.sign(found.nodes[edge.target][1] - found.nodes[edge.source][1])
        for name, (left, right, bottom, top) in zip(nodes, boxes):
            for (x, y), (end_x, end_y) in pairwise(path) if name not in (edge.source, edge.target) else ():
                apart = max(y, end_y) <= bottom or min(y, end_y) >= top
                assert apart or max(x, end_x) < left or min(x, end_x) > right


@settings(max_examples=12, deadline=None)
@given(graphs())
def test_receivers_stand_above_their_senders(graph):
    nodes, edges = graph
    layers = layers_of(list(nodes), edges)
    assert all(layers[edge.source] < layers[edge.target] for edge in edges if not edge.delay)


def test_a_chain_is_straight_and_a_source_stands_below_its_receiver():
    nodes = {name: Node(5, 5, 5) for name in "abcd"}
    edges = [Edge("a", "b"), Edge("b", "c"), Edge("d", "c")]
    assert layers_of(list(nodes), edges) == {"a": 0, "b": 1, "c": 2, "d": 1}
    found = layout(nodes, [*edges[:2], Edge("c", "d")])
    assert np.ptp([x for x, _ in found.nodes.values()]) < 1e-6
    assert np.ptp([x for path in found.paths for x, _ in path]) < 1e-6


def test_places_are_the_nearest_that_are_far_enough_apart():
    assert spread(np.array([0.0, 0.0, 9.0]), [2, 2], np.ones(3)).tolist() == [-1.0, 1.0, 9.0]
    assert spread(np.array([0.0, 0.0]), [3], np.array([2.0, 1.0])).tolist() == [-1.0, 2.0]


@pytest.fixture(scope="module")
def circuit():
    """Two populations that excite and inhibit themselves and each other."""
    projection = {
        "input": nm.Projection(source="x", target="E", synapse="excitatory"),
        "lateral": nm.Projection(source="E", target="E", delay=1, synapse="excitatory"),
        "drive": nm.Projection(source="E", target="I", delay=1, synapse="excitatory"),
        "brake": nm.Projection(source="I", target="E", delay=2, synapse="inhibitory"),
        "own": nm.Projection(source="I", target="I", delay=3, synapse="inhibitory"),
        "output": nm.Projection(source="E", target="y", synapse="point"),
    }
    bounds = {"excitatory": {"low": 0.0}, "inhibitory": {"high": 0.0}}
    types = {
        name: nm.SynapseType(mean="w", parameter={"w": nm.Parameter(initial=0.0, **each)})
        for name, each in bounds.items()
    }
    population = {
        "x": nm.Population(role="stimulus"),
        "E": nm.Population(size=1080, activation="relu(r)"),
        "I": nm.Population(size=20),
        "y": nm.Population(role="target", readout="gaussian"),
    }
    return nm.Circuit(name="Dale", population=population, projection=projection, synapse=types)


def test_all_that_a_circuit_says_is_drawn(circuit, tmp_path):
    with style.applied():
        page = figure_of(circuit)
        page.savefig(tmp_path / "circuit.svg")
    shown = texts(tmp_path / "circuit.svg")
    assert {*circuit.population, *circuit.projection, "excitatory", "inhibitory", "point"} <= set(shown)
    assert {"1,080 units", "relu(r)", "20 units", "stimulus", "target, gaussian"} <= set(shown)
    assert {text for text in shown if text.startswith("delay")} == {"delay 1", "delay 2", "delay 3"}
    (axes,) = page.axes
    arrows = [each for each in axes.patches if isinstance(each, FancyArrowPatch)]
    assert len(arrows) == 6 + 3  # one of each type explains its colour
    assert sum(each.get_linestyle() != "-" for each in arrows) == 4
    assert len(axes.lines) == 2 + 1  # bars of what inhibits
    assert len([each for each in axes.patches if isinstance(each, FancyBboxPatch)]) == 4


def test_texts_do_not_overlap_on_the_page(circuit):
    with style.applied():
        page = figure_of(circuit)
        (axes,) = page.axes
        boxes = [text.get_window_extent().get_points() for text in axes.texts]
    for (low, high), (other_low, other_high) in combinations(boxes, 2):
        assert (np.minimum(high, other_high) - np.maximum(low, other_low)).min() < 1
    assert np.min([low for low, _ in boxes]) > 0
    assert (np.max([high for _, high in boxes], axis=0) < page.bbox.size).all()


def test_no_arrow_is_seen_between_the_lines_of_a_label(circuit):
    with style.applied():
        page = figure_of(circuit)
        (axes,) = page.axes
        grounds = [each.get_window_extent() for each in axes.patches if isinstance(each, Rectangle)]
        labels = [each.get_window_extent() for each in axes.texts if each.get_text() in ("input", "brake", "delay 2")]
    for label in labels:
        beside = [ground for ground in grounds if ground.x0 <= label.x0 and label.x1 <= ground.x1]
        assert any(ground.y0 - 1 <= label.y0 and label.y1 <= ground.y1 + 1 for ground in beside)


def test_it_is_drawn_into_axes_or_into_a_figure_of_its_own(circuit):
    small = Figure(figsize=(1, 1)).add_subplot()
    assert circuit.draw(small, names=False) is small
    assert {text.get_text() for text in small.texts}.isdisjoint(circuit.projection)
    assert 0 < small.texts[0].get_fontsize() < 3
    assert plt.get_fignums() == []
    own = nm.load_circuit("mpl").draw()
    assert plt.get_fignums() == [own.figure.number]
    assert own.texts[0].get_fontsize() == 7
    plt.close(own.figure)


def test_settings_of_the_user_stay(circuit):
    before = plt.rcParams.copy()
    circuit.draw(Figure().add_subplot())
    assert plt.rcParams == before


def test_too_many_are_refused():
    projection = nm.load_circuit("mpl").projection
    many = {f"more-{number}": projection["output"] for number in range(100)}
    circuit = nm.Circuit(name="many", population=nm.load_circuit("mpl").population, projection={**projection, **many})
    with pytest.raises(nm.DescriptionError, match="many: 103 projections are too many for a drawing"):
        circuit.draw()


@pytest.mark.parametrize("name", ["mpl", "mpl-language", "pc"])
def test_shipped_circuits_fit_into_a_column(name):
    with style.applied():
        assert Drawing(nm.load_circuit(name), names=True).inches[0] < style.SINGLE


@pytest.mark.parametrize(
    ("connect", "words"),
    [
        ("one-to-one", "one-to-one"),
        ({"random": 0.1}, "random 0.1"),
        ({"local": 3}, "local 3"),
        ({"mask": ["11", "01"]}, "mask"),
        ({"share": 0.3, "sha256": "00"}, "mask"),
    ],
)
def test_connections_are_told_in_words(connect, words):
    projection = nm.Projection(source="a", target="b", synapse="point", connect=connect)
    assert connected(projection.connect) == words


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ({"prediction": "0.5*before + 0.5*input"}, ["h = 0.5*before + 0.5*input"]),
        (
            {"prediction": "sigmoid(gate)*before + (1 - sigmoid(gate))*tanh(input + sigmoid(reset)*recurrent)"},
            ["h = sigmoid(gate)*before", "+ (1 - sigmoid(gate))*", "tanh(input", "+ sigmoid(reset)*recurrent)"],
        ),
        ({"prediction": "relu(0.1234567*before**2 + input)"}, ["h = relu(0.1234567*before**2", "+ input)"]),
        ({"activation": "r" * 40}, [f"{'r' * 27}…"]),
        ({"errors": "split"}, ["split errors"]),
        ({"errors": {"negative": 0.5}}, ["split errors +1, −0.5"]),
        ({"precision": {"learned": "unit", "high": 2}}, ["learned precision"]),
    ],
)
def test_a_box_says_what_its_units_do(key, words):
    """Lines of an expression are joined by nothing but blanks to what was written."""
    assert list(_words("hidden", nm.Population(size=3, **key)))[2:] == words
    written = key.get("prediction", "").replace(" ", "")
    assert not written or "".join(words).replace(" ", "") == f"h={written}"


def test_a_run_shows_its_circuit(example_path):
    with nm.open_run(example_path) as run, style.applied(run):
        (page,) = plot_circuit(run)
        assert {"26 units", "hidden"} <= {text.get_text() for text in page.axes[0].texts}
        run.attrs["circuit"] = "[population"
        with pytest.raises(nm.RunFileError, match="holds no circuit that can be drawn"):
            plot_circuit(run)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_command_draws(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["draw", "mpl", "--out", f"c.{suffix}", "--set", "circuit.population.hidden.size=9"])
    assert (done.exit_code, done.output) == (0, f"c.{suffix}\n")
    content = (tmp_path / f"c.{suffix}").read_bytes()
    assert content.startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix])
    assert suffix != "png" or ink(tmp_path / "c.png") > 0.02
    assert suffix != "svg" or b">hidden<" in content


def test_the_command_says_what_it_cannot_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["draw", "mpl"]).output == "mpl.png\n"
    for out, told in (("c.bmp", "cannot be written as .bmp"), ("lost/c.png", "the folder lost does not exist")):
        done = CliRunner().invoke(app, ["draw", "mpl", "--out", out])
        assert done.exit_code == 2
        assert told in done.output
