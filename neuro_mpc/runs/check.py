"""Checking a run: everything that could keep it from starting, and what it will take."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from neuro_mpc.descriptions.circuit import Circuit
from neuro_mpc.descriptions.protocol import ExperimentProtocol, Protocol
from neuro_mpc.networks.usable import require_usable
from neuro_mpc.runs import task
from neuro_mpc.runs.estimate import Estimate
from neuro_mpc.runs.preparation import NameOrPath, prepare

if TYPE_CHECKING:
    from neuro_mpc.simulation.trained import Source


def check(
    circuit: Circuit | NameOrPath | None,
    protocol: Protocol | ExperimentProtocol | NameOrPath,
    *,
    start: Source | None = None,
    data: Any = None,
    seed: int | None = None,
    backend: str = "cpp",
    threads: int = 1,
    workers: int = 1,
    scheduler: str | None = None,
) -> Estimate:
    """Check a run without running it.

    Parameters
    ----------
    circuit : Circuit, str or path, or None
        As for `simulate`.
    protocol : Protocol, ExperimentProtocol, str or path
        As for `simulate`.
    start : str, path, xarray.DataTree or Trained, optional
        As for `simulate`.
    data : xarray.Dataset, xarray.DataArray or dict of str to array, optional
        As for `simulate`.
    seed : int, optional
        As for `simulate`.
    backend : {"cpp", "cython", "numpy"}, optional
        As for `simulate`.
    threads : int, optional
        As for `simulate`.
    workers : int, optional
        As for `simulate`.
    scheduler : str, optional
        As for `simulate`; it is not asked.

    Returns
    -------
    Estimate
        Memory and disk in bytes, time in seconds, and the task of the run (`task`).

    Raises
    ------
    DescriptionError
        Circuit and protocol do not fit.
    RunError
        The run cannot start.

    Examples
    --------
    >>> import neuro_mpc as nm
    >>> protocol = nm.load_protocol("toy-language", {"stimulus.load": 2, "learning.batch": 10, "learning.epochs": 1})
    >>> nm.check("mpl", protocol, backend="numpy").presentations
    20
    """
    run = prepare(
        circuit,
        protocol,
        start=start,
        data=data,
        seed=seed,
        backend=backend,
        threads=threads,
        workers=workers,
        scheduler=scheduler,
    )
    require_usable(run.backend)
    return dataclasses.replace(run.estimate, task=task.as_text(run.data))
