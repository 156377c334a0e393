"""What a figure shows: the texts of an SVG file, in which matplotlib keeps them as text."""

from pathlib import Path
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def texts(path: str | Path) -> set[str]:
    """The texts of a figure, those of ticks too."""
    return {"".join(each.itertext()).strip() for each in ElementTree.parse(path).iter(f"{SVG}text")}


def curves(path: str | Path) -> int:
    """Its lines, rectangles and markers."""
    tree = ElementTree.parse(path)
    return sum(1 for kind in ("path", "use") for _ in tree.iter(f"{SVG}{kind}"))
