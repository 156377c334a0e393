"""Notebooks, such as Jupyter's: whether this code runs in one, and a place in the output of a cell that is drawn again,
without a terminal's control characters and without widgets."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

INTERVAL = 0.2  # seconds between two pictures of a bar
STYLE = "width: 12em; vertical-align: middle"


def in_notebook() -> bool:
    """Whether this code runs in the kernel of a notebook."""
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    return getattr(shell, "kernel", None) is not None


def display(shown: object, **options: Any) -> Any:
    """Shows an object in the output of the cell that is being executed."""
    from IPython.display import display as show  # pyright: ignore[reportMissingImports]

    return show(shown, **options)


class Shown:
    """What a notebook shows: HTML, and text where that is all that can be shown."""

    def __init__(self, html: str, text: str) -> None:
        self._html, self._text = html, text

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


class Bar:
    """A bar with words beside it and lines below, in one place; may be drawn from any thread.

    counted  what the bar counts, for those who do not see it
    shower   shows an object, and returns what replaces it by another one, as `IPython.display.display` does
    """

    def __init__(
        self, counted: str, shower: Callable[..., Any] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._counted, self._clock, self._last = counted, clock, clock()
        self._one_at_a_time = threading.Lock()
        self._place = (shower or display)(Shown("<div></div>", ""), display_id=True)

    def is_due(self) -> bool:
        """Whether the last picture is old enough for another one."""
        return self._clock() - self._last >= INTERVAL

    def draw(self, done: float, total: float, words: str, lines: Sequence[str] = ()) -> None:
        """Another picture in the place of the last; without a total, words and lines alone."""
        self._last = self._clock()
        numbers = f'value="{done:.6g}" max="{total:.6g}"'
        bar = f'<progress {numbers} aria-label="{self._counted}" style="{STYLE}"></progress> ' if total else ""
        text = "\n".join(each for each in (words, *lines) if each)
        html = "<br>".join(map(escape, text.split("\n")))
        with self._one_at_a_time:
            if self._place is not None:
                self._place.update(Shown(f"<div>{bar}{html}</div>", text))
