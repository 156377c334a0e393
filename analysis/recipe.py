"""What the recipes share: a run file in, numbers and a figure out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import neuro_mpc as nm


def answer(question: str, figure: str, numbers: Callable[..., Iterable[str]], several: bool = False) -> None:
    """Reads RUN and --out from the command line, prints `numbers(run)` and draws `figure` of the run.

    several  take more than one RUN, as of several seeds, and hand the list on
    """
    words = argparse.ArgumentParser(description=question, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("runs", type=Path, metavar="RUN", nargs="+" if several else 1, help="a run file")
    words.add_argument("--out", type=Path, metavar="FILE", help="a figure (png, pdf, svg) or a folder")
    given = words.parse_args()
    try:
        with ExitStack() as stack:
            runs = [stack.enter_context(nm.open_run(path)) for path in given.runs]
            run = runs if several else runs[0]
            print(*numbers(run), sep="\n")
            print(*nm.plot_run(run, figure, given.out), sep="\n")
    except nm.NeuroMPCError as error:
        sys.exit(f"{words.prog}: {error}")
