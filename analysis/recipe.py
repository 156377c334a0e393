"""What the recipes share: a run file in, numbers and a figure out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import xarray as xr

import neuro_mpc as nm


def answer(question: str, figure: str, numbers: Callable[[xr.DataTree], Iterable[str]]) -> None:
    """Reads RUN and --out from the command line, prints `numbers(run)` and draws `figure` of the run."""
    words = argparse.ArgumentParser(
        description=question, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("run", type=Path, metavar="RUN", help="a run file")
    words.add_argument("--out", type=Path, metavar="FILE", help="a figure (png, pdf, svg) or a folder")
    given = words.parse_args()
    try:
        with nm.open_run(given.run) as run:
            print(*numbers(run), sep="\n")
            print(*nm.plot_run(run, figure, given.out), sep="\n")
    except nm.NeuroMPCError as error:
        sys.exit(f"{words.prog}: {error}")
