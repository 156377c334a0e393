"""Loading, settings of the command line and saving; what ships with the package can be loaded."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import neuro_mpc as nm
from neuro_mpc.descriptions.loading import (
    load_circuit,
    load_protocol,
    parse_settings,
    save_circuit,
    save_protocol,
    shipped,
)
from neuro_mpc.descriptions.settings import written_value
from neuro_mpc.errors import DescriptionError


def loaded(*texts, circuit="mpl", protocol="toy-language"):
    for_circuit, for_protocol = parse_settings(texts)
    return load_circuit(circuit, for_circuit), load_protocol(protocol, for_protocol)


@pytest.mark.parametrize("name", shipped("circuit"))
def test_shipped_circuits_load_and_save(name, tmp_path):
    circuit = load_circuit(name)
    save_circuit(circuit, tmp_path / "copy.toml")
    assert circuit.name == name
    assert load_circuit(tmp_path / "copy.toml") == load_circuit(str(tmp_path / "copy.toml")) == circuit


@pytest.mark.parametrize("name", shipped("protocol"))
def test_shipped_protocols_load_and_save(name, tmp_path):
    protocol = load_protocol(name)
    save_protocol(protocol, tmp_path / "copy.toml")
    assert protocol.name == name
    assert load_protocol(tmp_path / "copy.toml") == protocol


def test_what_ships_has_names_and_one_line_each():
    assert set(shipped("circuit")) >= {"mpl", "pc"}
    assert set(shipped("protocol")) >= {"toy-language", "digits-rows", "mnist-rows", "mnist-pixels"}
    for description in [*shipped("circuit").values(), *shipped("protocol").values()]:
        assert len(description.splitlines()) == 1


def test_the_defaults_of_the_toy_language():
    circuit, protocol = loaded()
    assert circuit.population["hidden"].size == 100
    assert (protocol.stimulus.load, protocol.learning.batch) == (10.0, 200)
    assert (protocol.inference.scheme, protocol.learning.optimizer) == ("fixed-prediction", "adam")


def test_pc_is_mpl_with_point_weights():
    mpl, pc = load_circuit("mpl"), load_circuit("pc")
    assert pc.population == mpl.population
    assert {name: each.initial for name, each in pc.projection.items()} == {
        name: each.initial for name, each in mpl.projection.items()
    }
    assert [pc.synapse["point"].mean, pc.synapse["point"].variance] == [
        mpl.synapse["spike-and-slab"].mean,
        "0",
    ]


def test_settings_reach_every_kind_of_table():
    circuit, protocol = loaded(
        "circuit.population.hidden.size=50",
        "circuit.synapse.spike-and-slab.parameter.pi.high=0.5",
        "circuit.projection.input.initial.pi=0.2",
        "circuit.population.hidden.activation=tanh(r)",
        "protocol.stimulus.load = 2.5",
        "protocol.learning.initial.recurrent.m=n*identity()",
        "protocol.learning.initial.pi=0",
        "protocol.recording.samples=[0, 3]",
        "protocol.data_dir=~/my data",
    )
    assert circuit.population["hidden"].size == 50
    assert circuit.population["hidden"].activation == "tanh(r)"
    assert circuit.synapse["spike-and-slab"].parameter["pi"].high == 0.5
    assert circuit.projection["input"].initial == {"m": "normal(0, sqrt(n))", "pi": 0.2}
    assert protocol.stimulus.load == 2.5
    assert protocol.learning.initial == {"recurrent": {"m": "n*identity()"}, "pi": 0.0}
    assert protocol.recording.samples == (0, 3)
    assert protocol.data_dir == "~/my data"


def test_settings_do_not_stay():
    changed, _ = loaded("circuit.synapse.spike-and-slab.parameter.pi.high=0.5")
    assert changed != load_circuit("mpl")
    assert load_circuit("mpl").synapse["spike-and-slab"].parameter["pi"].high == 0.99


def test_a_table_is_set_as_a_whole():
    _, protocol = loaded('protocol.stimulus={source="digits"}', "protocol.test={}")
    assert protocol.stimulus.pixels_per_step == 8


def test_another_synapse_type_is_found():
    circuit, _ = loaded("circuit.projection.input.synapse=gaussian")
    assert circuit.synapse["gaussian"].variance == "Xi"


def test_presentations_take_the_place_of_epochs_and_back():
    _, protocol = loaded("protocol.learning.presentations=7")
    assert (protocol.learning.epochs, protocol.learning.presentations) == (None, 7)
    with pytest.raises(DescriptionError, match="both of epochs and presentations"):
        loaded("protocol.learning.presentations=7", "protocol.learning.epochs=1")


def test_presentations_take_the_place_of_epochs_in_a_schedule():
    key = "learning.schedule.every"
    schedule = load_protocol("mnist-rows-paper", {key: 3}).learning.schedule
    assert (schedule.every, schedule.every_presentations) == (3, None)
    schedule = load_protocol("mnist-rows-paper", {f"{key}_presentations": 3}).learning.schedule
    assert (schedule.every, schedule.every_presentations) == (None, 3)


WRONG = [
    ("circuit.populaton.hidden.size=5", "circuit.populaton: unknown key", "did you mean 'population'?"),
    ("circuit.population.hiden.size=5", "circuit.population.hiden: unknown key", "did you mean 'hidden'?"),
    (
        "circuit.population.hidden.sice=5",
        "circuit.population.hidden.sice: unknown key",
        "did you mean 'size'?",
    ),
    ("circuit.population.hidden.size.x=5", "circuit.population.hidden.size: is a value", "size=VALUE"),
    ("circuit.population.new=3", "circuit.population.new: unknown key", ""),
    ("circuit.population.new={size=3}", "population.new: reaches nothing", ""),
    ("circuit.projection.input.initial.q=3", "projection.input.initial.q: unknown parameter", ""),
    ("circuit.population.hidden.size=many", "population.hidden.size: is not a whole number", ""),
    ("protocol.learning.batch_size=3", "protocol.learning.batch_size: unknown key", "did you mean 'batch'?"),
    ("protocol.lr=0.1", "protocol.lr: unknown key", "did you mean 'learning.rate'?"),
    ("protocol.epochs=3", "protocol.epochs: unknown key", "did you mean 'learning.epochs'?"),
    ("protocol.seed=3", "protocol.seed: unknown key", "seed, of the run"),
    ("protocol.stimulus.loda=3", "protocol.stimulus.loda: unknown key", "did you mean 'load'?"),
    ("protocol.learning.rate=0.1\nbatch=3", "learning.rate: is not a number", ""),
    ("protocol.learning.initial.a.b.c=3", "protocol.learning.initial.a.b: ", ""),
    ("protocl.learning.rate=1", "not a setting", "did you mean 'protocol'?"),
    ("protocol=3", "not a setting", ""),
    ("protocol.learning.rate", "not a setting", ""),
    ("protocol..rate=3", "not a setting", ""),
    ("", "not a setting", ""),
    ("population.hidden.size=5", "not a setting", "did you mean 'circuit.population.hidden.size=5'?"),
    ("learning.rate=1", "not a setting", "did you mean 'protocol.learning.rate=1'?"),
    ("lr=1", "not a setting", "did you mean 'protocol.learning.rate'?"),
    ("seed=1", "not a setting", "seed, of the run"),
]


@pytest.mark.parametrize(("setting", "problem", "hint"), WRONG)
def test_wrong_settings_are_refused_with_their_path(setting, problem, hint):
    with pytest.raises(DescriptionError) as caught:
        loaded(setting)
    assert problem in str(caught.value)
    assert hint in str(caught.value)


def test_a_key_has_one_value():
    _, protocol = loaded("protocol.learning.rate=0.1", "protocol.learning.rate=1e-1")
    assert protocol.learning.rate == 0.1
    told = "protocol.learning.rate: is set twice\n  found: '0.1 and 0.2'\n  expected: one value\n  try: .*over"
    with pytest.raises(DescriptionError, match=told):
        loaded("protocol.learning.rate=0.1", "protocol.learning.rate=0.2")
    with pytest.raises(DescriptionError, match="found: 'tanh and relu'"):
        loaded("circuit.population.hidden.activation=tanh", "circuit.population.hidden.activation=relu")
    with pytest.raises(DescriptionError, match="protocol.learning.rate: is not finite\n  found: nan"):
        loaded("protocol.learning.rate=nan")  # which is unequal to itself


def test_a_value_can_be_set_in_a_table_that_was_set_before_and_not_lost_to_one_set_after_it():
    table, value = "protocol.learning.initial={pi=0, Xi=0}", "protocol.learning.initial.pi=0.3"
    _, protocol = loaded(table, value)
    assert protocol.learning.initial == {"pi": 0.3, "Xi": 0.0}
    told = "overrides: protocol.learning.initial.pi: would be replaced by protocol.learning.initial, which is set"
    with pytest.raises(DescriptionError, match=told):
        loaded(value, table)
    with pytest.raises(DescriptionError, match="would be replaced by circuit.population.hidden"):
        load_circuit("mpl", {"population.hidden.size": 3, "population.hidden": {"size": 5}})


def test_what_is_wrong_with_a_setting_is_not_put_down_to_the_file():
    with pytest.raises(DescriptionError) as caught:
        loaded("protocol.learning.epochs=three", "protocol.learning.batch=0")
    assert [each.key for each in caught.value.problems] == ["protocol.learning.batch", "protocol.learning.epochs"]
    assert str(caught.value).startswith("overrides: 2 problems")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("mlp", "did you mean 'mpl'?"),
        ("", "unknown circuit"),
        ("no/such/file.toml", "no/such/file.toml: cannot be read: No such file"),
        ("mpl.toml", "try: mpl, which comes with the package"),
        ("my-cirquit.toml", "try: did you mean 'my-circuit.toml'?"),
        (Path("/"), "cannot be read"),
        (".", ".: is a folder, not a circuit"),
        ("a\0.toml", "cannot be read"),
    ],
)
def test_what_is_not_there_is_told(name, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my-circuit.toml").touch()
    with pytest.raises(DescriptionError) as caught:
        load_circuit(name)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"name = ", "not valid TOML"),
        (b"activation = relu(r)", "texts and expressions are quoted"),
        (b"name = 'a'\nname = 'b'", "one table of each name, with all of its keys"),
        (b"[population.a]\n[population.a]", "one table of each name, with all of its keys"),
        (b"t = {a = 1, a = 2}", "one table of each name, with all of its keys"),
        (b"\xff\xfe", "not a text file in UTF-8"),
        (b"x = " + b"[" * 5000, "not valid TOML"),
        (b"#" * 2_000_000, "too large"),
        (b"", "is missing"),
    ],
)
def test_broken_files_are_told_with_their_name(tmp_path, content, problem):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    for load in (load_circuit, load_protocol):
        with pytest.raises(DescriptionError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert problem in str(caught.value)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(DescriptionError, match="cannot be written"):
        save_circuit(load_circuit("mpl"), tmp_path / "missing" / "a.toml")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CIRCUIT_KEYS = [
    "name",
    "population",
    "population.hidden",
    "population.hidden.size",
    "population.hidden.role",
    "projection",
    "projection.input",
    "projection.input.delay",
    "projection.input.initial",
    "projection.input.initial.m",
    "synapse",
    "projection.input.synapse",
    "synapse.spike-and-slab",
    "synapse.spike-and-slab.parameter.pi.low",
]
PROTOCOL_KEYS = [
    "name",
    "stimulus",
    "stimulus.source",
    "stimulus.transitions",
    "target",
    "inference.iterations",
    "learning.initial",
    "learning.initial.m",
    "learning.schedule",
    "recording.samples",
    "learning.epochs",
    "data_dir",
]


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(CIRCUIT_KEYS), VALUES)
def test_any_value_in_a_circuit_is_taken_or_refused(key, value):
    try:
        circuit = load_circuit("mpl", {key: value})
    except DescriptionError as error:
        assert str(error)
    else:
        assert type(circuit).from_toml(circuit.to_toml()) == circuit


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PROTOCOL_KEYS), VALUES)
def test_any_value_in_a_protocol_is_taken_or_refused(key, value):
    try:
        protocol = load_protocol("toy-language", {key: value})
    except DescriptionError as error:
        assert str(error)
    else:
        assert type(protocol).from_toml(protocol.to_toml()) == protocol


@given(st.text(max_size=40))
def test_any_setting_is_taken_or_refused(text):
    try:
        parse_settings([text, f"protocol.name={text}"])
    except DescriptionError as error:
        assert "not a setting" in str(error)


def test_a_folder_of_data_is_relative_to_the_file_that_names_it(tmp_path, monkeypatch):
    (tmp_path / "here" / "data").mkdir(parents=True)
    text = load_protocol("text", {"data_dir": "data"}).to_toml()
    (tmp_path / "here" / "own.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load_protocol("here/own.toml").data_dir == str(tmp_path / "here" / "data")
    assert load_protocol("here/own.toml", {"data_dir": "other"}).data_dir == "other"
    (tmp_path / "here" / "data").rename(tmp_path / "data")  # as relative to the current folder as it was in 0.1
    assert load_protocol("here/own.toml").data_dir == "data"


@pytest.mark.parametrize("written", ["9" * 5000, "0x" + "f" * 5000])
def test_a_setting_of_thousands_of_digits_is_refused(written):
    with pytest.raises(nm.DescriptionError):
        nm.load_circuit("mpl", {"population.hidden.size": written_value(written)})
    with pytest.raises(nm.DescriptionError, match="thousands of digits"):
        nm.load_circuit("mpl", {"population.hidden.size": 10**6000})
