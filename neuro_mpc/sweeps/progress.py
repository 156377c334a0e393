"""The progress of a sweep: a bar on a terminal, a line for each member elsewhere, nothing from Python."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Self

from neuro_mpc.runs.progress import lines_on, print_at_once, shows_bars, spinner_for
from neuro_mpc.runs.terminal import mention

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from neuro_mpc.sweeps.members import Outcome


class SilentSweep:
    """Says nothing; its methods are what a sweep calls, and `with` closes it."""

    def say(self, text: str) -> None:
        """Something to know before the members run, or after."""

    def warning(self, text: str) -> None:
        """A reason to read the results with caution; in Python alone, it is a warning of Python."""
        warnings.warn(text, stacklevel=3)

    def start(self, total: int) -> None:
        """`total` members are about to run."""

    def learned(self, name: str, fraction: float) -> None:
        """A member has learned this fraction of its presentations. Called from any thread."""

    def ended(self, outcome: Outcome, summary: str) -> None:
        """A member is over."""

    def close(self) -> None:
        """Give the terminal back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class QuietSweep(SilentSweep):
    """Warnings only, on standard error."""

    def warning(self, text: str) -> None:
        mention(f"warning: {text}", sys.stderr)


class PlainSweep(SilentSweep):
    """A line for each member that ended, for a log."""

    def __init__(self, write: Callable[[str], object] = print_at_once) -> None:
        self._write, self._total, self._done = write, 0, 0

    def say(self, text: str) -> None:
        self._write(text)

    def warning(self, text: str) -> None:
        self.say(f"warning: {text}")

    def start(self, total: int) -> None:
        self._total = total

    def ended(self, outcome: Outcome, summary: str) -> None:
        self._done += 1
        self._write(f"{self._done} of {self._total}  {summary}")


class SweepBar(PlainSweep):
    """A bar below the lines: members that ended, and what the others have learned so far."""

    def __init__(self, console: Console) -> None:
        from rich import progress

        super().__init__(partial(console.print, markup=False, highlight=False, soft_wrap=True))
        self._bar = progress.Progress(
            progress.SpinnerColumn(spinner_for(console)),
            progress.TextColumn("{task.fields[members]}", markup=False),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._fractions: dict[str, float] = {}

    def start(self, total: int) -> None:
        super().start(total)
        self._task = self._bar.add_task("", total=total, members=self._members())
        self._bar.start()

    def learned(self, name: str, fraction: float) -> None:
        self._fractions[name] = fraction
        self._show()

    def ended(self, outcome: Outcome, summary: str) -> None:
        super().ended(outcome, summary)
        self._fractions[outcome.name] = 1.0
        self._show()

    def close(self) -> None:
        self._bar.stop()

    def _members(self) -> str:
        return f"{self._done} of {self._total} members"

    def _show(self) -> None:
        if self._task is None:
            return
        self._bar.update(self._task, completed=sum(list(self._fractions.values())), members=self._members())


def sweep_progress_on(console: Console | None) -> SilentSweep:
    """A bar where `console` is a terminal, plain lines where it is a file or a pipe, warnings alone without one."""
    if console is None:
        return QuietSweep()
    return SweepBar(console) if shows_bars(console) else PlainSweep(lines_on(console))
