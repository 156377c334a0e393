"""The gallery shows, below the command of a figure, the recipe that draws it."""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"python (analysis/\w+\.py) ")


def with_recipes(app: Sphinx, document: nodes.document) -> None:
    """Puts the file of each recipe behind its command, folded."""
    if app.env.docname != "gallery":
        return
    for command in list(document.findall(nodes.literal_block)):
        for name in COMMAND.findall(command.astext())[:1]:
            place = command.parent.index(command) + 1
            command.parent[place:place] = _folded(app, name)


def _folded(app: Sphinx, name: str) -> list[nodes.Node]:
    app.env.note_dependency(str(ROOT / name))
    text = (ROOT / name).read_text(encoding="utf-8")
    opened = nodes.raw("", f'<details class="recipe"><summary>{name}</summary>', format="html")
    return [opened, nodes.literal_block(text, text, language="python"), nodes.raw("", "</details>", format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", with_recipes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
