"""The figures by name. Each stands in one module of this package, which registers it."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable
from importlib import import_module

from matplotlib.figure import Figure

Draw = Callable[..., list[Figure]]
FIGURES: dict[str, Draw] = {}
OF_SEVERAL: list[str] = []
OF_SOME: list[str] = []
"""Figures of what some circuits have: their absence needs no word."""
CHAPTERS: dict[str, list[str]] = {}
"""Chapter of a report → names of its figures."""
TITLES: dict[str, str] = {}
_PLACES: dict[str, int] = {}
LAST = 1000
EXPERIMENT = "Experiment"


def figure(
    name: str,
    *,
    place: int = LAST,
    chapter: str = EXPERIMENT,
    title: str = "",
    of_several: bool = False,
    of_some: bool = False,
) -> Callable[[Draw], Draw]:
    """A decorator that registers the function which draws a figure, from a run to pages.

    place       figures of a run are drawn in this order, then in that of their names
    chapter     of a report, in which the figure stands, by default that of experiments
    title       above the figure in a report, by default its name
    of_several  the function takes a list of runs, too, such as those of several seeds
    of_some     what is drawn is a thing that some circuits have
    """

    def registered(draw: Draw) -> Draw:
        FIGURES[name], _PLACES[name] = draw, place
        CHAPTERS.setdefault(chapter, []).append(name)
        TITLES[name] = title or name.replace("-", " ").capitalize()
        if of_several:
            OF_SEVERAL.append(name)
        if of_some:
            OF_SOME.append(name)
        return draw

    return registered


def discover(package: str, folders: Iterable[str]) -> None:
    """Imports every module of a package, and puts the figures and the chapters in their order."""
    for module in pkgutil.iter_modules(folders):
        import_module(f"{package}.{module.name}")
    in_order = sorted(FIGURES, key=lambda name: (_PLACES[name], name))
    figures = {name: FIGURES[name] for name in in_order}
    FIGURES.clear()
    FIGURES.update(figures)
    for names in (OF_SEVERAL, *CHAPTERS.values()):
        names.sort(key=in_order.index)
    chapters = sorted(CHAPTERS.items(), key=lambda chapter: in_order.index(chapter[1][0]))
    CHAPTERS.clear()
    CHAPTERS.update(chapters)
