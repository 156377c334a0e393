"""What the recipes of canonical circuits share: a run in, trials of one's own inferred by its circuit, a figure out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import neuro_mpc as nm
from neuro_mpc.plots import style

ALL_TRIALS = {
    "stimulus.source": "arrays",
    "stimulus.validation": 0,
    "stimulus.test": 0,
    "experiment.split": "train",
    "experiment.trials": 0,
}


def inferred(trained: nm.Trained, data: Mapping[str, np.ndarray], changes: Mapping[str, object] = {}) -> xr.Dataset:
    """What a trained circuit infers of trials: `P_belief`, `P_error` … (trial, unit), of the only step.

    data     channel → values (trial, unit), NaN for nothing there
    changes  keys of the circuit, as for `nm.changed`
    """
    return inferred_by_step(trained, {name: values[:, None] for name, values in data.items()}, changes).isel(step=0)


def inferred_by_step(
    trained: nm.Trained, data: Mapping[str, np.ndarray], changes: Mapping[str, object] = {}
) -> xr.Dataset:
    """The same of trials of several steps: values (trial, step, unit), classes (trial, step) or (trial,)."""
    circuit = nm.changed(trained.unsized(), changes)
    protocol = nm.load_protocol("inference", ALL_TRIALS)
    run = nm.simulate(circuit, protocol, start=trained, data=dict(data), backend="numpy")
    return nm.analysis.experiment(run, "inference")


def answer(question: str, drawn: Callable[[nm.Trained], tuple[Iterable[str], Figure]]) -> None:
    """Reads RUN and --out from the command line, prints the numbers and saves the figure of `drawn(trained)`."""
    words = argparse.ArgumentParser(description=question, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("run", type=Path, metavar="RUN", help="a run file")
    words.add_argument("--out", type=Path, metavar="FILE", required=True, help="a figure (png, pdf, svg)")
    given = words.parse_args()
    try:
        trained = nm.load_trained(given.run)
        with style.applied():
            numbers, figure = drawn(trained)
            print(*numbers, sep="\n")
            figure.savefig(given.out)
            print(given.out)
    except nm.NeuroMPCError as error:
        sys.exit(f"{words.prog}: {error}")
