"""The page of all keys: current, complete, with units of keys that exist."""

import runpy
from pathlib import Path

import pytest

from neuro_mpc.descriptions.docstrings import UNITS

DOCS = Path(__file__).parents[1] / "docs"
MADE = runpy.run_path(str(DOCS / "make_keys.py"))
ROWS = [line for line in MADE["page"]().splitlines() if line.startswith("| `")]


def test_the_page_is_that_of_the_tables():
    assert (DOCS / "keys.md").read_text(encoding="utf-8") == MADE["page"](), "python docs/make_keys.py"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("`")[1])
def test_every_key_says_what_it_means(row):
    assert len(row.replace("\\|", "").split("|")[5].strip()) > 0


def test_units_are_those_of_keys():
    keys = {row.split("`")[1] for row in ROWS}
    assert set(UNITS) <= keys


@pytest.mark.parametrize(
    "line",
    [
        "| `delay` | whole number ≥ 0 and ≤ 1,000,000 | `0` | steps | steps by which the input is late",
        "| `load` | number > 0 | `10` |  | M / N",
        '| `split` | `"test"`, `"validation"`, `"train"` | `"test"` |  | whose trials are shown',
        '| `every` | whole number ≥ 1 |  | epochs | "step"',
    ],
)
def test_type_limits_default_and_unit_are_those_of_the_field(line):
    assert any(row.startswith(line) for row in ROWS)
