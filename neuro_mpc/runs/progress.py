"""The progress of a run: a bar on a terminal, a few plain lines elsewhere, nothing from Python."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TextIO

from neuro_mpc.runfile import labels
from neuro_mpc.runs.terminal import ByProduct, mention

if TYPE_CHECKING:
    from rich.console import Console


def print_at_once(text: str) -> None:
    """Print a line and flush it, for whoever follows a log."""
    mention(text, sys.stdout)


def console_of(stream: TextIO | None) -> "Console":
    """A standard stream, for a bar."""
    from rich.console import Console

    # Rich asks for a file, and uses of it what a text stream has.
    return Console(file=ByProduct(stream))  # pyright: ignore[reportArgumentType]


def lines_on(console: "Console") -> Callable[[str], None]:
    """Prints lines where `console` would, flushed, for whoever follows a log."""
    return lambda text: mention(text, console.file)  # pyright: ignore[reportArgumentType]


def spinner_for(console: "Console | None") -> str:
    """The name of a spinner whose characters the terminal can show."""
    return "dots" if console is None or console.encoding.lower().startswith("utf") else "line"


WIDE = 100  # columns


class SilentProgress:
    """Says nothing; its methods are what a run calls, and `with` closes it."""

    def stage(self, text: str) -> None:
        """The run now does what `text` says, for example "compiling"."""

    def warning(self, text: str) -> None:
        """A reason to read the results with caution; the run file holds it, and it is repeated at the end."""

    def start(self, total: int) -> None:
        """Presentations begin; at the end, `total` of them will have been learned."""

    def update(self, presentation: int, free_energy: float) -> None:
        """`presentation` presentations are learned; the last one had this free energy, a mean per trial."""

    def tested(self, presentation: int, values: Mapping[str, float]) -> None:
        """A test after `presentation` presentations gave these values, by name of the measure."""

    def finish(self, summary: str) -> None:
        """The run is over; `summary` is its one line."""

    def close(self) -> None:
        """Give the terminal back; called on leaving `with`, whatever happened."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class QuietProgress(SilentProgress):
    """Warnings only, on standard error."""

    def warning(self, text: str) -> None:
        mention(f"warning: {text}", sys.stderr)


class PlainProgress(SilentProgress):
    """Lines for a log: each stage once, and between stages at most one line every `interval` seconds."""

    def __init__(
        self,
        write: Callable[[str], object] = print_at_once,
        *,
        interval: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._interval, self._clock = write, interval, clock
        self._stages: set[str] = set()
        self._total, self._test, self._last = 0, "", clock()

    def stage(self, text: str) -> None:
        if text not in self._stages:
            self._stages.add(text)
            self._say(text)

    def warning(self, text: str) -> None:
        self._say(f"warning: {text}")

    def start(self, total: int) -> None:
        self._total = total

    def update(self, presentation: int, free_energy: float) -> None:
        if self._clock() - self._last >= self._interval:
            learned = f"presentation {presentation} of {self._total}, free energy {free_energy:.4g}"
            self._say(f"{learned}, {self._test}" if self._test else learned)

    def tested(self, presentation: int, values: Mapping[str, float]) -> None:
        self._test = measured(values)

    def finish(self, summary: str) -> None:
        self._say(summary)

    def _say(self, text: str) -> None:
        self._write(text)
        self._last = self._clock()


class ProgressBar(SilentProgress):
    """A bar on a terminal: stage, presentations, time left, free energy and the last test."""

    def __init__(self, console: "Console | None" = None) -> None:
        from rich import progress
        from rich.console import Console
        from rich.table import Column

        console = console or Console()
        cut = Column(no_wrap=True, ratio=1)  # a narrow terminal cuts the test, never the count
        bar = [progress.BarColumn(bar_width=20)] if console.width >= WIDE else []  # the score takes its place
        self._bar = progress.Progress(
            progress.SpinnerColumn(spinner_for(console)),
            progress.TextColumn("{task.description}", markup=False),
            *bar,
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
            progress.TextColumn("{task.fields[energy]}", markup=False),
            progress.TextColumn("{task.fields[test]}", markup=False, table_column=cut),
            console=console,
            expand=True,
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, energy="", test="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def close(self) -> None:
        self._bar.stop()

    def stage(self, text: str) -> None:
        self._bar.update(self._task, description=text)

    def warning(self, text: str) -> None:
        self._bar.console.print(f"warning: {text}", markup=False, highlight=False, soft_wrap=True)

    def start(self, total: int) -> None:
        self._bar.update(self._task, total=total)

    def update(self, presentation: int, free_energy: float) -> None:
        self._bar.update(self._task, completed=presentation, energy=f"free energy {free_energy:.4g}")

    def tested(self, presentation: int, values: Mapping[str, float]) -> None:
        self._bar.update(self._task, test=measured(values))

    def finish(self, summary: str) -> None:
        self._bar.stop()
        self._bar.console.print(summary, markup=False, highlight=False, soft_wrap=True)


def progress_on(console: "Console | None") -> SilentProgress:
    """A bar where `console` is a terminal, plain lines where it is not, warnings alone without one."""
    if console is None:
        return QuietProgress()
    return ProgressBar(console) if shows_bars(console) else PlainProgress(lines_on(console))


def shows_bars(console: "Console") -> bool:
    """Whether lines of `console` can be drawn again: not in a file, a pipe, or a dumb terminal."""
    return console.is_terminal and not console.is_dumb_terminal


@contextmanager
def written_on(console: "Console | None") -> Iterator[Callable[[int, int], None]]:
    """Takes how much of a file is written, and how much there is, and shows it on a terminal."""
    from rich import progress

    shown = console is not None and shows_bars(console)
    with progress.Progress(console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task("writing", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def measured(values: Mapping[str, float]) -> str:
    """The values of a test as one phrase: `test loss 7.213, correct letter ratio 0.981`."""
    return ", ".join(f"{labels.measured(name).words} {_number(name, value)}" for name, value in values.items())


def _number(name: str, value: float) -> str:
    return f"{value:.3f}" if name in ("accuracy", "correct_letter_ratio") else f"{value:.4g}"
