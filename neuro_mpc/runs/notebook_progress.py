"""The progress of a run in a notebook: a bar below the cell."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from neuro_mpc.runs.progress import SilentProgress, measured
from neuro_mpc.system.notebook import Bar


class NotebookProgress(SilentProgress):
    """Stage, presentations, free energy and the last test, in one place of the output of a cell.

    display  shows an object, and returns what replaces it by another one, as `IPython.display.display` does
    """

    def __init__(
        self, display: Callable[..., Any] | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stage, self._energy, self._test = "", "", ""
        self._learned, self._total = 0, 0
        self._warnings: list[str] = []
        self._bar = Bar("presentations", display, clock)

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
        if self._bar.is_due():
            self._show()

    def tested(self, presentation: int, values: Mapping[str, float]) -> None:
        self._test = measured(values)
        self._show()

    def finish(self, summary: str) -> None:
        self._stage = summary

    def close(self) -> None:
        self._show()

    def _show(self) -> None:
        count = f"{self._learned:,} of {self._total:,} presentations" if self._total else ""
        words = [part for part in (self._stage, count, self._energy, self._test) if part]
        self._bar.draw(self._learned, self._total, ", ".join(words), self._warnings)
