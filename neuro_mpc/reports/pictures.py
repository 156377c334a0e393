"""The figures of a run, as pictures that stand in the page itself."""

from __future__ import annotations

import base64
import inspect
import re
from dataclasses import dataclass
from io import BytesIO

import xarray as xr
from matplotlib.figure import Figure

from neuro_mpc.errors import RunFileError
from neuro_mpc.plots import FIGURES, style
from neuro_mpc.plots.figures import CHAPTERS, EXPERIMENT, OF_SOME, TITLES

DOTS_PER_INCH = 200
PANELS_TOLD = 6
NARROW = 350  # CSS pixels; a column of print has 336


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, with its caption, and words for who cannot see it; `width` in CSS pixels is that of
    print."""

    name: str
    title: str
    caption: str
    words: str
    uri: str
    width: int

    @property
    def is_narrow(self) -> bool:
        """Whether it fits on the screen of a telephone."""
        return self.width < NARROW


@dataclass(frozen=True)
class Drawn:
    """chapter → pictures, and (title, reason) of the figures that the recording does not allow, and that failed."""

    chapters: dict[str, list[Picture]]
    missing: list[tuple[str, str]]
    failed: list[tuple[str, str]]


def drawn(run: xr.DataTree) -> Drawn:
    """All the figures that the recording of a run allows."""
    with style.applied(run):
        return _drawn(run)


def _drawn(run: xr.DataTree) -> Drawn:
    chapters: dict[str, list[Picture]] = {}
    missing: list[tuple[str, str]] = []
    failed: list[tuple[str, str]] = []
    others = CHAPTERS.get(EXPERIMENT, ())
    for chapter in sorted(CHAPTERS, key=lambda name: name != EXPERIMENT):  # what a run is about comes first
        for name in CHAPTERS[chapter]:
            try:
                chapters.setdefault(chapter, []).extend(_pictures(run, name))
            except RunFileError as problem:
                if name in others or name in OF_SOME:  # of other kinds of run files and circuits
                    continue
                missing.append((TITLES[name], f"{problem.problem}; {problem.hint}".rstrip("; ")))
            except Exception as problem:  # a file that no run has written may be wrong anywhere
                failed.append((TITLES[name], f"cannot be drawn: {type(problem).__name__}: {problem}"))
    return Drawn({chapter: pictures for chapter, pictures in chapters.items() if pictures}, missing, failed)


def _pictures(run: xr.DataTree, name: str) -> list[Picture]:
    pages = FIGURES[name](run)
    title, caption = TITLES[name], _caption(name)
    return [
        Picture(name, title, caption if page is pages[0] else "", _in_words(title, page), *_inlined(page))
        for page in pages
    ]


def _in_words(title: str, page: Figure) -> str:
    """What a figure shows: its title, and what is drawn by what in its panels."""
    labels = [(axes.get_ylabel(), axes.get_xlabel()) for axes in page.axes]
    drawn = dict.fromkeys(_plain(f"{y} by {x}") for y, x in labels if y and x)
    return f"{title}: {'; '.join(list(drawn)[:PANELS_TOLD])}" if drawn else title


def _plain(label: str) -> str:
    """A label without the signs of its typesetting."""
    return " ".join(re.sub(r"\\[a-z]+(?=[{ ])|[${}\\]", "", label).split())


def _caption(name: str) -> str:
    """What the function that draws a figure says of its panels."""
    return " ".join((inspect.getdoc(FIGURES[name]) or "").partition("\n\nRaises")[0].split())


def _inlined(figure: Figure) -> tuple[str, int]:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=DOTS_PER_INCH)
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return f"data:image/png;base64,{data}", round(figure.get_size_inches()[0] * 96)
