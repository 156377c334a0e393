"""Where a run that was started from Python tells of its progress: on a terminal, in a notebook, or not at all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from neuro_mpc.runs.notebook_progress import NotebookProgress
from neuro_mpc.runs.progress import SilentProgress, console_of, progress_on
from neuro_mpc.system.notebook import in_notebook


@contextmanager
def progress_of(progress: SilentProgress | bool | None) -> Iterator[SilentProgress]:
    """The progress for an argument of `simulate`: True is that of the command line, or of a notebook; False and None
    show nothing."""
    if progress is True:
        with NotebookProgress() if in_notebook() else progress_on(console_of(sys.stdout)) as shown:
            yield shown
            shown.finish("complete")
    else:
        yield progress or SilentProgress()
