"""The progress of a run in a notebook: a bar below the cell, drawn again in its place, without a terminal's control
characters and without widgets."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from neuro_mpc.runs.progress import SilentProgress, measured

INTERVAL = 0.2  # seconds between two pictures of the bar
STYLE = "width: 12em; vertical-align: middle"


def in_notebook() -> bool:
    """Whether this code runs in the kernel of a notebook, such as that of Jupyter."""
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    return getattr(shell, "kernel", None) is not None


def _display() -> Callable[..., Any]:
    from IPython.display import display  # pyright: ignore[reportMissingImports]

    return display


class Shown:
    """What a notebook shows: HTML, and text where that is all that can be shown."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


class NotebookProgress(SilentProgress):
    """Stage, presentations, free energy and the last test, in one place of the output of a cell.

    display  shows an object, and returns what replaces it by another one, as `IPython.display.display` does
    """

    def __init__(
        self, display: Callable[..., Any] | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._last = clock, clock()
        self._stage, self._energy, self._test = "", "", ""
        self._learned, self._total = 0, 0
        self._warnings: list[str] = []
        self._place = (display or _display())(self._shown(), display_id=True)

    def stage(self, text: str) -> None:
        self._stage = text
        self._show()

    def warning(self, text: str) -> None:
        self._warnings.append(f"warning: {text}")
        self._show()

    def start(self, total: int) -> None:
        self._total = total
        self._show()

    def update(self, presentation: int, free_energy: float) -> None:
        self._learned, self._energy = presentation, f"free energy {free_energy:.4g}"
        if self._clock() - self._last >= INTERVAL:
            self._show()

    def tested(self, presentation: int, values: Mapping[str, float]) -> None:
        self._test = measured(values)
        self._show()

    def finish(self, summary: str) -> None:
        self._stage = summary

    def close(self) -> None:
        self._show()

    def _show(self) -> None:
        self._last = self._clock()
        if self._place is not None:
            self._place.update(self._shown())

    def _shown(self) -> Shown:
        count = f"{self._learned:,} of {self._total:,} presentations" if self._total else ""
        words = [part for part in (self._stage, count, self._energy, self._test) if part]
        lines = [", ".join(words), *self._warnings]
        html = "<br>".join(map(escape, lines))
        return Shown(f"<div>{self._bar()}{html}</div>", "\n".join(lines))

    def _bar(self) -> str:
        if not self._total:
            return ""
        numbers = f'value="{self._learned}" max="{self._total}"'
        return f'<progress {numbers} aria-label="presentations" style="{STYLE}"></progress> '
