"""What docs/architecture.md names is there: rooms, and the functions and classes at which a description stops."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "neuro_mpc"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PICTURE = (ROOT / "docs" / "figures" / "architecture.svg").read_text(encoding="utf-8")
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
STATIONS = sorted(set(re.findall(r"`([\w/]+\.py)(?::([\w.]+))?`", PAGE)) - {("tests/test_imports.py", "")})


def defined(path: Path) -> set[str]:
    """Names of the functions and classes of a file, and `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
            found |= {f"{node.name}.{each.name}" for each in ast.walk(node) if isinstance(each, ast.FunctionDef)}
    return found


def test_the_page_and_its_picture_show_all_rooms():
    assert set(re.findall(r"^\| `(\w+)/` \|", PAGE, re.MULTILINE)) == ROOMS
    assert set(re.findall(r"\b(\w+)/(?=[,<])", PICTURE)) == ROOMS


@pytest.mark.parametrize(("file", "name"), STATIONS, ids=lambda part: part or "file")
def test_stations_are_where_the_page_says(file, name):
    path = PACKAGE / file
    assert path.is_file()
    assert not name or name in defined(path)
