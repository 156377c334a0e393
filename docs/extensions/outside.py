"""Files at the top of the repository as pages of the site, and the links between these and the pages in the folder."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
FILES = {"contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md"}
PAGES = {ROOT / file: DOCS / f"{name}.md" for name, file in FILES.items()} | {ROOT / "README.md": DOCS / "index.md"}
LINK = re.compile(r"\]\((?P<path>[^()#\s:]+)(?P<anchor>#[^()\s]*)?\)")


def shown(app: Sphinx, name: str, source: list[str]) -> None:
    """Fills the page of a file outside, and leads links of any page to such a page, not to its file."""
    page = DOCS / f"{name}.md"
    if name in FILES:
        page = ROOT / FILES[name]
        app.env.note_dependency(str(page))
        source[0] = page.read_text(encoding="utf-8")
    source[0] = LINK.sub(partial(_led, page.parent, (DOCS / name).parent), source[0])


def _led(folder: Path, new: Path, link: re.Match) -> str:
    """A link of a text in `folder`, as it leads to the same place from a page in `new`; what is no file stays."""
    path = Path(os.path.normpath(folder / link["path"]))
    if not path.exists():
        return link[0]
    return f"]({os.path.relpath(PAGES.get(path, path), new)}{link['anchor'] or ''})"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", shown)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
