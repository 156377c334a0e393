"""The grid of a sweep: its keys, its values and its seeds, from Python and from the command line."""

import pytest
from small_sweeps import LOAD

import neuro_mpc as nm
from neuro_mpc.sweeps.grid import grid, parse_over, parse_seeds, refuse_set, settings_of


def test_a_grid_holds_every_combination_once():
    made = grid({LOAD: [1, 2], "circuit.population.hidden.size": [5, 6, 7]}, [3, 4])
    found = list(made.members())
    assert made.shape == (2, 3, 2)
    assert len(found) == len(made) == 12
    assert len({member.name for member in found}) == 12
    assert found[0].name == "load=1,size=5,seed=3"
    assert settings_of(found[-1]) == ({"population.hidden.size": 7}, {"stimulus.load": 2})


def test_keys_with_the_same_end_are_told_apart():
    over = {"protocol.learning.rate": [1], "protocol.inference.rate": [1], "protocol.target.read": ["last"]}
    assert [axis.name for axis in grid(over, [0]).axes] == ["learning_rate", "inference_rate", "read"]


def test_names_of_files_are_plain_and_different():
    over = {"protocol.data_dir": ["/a/b", "/a_b", "x" * 200, "x" * 201]}
    names = [member.name for member in grid(over, [0]).members()]
    assert len(set(names)) == 4
    assert all("/" not in name and len(name) < 150 for name in names)


def test_numerals_and_dates_are_texts_where_the_field_is_one():
    over = parse_over(["protocol.data_dir=1984,2024-01-15", "protocol.stimulus.train=.5,007"])
    assert over == {"protocol.data_dir": ("1984", "2024-01-15"), "protocol.stimulus.train": (".5", "007")}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1,0.5,1", (0.1, 0.5, 1)),
        ("[2,4],[1,3]", ([2, 4], [1, 3])),
        ("normal(0, 1),0.5", ("normal(0, 1)", 0.5)),
        ('"normal(0, 1)","a,b"', ("normal(0, 1)", "a,b")),
        ("true,false", (True, False)),
        ("exact,as-released", ("exact", "as-released")),
    ],
)
def test_values_are_parted_as_toml_would(text, values):
    assert parse_over([f"protocol.x={text}"]) == {"protocol.x": values}


@pytest.mark.parametrize("text", ["protocol.x=", "protocol.x", "protocol.x=1,,2", "x=1", "protocl.x=1"])
def test_what_is_no_key_with_values_is_refused(text):
    with pytest.raises(nm.DescriptionError, match="over: "):
        parse_over([text])


def test_seeds_are_no_key():
    with pytest.raises(nm.DescriptionError, match="try: seeds, of the sweep"):
        parse_over(["seed=0,1"])


def test_a_key_cannot_be_swept_twice():
    with pytest.raises(nm.DescriptionError, match="swept twice"):
        parse_over([f"{LOAD}=1", f"{LOAD}=2"])
    with pytest.raises(nm.DescriptionError, match="same value twice"):
        grid({LOAD: [1, 1.0]}, [0])


def test_a_swept_value_is_not_lost_to_a_table_that_is_swept_too():
    table, value = ("protocol.learning.initial", [{"pi": 0}, {}]), ("protocol.learning.initial.Xi", [0, 1])
    assert len(grid(dict([table, value]), [0])) == 4
    with pytest.raises(nm.DescriptionError, match="over: protocol.learning.initial.Xi: would be replaced by protocol"):
        grid(dict([value, table]), [0])


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (f"{LOAD}=1", f"over: {LOAD}: is swept, and set as well"),
        (f" {LOAD} = 2", f"over: {LOAD}: is swept, and set as well"),
        ("protocol.stimulus.letters=5", ""),
        ("protocol.learning.epochs=2", "learning.presentations: is swept, and protocol.learning.epochs set as well"),
        ("protocol.learning.schedule.kind=step", "learning.schedule: is swept, and protocol.learning.schedule.kind "),
    ],
)
def test_what_is_swept_is_not_set_as_well(setting, told):
    over = {LOAD: (1, 2), "protocol.learning.presentations": (3, 4), "protocol.learning.schedule": ({},)}
    if not told:
        refuse_set(over, [setting])
        return
    with pytest.raises(nm.DescriptionError, match=told):
        refuse_set(over, [setting])


@pytest.mark.parametrize(("text", "seeds"), [("3", (3,)), ("0:3", (0, 1, 2)), ("0,4,2:4", (0, 4, 2, 3))])
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "-1", "1.5", "0:99999999", "1:2:3", "5:0"])
def test_what_are_no_seeds_is_refused(text):
    with pytest.raises(nm.DescriptionError, match="seeds: "):
        parse_seeds(text)


@pytest.mark.parametrize("seeds", [[], [-1], [2, 2]])
def test_seeds_in_python_are_refused_too(seeds):
    with pytest.raises(nm.DescriptionError, match="seeds: "):
        grid({}, seeds)


def test_a_sweep_that_is_too_large_is_refused():
    with pytest.raises(nm.DescriptionError, match="too large"):
        grid({LOAD: range(1, 1001), "protocol.learning.rate": range(1000)}, [0])
