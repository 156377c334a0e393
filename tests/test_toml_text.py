"""TOML text: what is written is read again."""

import hashlib
import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_mpc.descriptions.loading import load_circuit, load_protocol
from neuro_mpc.descriptions.toml_text import parse_toml, to_toml
from neuro_mpc.errors import DescriptionError
from neuro_mpc.runfile.differences import differences

SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=10)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=2)


def without_empty(table):
    pruned = {key: without_empty(value) if isinstance(value, dict) else value for key, value in table.items()}
    return {key: value for key, value in pruned.items() if value != {}}


@given(st.recursive(VALUES, lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8))
def test_tables_are_read_as_they_were_written(value):
    table = {"table": value}
    assert tomllib.loads(to_toml(table)) == without_empty(table)


def test_values_come_before_tables():
    text = to_toml({"a": {"x": 1}, "b": "β", "c-d": {"e f": {"y": [1, 2.5]}}})
    assert text == 'b = "β"\n\n[a]\nx = 1\n\n[c-d."e f"]\ny = [\n    1,\n    2.5,\n]\n'


def test_lists_on_one_line_are_the_same_description_and_the_same_run():
    protocol = load_protocol("toy-language", {"inference.iterations": [[0, 10], [5, 20]]})
    text = protocol.to_toml()
    earlier = re.sub(r",\n *\]", "]", re.sub(r"\[\n *", "[", re.sub(r",\n +(?=[^\s\]])", ", ", text)))
    assert "transitions = [2, 4]\n" in earlier
    assert "iterations = [[0, 10], [5, 20]]\n" in earlier
    assert type(protocol).from_toml(earlier) == protocol
    assert differences({"protocol": earlier}, {"protocol": text}) == []


def test_the_text_of_a_circuit_keeps_the_digest_of_what_was_learned_from_it():
    text = load_circuit("mpl").to_toml()
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "8db0c019097dbe9a637bd264c8d1baa8c5be1cd6ebf7e1627835ace8a03b4044"
    )


def test_line_breaks_of_windows_are_accepted():
    assert parse_toml("a = 1\r\nb = 2\r\n") == {"a": 1, "b": 2}


def test_malformed_text_is_told_with_its_line():
    with pytest.raises(DescriptionError, match=r"(?s)a.toml: not valid TOML: .*line 2"):
        parse_toml("a = 1\nb = relu(r)", "a.toml")


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 4299, "0x" + "f" * 9000])
def test_an_integer_of_thousands_of_digits_is_refused(number):
    with pytest.raises(DescriptionError, match="an integer with more digits than any number here can have"):
        parse_toml(f"size = [{number}]")
