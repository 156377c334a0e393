"""Where a sweep that was started from Python tells of its progress: on a terminal, in a notebook, or not at all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from neuro_mpc.runs.progress import console_of
from neuro_mpc.sweeps.notebook_progress import NotebookSweep
from neuro_mpc.sweeps.progress import SilentSweep, sweep_progress_on
from neuro_mpc.system.notebook import in_notebook


@contextmanager
def sweep_progress_of(progress: SilentSweep | bool | None) -> Iterator[SilentSweep]:
    """The progress for an argument of `sweep`: True is that of the command line, or of a notebook; False and None show
    nothing."""
    if progress is True:
        with NotebookSweep() if in_notebook() else sweep_progress_on(console_of(sys.stdout)) as shown:
            yield shown
    else:
        yield progress or SilentSweep()
