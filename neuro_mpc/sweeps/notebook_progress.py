"""The progress of a sweep in a notebook: a bar below the cell."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from neuro_mpc.sweeps.progress import SilentSweep
from neuro_mpc.system.notebook import Bar

if TYPE_CHECKING:
    from neuro_mpc.sweeps.members import Outcome


class NotebookSweep(SilentSweep):
    """What members have learned, how many ended, the last of them, and all that failed, in one place of the output.

    display  shows an object, and returns what replaces it by another one, as `IPython.display.display` does
    """

    def __init__(
        self, display: Callable[..., Any] | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total, self._done, self._last = 0, 0, ""
        self._lines: list[str] = []
        self._fractions: dict[str, float] = {}
        self._bar = Bar("members", display, clock)

    def say(self, text: str) -> None:
        self._lines.append(text)
        self._show()

    def warning(self, text: str) -> None:
        self.say(f"warning: {text}")

    def start(self, total: int) -> None:
        self._total = total
        self._show()

    def learned(self, name: str, fraction: float) -> None:
        self._fractions[name] = fraction
        if self._bar.is_due():
            self._show()

    def ended(self, outcome: Outcome, summary: str) -> None:
        self._fractions[outcome.name] = 1.0
        self._done += 1
        if outcome.error:
            self._lines.append(summary)
        self._last = summary
        self._show()

    def close(self) -> None:
        self._show()

    def _show(self) -> None:
        count = f"{self._done} of {self._total} members" if self._total else ""
        words = ", ".join(part for part in (count, self._last) if part)
        self._bar.draw(sum(list(self._fractions.values())), self._total, words, self._lines)
