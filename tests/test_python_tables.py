"""The tables of descriptions in Python: arguments, documentation, the errors of TOML in the words of Python."""

import inspect
import pydoc
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpydoc.docscrape import get_doc_object

import neuro_mpc as nm
from neuro_mpc import spelling
from neuro_mpc.descriptions.docstrings import bare, unit_of
from neuro_mpc.descriptions.tables import Table

TABLES = [getattr(nm, name) for name in nm.__all__ if isinstance(getattr(nm, name), type)]
TABLES = [each for each in TABLES if issubclass(each, Table)] + list(nm.stimuli.StimulusTable.forms())
POPULATIONS = {
    "pixels": nm.Population(role="stimulus"),
    "hidden": nm.Population(size=5, activation="relu(r)"),
    "output": nm.Population(role="target"),
}
PROJECTIONS = {
    "input": nm.Projection(source="pixels", target="hidden", synapse="gaussian"),
    "recurrent": nm.Projection(source="hidden", target="hidden", delay=1, synapse="point", initial={"m": 0.5}),
    "output": nm.Projection(source="hidden", target="output", synapse="point"),
}
LEARNING = {"rate": 0.1, "batch": 10, "epochs": 1}
PARTS = {
    "stimulus": nm.stimuli.ToyLanguage(load=1.0),
    "target": nm.Target(read="every"),
    "inference": nm.Inference(scheme="relaxation", iterations=[[0, 5], [2, 3]]),
    "learning": nm.Learning(**LEARNING, schedule=nm.Schedule(kind="cosine"), initial={"recurrent.m": "normal(0, 1)"}),
    "test": nm.Test(every=3, keep="best"),
    "recording": nm.Recording(samples=(0, -1)),
}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_arguments_have_the_names_types_and_defaults_of_the_fields(table):
    arguments = inspect.signature(table).parameters
    assert list(arguments) == list(table.model_fields)
    for name, field in table.model_fields.items():
        assert arguments[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert "Annotated" not in str(arguments[name])
        if field.is_required():
            assert arguments[name].default is inspect.Parameter.empty
        elif field.default_factory:  # the code that makes it
            assert eval(repr(arguments[name].default), vars(nm)) == field.default_factory()
        else:
            assert arguments[name].default == field.get_default()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_docstrings_name_every_argument_with_its_unit_and_default(table):
    documented = {each.name: each for each in get_doc_object(table)["Parameters"]}
    assert list(documented) == list(table.model_fields)
    for name, field in table.model_fields.items():
        assert documented[name].desc
        assert ("default" in documented[name].type or "optional" in documented[name].type) != field.is_required()
        assert unit_of(table, name) in documented[name].type


@pytest.mark.parametrize(
    ("annotation", "plain"),
    [
        (nm.Population.model_fields["size"].annotation, int | None),
        (nm.Projection.model_fields["initial"].annotation, dict[str, str | float]),
        (nm.Recording.model_fields["samples"].annotation, tuple[int, ...]),
    ],
)
def test_types_in_signatures_are_those_of_a_reader(annotation, plain):
    assert bare(annotation) == plain


def test_the_ends_of_a_projection_have_names_of_their_own_in_each_language():
    projection = PROJECTIONS["input"]
    assert (projection.source, projection.target) == ("pixels", "hidden")
    assert projection.tables() == {
        "from": "pixels",
        "to": "hidden",
        "delay": 0,
        "synapse": "gaussian",
        "initial": {},
    }
    assert nm.Projection.from_toml(projection.to_toml()) == projection == nm.Projection(**projection.tables())
    assert "(``from`` in TOML)" in nm.Projection.__doc__


def test_tables_of_sources_are_found_by_their_names():
    ours = {table.__name__ for table in nm.stimuli.StimulusTable.forms() if table.__module__.startswith("neuro_mpc.")}
    assert ours <= set(dir(nm.stimuli))
    assert nm.stimuli.ToyLanguage().source == "toy-language"
    with pytest.raises(AttributeError, match="no attribute 'Movies'"):
        nm.stimuli.Movies  # noqa: B018
    # Editors read the imports, which run for type checkers alone.
    text = (Path(nm.stimuli.__file__)).read_text(encoding="utf-8")
    assert set(re.findall(r"import (\w+)  # noqa: F401", text)) == ours


def mixed(tables, objects):
    """Objects in the place of dicts for the names of some."""
    return st.fixed_dictionaries({name: st.sampled_from([tables[name], objects[name]]) for name in objects})


@settings(max_examples=25, deadline=None)
@given(
    population=mixed({name: each.tables() for name, each in POPULATIONS.items()}, POPULATIONS),
    projection=mixed({name: each.tables() for name, each in PROJECTIONS.items()}, PROJECTIONS),
    parts=mixed({name: each.tables() for name, each in PARTS.items()}, PARTS),
)
def test_objects_and_dicts_make_the_same_and_toml_gives_it_back(population, projection, parts):
    circuit = nm.Circuit(name="mixed", population=population, projection=projection)
    protocol = nm.Protocol(name="mixed", **parts)
    assert circuit == nm.Circuit(name="mixed", population=POPULATIONS, projection=PROJECTIONS)
    assert nm.Circuit.from_toml(circuit.to_toml()) == circuit
    assert protocol == nm.Protocol(name="mixed", **PARTS)
    assert nm.Protocol.from_toml(protocol.to_toml()) == protocol


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(1, 10**6),
    delay=st.integers(1, 10**6),
    value=st.floats(-1e300, 1e300) | st.sampled_from(["normal(0, 1)", "n*identity()"]),
    description=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    high=st.none() | st.floats(0.5, 1e300),
)
def test_every_value_survives_toml(size, delay, value, description, high):
    synapse = nm.SynapseType(mean="w", parameter={"w": nm.Parameter(initial=0.25, low=-1.5, high=high)})
    recurrent = nm.Projection(source="hidden", target="hidden", delay=delay, synapse="own")
    circuit = nm.Circuit(
        name="drawn",
        description=description,
        population={**POPULATIONS, "hidden": nm.Population(size=size)},
        projection={**PROJECTIONS, "recurrent": recurrent},
        synapse={"own": synapse},
    )
    assert nm.Circuit.from_toml(circuit.to_toml()) == circuit
    learning = nm.Learning(**LEARNING, initial={"recurrent": {"m": value}})
    protocol = nm.Protocol(**{**PARTS, "learning": learning}, name="drawn", description=description)
    assert nm.Protocol.from_toml(protocol.to_toml()) == protocol


def test_objects_replace_tables_of_what_is_loaded_and_add_new_ones():
    circuit = nm.load_circuit(
        "mpl", {"population.hidden": nm.Population(size=7), "population.hidden.activation": "tanh(r)"}
    )
    assert circuit.population["hidden"] == nm.Population(size=7, activation="tanh(r)")
    upper = {
        "population.upper": nm.Population(size=3),
        "projection.up": nm.Projection(source="hidden", target="upper", synapse="point"),
        "projection.down": nm.Projection(source="upper", target="output", synapse="gaussian"),
    }
    assert nm.changed(circuit, upper).free == ("hidden", "upper")
    protocol = nm.load_protocol("toy-language", {"learning.schedule": nm.Schedule(kind="cosine", floor=0.01)})
    assert protocol.learning.schedule.floor == 0.01


def refused(make):
    with pytest.raises(nm.DescriptionError) as caught:
        make()
    return str(caught.value)


def circuit_with(**changes):
    return nm.Circuit(**{"name": "own", "population": POPULATIONS, "projection": PROJECTIONS} | changes)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: nm.Projection(source="a", synapse="point"), "Projection.target: is missing"),
        (lambda: nm.Projection(sorce="a", target="b", synapse="c"), "expected: source, target, delay"),
        (lambda: nm.Projection(sorce="a", target="b", synapse="c"), "try: did you mean 'source'?"),
        (lambda: nm.Population(), "Population: a free population needs a size\n  expected: size=number of units"),
        (lambda: nm.Population(size=1.5), "Population.size: is not a whole number"),
        (lambda: nm.Population(role="target", size=True), "Population.size: is not a whole number"),
        (lambda: nm.Inference(scheme="euler"), "Inference.scheme: is not one of the known values"),
        (lambda: nm.Inference(scheme="momentum", rat=1), "Inference.rat: unknown key"),
        (lambda: nm.Learning(lr=0.1), "Learning.lr: unknown key\n  expected: optimizer, rate"),
        (lambda: nm.Learning(rate=0.1, batch=1, lr=0.1), "try: did you mean 'rate'?"),
        (lambda: nm.Population(units=9), "try: did you mean 'size'?"),
        (lambda: nm.Projection(pre="a", target="b", synapse="point"), "try: did you mean 'source'?"),
        (lambda: nm.stimuli.Digits(pixels_per_step=7), "Digits.pixels_per_step: does not divide"),
        (lambda: nm.Recording(trajectory=1), "expected: True or False"),
        (lambda: nm.SynapseType(mean="w", parameter={"w": 3}), "SynapseType.parameter.w: is not a table"),
        (lambda: circuit_with(population={"a": PROJECTIONS["input"]}), "is not a table\n  found: 'Projection'"),
        (lambda: circuit_with(population=[]), "expected: a dict of keys and values"),
        (lambda: circuit_with(population={**POPULATIONS, "lost": nm.Population(role="target")}), 'target="lost"'),
        (
            lambda: circuit_with(projection={"up": nm.Projection(source="pixels", target="hidden", synapse="mine")}),
            'try: synapse={"mine": nm.SynapseType(…)}',
        ),
    ],
)  # fmt: skip
def test_errors_name_arguments_as_python_does(make, told):
    assert told in refused(make)


def test_errors_of_files_keep_the_words_of_toml(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(circuit_with().to_toml() + '\n[population.lost]\nrole = "target"\n', encoding="utf-8")
    assert 'expected: a projection with to = "lost"' in refused(lambda: nm.load_circuit(file))
    with spelling.command_line():
        assert spelling.words_of_python('to = "lost"') == 'to = "lost"'


def test_help_lists_what_the_package_defines_and_nothing_of_pydantic():
    told = pydoc.plain(pydoc.render_doc(nm.Population))
    assert "to_toml" in told
    assert "model_" not in told
    assert "inherited from pydantic" not in told
    assert {"size", "readout", "to_toml"} <= set(dir(nm.Population(size=3)))
    assert not [name for name in dir(nm.Circuit) if name.startswith(("model_", "_", "parse_"))]
