"""The pages of the documentation, and the code in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
IN_FOLDER = sorted(str(path.relative_to(ROOT)) for path in DOCS.rglob("*.md"))
PAGES = [*TOP, *IN_FOLDER]
FENCED = re.compile(r"^(?P<fence>```+)(?P<language>[^\n]*)\n(?P<code>.*?)^(?P=fence)$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"(?:^ {4}.*\n?)+", re.MULTILINE)
OPTIONS = re.compile(r"\A---\n.*?^---\n", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"\bneuro-mpc( [^\n;|#&]+)")


def text_of(page: str) -> str:
    """The text of a page, named by its path in the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return [block["code"] for block in FENCED.finditer(text_of(page)) if block["language"].strip() == language]


def cells(page: str) -> list[str]:
    """The code of a notebook, cell by cell, without the options of the cells."""
    return [OPTIONS.sub("", cell) for cell in blocks(page, "{code-cell} ipython3")]


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return FENCED.sub("", text_of(page))


def commands(page: str) -> list[str]:
    """The command lines of neuro-mpc in blocks of a shell, each in one line, without the name of the program."""
    shown = [*blocks(page, "sh"), *INDENTED.findall(prose(page))]
    lines = "\n".join(shown).replace("\\\n", " ")
    return [" ".join(words.split()) for words in COMMAND.findall(lines)]
