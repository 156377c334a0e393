"""Circuits: what they tell about themselves; every mistake is refused with its key and a hint."""

import copy
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import neuro_mpc as nm
from neuro_mpc.descriptions import graph
from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.circuit_graph import CircuitGraph
from neuro_mpc.descriptions.circuit_tables import Population, Projection
from neuro_mpc.errors import DescriptionError

TWO_LAYERS = {
    "name": "layers",
    "population": {
        "output": {"role": "target", "readout": "gaussian"},
        "upper": {"size": 3, "activation": "tanh(r)"},
        "lower": {"size": 4, "activation": "relu(r)"},
        "input": {"role": "stimulus"},
    },
    "projection": {
        "in": {"from": "input", "to": "lower", "synapse": "point"},
        "up": {"from": "lower", "to": "upper", "synapse": "weight", "initial": {"w": "normal(0, 1)"}},
        "back": {"from": "upper", "to": "lower", "delay": 1, "synapse": "weight"},
        "out": {"from": "upper", "to": "output", "synapse": "spike-and-slab"},
    },
    "synapse": {"weight": {"mean": "w", "parameter": {"w": {"initial": 0.1, "low": -1, "high": 1}}}},
}


def changed(**entries):
    """The tables of the circuit with dotted keys (`__` for a dot) set, or removed where the value is None."""
    tables = copy.deepcopy(TWO_LAYERS)
    for key, value in entries.items():
        *way, last = key.split("__")
        here = tables
        for part in way:
            here = here[part]
        if value is None:
            del here[last]
        else:
            here[last] = value
    return tables


def refused(tables):
    with pytest.raises(DescriptionError) as caught:
        Circuit.from_tables(tables, "layers.toml")
    assert str(caught.value).startswith("layers.toml: ")
    return caught.value


@pytest.fixture
def circuit():
    return Circuit(**TWO_LAYERS)


def depth_first(senders):
    """The order of a depth-first walk over the senders of each in turn."""
    order = []

    def visit(name):
        if name not in order:
            for sender in senders[name]:
                visit(sender)
            order.append(name)

    for name in senders:
        visit(name)
    return order


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_any_graph_is_evaluated_depth_first_over_the_senders(size, random):
    ranks = {f"p{k}": random.random() for k in range(size)}
    earlier = {name: [other for other in ranks if ranks[other] < ranks[name]] for name in ranks}
    senders = {name: random.sample(others, random.randint(0, len(others))) for name, others in earlier.items()}
    assert graph.loop(senders) == []
    assert graph.order(senders) == depth_first(senders)


def test_a_loop_is_told_from_its_first_population_on():
    senders = {"a": ["c"], "b": ["d"], "c": ["b"], "d": ["c"], "e": []}
    assert graph.loop(senders) == ["b", "c", "d", "b"]
    assert graph.reachable(senders, "a") == {"b", "c", "d"}


def test_the_shortest_of_several_ways_counts():
    steps = {"a": [("b", 3), ("c", 1), ("a", 1)], "b": [("d", 0)], "c": [("b", 1), ("a", 0)], "d": [], "e": [("a", 0)]}
    assert graph.distances(steps, "a") == {"a": 0, "c": 1, "b": 2, "d": 2}


def test_roles_and_order_of_evaluation(circuit):
    assert (circuit.stimulus, circuit.target) == ("input", "output")
    assert circuit.free == ("lower", "upper")


def test_neighbours(circuit):
    assert list(circuit.incoming("lower")) == ["in", "back"]
    assert list(circuit.outgoing("upper")) == ["back", "out"]
    assert circuit.outgoing("upper")["back"] == circuit.projection["back"]


def test_sizes_come_from_the_protocol(circuit):
    sized = circuit.sized(5, 2)
    assert [sized.shape(name) for name in ("in", "up", "back", "out")] == [(4, 5), (3, 4), (4, 3), (2, 3)]
    assert [sized.fan_in(name) for name in ("in", "up", "back", "out")] == [5, 4, 3, 3]
    assert sized.sized(5, 2) == sized
    assert circuit.population["input"].size is None


def test_sizes_that_contradict_the_protocol_are_refused(circuit):
    with pytest.raises(DescriptionError, match=r"population.input.size: the size contradicts(.|\n)*expected: 6"):
        circuit.sized(5, 2).sized(6, 2)
    with pytest.raises(DescriptionError, match="population.input.size: the size is not known yet"):
        circuit.shape("in")


def test_text_makes_an_equal_circuit(circuit):
    assert Circuit.from_toml(circuit.to_toml()) == circuit
    assert Circuit.from_toml(circuit.sized(5, 2).to_toml()) == circuit.sized(5, 2)


def test_the_text_holds_all_synapse_types(circuit):
    assert list(circuit.synapse) == ["weight", "point", "spike-and-slab"]
    assert 'mean = "m/n"' in circuit.to_toml()


def test_an_own_type_goes_before_the_shipped_one():
    own = {"mean": "w", "parameter": {"w": {"initial": 0}}}
    assert Circuit(**changed(synapse__point=own)).synapse["point"].mean == "w"


def test_python_objects_do_as_well_as_tables():
    tables = changed()
    tables["population"]["upper"] = Population(size=3, activation="tanh(r)")
    tables["projection"]["up"] = Projection(
        source="lower", target="upper", synapse="weight", initial={"w": "normal(0, 1)"}
    )
    assert Circuit(**tables) == Circuit(**TWO_LAYERS)


def test_defaults():
    circuit = Circuit(**changed(population__lower__activation=None, population__output__readout=None))
    assert circuit.population["lower"].activation == "r"
    assert circuit.population["output"].readout == "softmax"
    assert circuit.population["input"].activation is None


def test_fields_cannot_be_changed(circuit):
    with pytest.raises(DescriptionError, match="cannot be changed"):
        circuit.name = "other"


SELF = {"from": "upper", "to": "upper", "synapse": "weight"}
TO_INPUT = {"from": "upper", "to": "input", "synapse": "weight"}
FROM_OUTPUT = {"from": "output", "to": "lower", "synapse": "weight"}
WEIGHT = {"mean": "w", "parameter": {"w": {"initial": 0}}}
MISTAKES = [
    ({"population__lower__sise": 3}, "population.lower.sise", "unknown key", "did you mean 'size'?"),
    ({"populations": {}}, "populations", "unknown key", "did you mean 'population'?"),
    ({"population__lower__size": 0}, "population.lower.size", "out of range", ""),
    ({"population__lower__size": 1_000_001}, "population.lower.size", "out of range", ""),
    ({"population__lower__size": "4"}, "population.lower.size", "not a whole number", ""),
    ({"population__lower__size": True}, "population.lower.size", "not a whole number", ""),
    ({"population__lower__size": 4.5}, "population.lower.size", "not a whole number", ""),
    ({"population__lower__size": None}, "population.lower", "needs a size", ""),
    ({"population__lower__role": "fre"}, "population.lower.role", "known values", "did you mean 'free'?"),
    ({"population__lower": 4}, "population.lower", "is not a table", ""),
    ({"population__input__role": None}, "population.input", "needs a size", ""),
    ({"population__output": None, "projection__out": None}, "population", "no population with role = 'target'", ""),
    ({"population__second": {"role": "stimulus"}}, "population.second", "reaches nothing", ""),
    ({"population__second": {"role": "constant"}}, "population.second", "reaches nothing", ""),
    ({"population__second": {"role": "target"}}, "population.second", "nothing predicts this target", ""),
    ({"population__second": {"role": "constant", "channel": "x"}}, "population.second", "has no channel", "stimulus"),
    ({"population__second": {"role": "stimulus", "precision": 2.0}}, "population.second", "has no errors", "free"),
    ({"population__lower__precision": 0.0}, "population.lower.precision", "out of range", ""),
    ({"population__lower__channel": "x"}, "population.lower", "a free population has no channel", "target"),
    ({"population__lower__shape": [2, 4]}, "population.lower", "not the number of units of shape = [2, 4]", "size out"),
    ({"population__lower__shape": [2, 0]}, "population.lower.shape.1", "out of range", ""),
    ({"population__input__activation": "r"}, "population.input", "has no activation", "remove activation"),
    ({"population__lower__readout": "softmax"}, "population.lower", "has no readout", ""),
    (
        {"population__output__readout": "softmx"},
        "population.output.readout",
        "known values",
        "did you mean 'softmax'?",
    ),
    ({"population__lower__activation": "relu(x)"}, "population.lower.activation", "unknown name 'x'", ""),
    (
        {"population__lower__activation": "relo(r)"},
        "population.lower.activation",
        "unknown function",
        "mean 'relu'?",
    ),
    ({"population__lower__activation": "r.real"}, "population.lower.activation", "plain arithmetic", ""),
    (
        {"population__lower__activation": "floor(r)"},
        "population.lower.activation",
        "no usable derivative",
        "relu",
    ),
    ({"population__lower__activation": 3}, "population.lower.activation", "is not a text", ""),
    ({"population__1st": {"size": 3}}, "population.1st", "not a name", ""),
    ({"population__" + "a" * 41: {"size": 3}}, "population." + "a" * 41, "not a name", ""),
    ({"projection__up__to": "uper"}, "projection.up.to", "unknown population", "did you mean 'upper'?"),
    ({"projection__up__from": "below"}, "projection.up.from", "unknown population", ""),
    ({"projection__up__to": None}, "projection.up.to", "is missing", ""),
    ({"projection__up__delay": -1}, "projection.up.delay", "out of range", ""),
    ({"projection__up__dely": 1}, "projection.up.dely", "unknown key", "did you mean 'delay'?"),
    (
        {"projection__up__synapse": "gausian"},
        "projection.up.synapse",
        "unknown synapse",
        "did you mean 'gaussian'?",
    ),
    (
        {"projection__up__synapse": "mine"},
        "projection.up.synapse",
        "unknown synapse",
        "define [synapse.mine]",
    ),
    ({"projection__up__initial": {"v": 1}}, "projection.up.initial.v", "unknown parameter of weight", ""),
    ({"projection__up__initial": {"w": 2}}, "projection.up.initial.w", "outside the bounds", ""),
    ({"projection__up__initial": {"w": "1 + 1"}}, "projection.up.initial.w", "outside the bounds", ""),
    ({"projection__up__initial": {"w": [1]}}, "projection.up.initial.w", "neither an expression nor", ""),
    ({"projection__up__initial": {"w": "normal(0)"}}, "projection.up.initial.w", "normal takes 2", ""),
    ({"projection__x": TO_INPUT}, "projection.x.to", "a stimulus is given", ""),
    ({"projection__x": FROM_OUTPUT}, "projection.x.from", "nothing starts at a target", ""),
    ({"projection__x": SELF}, "projection", "a loop without delay: upper → upper", "delay = 1"),
    (
        {"projection__back__delay": 0},
        "projection",
        "a loop without delay: upper → lower → upper",
        "delay = 1",
    ),
    ({"projection__out": None}, "population.output", "nothing predicts this target", ""),
    ({"projection__in": None}, "population.input", "reaches nothing", ""),
    ({"projection__up__from": "input"}, "population.lower", "reaches nothing", ""),
    ({"projection__a-b": SELF, "projection__a_b": SELF}, "projection.a_b", "differs from 'a-b' only", ""),
    ({"synapse__weight__mean": "v"}, "synapse.weight.mean", "unknown name 'v'", ""),
    ({"synapse__weight__mean": "sign(w)"}, "synapse.weight.mean", "no usable derivative", ""),
    ({"synapse__weight__variance": "n*floor(w)"}, "synapse.weight.variance", "no usable derivative", ""),
    ({"synapse__weight__mean": None}, "synapse.weight.mean", "is missing", ""),
    (
        {"synapse__weight__parameter": {"r": {"initial": 0}}},
        "synapse.weight.parameter.r",
        "is a reserved name",
        "",
    ),
    (
        {"synapse__weight__parameter": {"n_pre": {"initial": 0}}},
        "synapse.weight.parameter.n_pre",
        "is a reserved name",
        "",
    ),
    ({"synapse__weight__parameter": {"exp": {"initial": 0}}}, "synapse.weight.parameter.exp", "is a reserved name", ""),
    ({"synapse__weight__parameter": {"if": {"initial": 0}}}, "synapse.weight.parameter.if", "not a name", ""),
    (
        {"synapse__weight__parameter": {"a-b": {"initial": 0}}},
        "synapse.weight.parameter.a-b",
        "not a name",
        "",
    ),
    ({"synapse__weight__parameter__w__low": 1}, "synapse.weight.parameter.w", "low = 1.0 is not below", ""),
    ({"synapse__weight__parameter__w__low": "0"}, "synapse.weight.parameter.w.low", "not a number", ""),
    (
        {"synapse__weight__parameter__w__low": float("nan")},
        "synapse.weight.parameter.w.low",
        "not finite",
        "",
    ),
    (
        {"synapse__weight__parameter__w__initial": 3},
        "synapse.weight.parameter.w.initial",
        "outside the bounds",
        "",
    ),
    (
        {"synapse__weight__parameter__w__initial": float("inf")},
        "synapse.weight.parameter.w.initial",
        "finite",
        "",
    ),
    (
        {"synapse__weight__parameter__w__initial": "x"},
        "synapse.weight.parameter.w.initial",
        "unknown name",
        "",
    ),
    (
        {"synapse__weight__parameter__w__rate_factor": -1},
        "synapse.weight.parameter.w.rate_factor",
        "range",
        "",
    ),
    ({"name": " "}, "name", "is empty", ""),
    ({"name": None}, "name", "is missing", ""),
    ({"population": []}, "population", "is not a table", ""),
    ({"projection": None}, "projection", "is missing", ""),
]


@pytest.mark.parametrize(("entries", "key", "problem", "hint"), MISTAKES)
def test_mistakes_are_refused_where_they_are(entries, key, problem, hint):
    error = refused(changed(**entries))
    found = [each for each in error.problems if each.key == key]
    assert found, str(error)
    assert problem in found[0].problem
    assert hint in found[0].hint


def test_all_mistakes_are_told_at_once():
    error = refused(changed(population__lower__sise=3, projection__up__delay=-1, name=3))
    assert {each.key for each in error.problems} == {"population.lower.sise", "projection.up.delay", "name"}


def test_no_free_population():
    tables = {
        "name": "direct",
        "population": {"a": {"role": "stimulus"}, "b": {"role": "target"}},
        "projection": {"ab": {"from": "a", "to": "b", "synapse": "point"}},
    }
    assert "no free population" in str(refused(tables))


@pytest.mark.parametrize("make", [lambda: Population(sise=3), lambda: Circuit(nme="a"), lambda: Circuit()])
def test_python_gets_the_same_errors(make):
    with pytest.raises(DescriptionError, match="unknown key|is missing"):
        make()


def test_long_chains_are_ordered():
    names = [f"p{k}" for k in range(200)]
    chain = ["input", *names, "output"]
    circuit = Circuit(
        name="chain",
        population={
            "output": {"role": "target"},
            **{name: {"size": 1} for name in reversed(names)},
            "input": {"role": "stimulus"},
        },
        projection={f"to-{b}": {"from": a, "to": b, "synapse": "point"} for a, b in itertools.pairwise(chain)},
    )
    assert circuit.free == tuple(names)


class Passes(dict):
    """Counts how often one goes through all of it."""

    made = 0

    def values(self):
        self.made += 1
        return super().values()

    def items(self):
        self.made += 1
        return super().items()


def test_components_of_long_chains_take_few_passes_over_the_projections():
    names = [f"p{k}" for k in range(40)]
    chain = CircuitGraph()
    chain.population = {name: Population(size=1) for name in names}
    chain.projection = Passes(
        {f"to-{b}": Projection(source=a, target=b, synapse="point") for a, b in itertools.pairwise(names)}
    )
    assert chain.components == tuple((name,) for name in names)
    assert chain.projection.made <= 2


@pytest.mark.parametrize("symbol", [r"\Xi", r"\bm{q}", r"\hat{\mu}_0^{\mathrm{in}}", "m", "π", r"q'\,"])
def test_symbols_of_parameters(symbol):
    changed = nm.changed(nm.load_circuit("mpl"), {"synapse.spike-and-slab.parameter.m.symbol": symbol})
    assert changed.synapse["spike-and-slab"].parameter["m"].symbol == symbol


@pytest.mark.parametrize(
    ("symbol", "told"),
    [
        (r"\input{/etc/hostname}", r"has \\input, which is not a letter"),
        (r"\csname input\endcsname", r"\\csname"),
        ("$x$", "has '\\$x'"),
        (r"\hat{q", "unbalanced braces"),
        ("}{", "unbalanced braces"),
        (r"\\newline", "which is not allowed in a symbol"),
        ("q % no more", "which is not allowed in a symbol"),
        ("^^5cinput", None),
        ("", "one line of 1 to 100"),
    ],
)
def test_what_would_lead_a_document_away_is_no_symbol(symbol, told):
    with pytest.raises(DescriptionError, match=told) as caught:
        nm.changed(nm.load_circuit("mpl"), {"synapse.spike-and-slab.parameter.m.symbol": symbol})
    assert caught.value.key == "circuit.synapse.spike-and-slab.parameter.m.symbol"
