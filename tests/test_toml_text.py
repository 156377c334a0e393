"""TOML text: what is written is read again."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_mpc.descriptions.toml_text import parse_toml, to_toml
from neuro_mpc.errors import DescriptionError

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
    assert text == 'b = "β"\n\n[a]\nx = 1\n\n[c-d."e f"]\ny = [1, 2.5]\n'


def test_line_breaks_of_windows_are_accepted():
    assert parse_toml("a = 1\r\nb = 2\r\n") == {"a": 1, "b": 2}


def test_malformed_text_is_told_with_its_line():
    with pytest.raises(DescriptionError, match=r"(?s)a.toml: not valid TOML: .*line 2"):
        parse_toml("a = 1\nb = relu(r)", "a.toml")
